"""The accuracy report of a published model: against its float original, layer by layer, on inputs it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from prover.errors import CorruptModel

GATE_POINTS = 0.5
"""Accuracy that the integer model may lose, in percentage points."""


@dataclass(frozen=True)
class LayerReport:
    """One layer.

    `error` is the root mean square of (integer - float) over that of float, for the layer's last value. `clamped` is
    per operator ("1 dot") the share of its elements at an end of its clamp; the 0 of a ReLU does not count.
    """

    name: str
    operators: int
    bytes_committed: int
    error: float | None
    clamped: Mapping[str, float]


@dataclass(frozen=True)
class AccuracyReport:
    """Accuracies are shares of `samples`; `agreement` is the share on which both answer alike."""

    name: str
    model: str
    samples: int
    float_accuracy: float
    integer_accuracy: float
    agreement: float
    by_layer: tuple[LayerReport, ...]
    backends: Mapping[str, int]
    """How many dots each matmul backend computed on the publisher's machine."""

    @property
    def lost_points(self) -> float:
        """Percentage points of accuracy lost to the integers; negative if gained."""
        return 100 * (self.float_accuracy - self.integer_accuracy)

    @property
    def passes(self) -> bool:
        """Whether the model may be published."""
        return self.lost_points <= GATE_POINTS

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "lost_points": self.lost_points, "passes": self.passes}

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> AccuracyReport:
        """From what `as_dict` gave. CorruptModel if it is no such report."""
        try:
            fields = {name: held[name] for name in cls.__dataclass_fields__}
            layers = tuple(LayerReport(**layer) for layer in fields.pop("by_layer"))
            return cls(**fields, by_layer=layers)
        except (KeyError, TypeError) as error:
            raise CorruptModel(f"the accuracy report cannot be read: {error!r}; publish the model anew") from error

    def __rich__(self) -> Group:
        verdict = "passes" if self.passes else f"fails, more than {GATE_POINTS} points lost"
        summary = Text(
            f"{self.name} {self.model}\n"
            f"accuracy on {self.samples} held-out samples: float {self.float_accuracy:.2%}, "
            f"integer {self.integer_accuracy:.2%} ({verdict}); same answer on {self.agreement:.2%}\n"
            f"matmul: {', '.join(f'{n} dots by {name}' for name, n in self.backends.items())}"
        )
        table = Table("layer", "operators", "bytes committed", "error to float", "clamped at most")
        for layer in self.by_layer:
            worst = max(layer.clamped, key=layer.clamped.__getitem__, default=None)
            clamp = f"{layer.clamped[worst]:.3%} ({worst})" if worst and layer.clamped[worst] else "none"
            error = "" if layer.error is None else f"{layer.error:.3%}"
            table.add_row(layer.name, str(layer.operators), f"{layer.bytes_committed:,}", error, clamp)
        return Group(summary, table)
