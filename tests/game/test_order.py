"""What whoever reads the mempool and is mined first can take: the evidence of docs/decisions/0012.

Honest transactions are copied in every way that the protocol leaves open, and what that moved is counted. Books leave
gas out: what they compare is what the protocol gave and took.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from contracts import calls
from contracts.abi import refute_abi
from contracts.client import Client
from contracts.shelf import Run
from contracts.snapshot import ClaimStatus, DisputeStatus, DisputeView, RequestStatus
from deploy.economics import payouts
from deploy.economics.gas import TARIFF
from deploy.testkit import adversaries
from deploy.testkit.books import Books
from deploy.testkit.chains import EthTester
from deploy.testkit.challengers import Copycat
from deploy.testkit.executors import LONG_SUM
from deploy.testkit.models import interpret
from deploy.testkit.stage import FEE, PARAMETERS, Stage
from prover.game.adversaries import LyingDefender, ReplacedOutput
from prover.game.position import Party
from prover.model_folder import Model
from prover.trace import Array, Execution

STAKE = PARAMETERS.executor_stake
BURNED, POT = payouts.burned(STAKE, PARAMETERS.burn_share), payouts.pot(STAKE, PARAMETERS.burn_share)
OPENS = "challenge", "challengeAt", "proveOutput", "deposit"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with EthTester() as chain:
        yield Stage(chain, tmp_path / "models")


class Retargeting(Copycat):
    """Knows the protocol: makes each of its victim's moves in its own dispute, on the same claim, a block earlier."""

    def __init__(self, stage: Stage, client: Client, victim: str) -> None:
        super().__init__(stage, client, victim)
        self._own = lambda: dispute_of(stage, client)
        self._challenger = int(client.address, 16).to_bytes(32, "big")

    def altered(self, data: bytes) -> bytes:
        """The victim's calldata with dispute, position and, where the move carries it, challenger replaced."""
        name = refute_abi().function_of(data)
        if name in OPENS:
            return data
        mine = self._own()
        words = b"".join(mine.position.words())
        rest = data[4 + 32 + len(words) :]
        if name in ("step", "refuteFactor"):
            rest = self._challenger + rest[32:]
        return data[:4] + mine.id + words + rest


def dispute_of(stage: Stage, client: Client) -> DisputeView:
    return next(d for d in stage.look().disputes.values() if d.challenger == client.address)


def tariff_of(stage: Stage, client: Client) -> int:
    """What a client's dispute is owed for its moves, in wei."""
    standing, _ = stage.requester.view("disputeOf", dispute_of(stage, client).id)
    return int(standing[-1])


def gas_of(stage: Stage, client: Client) -> list[tuple[str, int, bool]]:
    """Every transaction of a client: its function, the gas that it took, and whether it succeeded."""
    return [
        (refute_abi().function_of(bytes(transaction["data"])), receipt["gasUsed"], receipt["status"] == 1)
        for transaction, receipt in stage.sent([client.address], stage.deployment.block)
    ]


def copied(stage: Stage, copycat: Copycat, lie: Run = LONG_SUM) -> bytes:
    """A lie that an honest watcher disputes while its transactions are copied; the claim's id."""
    cheat = stage.executor(lie, LyingDefender, client=stage.another, stake=STAKE)
    request = stage.answered(cheat)
    (claim,) = stage.claims_of(request)
    stage.listeners.append(copycat)
    stage.settle_down(cheat, stage.watcher(), until=lambda: stage.look().claims[claim.id].status is ClaimStatus.FALLEN)
    stage.listeners.remove(copycat)
    return claim.id


def test_a_copier_of_bytes_gets_a_dispute_of_its_own_and_wins_that_of_its_victim(stage: Stage) -> None:
    """The kit's copycat: a copied challenge is its own, a copied pick is refused, a copied step is the victim's win."""
    books, thief, honest = Books(stage), stage.other, stage.watcher_client
    copycat = Copycat(stage, thief, honest.address)
    claim = copied(stage, copycat)
    sent = gas_of(stage, thief)
    assert [name for name, _, ok in sent if ok] == ["deposit", "challengeAt", "step"]
    assert {name for name, _, ok in sent if not ok} == {
        "pickTrace",
        "pickOperator",
        "pickTensor",
        "pickElement",
        "pickTerms",
    }
    tariff, challenge = tariff_of(stage, thief), sent[1][1]
    assert books.change(honest) == POT - tariff
    thief.transact(calls.settle(Party(claim, thief.address)))
    assert books.change(thief) == tariff == TARIFF["challengeAt"] * base_fee_of(stage, thief)
    assert challenge == pytest.approx(133_636, rel=0.05)


def test_a_copier_that_knows_the_protocol_takes_the_reward_and_the_honest_challenger_is_paid_its_tariff(
    stage: Stage,
) -> None:
    books, thief, honest = Books(stage), stage.other, stage.watcher_client
    copycat = Retargeting(stage, thief, honest.address)
    claim = copied(stage, copycat)
    assert all(copycat.taken), "it makes every move first, the proof too"
    assert dispute_of(stage, thief).status is DisputeStatus.WON
    tariff = tariff_of(stage, honest)
    assert books.change(thief) == POT - tariff
    honest.transact(calls.settle(Party(claim, honest.address)))
    assert books.change(honest) == tariff > 0
    assert books.change(stage.another) == -STAKE, "the liar loses all the same"
    assert int(stage.requester.view("burned")) == BURNED
    moves = [sent for sent in gas_of(stage, honest) if sent[0] not in ("deposit", "settle")]
    assert moves[-1][::2] == ("step", False), "its own proof comes too late"
    units = sum(TARIFF[name] for name, _, ok in moves if ok)
    assert units == 575_000 >= sum(gas for _, gas, _ in moves) == pytest.approx(551_628, rel=0.02)


def test_a_proof_of_one_transaction_is_taken_whole(stage: Stage) -> None:
    """An output that is not the last checkpoint: whoever copies the proof is paid all, and its finder nothing."""

    def replaced(model: Model, inputs: Sequence[Array]) -> Execution:
        honest = interpret(model, inputs)
        return ReplacedOutput(honest, tuple(output + 1 for output in honest.outputs))

    books, thief, honest = Books(stage), stage.other, stage.watcher_client
    copycat = Copycat(stage, thief, honest.address)
    copied(stage, copycat, replaced)
    assert books.change(thief) == POT
    assert books.change(honest) == 0, "its bond was never locked"
    _, (name, gas, ok) = gas_of(stage, honest)
    assert (name, ok) == ("proveOutput", False)
    assert gas == pytest.approx(164_370, rel=0.02)
    assert int(stage.requester.view("burned")) == BURNED


def test_a_copied_answer_is_refused_and_a_copied_acceptance_locks_a_stake(stage: Stage) -> None:
    books, thief, honest = Books(stage), stage.other, stage.executor_client
    thief.transact(calls.deposit(STAKE))
    copycat = Copycat(stage, thief, honest.address)
    executor = stage.executor()
    request = stage.ask()
    stage.settle_down(executor, until=lambda: stage.request(request).status is RequestStatus.ACCEPTED)
    stage.listeners.append(copycat)
    stage.settle_down(executor, until=lambda: bool(stage.claims_of(request)))
    assert copycat.taken == [False], "only the acceptor may claim"
    second = stage.ask(seed=1)
    stage.settle_down(executor, until=lambda: stage.request(second).executor is not None)
    stage.listeners.remove(copycat)
    assert stage.request(second).executor == thief.address, "whoever is first is bound to answer"
    stage.play(executor, stage.watcher())
    assert stage.request(second).status is RequestStatus.FINAL
    assert books.change(thief) == -PARAMETERS.acceptance_bond
    assert books.change(honest) == 2 * FEE


def test_an_insured_lie_loses_what_is_burned_whoever_is_first(stage: Stage) -> None:
    """The kit's self-insurance: the friend knows of the lie before anyone, so that any prize for being first is its."""
    books = Books(stage)
    adversaries()["self-insurance"].play(stage)
    assert books.change(stage.other) == -STAKE
    assert books.change(stage.other, stage.another) == -BURNED


def base_fee_of(stage: Stage, client: Client) -> int:
    """Of the block in which a client's dispute began."""
    chain, refute = stage.chain, stage.deployment.refute
    for log in chain.logs(refute, stage.deployment.block, chain.block().number):
        event = client.decode(log)
        if event is not None and event.name == "Challenged" and event.arguments["challenger"] == client.address:
            return chain.block(log["blockNumber"]).base_fee
    raise AssertionError("it has no dispute")
