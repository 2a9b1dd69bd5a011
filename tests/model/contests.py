"""Disputes on the contracts and the model: who plays each, and the moves that they make."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contracts import calls
from contracts.ledger import first_position, position_after
from prover import merkle
from prover.errors import IllegalMove
from prover.game import rules
from prover.game.adversaries import WanderingChallenger
from prover.game.moves import Move, PickTensor, PickTrace, Step, opened_content
from prover.game.openings import Opened
from prover.game.players import Challenger, NothingDiffers
from prover.game.position import Party, Position, Side
from prover.game.refutations import Refuted
from prover.game.simulator import Picks
from tests.model import players
from tests.model.games import Game
from tests.model.ledger import NODE_UNITS, PICK_UNITS, PROOF_UNITS
from tests.model.records import Illegal
from tests.model.twin import PARAMETERS, Tally, Twin

BURN_SHARES = 5_000, 9_900, 9_900, 10_000
"""With the second a pot does not always pay every tariff."""


@dataclass
class Contest:
    """One dispute: who plays it, and how far it is."""

    game: Game
    challenger: Picks
    honest: Side | None
    """None where both sides are adversaries."""
    position: Position
    history: list[Opened] = field(default_factory=list)
    steered: bool = False
    stuck: bool = False
    """The side to move has nothing that the rules take."""


class Disputes(Twin):
    """Disputes over what is claimed. Everything drawn comes from `seed`."""

    def __init__(self, seed: int, tally: Tally) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        parameters = replace(PARAMETERS, burn_share=self.rng.choice(BURN_SHARES))
        super().__init__(tally, parameters, self.rng.choice([1, 2, 4]) * parameters.peak_gas_price // 2)
        self.contests: dict[bytes, Contest] = {}

    def challenge(self, claim: bytes, who: str, *, main: bool, at: bool) -> None:
        """Open a dispute, at a node of the claim if `at`. `main`: by the game's challenger, else one that wanders."""
        game = self.games[claim]
        wanders = WanderingChallenger(players.honest(), self.rng.randrange)
        challenger = game.challenger if main else wanders
        honest = game.honest if main or game.honest is Side.EXECUTOR else None
        program, trace = game.execution.program, game.execution.trace
        child = self.rng.randrange(len(trace.nodes))
        if at and main:
            first = _first_pick(game, trace.nodes)
            at, child = first is not None, first or 0
        if at:
            call = calls.challenge_at(claim, program, trace.nodes, child)
        else:
            call = calls.challenge(claim, program, trace.root)
        id = bytes(self.protocol.view("disputeId", claim, who))

        def then(events: dict[str, dict[str, object]]) -> None:
            position = first_position(events["Challenged"])
            contest = Contest(game, challenger, honest, position, steered=main and game.intended is not None)
            if at:
                contest.history.append(Opened(position, events["Moved"]["opened"]))  # type: ignore[arg-type]
                contest.position = position_after(position, events["Moved"])
            self.contests[id] = contest
            self.model.challenge(id, claim, who, contest.position.phase.side)

        self.both(who, call, lambda: self.model.require_challenge(id, claim, who), then)

    def move(self, id: bytes) -> bool:
        """The side to move makes its move, if it has one that it wants to make; whether it was taken."""
        contest, dispute = self.contests[id], self.model.disputes[id]
        position = contest.position
        claim = self.model.claims[dispute.claim]
        executors = position.phase.side is Side.EXECUTOR
        try:
            if executors:
                move: Move | None = contest.game.executor.answer(position)
            else:
                move = contest.challenger.reply(position, contest.history)
        except NothingDiffers:
            move = None
        if move is None:
            contest.stuck = True
            return False
        who = claim.executor if executors else dispute.challenger
        after: list[Position | Refuted] = []

        def allowed() -> None:
            self.model.require_move(id)
            try:
                after.append(rules.apply(position, move))
            except IllegalMove as illegal:
                raise Illegal(illegal.rule) from illegal

        def then(_: object) -> None:
            self._moved(id, move, after[0])

        taken = self.both(who, calls.answer(id, position, move), allowed, then)
        contest.stuck = not taken
        return taken

    def _moved(self, id: bytes, move: Move, after: Position | Refuted) -> None:
        contest = self.contests[id]
        if isinstance(after, Refuted):
            self.model.add_tariff(id, PROOF_UNITS)
            self._end(id, "step" if isinstance(move, Step) else "seam")
            self.model.win(id)
            return
        if contest.position.phase.side is Side.CHALLENGER:
            self.model.add_tariff(id, NODE_UNITS if isinstance(move, PickTrace | PickTensor) else PICK_UNITS)
        if content := opened_content(move):
            contest.history.append(Opened(contest.position, content))
        contest.position = after
        self.model.turn(id, after.phase.side)
        (status, phase, deadline, idle, tariff), stored = self.protocol.view("disputeOf", id)
        held = self.model.disputes[id]
        assert stored == merkle.keccak(*after.words()), "the contract stands at the rules' position"
        assert (status, phase) == (1, after.phase)
        expected = (held.deadline, held.idle, held.tariff)
        assert (deadline, idle, tariff) == expected, (deadline, idle, tariff, expected, move)

    def _end(self, id: bytes, ending: str) -> None:
        contest = self.contests[id]
        cell = contest.position.phase.level, ending
        self.tally.games += 1
        self.tally.cells[cell] += 1
        intended = contest.game.intended if contest.steered else None
        if intended not in (None, cell):
            assert intended is not None
            self.tally.astray.append((intended, cell))

    def expire(self, ids: list[bytes], who: str) -> bool:
        parties = [Party(self.model.disputes[id].claim, self.model.disputes[id].challenger) for id in ids]
        before = {id: self.model.disputes[id].status for id in ids}
        taken = self.simple(who, calls.expire(parties), lambda: self.model.expire(ids))
        for id in dict.fromkeys(ids):
            status = self.model.disputes[id].status
            if status != before[id]:
                self._end(id, "executor out" if status == "won" else "challenger out")
        return taken

    def settle(self, id: bytes, who: str) -> bool:
        dispute = self.model.disputes[id]
        taken = self.simple(who, calls.settle(Party(dispute.claim, dispute.challenger)), lambda: self.model.settle(id))
        self.tally.games += taken
        return taken

    def running(self) -> list[bytes]:
        return [
            id
            for id, d in self.model.disputes.items()
            if d.status == "active" and self.model.claims[d.claim].fallen_at is None
        ]

    def standing(self) -> list[bytes]:
        """Claims that may still be disputed."""
        now = self.model.now
        return [id for id, c in self.model.claims.items() if c.over_at is None and now < c.window_end]

    def overdue(self) -> list[bytes]:
        """Disputes whose time to move ran out and that nobody has ended, in any order."""
        over = [id for id in self.running() if self.model.now >= self.model.disputes[id].deadline]
        return self.rng.sample(over, len(over))

    def everybody_moves(self, claim: bytes | None = None) -> None:
        """Who is honest and who is not, once in each dispute of a claim, or of all."""
        for id in self.running():
            concerned = claim in (None, self.model.disputes[id].claim)
            if concerned and not self.contests[id].stuck and id in self.running():  # one before it may have ended it
                self.move(id)


def _first_pick(game: Game, nodes: Sequence[bytes]) -> int | None:
    """Which of a claim's nodes a game's challenger disputes; None if it begins at the root."""
    if not isinstance(game.challenger, Challenger) or (game.intended is not None and game.intended[0] == "trace"):
        return None
    try:
        return game.challenger.first_pick(nodes)
    except NothingDiffers:
        return None
