"""States of the chain that are written down rather than played, and what each agent decides on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contracts.calls import NOBODY
from contracts.deployment import DEVNET_PARAMETERS
from contracts.snapshot import (
    AccountView,
    ClaimView,
    DisputeView,
    RequestView,
    Snapshot,
)
from executor import decide as executing
from prover.game.moves import OpenTrace, PickTrace
from prover.game.players import NothingDiffers
from prover.game.position import Ground, Phase, Position
from tests.agents.stage import ETHER, PARAMETERS, interpret, small_model
from watcher import decide as watching
from watcher.verdict import Refuted

ME, THEM = "0x" + "11" * 20, "0x" + "22" * 20
MODEL = bytes([77]) * 32
NOW = 10_000
BOND, STAKE = PARAMETERS.challenger_bond, PARAMETERS.executor_stake


def key(kind: str, number: int) -> bytes:
    return kind.encode().ljust(28) + number.to_bytes(4, "big")


def request(number: int = 0, **changes: object) -> RequestView:
    plain = RequestView(key("request", number), MODEL, THEM, ETHER, 600, 0, NOBODY, (b"",))
    return replace(plain, **changes)  # type: ignore[arg-type]


def claim(number: int = 0, executor: str = ME, **changes: object) -> ClaimView:
    plain = ClaimView(key("claim", number), key("request", number), executor, NOBODY, bytes(32), (), NOW + 100)
    return replace(plain, **changes)  # type: ignore[arg-type]


def dispute(number: int, phase: Phase, deadline: int, challenger: str = THEM, of: int = 0) -> DisputeView:
    position = replace(Position.initial(Ground(4, bytes(32), bytes(32), bytes(32))), phase=phase)
    return DisputeView(key("dispute", number), key("claim", of), challenger, position, deadline)


def snapshot(*views: RequestView | ClaimView | DisputeView, free: int = 0, **account: int) -> Snapshot:
    money = AccountView(ME, free, **{"balance": 100 * ETHER, **account})
    kinds = [{v.id: v for v in views if isinstance(v, kind)} for kind in (RequestView, ClaimView, DisputeView)]
    return Snapshot(1, NOW, 7, DEVNET_PARAMETERS, money, {}, *kinds)  # type: ignore[arg-type]


@dataclass
class Opens:
    def answer(self, position: Position) -> OpenTrace:
        return OpenTrace(())


@dataclass
class Picks:
    def reply(self, position: Position, history: object) -> PickTrace:
        return PickTrace((), 0)


class Agreeing(Picks):
    def reply(self, position: Position, history: object) -> PickTrace:
        raise NothingDiffers("the same")


REFUTED = Refuted(interpret(small_model(), []))
DEFENDED = executing.Held(
    frozenset({MODEL}), frozenset({MODEL}), {}, {key("request", 0): Opens()}, staked=True, seconds={MODEL: 1.0}
)


def executors(seen: Snapshot, held: executing.Held = DEFENDED, stake: int = 0) -> list[executing.Action]:
    return executing.decide(seen, held, ME, NOW, executing.Policy(stake))


def watchers(seen: Snapshot, held: watching.Held | None = None, stake: int = BOND) -> list[watching.Action]:
    return watching.decide(seen, held or watching.Held(staked=True), ME, NOW, watching.Policy(stake))
