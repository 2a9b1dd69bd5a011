"""Scales of activations, from the largest magnitudes seen on calibration inputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch

from prover.compiler.graph import Graph
from prover.errors import UnsupportedModule
from prover.quantisation import LIMIT

HEADROOM = 1.25
"""Values this much above the calibrated largest are still not clamped; it costs a third of a bit of sixteen."""

Scales = Mapping[str, float]
"""By name of a value: what one unit of its i16 is worth."""


def calibrate(graph: Graph, calibration: Iterable[Sequence[torch.Tensor]]) -> Scales:
    """Scales of every value of the graph. Each calibration item is one tuple of inputs, shaped as the examples."""
    largest: dict[str, float] = {}
    with torch.no_grad():
        for inputs in calibration:
            for name, value in graph.evaluate(inputs).items():
                largest[name] = max(largest.get(name, 0.0), float(value.abs().max()))
    if not largest:
        raise UnsupportedModule("there are no calibration inputs; give at least one, a few hundred are better")
    for name, magnitude in largest.items():
        if not math.isfinite(magnitude):
            raise UnsupportedModule(f"value {name} becomes NaN or infinite on the calibration inputs; check them")
    return {name: (magnitude or 1.0) * HEADROOM / LIMIT for name, magnitude in largest.items()}
