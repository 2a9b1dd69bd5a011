"""Many parties, claims and disputes at once on the contracts and the model.

Honest accounts move in time; the others move, wait and send what is not allowed as they are told. Every dispute is one
of `tests.model.games`, so that it is known who is honest and, if the game is steered, where it ends.
"""

from __future__ import annotations

import math

from prover.game.position import Side
from tests.model.contests import Disputes
from tests.model.games import Game
from tests.model.twin import ACCOUNTS, CHALLENGER, ETHER, EXECUTOR, PARAMETERS, REQUESTERS, Tally

DELAY = PARAMETERS.window + 2 * PARAMETERS.clock
"""Seconds from a claim to its end at the latest, if anyone cares to end it."""
LAZY = 0.5
"""Share of worlds in which who moves in time does so in the last second."""


class World(Disputes):
    """One chain and its time, with all who act on it."""

    def __init__(self, seed: int, tally: Tally) -> None:
        super().__init__(seed, tally)
        self.lazy = self.rng.random() < LAZY
        """Who moves in time does so in the last second."""
        self._unchallenged: dict[bytes, bool] = {}
        """Claims that the honest challenger will dispute in their windows' last second, and whether at a node."""

    # Games

    def dispute(self, game: Game, requester: str, rogue: str, fee: int, least: int = 0, *, at: bool = False) -> None:
        """A request, accepted and answered by the game's executor and disputed by its challenger, if all can pay."""
        executor, challenger = (EXECUTOR, rogue) if game.honest is Side.EXECUTOR else (rogue, CHALLENGER)
        request = self.ask(requester, game, fee, least)
        if not self.accept(request, executor) or not (claim := self.claim(request, executor, game)):
            return
        if challenger == CHALLENGER and self.lazy:
            self._unchallenged[claim] = at
        else:
            self.challenge(claim, challenger, main=True, at=at)

    def crowded(self, game: Game, rogues: list[str], rounds: int, expired: int, *, disputed: bool) -> None:
        """A claim of one rogue that the others dispute; time runs out for them, and for some it is said.

        Then the honest watcher disputes it, if it is false.
        """
        executor, *others = rogues
        request = self.ask(REQUESTERS[0], game, ETHER)
        if not self.accept(request, executor) or not (claim := self.claim(request, executor, game)):
            return
        for other in others:
            self.challenge(claim, other, main=False, at=False)
        for _ in range(rounds):
            self.everybody_moves(claim)
        self.pass_time(PARAMETERS.clock)
        if over := self.overdue()[:expired]:
            self.expire(over, others[0])
        if disputed and game.honest is Side.CHALLENGER:
            self.challenge(claim, CHALLENGER, main=True, at=False)

    # Time

    def honest_moves(self) -> None:
        """Every honest side that is to move does, as long as it can; so does who is steered, while it has a move."""
        self._last_challenges(self.model.now + 1)
        for _ in range(64):
            ready = [id for id in self.running() if self._moves_in_time(id)]
            if not [id for id in ready if self.move(id)]:
                return
        raise AssertionError("a dispute does not come to an end")

    def _last_challenges(self, by: int) -> None:
        """Of the claims whose windows end by then."""
        for claim in [claim for claim in self._unchallenged if self.model.claims[claim].window_end <= by]:
            at = self._unchallenged.pop(claim)
            if self.model.claims[claim].over_at is None:
                self.challenge(claim, CHALLENGER, main=True, at=at)

    def _moves_in_time(self, id: bytes) -> bool:
        contest, dispute = self.contests[id], self.model.disputes[id]
        moves = contest.steered or contest.honest is dispute.side
        return moves and not contest.stuck and self.model.now < dispute.deadline

    def pass_time(self, seconds: int) -> None:
        """Whoever moves in time does first, or in its last second."""
        until = self.model.now + seconds
        if not self.lazy:
            self.honest_moves()
        while (last := self._last_second()) < until:
            self._set_time(int(last))
            self.honest_moves()
        self._set_time(until)

    def _last_second(self) -> float:
        """The first in which a time runs out that will not be let run out; infinity if there is none."""
        deadlines = [self.model.disputes[id].deadline for id in self.running() if self._moves_in_time(id)]
        deadlines += [self.model.claims[claim].window_end for claim in self._unchallenged]
        return max(self.model.now, min(deadlines) - 1) if deadlines else math.inf

    def _set_time(self, now: int) -> None:
        self.model.now = now
        self.protocol.set_time(now)
        for id in self.running():
            dispute = self.model.disputes[id]
            if now >= self.model.claims[dispute.claim].posted + DELAY:
                assert now >= dispute.deadline, "whatever was played, anyone may end a dispute by now"

    def deadlines(self) -> list[int]:
        """Every moment to come at which something begins or ends to be allowed."""
        times = [d.deadline for d in self.model.disputes.values() if d.status == "active"]
        times += [c.window_end for c in self.model.claims.values() if c.over_at is None]
        times += [r.due for r in self.model.requests.values() if r.status == "accepted"]
        times += [a.due for a in self.model.accounts.values() if a.leaving]
        return sorted(time for time in times if time > self.model.now)

    def finish(self) -> None:
        """Play everything to its end, and check what should hold then."""
        self._last_challenges(max((c.window_end for c in self.model.claims.values()), default=0))
        for _ in range(400):
            self.honest_moves()
            self.everybody_moves()
            self._poke()
            pending = [c for c in self.model.claims.values() if c.over_at is None]
            if not pending and not self._unsettled():
                break
            if all(self.contests[id].stuck for id in self.running()) and (times := self.deadlines()):
                self._set_time(times[0])
        else:
            raise AssertionError("the world does not come to an end")
        self.tally.seen += self.model.seen
        self._check_over()

    def _unsettled(self) -> list[bytes]:
        return [id for id, d in self.model.disputes.items() if d.status == "active"]

    def _poke(self) -> None:
        anyone = self.rng.choice(ACCOUNTS)
        if over := self.overdue():
            self.expire(over, anyone)
        for id in self._unsettled():
            if self.model.claims[self.model.disputes[id].claim].fallen_at is not None:
                self.settle(id, anyone)
        for id, claim in self.model.claims.items():
            if claim.over_at is None and not claim.unresolved and self.model.now >= claim.window_end:
                self.finalise(id, anyone)

    def _check_over(self) -> None:
        """INVARIANTS 1 to 3 and 9: who is honest has won, in time, and nothing is left locked for nothing."""
        for id, claim in self.model.claims.items():
            assert claim.over_at is not None
            if self.games[id].honest is Side.EXECUTOR:
                assert claim.fallen_at is None, "an honest answer stands"
            elif any(d.claim == id and d.challenger == CHALLENGER for d in self.model.disputes.values()):
                assert claim.fallen_at is not None, "a lie that an honest watcher disputes falls"
        accepted = [r for r in self.model.requests.values() if r.status == "accepted"]
        locked = sum(account.locked for account in self.model.accounts.values())
        assert locked == sum(map(self.model.stake_of, accepted))
