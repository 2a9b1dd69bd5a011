"""The report of a published model: quality against float, layers, cost, and the dearest step to dispute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from rich.console import Group
from rich.table import Table
from rich.text import Text

from prover.errors import CorruptModel
from prover.quality import Quality


def _check_types(part: Any) -> None:
    """TypeError if a field of a dataclass does not hold what it is declared to hold."""
    for name, declared in get_type_hints(type(part)).items():
        value = getattr(part, name)
        if not _holds(value, declared):
            raise TypeError(f"{name} is {value!r}")


def _holds(value: Any, declared: Any) -> bool:
    origin, of = get_origin(declared) or declared, get_args(declared)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(isinstance(k, str) and _holds(v, of[1]) for k, v in value.items())
    if origin is UnionType:
        return any(_holds(value, option) for option in of)
    if origin in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, int | float if origin is float else origin)


@dataclass(frozen=True)
class LayerReport:
    """One layer.

    `error` is the root mean square of (integer - float) over that of float, for the layer's last value. `clamped` is
    per operator ("1 dot") the share of its elements at an end of its clamp, the 0 of a ReLU and hidden scores left
    out.
    """

    name: str
    operators: int
    bytes_committed: int
    error: float | None
    clamped: Mapping[str, float]


@dataclass(frozen=True)
class Dearest:
    """The step of a dispute that costs the most, by the loader's formula (protocol, section 3.6)."""

    layer: str
    operator: str
    gas: int
    bytes: int


@dataclass(frozen=True)
class AccuracyReport:
    """A compiled model measured on `samples` held-out inputs; the gates decide whether it may be published."""

    name: str
    model: str
    samples: int
    quality: Quality
    by_layer: tuple[LayerReport, ...]
    backends: Mapping[str, int]
    """How many dots each matmul backend computed on the publisher's machine."""
    multiply_adds: int
    dearest: Dearest

    @property
    def figures(self) -> Mapping[str, float]:
        return self.quality.figures

    @property
    def float_accuracy(self) -> float:
        """Of a classifier, a share of the samples."""
        return self.figures["float_accuracy"]

    @property
    def integer_accuracy(self) -> float:
        return self.figures["integer_accuracy"]

    @property
    def lost_points(self) -> float:
        """Percentage points of accuracy lost to the integers; negative if gained."""
        return self.figures["lost_points"]

    @property
    def passes(self) -> bool:
        """Whether the model may be published."""
        return self.quality.passes

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "passes": self.passes}

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> AccuracyReport:
        """From what `as_dict` gave. CorruptModel if it is no such report."""
        try:
            fields = {name: held[name] for name in cls.__dataclass_fields__}
            fields["quality"] = Quality(**fields["quality"])
            fields["dearest"] = Dearest(**fields["dearest"])
            fields["by_layer"] = tuple(LayerReport(**layer) for layer in fields["by_layer"])
            report = cls(**fields)
            for part in (report, report.quality, report.dearest, *report.by_layer):
                _check_types(part)
            return report
        except (KeyError, TypeError) as error:
            raise CorruptModel(f"the accuracy report cannot be read: {error!r}; publish the model anew") from error

    def __rich__(self) -> Group:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.5g}" for name, value in self.figures.items())
        gates = "\n".join(f"  {'passes' if holds else 'FAILS'}: {gate}" for gate, holds in self.quality.gates.items())
        summary = Text(
            f"{self.name} {self.model}\n"
            f"on {self.samples} held-out inputs: {figures}\n{gates}\n"
            f"{self.multiply_adds:,} multiply-adds; matmul: "
            f"{', '.join(f'{n} dots by {name}' for name, n in self.backends.items())}\n"
            f"dearest step: {self.dearest.operator} in {self.dearest.layer}, at most {self.dearest.gas:,} gas and "
            f"{self.dearest.bytes:,} bytes"
        )
        table = Table()
        for heading in ("layer", "operators", "bytes committed", "error to float", "clamped at most"):
            table.add_column(heading, no_wrap=heading == "layer")
        for layer in self.by_layer:
            worst = max(layer.clamped, key=layer.clamped.__getitem__, default=None)
            clamp = f"{layer.clamped[worst]:.3%} ({worst})" if worst and layer.clamped[worst] else "none"
            error = "" if layer.error is None else f"{layer.error:.3%}"
            table.add_row(layer.name, str(layer.operators), f"{layer.bytes_committed:,}", error, clamp)
        return Group(summary, table)
