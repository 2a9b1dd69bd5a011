"""What calibration inputs show of every value: its range, and of a linear layer's input its second moments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from prover.compiler.graph import Graph, Node, Ref
from prover.compiler.patterns import NORM
from prover.errors import UnsupportedModule
from prover.progress import counted

MOST_MOMENTS = 1 << 14
"""Width up to which second moments are kept (1 GiB); the weights of wider layers are rounded to nearest."""

OUTLIER_LENGTH = 4.0
"""Rows longer than this many times the median one count in the second moments as if they were just so long."""

LINEAR = {"aten.addmm": "mat1", "aten.mm": "self"}
"""Operators with a constant matrix [K, O], and their argument that is multiplied by it."""


@dataclass
class Rows:
    """Of the rows [n, K] that a linear layer multiplies: their number, K x K second moments, and largest magnitudes."""

    moments: torch.Tensor
    channels: torch.Tensor
    """Largest magnitude per column, [K]."""
    peaks: list[torch.Tensor] = field(default_factory=list)
    """Largest magnitude of each row."""
    count: int = 0

    def add(self, rows: torch.Tensor) -> None:
        magnitudes = rows.abs()
        lengths = rows.norm(dim=1)
        # One outlier token must not decide alone how the weights are rounded for all others.
        weights = (OUTLIER_LENGTH * lengths.median() / lengths.clamp(min=1e-30)).clamp(max=1.0)
        weighted = rows * weights[:, None]
        self.moments.addmm_(weighted.T, weighted)
        self.channels = torch.maximum(self.channels, magnitudes.amax(0))
        self.peaks.append(magnitudes.amax(1))
        self.count += len(rows)

    @property
    def row_peaks(self) -> torch.Tensor:
        return torch.cat(self.peaks)


@dataclass
class Statistics:
    """Of every value the largest magnitude; of every norm the largest mean square; of every linear layer its rows."""

    largest: dict[str, float] = field(default_factory=dict)
    least: dict[str, float] = field(default_factory=dict)
    """Of inputs, the lowest value."""
    squares: dict[str, float] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)
    """By the name of the value that the layer multiplies, views left out."""

    count: int = 0
    """Calibration inputs so far."""

    def see(self, name: str, value: torch.Tensor) -> None:
        """Take a value's range into account."""
        if value.dtype == torch.bool:
            self.largest[name] = 1.0
            return
        lowest, highest = torch.aminmax(value)
        largest = max(-float(lowest), float(highest))
        if not math.isfinite(largest):
            problem = f"value {name} becomes NaN or infinite on calibration item {self.count - 1}"
            raise UnsupportedModule(f"{problem}; check the calibration inputs and the weights")
        self.largest[name] = max(self.largest.get(name, 0.0), largest)

    def magnitude(self, name: str) -> float:
        """Largest magnitude of a value, 1 if it was always 0."""
        return self.largest[name] or 1.0


def row_source(graph: Graph, value: Ref) -> str:
    """The name of the value whose rows a linear layer multiplies: views that keep the last axis left out."""
    while (view := graph.producer(value, "aten.view")) is not None:
        source = view.arguments["self"]
        if graph.shape_of(source)[-1] != view.shape[-1]:
            break
        value = source
    return value.name


def calibrate(
    graph: Graph, calibration: Iterable[Sequence[torch.Tensor]], found: Statistics | None = None
) -> Statistics:
    """Statistics over calibration inputs, each a tuple of inputs shaped as the examples, added to those of `found`."""
    found = found if found is not None else Statistics()
    linears = [n.arguments[LINEAR[n.op]].name for n in graph.nodes if _is_linear(n)]
    sources = {row_source(graph, Ref(name)): name for name in linears}
    norms = [node for node in graph.nodes if node.op == NORM]
    with torch.no_grad():
        for inputs in counted("calibrating", calibration):
            check_inputs(graph, inputs, f"calibration item {found.count}")
            values = graph.evaluate(inputs)
            found.count += 1
            for name, value in values.items():
                found.see(name, value)
            for name in graph.inputs:
                found.least[name] = min(found.least.get(name, 0.0), float(values[name].min()))
            for node in norms:
                found.squares[node.name] = max(found.squares.get(node.name, 0.0), _mean_square(node, values))
            for source, name in sources.items():
                if values[name].shape[-1] > MOST_MOMENTS:
                    continue
                rows = values[name].reshape(-1, values[name].shape[-1]).to(torch.float32)
                if source not in found.rows:
                    width = rows.shape[1]
                    found.rows[source] = Rows(torch.zeros(width, width), torch.zeros(width))
                found.rows[source].add(rows)
    return found


def check_inputs(graph: Graph, inputs: Sequence[torch.Tensor], what: str) -> None:
    """UnsupportedModule if the module cannot take these inputs, called `what`."""
    strange = next((given for given in inputs if not isinstance(given, torch.Tensor)), None)
    if strange is not None:
        raise UnsupportedModule(f"{what} holds a {type(strange).__name__}; give tuples of tensors")
    wanted = list(graph.inputs.values())
    if [tuple(tensor.shape) for tensor in inputs] != [given.shape for given in wanted]:
        problem = f"{what} has shapes {', '.join(str(tuple(tensor.shape)) for tensor in inputs)}"
        expected = ", ".join(str(given.shape) for given in wanted)
        raise UnsupportedModule(f"{problem}; give tuples of inputs shaped as the examples: {expected}")
    for tensor, given in zip(inputs, wanted, strict=True):
        if tensor.dtype != given.dtype:
            raise UnsupportedModule(f"{what} is {tensor.dtype}; give {given.dtype}, as in the examples")


def _is_linear(node: Node) -> bool:
    return node.op in LINEAR and isinstance(node.arguments[LINEAR[node.op]], Ref) and not _both(node)


def _both(node: Node) -> bool:
    return isinstance(node.arguments["mat2"], Ref)


def _mean_square(node: Node, values: dict[str, torch.Tensor]) -> float:
    x = values[node.arguments["input"].name]
    if node.arguments["centred"]:
        x = x - x.mean(-1, keepdim=True)
    return float(x.square().mean(-1).max())
