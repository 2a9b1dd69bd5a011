"""Weights of linear layers as i8 rows: smoothed against outlier channels, rounded against the inputs' second moments.

Smoothing (SmoothQuant, Xiao et al. 2023): channel j of an input is divided by s_j, column j of the weights multiplied.
Rounding (GPTQ, Frantar et al. 2023): columns are rounded one after the other, and the error that each makes in the
layer's outputs is taken up by the columns that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from prover.compiler.calibrate import Rows
from prover.quantisation import Reals

SMOOTHING = 0.35
"""Exponent of the inputs' magnitudes; the weights' is one minus it."""
DAMPING = 0.01
"""Share of the mean second moment that is added to the diagonal."""
BLOCK = 128
"""Columns whose errors are handed on together."""


@dataclass(frozen=True)
class IntegerRows:
    """A real matrix [O, K] as scales[:, None] * rows."""

    rows: NDArray[np.int8]
    scales: Reals


def smoothing_factors(inputs: Reals, weights: Sequence[Reals], exponent: float = SMOOTHING) -> Reals:
    """s [K] for inputs of magnitudes [K] that several matrices [O, K] multiply; their geometric mean is 1."""
    columns = np.maximum.reduce([np.abs(weight).max(axis=0) for weight in weights])
    floor = 1e-5 * max(float(inputs.max()), 1e-12), 1e-5 * max(float(columns.max()), 1e-12)
    factors = np.maximum(inputs, floor[0]) ** exponent / np.maximum(columns, floor[1]) ** (1 - exponent)
    return np.asarray(factors / np.exp(np.log(factors).mean()), np.float64)


def round_rows(weight: Reals, seen: Rows | None = None, factors: Reals | None = None) -> IntegerRows:
    """i8 rows of a matrix [O, K], each scaled to its largest magnitude / 127.

    `seen` are the rows that the matrix will multiply, before they were divided by `factors`; without them each weight
    is rounded to nearest.
    """
    scales = np.abs(weight).max(axis=1) / 127
    scales[scales == 0] = scales.max() or 1.0  # any would do; a larger one costs the other rows precision
    if seen is None or seen.count == 0:
        return IntegerRows(np.rint(weight / scales[:, None]).astype(np.int8), scales)
    moments = seen.moments.to(torch.float64) / seen.count
    if factors is not None:
        divisors = torch.from_numpy(factors)
        moments = moments / divisors[:, None] / divisors[None, :]
    return IntegerRows(_compensated(torch.from_numpy(weight), torch.from_numpy(scales), moments), scales)


def _compensated(weight: torch.Tensor, scales: torch.Tensor, moments: torch.Tensor) -> NDArray[np.int8]:
    """Columns in the order of their second moments, largest first, each rounded and its error handed on."""
    width = weight.shape[1]
    damping = DAMPING * float(moments.diagonal().mean()) or 1.0
    order = torch.argsort(moments.diagonal(), descending=True)
    moments = moments[order][:, order] + damping * torch.eye(width, dtype=moments.dtype)
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True)
    rest = weight[:, order].clone()
    rounded = torch.zeros_like(rest)
    for first in range(0, width, BLOCK):
        last = min(first + BLOCK, width)
        errors = torch.zeros(len(rest), last - first, dtype=rest.dtype)
        for column in range(first, last):
            value = rest[:, column]
            digit = (value / scales).round().clamp(-127, 127)
            rounded[:, column] = digit
            error = (value - digit * scales) / inverse[column, column]
            rest[:, column + 1 : last] -= error[:, None] * inverse[column, column + 1 : last]
            errors[:, column - first] = error
        rest[:, last:] -= errors @ inverse[first:last, last:]
    result = torch.empty_like(rounded)
    result[:, order] = rounded
    return result.to(torch.int8).numpy()
