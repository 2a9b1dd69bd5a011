"""Liars for simulators, tests and demos: each is the honest player with one thing patched.

Protocol developers combine them: a `Fault` in any `Runtime` or `Interpretation`, defended by a `LyingDefender`,
is the strongest liar there is: every opening it makes hashes, and it lies once more wherever it must.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prover import operators
from prover.game import terms
from prover.game.moves import Move, OpenTerms, PickElement, PickTensor, PickTerms, PickTrace, Step
from prover.game.openings import Opened, compute, hashes
from prover.game.operand_source import OperandSource
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position
from prover.interpreter import Interpretation
from prover.operators import ARGMAX, Partial
from prover.program import DType, Opcode, Operator, Program, TensorRoot
from prover.trace import Array, Execution, Trace
from prover.views import coordinates


@dataclass(frozen=True)
class Fault:
    """One element of one operator's result, changed; everything after it is computed from the changed one."""

    layer: int
    operator: int
    element: int
    delta: int = 1

    def apply(self, layer: int, operator: int, result: Array) -> Array:
        """`result` with the fault in it, if it is this operator's. The element wraps around in its dtype."""
        if (layer, operator) != (self.layer, self.operator):
            return result
        changed = np.array(result)
        flat = changed.reshape(-1)
        bits = 8 * changed.dtype.itemsize
        value = (int(flat[self.element]) + self.delta + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
        flat[self.element] = value
        return changed


@dataclass(frozen=True)
class FaultyInterpretation(Interpretation):
    """An interpreter whose machine gets one element wrong."""

    fault: Fault = Fault(0, 0, 0, 0)

    def evaluate(self, layer: int, operator: int, result: Array) -> Array:
        return self.fault.apply(layer, operator, result)


@dataclass(frozen=True)
class ReplacedOutput:
    """An honest execution whose posted output is another one."""

    honest: Execution
    outputs: tuple[Array, ...]

    @property
    def program(self) -> Program:
        return self.honest.program

    @property
    def inputs(self) -> tuple[Array, ...]:
        return self.honest.inputs

    @property
    def trace(self) -> Trace:
        return self.honest.trace

    def weight(self, root: TensorRoot) -> Array:
        return self.honest.weight(root)

    def results(self, layer: int) -> Sequence[Array]:
        return self.honest.results(layer)


class SilentDefender(Defender):
    """Commits to a trace and opens nothing, from `silent_from` on."""

    silent_from: Phase = Phase.TRACE_OPEN

    def answer(self, position: Position) -> Move | None:  # type: ignore[override]
        return None if position.phase >= self.silent_from else super().answer(position)


class LyingDefender(Defender):
    """Opens partial values that combine to the lie in dispute."""

    def answer(self, position: Position) -> Move:
        move = super().answer(position)
        if not isinstance(move, OpenTerms):
            return move
        operator = self.operator(position)
        lies = lying_partials(position, operator, self.partials(position), self.operands(position))
        return replace(move, values=terms.pack(operator, lies, self.factors(position)))


class MisopeningDefender(LyingDefender):
    """Opens what the challenger has itself, whatever it committed to: nothing that differs is left to pick."""

    def __init__(self, execution: Execution, honest: Execution, phase: Phase) -> None:
        super().__init__(execution)
        self._honest = Defender(honest)
        self._phase = phase

    def answer(self, position: Position) -> Move:
        if position.phase is self._phase:
            return self._honest.answer(position)
        return super().answer(position)


class LyingFactorDefender(LyingDefender):
    """States honest partial values, and an m or c (`number`) that makes them the lie, if there is one."""

    number = 1

    def answer(self, position: Position) -> Move:
        move = Defender.answer(self, position)
        operator = self.operator(position)
        if not isinstance(move, OpenTerms) or not terms.states_factors(position, operator):
            return super().answer(position)
        honest, factors = self.partials(position), list(self.factors(position))
        total = sum(partial.value for partial in honest)
        factors[self.number] = self._fitting(position, operator, total, factors)
        return replace(move, values=terms.pack(operator, honest, factors))

    def _fitting(self, position: Position, operator: Operator, total: int, factors: list[int]) -> int:
        m, c = factors
        target = position.value << operator.shift
        by_c, by_m = (target - total * m) >> operator.lift, (target - (c << operator.lift)) // (total or 1)
        return max(DType.I32.lo, min(by_c if self.number else by_m, DType.I32.hi))


def lying_partials(
    position: Position, operator: Operator, honest: list[Partial], source: OperandSource
) -> list[Partial]:
    """Partials that combine to what the position claims, the lie put into the first of them."""
    claimed = Partial(position.value, position.index)
    whole = position.start == 0 and position.count == operator.terms
    if operator.opcode is Opcode.DOT:
        total = _accumulator_for(operator, position, honest, source) if whole else claimed.value
        return [Partial(total - sum(p.value for p in honest[1:])), *honest[1:]]
    if operator.variant == ARGMAX:
        top = max(p.value for p in honest) if whole else claimed.value
        index = claimed.value if whole else claimed.index
        return [Partial(top, max(index, 0)), *(Partial(min(p.value, top), p.index) for p in honest[1:])]
    return [Partial(claimed.value), *(Partial(min(p.value, claimed.value)) for p in honest[1:])]


def _accumulator_for(operator: Operator, position: Position, honest: list[Partial], source: OperandSource) -> int:
    """An accumulator that the finish turns into the claimed value, or the honest one if there is none."""
    out = coordinates(position.element, operator.out_shape)
    m = operators.fetch(operator, 2, out, source.read)
    c = operators.fetch(operator, 3, out, source.read)
    base = sum(p.value for p in honest)
    if m == 0:
        return base
    exact = ((position.value << operator.shift) - (c << operator.lift)) // m
    for candidate in (exact, exact + 1, exact - 1):
        value = operators.requantise(operator, candidate, m, c, operator.lo, operator.hi)
        if value == position.value:
            return candidate
    return base


class MistakenChallenger(Challenger):
    """Believes its own, wrong execution, and tries the step even though the scalar specification disagrees."""

    def reply(self, position: Position, history: Sequence[Opened]) -> Move:
        if position.phase is not Phase.STEP:
            return super().reply(position, history)
        source = self.operands(position, history)
        operator = self.operator(position)
        compute(operator, position.element, position.start, position.count, source.read)
        return Step(self.record(position), source.opened_by_step(position))


class WanderingChallenger(Challenger):
    """Picks wherever `choose(n)`, a number below n, says: a challenger without a case, or the executor's own."""

    def __init__(self, execution: Execution, choose: Callable[[int], int]) -> None:
        super().__init__(execution)
        self._choose = choose

    def reply(self, position: Position, history: Sequence[Opened]) -> Move:
        opened = history[-1].content
        match position.phase:
            case Phase.TRACE_PICK:
                nodes = hashes(opened)
                return PickTrace(nodes, self._choose(len(nodes)))
            case Phase.OPERATOR_PICK:
                return self.pick_operator(position, hashes(opened), self._choose(position.operators))
            case Phase.TENSOR_PICK:
                nodes = hashes(opened)
                return PickTensor(nodes, self._choose(len(nodes)))
            case Phase.ELEMENT_PICK:
                size = self.operator(position).dtype.size
                return PickElement(self.record(position), opened, self._choose(len(opened) // size))
            case Phase.TERMS_PICK:
                values = terms.unpack(position, self.operator(position), opened).partials
                return PickTerms(self.record(position), opened, self._choose(len(values)))
        return MistakenChallenger(self.execution).reply(position, history)
