"""From a torch module to published models: compiled, measured against float, and written only if they pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from prover.compiler import CompiledModel
from prover.compiler.compiled import Samples, compile_shapes
from prover.errors import InvalidInput, RefuteError
from prover.measure import measure
from prover.model_folder import Model
from prover.quality import Judge
from prover.report import AccuracyReport

Say = Callable[[str], object]
"""Told what is being done."""

Inputs = Sequence[torch.Tensor]


class MissesItsGate(RefuteError):
    """The integer model is not close enough to the float one to be published."""


@dataclass(frozen=True)
class Subject:
    """A module with all that is needed to publish it, at one shape of its inputs or at several.

    Args:
        name: of the model; at several shapes each model's name is its key in `examples`.
        examples: inputs that fix the shapes, by model.
        calibration: tuples of inputs, by model; all models share what they show.
        held_out: tuples of inputs that calibration has not seen, by model.
        judge: compares the outputs on the held-out inputs; by model, since their inputs differ.
        wanted: the models to publish; the others only calibrate.
        details: more of the report, by model.
        files: more files of the folder.

    Raises:
        InvalidInput: its parts do not belong together, or there is nothing to measure a model on.
    """

    name: str
    module: torch.nn.Module
    examples: Mapping[str, Inputs]
    calibration: Mapping[str, Samples]
    held_out: Mapping[str, Sequence[Inputs]]
    judge: Mapping[str, Judge]
    wanted: Sequence[str] = ()
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.module, torch.nn.Module):
            raise InvalidInput(f"{self.name}: its module is a {type(self.module).__name__}; give a torch.nn.Module")
        known = ", ".join(self.examples)
        unknown = [name for name in (*self.wanted, *self.calibration) if name not in self.examples]
        if unknown:
            raise InvalidInput(
                f"{self.name} has no example inputs of {unknown[0]!r}; it has some of: {known or 'none'}"
            )
        for name in self.wanted or self.examples:
            if not self.held_out.get(name):
                given = "give some that calibration has not seen"
                raise InvalidInput(f"{name} has no held-out inputs to measure it on; {given}")
            if name not in self.judge:
                raise InvalidInput(f"{name} has no judge; give one of prover.quality, or a function like them")

    @classmethod
    def single(
        cls,
        name: str,
        module: torch.nn.Module,
        calibration: Sequence[Inputs],
        held_out: Sequence[Inputs],
        judge: Judge,
        **more: Any,
    ) -> Subject:
        """At the one shape of its inputs."""
        example = {name: next(iter(held_out), ())}
        return cls(name, module, example, {name: calibration}, {name: held_out}, {name: judge}, **more)


def compile_subject(subject: Subject, say: Say = lambda _: None) -> dict[str, CompiledModel]:
    """The wanted models of a subject."""
    say(f"compiling {subject.name}: calibrating, rounding weights")
    compiled = compile_shapes(subject.module, subject.examples, subject.calibration)
    return {name: compiled[name] for name in (subject.wanted or compiled)}


def publishable(subject: Subject, say: Say = lambda _: None) -> dict[str, tuple[Model, AccuracyReport]]:
    """The wanted models with their reports; MissesItsGate names the first gate that one of them misses."""
    made = {}
    for name, compiled in compile_subject(subject, say).items():
        held_out = subject.held_out[name]
        say(f"measuring {name} on {len(held_out)} held-out inputs")
        report = measure(compiled, held_out, subject.judge[name])
        for gate, holds in report.quality.gates.items():
            if not holds:
                figures = ", ".join(f"{figure} {value:.5g}" for figure, value in report.figures.items())
                raise MissesItsGate(
                    f"{name} misses its gate, {gate}: {figures}; a model that does is not published: calibrate with "
                    "more inputs like those that it will be asked, 500 or more"
                )
        described = {**compiled.describe(), **subject.details.get(name, {}), "accuracy": report.as_dict()}
        made[name] = Model(compiled.program, compiled.weights, described, subject.files), report
    return made
