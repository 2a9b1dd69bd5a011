"""Runs a program fast, keeping the checkpoints only; the same bits as `prover.interpreter`.

Programs with enough work run as fused kernels (`prover.kernels.fused`); small ones, named backends and other
devices operator by operator with torch kernels. Batches of queries go through every step together.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from prover.errors import InvalidInput
from prover.kernels import Range, Stored, run_operator, select
from prover.kernels.dot import DotPlan, plan
from prover.kernels.fused.execution import Execution
from prover.kernels.fused.graph import Result
from prover.kernels.fused.self_test import fused_kernels_are_exact
from prover.kernels.ranges import range_of
from prover.program import (
    CheckpointRef,
    Immediate,
    InputRef,
    Opcode,
    Operand,
    Program,
    ResultRef,
    TensorRoot,
    WeightRef,
)
from prover.trace import NUMPY_DTYPES, Array, Trace

Tensors = Sequence[torch.Tensor]

WORTH_FUSING = 1 << 22
"""Elements and terms of a program from which on compiling kernels (a second, once per machine) pays."""


@dataclass(frozen=True)
class Run:
    """One run of a program by a runtime (an `Execution`)."""

    runtime: Runtime
    inputs: tuple[Array, ...]
    checkpoints: tuple[tuple[Array, ...], ...]

    @property
    def program(self) -> Program:
        return self.runtime.program

    @cached_property
    def trace(self) -> Trace:
        """The checkpoints and their roots; hashed when first asked for."""
        return Trace.commit(self.checkpoints)

    @cached_property
    def outputs(self) -> tuple[Array, ...]:
        return tuple(
            self.checkpoints[spec.source.layer][spec.source.slot].reshape(spec.shape) for spec in self.program.outputs
        )

    def weight(self, root: TensorRoot) -> Array:
        return self.runtime.weights[root]

    def results(self, layer: int) -> list[Array]:
        """The results of all operators of a layer, re-run from the checkpoints before it."""
        return self.runtime.results(layer, self.inputs, self.checkpoints)


def work(program: Program) -> int:
    """Elements times terms of all operators."""
    return sum(operator.numel * operator.terms for layer in program.layers for operator in layer.operators)


class Runtime:
    """A program made ready to run on one device.

    Args:
        program: a valid program (`prover.validity.check`); an invalid one may give undefined numbers.
        weights: every weight the program names, flat or shaped.
        backend: a matmul backend by name ("int8", "float32", "float64", "int64"), so that a watcher can confirm a
            result by a second route: without fused kernels; by default the fastest exact one for each product.
        device: a torch device.
        fused: whether to use fused kernels; by default for programs with enough work, on the CPU.

    Raises:
        InexactBackend: there is no such device here, or no backend, or not the named one, is exact on it.
    """

    def __init__(
        self,
        program: Program,
        weights: Mapping[TensorRoot, Array],
        *,
        backend: str | None = None,
        device: str = "cpu",
        fused: bool | None = None,
    ) -> None:
        self.program = program
        self.weights = weights
        self._selection = select(backend, device)
        self.device = torch.device(device)
        # A changed result may leave its clamp, so ranges then follow from dtypes alone.
        self._observed = type(self).evaluate is not Runtime.evaluate
        self._weights = {root: self._to_device(weights[root]) for root in program.weight_roots()}
        self._ranges = {root: Range(int(w.min()), int(w.max())) for root, w in self._weights.items()}
        eligible = backend is None and self.device.type == "cpu" and not self._observed
        wanted = eligible and (work(program) >= WORTH_FUSING if fused is None else fused)
        self.fused = wanted and fused_kernels_are_exact(self._selection)
        self._executions: dict[int, Execution] = {}
        self._plans = [
            [
                plan(operator, [self._range(number, o) for o in operator.operands[:2]], self._selection)
                if operator.opcode is Opcode.DOT
                else None
                for operator in layer.operators
            ]
            for number, layer in enumerate(program.layers)
        ]

    def evaluate(self, layer: int, operator: int, result: Array) -> Array:
        """A place for an adversary to change a result; everything after it is computed from what this returns."""
        return result

    def run(self, inputs: Sequence[Array]) -> Run:
        """Run all layers. InvalidInput if an input's number, dtype or shape is not the program's."""
        return self.run_batch([inputs])[0]

    def run_batch(self, queries: Sequence[Sequence[Array]]) -> list[Run]:
        """Run several queries in one pass; each has the result and the trace that it has alone.

        Raises:
            InvalidInput: an input's number, dtype or shape is not the program's.
        """
        held = [self._checked(inputs) for inputs in queries]
        if self._observed:
            return [Run(self, inputs, self._run_observed(inputs)) for inputs in held]
        if not held:
            return []
        together = [
            self._to_device(arrays[0] if len(held) == 1 else np.stack(arrays)) for arrays in zip(*held, strict=True)
        ]
        batch = len(held)
        memory = self.execution(batch).run(together)
        kept = [
            [
                memory[Result(number, output)].cpu().numpy().reshape(batch, *layer.operators[output].out_shape)
                for output in layer.outputs
            ]
            for number, layer in enumerate(self.program.layers)
        ]
        return [
            Run(self, inputs, tuple(tuple(slot[query] for slot in layer) for layer in kept))
            for query, inputs in enumerate(held)
        ]

    def execution(self, batch: int) -> Execution:
        """The program planned for a batch size; made when first asked for."""
        if batch not in self._executions:
            self._executions[batch] = Execution(
                self.program, batch, self._weights, self._ranges, self._selection, fuse=self.fused
            )
        return self._executions[batch]

    def _run_observed(self, inputs: tuple[Array, ...]) -> tuple[tuple[Array, ...], ...]:
        """Operator by operator, through `evaluate`."""
        on_device = [self._to_device(array) for array in inputs]
        checkpoints: list[list[torch.Tensor]] = []
        for number, layer in enumerate(self.program.layers):
            results = self._run_layer(number, on_device, checkpoints)
            checkpoints.append([results[output] for output in layer.outputs])
        return tuple(
            tuple(self._to_array(number, output, tensor) for output, tensor in zip(layer.outputs, kept, strict=True))
            for number, (layer, kept) in enumerate(zip(self.program.layers, checkpoints, strict=True))
        )

    def results(self, layer: int, inputs: Sequence[Array], checkpoints: Sequence[Sequence[Array]]) -> list[Array]:
        """The results of all operators of one layer, from the checkpoints of earlier layers."""
        needed = {
            (operand.source.layer, operand.source.slot)
            for operator in self.program.layers[layer].operators
            for operand in operator.operands
            if not isinstance(operand, Immediate) and isinstance(operand.source, CheckpointRef)
        }
        nothing = torch.empty(0)
        earlier = [
            [self._to_device(a) if (number, slot) in needed else nothing for slot, a in enumerate(arrays)]
            for number, arrays in enumerate(checkpoints[:layer])
        ]
        results = self._run_layer(layer, [self._to_device(a) for a in inputs], earlier)
        return [self._to_array(layer, index, tensor) for index, tensor in enumerate(results)]

    def backends(self) -> dict[str, list[str]]:
        """Per backend the dots it computes, as "layer.operator"; "elementwise" for those that are no product."""
        chosen: dict[str, list[str]] = {}
        for number, plans in enumerate(self._plans):
            for index, planned in enumerate(plans):
                if planned is not None:
                    name = planned.backend.name if planned.backend else "elementwise"
                    chosen.setdefault(name, []).append(f"{number}.{index}")
        return chosen

    def _run_layer(self, number: int, inputs: Tensors, checkpoints: Sequence[Tensors]) -> list[torch.Tensor]:
        results: list[torch.Tensor] = []
        for index, operator in enumerate(self.program.layers[number].operators):
            stored = [self._stored(operand, inputs, checkpoints, results) for operand in operator.operands]
            result = run_operator(operator, stored, self._plan(number, index))
            if self._observed:
                array = self.evaluate(number, index, self._to_array(number, index, result))
                result = self._to_device(array)
            results.append(result)
        return results

    def _plan(self, layer: int, operator: int) -> DotPlan | None:
        return self._plans[layer][operator]

    def _stored(self, operand: Operand, inputs: Tensors, checkpoints: Sequence[Tensors], results: Tensors) -> Stored:
        if isinstance(operand, Immediate):
            return None
        match operand.source:
            case InputRef(index):
                return inputs[index]
            case WeightRef(root):
                return self._weights[root]
            case CheckpointRef(layer, slot):
                return checkpoints[layer][slot]
            case ResultRef(index):
                return results[index]

    def _range(self, layer: int, operand: Operand) -> Range:
        """The values that an operand's elements can have."""
        return range_of(self.program, layer, operand, self._ranges, clamped=not self._observed)

    def _checked(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        specs = self.program.inputs
        if len(inputs) != len(specs):
            raise InvalidInput(f"the program takes {len(specs)} inputs, not {len(inputs)}")
        for number, (array, spec) in enumerate(zip(inputs, specs, strict=True)):
            wanted = NUMPY_DTYPES[spec.dtype]
            if array.dtype != wanted or array.shape != spec.shape:
                raise InvalidInput(
                    f"input {number} is {array.dtype} of shape {tuple(array.shape)}; "
                    f"the program takes {wanted} of shape {spec.shape}"
                )
        return tuple(np.ascontiguousarray(array) for array in inputs)

    def _to_device(self, array: Array) -> torch.Tensor:
        flat = np.ascontiguousarray(array).reshape(-1)
        if not flat.flags.writeable:  # torch has no read-only tensors; nothing here writes to what it is given
            if not flat.flags.aligned:
                flat = flat.copy()
            else:
                block: Any = (ctypes.c_char * flat.nbytes).from_address(flat.ctypes.data)
                block.owner = flat
                flat = np.frombuffer(block, flat.dtype)
        return torch.from_numpy(flat).to(self.device)

    def _to_array(self, layer: int, operator: int, tensor: torch.Tensor) -> Array:
        array: Array = tensor.cpu().numpy().reshape(self.program.operator(layer, operator).out_shape)
        return array
