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
        for number, inputs in enumerate(calibration):
            shapes = [tuple(tensor.shape) for tensor in inputs]
            if shapes != list(graph.inputs.values()):
                expected = ", ".join(map(str, graph.inputs.values()))
                problem = f"calibration item {number} has shapes {', '.join(map(str, shapes))}"
                raise UnsupportedModule(f"{problem}; give tuples of inputs shaped as the examples: {expected}")
            for name, value in graph.evaluate(inputs).items():
                magnitude = float(value.abs().max())
                if not math.isfinite(magnitude):
                    problem = f"value {name} becomes NaN or infinite on calibration item {number}"
                    raise UnsupportedModule(f"{problem}; check the calibration inputs and the weights")
                largest[name] = max(largest.get(name, 0.0), magnitude)
    if not largest:
        raise UnsupportedModule("there are no calibration inputs; give at least one, a few hundred are better")
    return {name: (magnitude or 1.0) * HEADROOM / LIMIT for name, magnitude in largest.items()}
