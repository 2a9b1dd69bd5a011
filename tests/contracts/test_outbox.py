"""Transactions that are not mined at once: none is sent twice, what is stuck is replaced, up to what is allowed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from contracts import calls, outbox
from contracts.batch import Done
from contracts.chain import Chain
from contracts.client import Client
from contracts.errors import ChainUnavailable, NodeRefused, Unmined
from contracts.provider import DEVNET_KEYS
from tests.agents.stage import ETHER, PARAMETERS, Stage
from tests.contracts.pool import GWEI, Pool

ACCOUNT = Account.from_key(DEVNET_KEYS[3])


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


@pytest.fixture
def pool(stage: Stage) -> Pool:
    return Pool(stage.devnet)


def client(stage: Stage, pool: Pool, patience: float = 0.05, fee_factor: float = 3.0) -> Client:
    """A new process of the same account."""
    return Client(Chain(pool), stage.deployment, ACCOUNT, patience=patience, fee_factor=fee_factor)


def staked(stage: Stage) -> int:
    return int(stage.requester.view("accountOf", ACCOUNT.address)[0])


def blindly(call: calls.Call) -> calls.Call:
    return replace(call, simulated=False)


def unmined(sender: Client, *wanted: calls.Call) -> None:
    assert all(isinstance(outcome, Unmined) for outcome in sender.transact_all(wanted))


def test_what_is_on_its_way_is_not_sent_again(stage: Stage, pool: Pool) -> None:
    sender = client(stage, pool)
    for _ in range(3):
        unmined(sender, calls.deposit(ETHER))
    assert len(pool.taken) == 1
    assert pool.mine() == 1
    assert staked(stage) == ETHER


def test_a_restarted_agent_pays_nothing_in_while_its_earlier_transactions_are_on_their_way(
    stage: Stage, pool: Pool
) -> None:
    watcher = stage.watcher(client=client(stage, pool))
    watcher.round()
    again = stage.watcher(client=client(stage, pool))
    again.round()
    assert len(pool.waiting) == 1
    pool.mine()
    again.round()
    assert not pool.waiting
    assert staked(stage) == 10 * ETHER


def test_what_offers_less_than_the_base_fee_is_replaced_from_the_lowest_nonce_on(stage: Stage, pool: Pool) -> None:
    sender = client(stage, pool)
    unmined(sender, calls.deposit(ETHER))
    pool.base_fee = 20 * GWEI
    assert pool.mine() == 0
    unmined(sender, blindly(calls.start_withdrawal(ETHER // 2)))
    (first, low), (replaced, high), (behind, _) = pool.taken
    assert first == replaced == behind - 1
    seen = sender.on_their_way()
    assert (seen.count, seen.replaced) == (2, 1)
    assert seen.cost > ETHER
    assert high >= pool.base_fee
    assert high * 8 >= low * 9
    assert pool.mine() == 2
    outcomes = sender.transact_all([calls.deposit(1)])
    assert isinstance(outcomes[0], Unmined), "a new one, not the one that was mined"
    assert sender.on_their_way().count == 1
    assert staked(stage) == ETHER // 2


def test_while_it_waits_for_a_stuck_transaction_it_raises_its_fee(stage: Stage, pool: Pool) -> None:
    sender = client(stage, pool, patience=10)

    def rise(method: str) -> None:
        if method == "eth_getTransactionReceipt":
            pool.base_fee = 20 * GWEI
            pool.mine()

    pool.when_asked = rise
    assert isinstance(sender.transact(calls.deposit(ETHER)), Done)
    assert len(pool.taken) == 2


def test_no_fee_goes_beyond_what_the_operator_allows(stage: Stage, pool: Pool) -> None:
    sender = client(stage, pool, fee_factor=0.5)
    cap = PARAMETERS.peak_gas_price // 2
    unmined(sender, calls.deposit(ETHER))
    for fee in (20, 40, 80, 200, 400):
        pool.base_fee = fee * GWEI
        unmined(sender, calls.deposit(ETHER))
    assert max(price for _, price in pool.taken) <= cap
    assert {nonce for nonce, _ in pool.taken} == {pool.taken[0][0]}


def test_what_an_earlier_process_left_stuck_is_taken_over_at_its_nonce(stage: Stage, pool: Pool) -> None:
    for amount in (1, 2):
        unmined(client(stage, pool), blindly(calls.start_withdrawal(amount)))
    pool.base_fee = 20 * GWEI
    sender = client(stage, pool)
    unmined(sender, blindly(calls.start_withdrawal(3)))
    assert [nonce for nonce, _ in pool.taken] == [0, 1, 2], "it waits for a while"
    time.sleep(4 * 0.05)
    unmined(sender, blindly(calls.start_withdrawal(4)))
    nonce, price = pool.taken[-1]
    assert nonce == 0
    assert price >= pool.base_fee


def test_what_the_node_has_forgotten_is_sent_again(stage: Stage, pool: Pool) -> None:
    sender = client(stage, pool)
    unmined(sender, calls.deposit(ETHER))
    pool.waiting.clear()
    unmined(sender, calls.deposit(ETHER))
    assert pool.mine() == 1
    assert staked(stage) == ETHER


def test_what_the_node_has_forgotten_is_not_waited_for(
    stage: Stage, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LOOK", 0.01)
    looks = 0

    def drop(method: str) -> None:
        nonlocal looks
        if method == "eth_getTransactionReceipt":
            pool.waiting.clear()
            looks += 1
            assert looks < 100, "it still waits"

    pool.when_asked = drop
    unmined(client(stage, pool, patience=1_000), calls.deposit(ETHER), calls.deposit(2 * ETHER))


def test_a_fee_that_rises_just_before_something_is_sent_is_offered(stage: Stage, pool: Pool) -> None:
    pool.choosy = True

    def rise(method: str) -> None:
        if method == "eth_sendRawTransaction":
            pool.base_fee = 20 * GWEI

    pool.when_asked = rise
    unmined(client(stage, pool), calls.deposit(ETHER))
    assert pool.mine() == 1
    pool.when_asked = lambda method: None
    pool.base_fee = PARAMETERS.peak_gas_price * 4
    with pytest.raises(NodeRefused, match="less than block base fee"):
        client(stage, pool).transact(calls.deposit(ETHER))  # beyond what the operator allows


@pytest.mark.parametrize("words", ["already known", "transaction already imported"])
def test_a_transaction_that_the_node_has_is_no_refusal(stage: Stage, pool: Pool, words: str) -> None:
    pool.known = words
    chain, to = Chain(pool), stage.deployment.refute
    sent = {chain.send(ACCOUNT, to, b"", value=0, gas=0, nonce=0, base_fee=GWEI) for _ in range(2)}
    assert (len(sent), len(pool.taken)) == (1, 1)


def test_one_that_is_waited_for_in_vain_is_no_failure_of_the_chain_only(stage: Stage, pool: Pool) -> None:
    with pytest.raises(ChainUnavailable, match=r"\(deposit\) is not mined yet"):
        client(stage, pool).transact(calls.deposit(ETHER))
