"""The run of a program whose positions and blocks repeat: one window of one block is computed, the rest are copies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deploy.gas.wide import WINDOW, Weights
from deploy.lies import FaultyRuntime
from prover.game.adversaries import Fault
from prover.program import Program, TensorRoot
from prover.runtime import Run, Runtime
from prover.trace import Array, Trace, array_root


@dataclass(frozen=True)
class Lie:
    """A fault in one block and one window, not the last of both, which the last layer reads.

    `fault` counts layers, operators and elements as the small program does.
    """

    fault: Fault
    block: int
    window: int


@dataclass(frozen=True)
class Repeated:
    """An execution of `program`: its layer n does with many windows what layer `layer_of(n)` of `honest` does with one.

    With a lie, `lying` is the small run that it makes; it takes the place of the honest one in the lie's block and
    window. No block reads another's results, but for the last layer, which reads the last block's last position.
    """

    program: Program
    honest: Run
    lie: Lie | None = None
    lying: Run | None = None

    @property
    def inputs(self) -> tuple[Array, ...]:
        (spec,) = self.program.inputs
        return (np.arange(spec.shape[0], dtype="<i1") % np.int8(WINDOW),)

    @cached_property
    def outputs(self) -> tuple[Array, ...]:
        return (self.trace.checkpoints[-1][0].reshape(1),)

    def weight(self, root: TensorRoot) -> Array:
        return self.honest.weight(root)

    def layer_of(self, layer: int) -> int:
        """The small program's layer that stands for one of this program's."""
        small, whole = len(self.honest.program.layers), len(self.program.layers)
        if layer in (0, whole - 1):
            return layer if layer == 0 else small - 1
        return 1 + (layer - 1) % (small - 2)

    def _lies_in(self, layer: int) -> bool:
        return (
            self.lie is not None
            and 0 < layer < len(self.program.layers) - 1
            and (layer - 1) // (len(self.honest.program.layers) - 2) == self.lie.block
        )

    def _whole(self, layer: int, operator: int, honest: Array, lying: Array) -> Array:
        """A result for all windows, from one window's."""
        shape = self.program.operator(layer, operator).out_shape
        whole = np.tile(honest.reshape(-1), int(np.prod(shape)) // honest.size)
        if self.lie is not None and self._lies_in(layer):
            first = self.lie.window * honest.size
            whole[first : first + honest.size] = lying.reshape(-1)
        return whole.reshape(shape)

    def results(self, layer: int) -> list[Array]:
        at = self.layer_of(layer)
        honest = self.honest.results(at)
        lying = self.lying.results(at) if self.lying is not None and self._lies_in(layer) else honest
        return [self._whole(layer, operator, *both) for operator, both in enumerate(zip(honest, lying, strict=True))]

    @cached_property
    def trace(self) -> Trace:
        """The checkpoints of layers that are copies are made and hashed once."""
        held: dict[tuple[int, bool], tuple[tuple[Array, ...], tuple[TensorRoot, ...]]] = {}
        keys = [(self.layer_of(layer), self._lies_in(layer)) for layer in range(len(self.program.layers))]
        for layer, key in enumerate(keys):
            if key not in held:
                made = self._checkpoints(layer)
                held[key] = made, tuple(map(array_root, made))
        return Trace(tuple(held[key][0] for key in keys), tuple(held[key][1] for key in keys))

    def _checkpoints(self, layer: int) -> tuple[Array, ...]:
        honest = self.honest.checkpoints[self.layer_of(layer)]
        lying = (self.lying or self.honest).checkpoints[self.layer_of(layer)]
        outputs = self.program.layers[layer].outputs
        return tuple(self._whole(layer, o, *both) for o, *both in zip(outputs, honest, lying, strict=True))


def honest_and_liar(whole: Program, small: Program, weights: Weights, lie: Lie) -> tuple[Repeated, Repeated]:
    """Two executions of `whole` from runs of the small program, which has one window and one block."""
    ids = [np.arange(WINDOW, dtype="<i1")]
    honest = Runtime(small, weights, fused=False).run(ids)
    lying = FaultyRuntime(small, weights, lie.fault).run(ids)
    return Repeated(whole, honest), Repeated(whole, honest, lie, lying)
