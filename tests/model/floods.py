"""Floods: hundreds of disputes on one claim, or hundreds of claims, right or wrong, open at once.

What each transaction costs is kept by its function, so that a flood's dearest can be compared with one that is alone.
"""

from __future__ import annotations

import typing
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts import calls
from contracts.calls import Call
from contracts.deployment import DEVNET_PARAMETERS, Parameters
from contracts.ledger import first_position, position_after
from contracts.provider import DEVNET_KEYS
from prover.game.adversaries import LyingDefender, WanderingChallenger
from prover.game.moves import opened_content
from prover.game.openings import Opened
from prover.game.players import Challenger, Defender
from prover.game.position import Party, Phase, Position, Side
from prover.trace import Execution
from tests.model.evm import Protocol
from tests.model.players import INPUTS, PROGRAM, SUMS, faulty, honest, player, remembered_hashes

ETHER = 10**18
PARAMETERS = replace(DEVNET_PARAMETERS, window=7_200, clock=7_200, withdrawal_delay=21_600)
"""Where each transaction takes a block, and a block a second, there is time for a thousand."""
DELAY = PARAMETERS.window + 2 * PARAMETERS.clock
"""Seconds within which a claim ends, whatever challengers do."""
FEE = ETHER // 100
STAKE = 1_000 * ETHER
BOND = PARAMETERS.challenger_bond
_PEOPLE = [Account.from_key(key) for key in DEVNET_KEYS[1:5]]
EXECUTOR, WATCHER, REQUESTER, STRANGER = (account.address for account in _PEOPLE)
EXPIRED_AT_ONCE = 50
"""Disputes in one transaction."""
FALSE = faulty(SUMS, 0, 1)
GROWTH = 1.02
"""Most that a transaction's gas may grow by in a flood: addresses and ids have other zero bytes."""


@dataclass
class Flood:
    """What a flood cost and how it ended. Money in wei."""

    gas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Of each transaction, by its function, in order; of `expire`, per dispute."""
    spent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Gas of all transactions of an account."""
    earned: int = 0
    """What the honest executor collected."""
    lost: int = 0
    """What somebody honest lost: a stake, a dispute, a claim."""
    seconds: int = 0
    """From a claim to its end, at most."""

    def dearest(self) -> dict[str, int]:
        """Gas of the dearest transaction, by function."""
        return {function: max(costs) for function, costs in self.gas.items()}


class Host(typing.Protocol):
    """Where the contracts are; `tests.model.evm` and `tests.model.devnet` say what these do."""

    gas: int

    @property
    def now(self) -> int: ...
    def set_time(self, now: int) -> None: ...
    def send(self, sender: str, call: Call) -> dict[str, dict[str, Any]]: ...
    def view(self, function: str, *arguments: Any) -> Any: ...


MakeHost = Callable[[Parameters, Sequence[LocalAccount]], Host]


def on_pyrevm(parameters: Parameters, accounts: Sequence[LocalAccount]) -> Host:
    """Fast; slots count as warm, so gas is less than on a chain."""
    return Protocol(parameters, [account.address for account in accounts], parameters.peak_gas_price)


class _Scene:
    """One chain, the honest with their stakes, and a model that is registered."""

    def __init__(self, make: MakeHost, spammers: int, stake: int = STAKE) -> None:
        crowd = [Account.from_key(((1 << 128) + number).to_bytes(32, "big")) for number in range(spammers)]
        self.spammers = [account.address for account in crowd]
        self.protocol = make(PARAMETERS, [*_PEOPLE, *crowd])
        self.flood = Flood()
        self.protocol.send(REQUESTER, calls.register_model(PROGRAM, "local"))
        self.protocol.send(EXECUTOR, calls.deposit(stake))
        for account in (WATCHER, *self.spammers):
            self.protocol.send(account, calls.deposit(BOND))

    def send(self, who: str, call: Call, share: int = 1) -> dict[str, dict[str, Any]]:
        """A transaction of the flood; `share`: how many ways its gas is split."""
        events = self.protocol.send(who, call)
        self.flood.gas[call.function].append(self.protocol.gas // share)
        self.flood.spent[who] += self.protocol.gas
        return events

    def claim(self, execution: Execution) -> bytes:
        """A request, accepted and answered by the executor; the claim's id. A second passes."""
        events = self.send(REQUESTER, calls.request_run(PROGRAM, INPUTS, FEE, 600))
        request: bytes = events["Requested"]["request"]
        self.send(EXECUTOR, calls.accept(request))
        events = self.send(EXECUTOR, calls.claim_execution(request, execution))
        self.pass_time(1)
        claim: bytes = events["Claimed"]["claim"]
        return claim

    def pass_time(self, seconds: int) -> None:
        self.protocol.set_time(self.protocol.now + seconds)

    def expire(self, parties: Sequence[Party]) -> None:
        """By the executor, several at once."""
        for first in range(0, len(parties), EXPIRED_AT_ONCE):
            some = parties[first : first + EXPIRED_AT_ONCE]
            self.send(EXECUTOR, calls.expire(some), len(some))

    def account(self, who: str) -> tuple[int, int]:
        """Its free and its locked stake."""
        free, locked, _, _ = self.protocol.view("accountOf", who)
        return free, locked

    def collect(self) -> None:
        """What the executor is owed."""
        self.flood.earned = self.protocol.view("creditsOf", EXECUTOR)
        self.send(EXECUTOR, calls.collect())


class _Game:
    """One dispute, move by move."""

    def __init__(self, scene: _Scene, claim: bytes, who: str, executor: Defender, challenger: Challenger) -> None:
        self.scene, self.party = scene, Party(claim, who)
        self.executor, self.challenger = executor, challenger
        self.history: list[Opened] = []
        events = scene.send(who, calls.challenge(claim, PROGRAM, executor.execution.trace.root))
        self.dispute: bytes = events["Challenged"]["dispute"]
        self.position: Position = first_position(events["Challenged"])

    def move(self) -> bool:
        """Whoever is to move does; whether the dispute goes on."""
        if self.position.phase.side is Side.EXECUTOR:
            who, move = EXECUTOR, self.executor.answer(self.position)
        else:
            who, move = self.party.challenger, self.challenger.reply(self.position, self.history)
        events = self.scene.send(who, calls.answer(self.dispute, self.position, move))
        if "Resolved" in events:
            return False
        if content := opened_content(move):
            self.history.append(Opened(self.position, content))
        self.position = position_after(self.position, events["Moved"])
        return True

    def move_to_the_step(self) -> None:
        while self.position.phase is not Phase.STEP:
            self.move()


def _first(below: int) -> int:
    """What spammers pick, which leads them through every level."""
    assert below > 0
    return 0


def flood_disputes(count: int, make: MakeHost = on_pyrevm) -> Flood:
    """`count` challengers dispute one honest claim at the end of its window and go on as long as they can.

    Each lets nearly its whole clock run, evenly over its moves, and stalls before the step, which would agree.
    """
    with remembered_hashes():
        scene = _Scene(make, count)
        claim = scene.claim(honest())
        posted = scene.protocol.now - 1
        scene.protocol.set_time(posted + PARAMETERS.window - count - 5)
        defender, spams = player(Defender, honest()), WanderingChallenger(honest(), _first)
        scene.flood.spent.clear()
        games = [_Game(scene, claim, spammer, defender, spams) for spammer in scene.spammers]
        while any(game.position.phase is not Phase.STEP for game in games):
            if games[0].position.phase.side is Side.CHALLENGER:
                scene.pass_time(PARAMETERS.clock // 13)
            for game in games:
                if game.position.phase is not Phase.STEP:
                    game.move()
        scene.pass_time(PARAMETERS.clock)
        scene.expire([game.party for game in games])
        scene.send(EXECUTOR, calls.finalise(claim))
        scene.collect()
    scene.flood.seconds = scene.protocol.now - posted
    scene.flood.lost = int(scene.account(EXECUTOR) != (STAKE, 0))
    assert all(scene.account(spammer) == (0, 0) for spammer in scene.spammers), "every spammer lost its bond"
    return scene.flood


def flood_claims(count: int, make: MakeHost = on_pyrevm) -> Flood:
    """`count` claims of one executor are open at once: all right but the last, which a watcher finds among them.

    A spammer disputes the first.
    """
    with remembered_hashes():
        scene = _Scene(make, 1, STAKE + count * PARAMETERS.executor_stake)
        claims = {}
        for _ in range(count - 1):
            claim = scene.claim(honest())
            claims[claim] = scene.protocol.now - 1
        false = scene.claim(FALSE)
        assert scene.account(EXECUTOR)[1] == count * PARAMETERS.executor_stake, "all are open at once"
        refuted = _Game(scene, false, WATCHER, player(LyingDefender, FALSE), player(Challenger, honest()))
        while refuted.move():
            pass
        spams = WanderingChallenger(honest(), _first)
        stalled = _Game(scene, next(iter(claims)), scene.spammers[0], player(Defender, honest()), spams)
        stalled.move_to_the_step()
        scene.pass_time(PARAMETERS.clock)
        scene.expire([stalled.party])
        for claim, posted in claims.items():
            scene.protocol.set_time(max(scene.protocol.now, posted + PARAMETERS.window))
            scene.send(STRANGER, calls.finalise(claim))
            scene.flood.seconds = max(scene.flood.seconds, scene.protocol.now - posted)
        scene.collect()
    right = (count - 1) * PARAMETERS.executor_stake
    assert scene.account(EXECUTOR)[0] + scene.account(EXECUTOR)[1] == STAKE + right, "only the false claim's is gone"
    scene.flood.lost = int(scene.account(EXECUTOR)[1] > 0) + (scene.account(WATCHER) != (BOND, 0))
    return scene.flood


def flood_lies(count: int, make: MakeHost = on_pyrevm) -> Flood:
    """`count` false claims are open at once; one watcher with a bond for each disputes them all beside each other."""
    with remembered_hashes():
        scene = _Scene(make, 0, count * PARAMETERS.executor_stake)
        scene.protocol.send(WATCHER, calls.deposit((count - 1) * BOND))
        claims = []
        for _ in range(count):
            claims.append((scene.claim(FALSE), scene.protocol.now - 1))
        liar, watcher = player(LyingDefender, FALSE), player(Challenger, honest())
        games = [_Game(scene, claim, WATCHER, liar, watcher) for claim, _ in claims]
        assert scene.account(WATCHER) == (0, count * BOND), "all are open at once"
        while games:
            games = [game for game in games if game.move()]
        scene.flood.seconds = scene.protocol.now - claims[0][1]
        scene.flood.earned = scene.protocol.view("creditsOf", WATCHER)
        scene.send(WATCHER, calls.collect())
    assert scene.account(EXECUTOR) == (0, 0), "every lie is slashed"
    scene.flood.lost = int(scene.account(WATCHER) != (count * BOND, 0))
    return scene.flood
