"""From reals to integers, once, before any run: weights to i8 rows, real factors to multiplier and shift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.quantisation import Reals

MAX_MULTIPLIER_BITS = 30
MIN_MULTIPLIER_BITS = 16
INT64_MAX = (1 << 63) - 1


class SumTooLarge(ValueError):
    """No multiplier of useful precision keeps a sum inside int64."""


@dataclass(frozen=True)
class Requantiser:
    """(acc*m + c*2^lift) >> shift approximates acc*ratio + offset, per output channel. m and c are int32 [channels]."""

    m: NDArray[np.int32]
    c: NDArray[np.int32]
    shift: int
    lift: int


def quantise_rows(weight: Reals) -> tuple[NDArray[np.int8], Reals]:
    """(i8 [O, K], scales [O]) of a real matrix [O, K]: each row rounded to nearest by its largest magnitude / 127."""
    scales = np.abs(weight).max(axis=1) / 127
    scales[scales == 0] = scales.max() or 1.0  # any would do; a larger one costs the other rows precision
    return np.rint(weight / scales[:, None]).astype(np.int8), scales


def requantiser(ratios: Reals, offsets: Reals, accumulator: int, max_shift: int = 62) -> Requantiser:
    """Multipliers for accumulators of at most `accumulator`, with as many bits as the int64 bound allows.

    m and c may share one tensor, so the larger magnitude of both enters the bound (protocol, section 3.4).
    SumTooLarge if not even 16 bits are left.
    """
    exponent = math.frexp(float(ratios.max()))[1]
    for bits in range(MAX_MULTIPLIER_BITS, MIN_MULTIPLIER_BITS - 1, -1):
        shift = min(max_shift, bits - exponent)
        if shift < 0:
            continue
        m = np.rint(np.ldexp(ratios, shift))
        room = max(float(m.max()), 1.0)
        exact = np.ldexp(offsets, shift)
        largest = float(np.abs(exact).max())
        lift = max(0, math.ceil(math.log2(largest / room))) if largest else 0
        c = np.rint(np.ldexp(exact, -lift))
        magnitude = int(max(np.abs(m).max(), np.abs(c).max()))
        half = 1 << (shift - 1) if shift else 0
        if lift <= 62 and accumulator * magnitude + (magnitude << lift) + half <= INT64_MAX:
            return Requantiser(m.astype(np.int32), c.astype(np.int32), shift, lift)
    raise SumTooLarge(f"accumulators up to {accumulator} leave no room for a multiplier")


def single(ratio: float, accumulator: int, max_shift: int = 62) -> tuple[int, int]:
    """(m, shift) of one real factor."""
    scale = requantiser(np.array([ratio]), np.zeros(1), accumulator, max_shift)
    return int(scale.m[0]), scale.shift
