"""Who is winning: what is in dispute is either as the operands that the executor committed to say, or it is not.

`wrong` means that the node, tensor, element or segment in dispute is not what they give. An opening either binds (it
hashes to the node in dispute) or does not. Of a binding opening of something wrong, some part is wrong; of something
right, no part is: a hash binds, and a sum of right parts is right. The challenger of a wrong claim wins as long as what
is in dispute is wrong; the executor of a right claim as long as it is right.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import z3

from prover.game.position import Phase, Side
from tests.formal.proving import Obligation
from tests.formal.table import MOVERS, Row

if TYPE_CHECKING:
    from tests.formal.model import Model

REFUTES_OPENING = {"RefuteNodes", "RefuteChunk", "RefuteFactor"}
CHECKED_WHEN_MADE = {"OpenTrace", "OpenLayer"}
"""These openings are hashed as they are made, so that only those that bind count."""


def _row_holds(row: Row, wrong: z3.BoolRef, binds: z3.BoolRef, valid: z3.BoolRef) -> z3.BoolRef:
    """Whether a move that ends the dispute is accepted."""
    if row.move in REFUTES_OPENING:
        return z3.Not(binds)
    if row.move == "RefuteProgram":
        return z3.Not(valid)
    if row.move == "Step":
        return wrong
    return z3.BoolVal(False)  # ProveOutput: of a claim whose outputs are those of its trace


def obligations(model: Model) -> Iterable[Obligation]:
    """For each phase, that the side which is winning there goes on to win."""
    wrong, binds, valid, part = z3.Bools("wrong binds valid part")
    for phase in Phase:
        rows = [row for row in model.table if row.phase is phase]
        walk = [row for row in rows if row.leads]
        ends = [row for row in rows if not row.leads]
        if MOVERS[phase] is Side.EXECUTOR:
            yield from _opening(phase, walk, ends, wrong, binds)
            continue
        bound_before = any(
            row.move in CHECKED_WHEN_MADE for row in model.table if phase in row.leads and row.phase is not phase
        )
        facts = [binds] if bound_before else []
        # A binding opening of something wrong has a wrong part (`part`: the part that the challenger picks).
        can_pick = z3.And(binds, z3.BoolVal(bool(walk)))
        wins = z3.Or([can_pick, *(_row_holds(row, wrong, binds, valid) for row in ends)])
        yield Obligation(f"{phase.name}: the challenger of what is wrong can go on or win", [wrong, *facts], wins)
        picked = z3.Implies(z3.And(z3.Not(wrong), binds), z3.Not(part))
        proofs = [z3.Not(_row_holds(row, wrong, binds, valid)) for row in ends]
        honest = [z3.Not(wrong), binds, valid, picked]
        if ends or walk:
            right = z3.And([*proofs, *([z3.Not(part)] if walk else [])])
            yield Obligation(f"{phase.name}: nothing that is right is refuted or becomes wrong", honest, right)


def _opening(
    phase: Phase, walk: list[Row], ends: list[Row], wrong: z3.BoolRef, binds: z3.BoolRef
) -> Iterable[Obligation]:
    """The executor can always open what it committed to, and an opening leads to the challenger's turn only."""
    turns = {MOVERS[after] for row in walk for after in row.leads if after not in (Phase.TENSOR_OPEN, Phase.CHUNK_OPEN)}
    sound = z3.BoolVal(bool(walk) and turns <= {Side.CHALLENGER} and all(r.move == "ProveOutput" for r in ends))
    yield Obligation(f"{phase.name}: whoever committed to it can open it", [z3.Not(wrong), binds], sound)
