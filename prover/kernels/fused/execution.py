"""A program made ready for a batch size: compiled kernels, memory, and the run through all steps."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import torch

from prover.kernels import DotPlan, run_operator
from prover.kernels.digits import Range
from prover.kernels.dot import plan as plan_dot
from prover.kernels.fused.arena import ALIGNMENT, placed
from prover.kernels.fused.bindings import Buffer, Pointer, Raw
from prover.kernels.fused.description import Kernel
from prover.kernels.fused.emission import module_of
from prover.kernels.fused.engine import engine
from prover.kernels.fused.graph import Node, Result
from prover.kernels.fused.planning import KernelStep, LoneStep, ProductStep, Step, schedule
from prover.kernels.fused.sums import ProductPlan
from prover.kernels.fused.threads import Launch
from prover.kernels.selection import Selection
from prover.kernels.views import TORCH_DTYPES, Stored
from prover.program import InputRef, Opcode, Program, TensorRoot, WeightRef

Memory = dict[Buffer, torch.Tensor]


@cache
def compiled(kernel: Kernel) -> tuple[int, int]:
    """Addresses of a kernel's two entries (see `threads.Launch`)."""
    described = repr(kernel)
    name = "k" + hashlib.sha256(described.encode()).hexdigest()[:24]
    work, work_as = engine().load(described, lambda: module_of(kernel, name), (f"{name}_work", f"{name}_work_as"))
    return work, work_as


@torch.inference_mode(False)
def _aligned(size: int) -> torch.Tensor:
    """Bytes that begin at a cache line."""
    whole = torch.empty(size + ALIGNMENT, dtype=torch.int8)
    skip = -whole.data_ptr() % ALIGNMENT
    return whole[skip : skip + size]


def _dtype(program: Program, buffer: Buffer) -> torch.dtype:
    """What a buffer of the arena holds; digits are bytes, sums are seen as their product says."""
    if isinstance(buffer, Result):
        return TORCH_DTYPES[program.operator(buffer.layer, buffer.operator).dtype]
    return torch.int8


class _Kernel:
    """A compiled kernel, its arguments, and those of them that differ from run to run."""

    def __init__(self, step: KernelStep, static: Memory, scratch: Callable[[int], int]) -> None:
        self._scratch = scratch
        lowered = step.lowered
        self.values = np.zeros(max(1, len(lowered.arguments.values)), np.int64)
        self.moving: list[tuple[int, Buffer, int]] = []
        for index, value in enumerate(lowered.arguments.values):
            if not isinstance(value, Pointer):
                self.values[index] = value
            elif value.buffer in static:
                self.values[index] = static[value.buffer].data_ptr() + value.offset
            else:
                self.moving.append((index, value.buffer, value.offset))
        kernel = lowered.kernel
        self.launch = Launch(*compiled(kernel), self.values, lowered.rows, lowered.grain, kernel.scratch)

    def run(self, memory: Memory, threads: int) -> None:
        for index, buffer, offset in self.moving:
            self.values[index] = memory[buffer].data_ptr() + offset
        self.launch.run(threads, self._scratch(self.launch.scratch_bytes(threads)))


class _Lone:
    """An operator by its torch kernel, for the whole batch or, where it cannot be lifted, query by query."""

    def __init__(self, node: Node, batch: int, selection: Selection) -> None:
        self.node, self.batch = node, batch
        self.operator = node.whole or node.alone
        self.plan: DotPlan | None = None
        if self.operator.opcode is Opcode.DOT:
            self.plan = plan_dot(self.operator, node.ranges[:2], selection)

    def run(self, stored: Sequence[Stored]) -> torch.Tensor:
        if self.node.whole is not None:
            return run_operator(self.operator, stored, self.plan)
        results = []
        for query in range(self.batch):
            own = [
                tensor if tensor is None or isinstance(name, WeightRef) else tensor.view(self.batch, -1)[query]
                for name, tensor in zip(self.node.tensors, stored, strict=True)
            ]
            results.append(run_operator(self.operator, own, self.plan))
        return torch.cat(results)


class Execution:
    """A program ready to run `batch` queries at once. One run at a time: others wait.

    Args:
        weights: flat tensors.
        ranges: lowest and highest element of each weight.
        fuse: plan kernels; without it every operator runs by its torch kernel.
    """

    @torch.inference_mode(False)  # its memory must serve runs outside inference mode, too
    def __init__(
        self,
        program: Program,
        batch: int,
        weights: Mapping[TensorRoot, torch.Tensor],
        ranges: Mapping[TensorRoot, Range],
        selection: Selection,
        *,
        fuse: bool,
    ) -> None:
        self.program, self.batch = program, batch
        self._lock = threading.Lock()
        self._scratch = _aligned(0)
        planned = schedule(program, batch, ranges, selection, fuse=fuse)
        self.steps, self.checkpoints = planned.steps, planned.checkpoints
        self._static: Memory = {WeightRef(root): weight for root, weight in weights.items()}
        offsets, self.arena_bytes = placed(planned.spans)
        arena = _aligned(self.arena_bytes)
        for buffer, span in planned.spans.items():
            held = arena[offsets[buffer] : offsets[buffer] + span.size]
            self._static[buffer] = held.view(_dtype(program, buffer))
        self._runners = [self._runner(step, selection) for step in self.steps]
        moving = {buffer: step for buffer, step in planned.last_use.items() if buffer not in self._static}
        self._finished = [
            [buffer for buffer, last in moving.items() if last == number and buffer not in self.checkpoints]
            for number in range(len(self.steps))
        ]

    def run(
        self, inputs: Sequence[torch.Tensor], on_step: Callable[[int, Memory], None] | None = None
    ) -> dict[Result, torch.Tensor]:
        """Flat tensors of all checkpoints, by the flat inputs of all queries one after another.

        `on_step` is called after each step with its number and what has been computed.
        """
        with self._lock:
            memory: Memory = {**self._static, **{InputRef(n): tensor for n, tensor in enumerate(inputs)}}
            for key, node in self.checkpoints.items():
                memory[key] = torch.empty(node.lean.numel, dtype=TORCH_DTYPES[node.lean.dtype], device="cpu")
            threads = torch.get_num_threads()
            for number, (runner, finished) in enumerate(zip(self._runners, self._finished, strict=True)):
                runner(memory, threads)
                for buffer in finished:
                    del memory[buffer]
                if on_step is not None:
                    on_step(number, memory)
            return {key: memory[key] for key in self.checkpoints}

    def scratch(self, size: int) -> int:
        """The address of at least `size` bytes."""
        if self._scratch.numel() < size:
            self._scratch = _aligned(size)
        return self._scratch.data_ptr()

    def _runner(self, step: Step, selection: Selection) -> Callable[[Memory, int], None]:
        match step:
            case KernelStep():
                return _Kernel(step, self._static, self.scratch).run
            case ProductStep(plan):
                return self._multiplier(plan)
            case LoneStep(node):
                lone = _Lone(node, self.batch, selection)

                def alone(memory: Memory, _threads: int) -> None:
                    memory[node.key] = lone.run([None if t is None else memory[t] for t in node.tensors])

                return alone

    def _multiplier(self, plan: ProductPlan) -> Callable[[Memory, int], None]:
        static = self._static
        raw = static[Raw(plan.node.key)].view(torch.int32 if plan.by_digits else torch.int64)
        if not plan.by_digits:
            return lambda memory, _: plan.run(memory[plan.row_factor], memory[plan.column_factor], raw)
        columns = plan.weight_matrix(static[plan.column_factor])
        if plan.row_factor in static:
            multiply = plan.prepared(static[plan.row_factor], columns, raw)
            return lambda _memory, _threads: multiply()
        return lambda memory, _: plan.prepared(memory[plan.row_factor], columns, raw)()
