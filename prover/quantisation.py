"""How a model's integer inputs and outputs stand for reals; read from its report, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prover.errors import CorruptModel, InvalidInput
from prover.program import DType
from prover.trace import NUMPY_DTYPES, Array

Reals = NDArray[np.float64]

LIMIT = 32_639
"""Largest i16 activation: two signed i8 digits hold it (127 * 256 + 127)."""


@dataclass(frozen=True)
class Quantisation:
    """One input or output: real = scale * integer, for integers lo .. hi.

    With a scale of 1 it holds whole numbers (token ids, masks), and what is not between lo and hi is refused.
    """

    dtype: DType
    shape: tuple[int, ...]
    scale: float
    lo: int = -LIMIT
    hi: int = LIMIT

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers."""
        return self.scale == 1.0

    def quantise(self, values: Any) -> Array:
        """Reals of this shape as integers, rounded to nearest and clamped. InvalidInput for any others."""
        reals = np.asarray(values, np.float64)
        if reals.shape != self.shape:
            raise InvalidInput(f"an input has shape {reals.shape}; the model takes {self.shape}")
        if not np.isfinite(reals).all():
            raise InvalidInput("an input contains NaN or infinite values; replace them")
        if self.whole:
            return self._whole(reals)
        return np.clip(np.rint(reals / self.scale), self.lo, self.hi).astype(NUMPY_DTYPES[self.dtype])

    def _whole(self, reals: Reals) -> Array:
        wrong = (reals != np.rint(reals)) | (reals < self.lo) | (reals > self.hi)
        if wrong.any():
            at = int(np.flatnonzero(wrong.reshape(-1))[0])
            raise InvalidInput(
                f"element {at} of an input is {reals.reshape(-1)[at]:g}; the model takes whole numbers from {self.lo} "
                f"to {self.hi}"
            )
        return reals.astype(NUMPY_DTYPES[self.dtype])

    def dequantise(self, values: Array) -> Reals:
        """The reals that integers of this shape stand for."""
        return np.asarray(values, np.float64) * self.scale

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        held = {"dtype": self.dtype.name.lower(), "shape": list(self.shape), "scale": self.scale}
        return {**held, "lo": self.lo, "hi": self.hi}

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> Quantisation:
        """From an entry of a report's "inputs" or "outputs". CorruptModel if it is no such entry."""
        try:
            dtype = DType[str(held["dtype"]).upper()]
            shape = tuple(int(x) for x in held["shape"])
            return cls(dtype, shape, float(held["scale"]), int(held["lo"]), int(held["hi"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptModel(
                f"the report describes an input or output as {held!r}; publish the model anew"
            ) from error
