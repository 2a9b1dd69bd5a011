"""Measures a compiled model against its float original on held-out samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from prover import validity
from prover.compiler import CompiledModel
from prover.compiler.builder import Activation, Produced
from prover.compiler.calibrate import check_inputs
from prover.compiler.plan import WIDE_LIMIT
from prover.errors import InvalidInput
from prover.operators import row_of
from prover.program import Layer, Opcode, Operator
from prover.progress import counted
from prover.quality import Judge
from prover.quantisation import LIMIT, Reals
from prover.report import AccuracyReport, Dearest, LayerReport
from prover.runtime import Run, Runtime
from prover.trace import Array

TRACED_SAMPLES = 8
"""Samples on which layers are compared and clamps counted."""
CALIBRATED = (LIMIT, WIDE_LIMIT)
"""Ends of the ranges that calibration chooses. Every other clamp follows from the values: a mask, a count, a ReLU."""


def measure(
    model: CompiledModel,
    samples: Iterable[Sequence[torch.Tensor]],
    judge: Judge,
    *,
    runtime: Runtime | None = None,
) -> AccuracyReport:
    """Run both models on held-out samples, tuples of inputs with the shapes the model was compiled for."""
    runtime = runtime or Runtime(model.program, model.weights)
    layers = [_Tally(model, number) for number in range(len(model.program.layers))]
    reals: list[Reals] = []
    integers: list[Reals] = []
    for number, inputs in enumerate(counted("measuring", samples)):
        what = f"held-out input {number} of {model.name}"
        check_inputs(model.graph, inputs, what)
        try:
            query = model.quantise(*inputs)
        except InvalidInput as error:
            raise InvalidInput(f"{what}: {error}") from error
        with torch.no_grad():
            floats = model.graph.evaluate(inputs)
        run = runtime.run(query)
        reals.append(floats[model.graph.outputs[0]].numpy())
        integers.append(model.dequantise(run.outputs)[0])
        if number < TRACED_SAMPLES:
            for tally in layers:
                tally.count(run, floats)
    return AccuracyReport(
        model.name,
        model.id.hex(),
        len(reals),
        judge(reals, integers),
        tuple(tally.report() for tally in layers),
        {name: len(dots) for name, dots in runtime.backends().items()},
        sum(o.numel * o.terms for layer in model.program.layers for o in layer.operators if o.opcode is Opcode.DOT),
        _dearest(model),
    )


def _dearest(model: CompiledModel) -> Dearest:
    """The step that costs the most gas."""
    steps = (
        (*validity.dearest_move(model.program, number, operator), model.program.names[number], row_of(operator).name)
        for number, layer in enumerate(model.program.layers)
        for operator in layer.operators
    )
    payload, gas, layer, name = max(steps, key=lambda step: step[1])
    return Dearest(layer, name, gas, payload)


class _Tally:
    """Sums over samples for one layer."""

    def __init__(self, model: CompiledModel, number: int) -> None:
        self.model = model
        self.number = number
        self.layer: Layer = model.program.layers[number]
        self.last = self._last_value()
        self.squared_error = self.squared = 0.0
        self.clamped = dict.fromkeys(self._clamping(), 0.0)
        self.samples = 0

    def _last_value(self) -> tuple[str, Activation] | None:
        """The named value that the layer's latest checkpoint holds."""
        best: tuple[str, Activation] | None = None
        latest = -1
        for name, value in self.model.values.items():
            origin = value.tensor.origin
            if isinstance(origin, Produced) and origin.layer == self.number and origin.operator > latest:
                best, latest = (name, value), origin.operator
        return best

    def _clamping(self) -> Iterator[int]:
        """Operators whose clamp can cut values off: those that rescale to a range that calibration chose. A table
        holds its own ends."""
        return (
            i
            for i, operator in enumerate(self.layer.operators)
            if operator.hi in CALIBRATED and row_of(operator).rescales and row_of(operator).name != "table"
        )

    def count(self, run: Run, floats: Mapping[str, torch.Tensor]) -> None:
        results = run.results(self.number)
        self.samples += 1
        for index in self.clamped:
            self.clamped[index] += _share_clamped(self.layer.operators[index], results[index])
        if self.last is not None:
            name, value = self.last
            assert isinstance(value.tensor.origin, Produced)
            held = floats[name].to(torch.float64).numpy()
            got = value.read(results[value.tensor.origin.operator])
            self.squared_error += float(np.square(got - held).sum())
            self.squared += float(np.square(held).sum())

    def report(self) -> LayerReport:
        error = (self.squared_error / self.squared) ** 0.5 if self.squared else None
        clamped = {
            f"{index} {row_of(self.layer.operators[index]).name}": share / max(self.samples, 1)
            for index, share in self.clamped.items()
        }
        committed = sum(self.layer.operators[output].nbytes for output in self.layer.outputs)
        name = self.model.program.names[self.number]
        return LayerReport(name, len(self.layer.operators), committed, error, clamped)


def _share_clamped(operator: Operator, result: Array) -> float:
    at_end = result == operator.hi
    if operator.lo not in (0, operator.dtype.lo):  # a ReLU; hidden scores
        at_end = at_end | (result == operator.lo)
    return float(at_end.mean())
