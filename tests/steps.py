"""Steps without the walk before them: the position and the move of any element, or of any range of its terms.

`Steps(execution)` makes them from one run; what a step computes is what the scalar specification computes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from contracts import calls
from prover import encoding, merkle, posted
from prover.errors import IllegalMove
from prover.game import rules
from prover.game.moves import Move, Step
from prover.game.openings import compute, opened_by_step
from prover.game.players import Player
from prover.game.position import Ground, Phase, Position
from prover.game.refutations import Refuted
from prover.interpreter import Interpretation
from prover.program import Operator
from prover.trace import tensor_bytes
from prover.views import is_wide, sub_ranges
from tests.contracts.machine import Refused, machine

DISPUTE = bytes(32)
REFEREE = machine("Referee")
REFUTED = "refuted"


@dataclass(frozen=True)
class Place:
    """What a step is about: terms start .. start+count-1 of an element of an operator of a layer."""

    layer: int
    operator: int
    element: int
    start: int
    count: int


class Steps:
    """Steps about one honest run."""

    def __init__(self, execution: Interpretation) -> None:
        self.execution = execution
        self._player = Player(execution)
        self._layers: dict[int, Position] = {}
        program = execution.program
        inputs = posted.commitment([tensor_bytes(a) for a in execution.inputs])
        layers_root = encoding.layers_root(program)
        self._first = Position.initial(Ground(len(program.layers), layers_root, execution.trace.root, inputs))

    def operator(self, place: Place) -> Operator:
        return self.execution.program.operator(place.layer, place.operator)

    def at(self, place: Place) -> tuple[Position, Step]:
        """The position in phase 11 whose value is the specification's, and the step that opens its operands."""
        operator = self.operator(place)
        record = encoding.encode_operator(operator)
        position = self._position(place, operator, record)
        source = self._player.operands(position)
        computed = compute(operator, place.element, place.start, place.count, source.read)
        openings = source.openings()[: opened_by_step(operator, position)]
        return replace(position, value=computed.value, index=computed.index), Step(record, openings)

    def _position(self, place: Place, operator: Operator, record: bytes) -> Position:
        return replace(
            self._in_layer(place.layer),
            start=place.start,
            count=place.count,
            operator=place.operator,
            records=merkle.leaf(record),
            length=operator.numel * operator.dtype.size,
            element=place.element,
        )

    def _in_layer(self, number: int) -> Position:
        """What the positions of a layer's steps share."""
        if number not in self._layers:
            layer = self.execution.program.layers[number]
            self._layers[number] = replace(
                self._first,
                phase=Phase.STEP,
                node=bytes(32),
                layer=number,
                operators=len(layer.operators),
                tensors_root=merkle.root(self._player.roots(number)),
            )
        return self._layers[number]

    def draw(self, layer: int, operator: int, rng: random.Random) -> Place:
        """A random element, and if its terms are wide a random range of them that is not."""
        held = self.execution.program.operator(layer, operator)
        element, start, count = rng.randrange(held.numel), 0, held.terms
        while is_wide(held, element, start, count):
            start, count = rng.choice(sub_ranges(start, count))
        return Place(layer, operator, element, start, count)


def on_chain(position: Position, step: Step) -> str:
    """What the contract says of a step: "refuted", or the name of its refusal."""
    call = calls.answer(DISPUTE, position, step)
    try:
        REFEREE.call(call.function, *call.arguments)
    except Refused as refused:
        return refused.name
    return REFUTED


def by_the_rules(position: Position, move: Move) -> Position | str:
    """What the pure rules say of a move: the position after it, "refuted", or the name of the refusal."""
    try:
        after = rules.apply(position, move)
    except IllegalMove as error:
        return error.rule
    return REFUTED if isinstance(after, Refuted) else after
