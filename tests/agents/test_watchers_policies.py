"""What a watcher's operator asks of it: what to verify, whom to defend, and only to say what it would do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts import calls
from contracts.client import Client
from contracts.errors import WrongSetup
from contracts.shelf import Shelf
from contracts.snapshot import ClaimStatus, DisputeStatus
from executor.policy import Policy as ExecutorPolicy
from executor.service import ExecutorService
from prover.game.adversaries import LyingDefender, MistakenChallenger
from prover.game.position import Phase
from tests.agents.stage import ETHER, PARAMETERS, Stage, interpret, liar
from tests.agents.states import (
    BOND,
    ME,
    MODEL,
    NOW,
    THEM,
    Opens,
    claim,
    dispute,
    key,
    request,
    snapshot,
)
from tests.agents.test_mistakes import mistaken
from watcher import decide as watching
from watcher.decide import moves_left
from watcher.policy import SECRET_FILE, Policy, read_secret
from watcher.service import WatcherService
from watcher.verdict import Agrees, TwoBackends


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


# What is verified


def checked(policy: Policy, count: int = 400) -> set[int]:
    """Numbers of the claims that a watcher would verify."""
    claims = [claim(n, THEM) for n in range(count)]
    seen = snapshot(*map(request, range(count)), *claims, free=BOND)
    actions = watching.decide(seen, watching.Held(staked=True), ME, NOW, policy)
    assert {type(a) for a in actions} <= {watching.Check, watching.PassOver}
    return {int.from_bytes(a.claim[28:], "big") for a in actions if isinstance(a, watching.Check)}


def test_a_sample_is_a_share_that_only_the_secret_tells() -> None:
    mine, theirs = (checked(Policy(BOND, sample=0.2, secret=secret)) for secret in (b"a" * 32, b"b" * 32))
    assert 50 < len(mine) < 110
    assert mine == checked(Policy(BOND, sample=0.2, secret=b"a" * 32)), "the same after a restart"
    assert len(mine & theirs) < 40, "another secret draws others"
    assert mine < checked(Policy(BOND, sample=0.5, secret=b"a" * 32)), "a larger sample holds the smaller one"
    assert len(checked(Policy(BOND, sample=1.0))) == 400
    assert checked(Policy(BOND, sample=0.0, secret=b"a" * 32)) == set()


def test_the_secret_is_drawn_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    secret = read_secret(data)
    assert read_secret(data) == secret
    assert len(secret) == 32
    assert (data / SECRET_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in data.iterdir()] == [SECRET_FILE]
    assert read_secret(tmp_path / "another") != secret
    (data / SECRET_FILE).write_bytes(secret[:5])
    with pytest.raises(WrongSetup, match="holds no secret of 32 bytes; delete it"):
        read_secret(data)
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongSetup, match=r"cannot be kept: .*; give another --data"):
        read_secret(tmp_path / "file" / "data")


@pytest.mark.parametrize(
    ("wishes", "verified"),
    [
        ({"models": {MODEL}}, True),
        ({"models": {bytes(32)}}, False),
        ({"refused_models": {MODEL}}, False),
        ({"executors": {THEM}}, True),
        ({"executors": {ME}}, False),
        ({"refused_executors": {THEM}}, False),
        ({"executors": {THEM}, "refused_executors": {THEM}}, False),
    ],
)
def test_models_and_executors_are_chosen_or_refused(wishes: dict[str, set[object]], verified: bool) -> None:
    assert checked(Policy(BOND, **wishes), 1) == ({0} if verified else set())  # type: ignore[arg-type]


def test_what_is_passed_over_is_said_once_and_what_is_in_dispute_is_verified_all_the_same() -> None:
    theirs, mine = claim(0, THEM), dispute(0, Phase.TRACE_PICK, NOW + 9, ME)
    nothing = Policy(BOND, sample=0.0)
    actions = watching.decide(snapshot(request(), theirs, free=BOND), watching.Held(staked=True), ME, NOW, nothing)
    assert actions == [watching.PassOver(theirs.id, "it is not in the sample")]
    actions = watching.decide(snapshot(request(), theirs, mine), watching.Held(staked=True), ME, NOW, nothing)
    assert actions == [watching.Check(theirs.id)]


# Defending others


DELEGATED = replace(claim(0, THEM), delegate=ME)
DEFENDS = Policy(BOND, defend=True)


def defences(deadline: int, policy: Policy = DEFENDS, held: watching.Held | None = None) -> list[watching.Action]:
    seen = snapshot(request(), DELEGATED, dispute(0, Phase.LAYER_OPEN, deadline))
    known = watching.Held({DELEGATED.id: Agrees()}, defenders={DELEGATED.id: Opens()}, staked=True)
    return watching.decide(seen, held or known, ME, NOW, policy)


def test_a_delegate_runs_the_model_at_once_and_moves_when_the_time_left_is_needed() -> None:
    needed = 9 * PARAMETERS.move_time + PARAMETERS.layer_time
    assert defences(NOW + needed + 1) == [], "the executor may still come"
    (move,) = defences(NOW + needed)
    assert isinstance(move, watching.Defend)
    assert defences(NOW) == [], "from the deadline on no move counts"
    assert defences(NOW + 9, Policy(BOND)) == [], "only who is told to defends"
    unready = watching.Held({DELEGATED.id: Agrees()}, staked=True)
    (check,) = defences(NOW + needed + 1, held=unready)
    assert (check, check.urgent, check.defend) == (watching.Check(DELEGATED.id), True, True)  # type: ignore[union-attr]


def test_nobody_moves_for_who_named_another_delegate() -> None:
    seen = snapshot(request(), claim(0, THEM), dispute(0, Phase.LAYER_OPEN, NOW + 9))
    held = watching.Held({key("claim", 0): Agrees()}, defenders={key("claim", 0): Opens()}, staked=True)
    assert watching.decide(seen, held, ME, NOW, DEFENDS) == []


def test_the_longest_game_has_eleven_moves_of_the_executor() -> None:
    opening = dispute(0, Phase.TRACE_OPEN, NOW).position
    assert moves_left(replace(opening, count=4096)) == 2 + 1 + 4 + 1 + 3
    assert [moves_left(replace(opening, count=count)) for count in (2, 64, 65, 4096, 4097)] == [10, 10, 11, 11, 12]
    assert moves_left(replace(opening, phase=Phase.TENSOR_OPEN, count=1 << 22)) == 4 + 1 + 3


def delegating(stage: Stage) -> ExecutorService:
    policy = ExecutorPolicy(50 * ETHER, delegate=stage.watcher_client.address)
    return ExecutorService(stage.executor_client, Shelf(stage.models), interpret, policy, inline=True)


def defending(stage: Stage) -> WatcherService:
    judge = TwoBackends(interpret, interpret)
    return WatcherService(
        stage.watcher_client, Shelf(stage.models), judge, Policy(10 * ETHER, defend=True), inline=True
    )


def test_a_watcher_wins_the_game_of_an_executor_that_is_gone(stage: Stage) -> None:
    """The executor answers and is never seen again; a mistaken challenger would have its stake by the clock."""
    asked = stage.ask()
    stage.settle_down(delegating(stage))
    challenger, watcher = stage.watcher(mistaken, MistakenChallenger, client=stage.other), defending(stage)
    with capture_logs() as logs:
        stage.settle_down(challenger, watcher)
        assert "delegated_move_sent" not in [e["event"] for e in logs], "the executor still has time"
        for _ in range(20):  # a minute at a time: the delegate waits until it must, before every move
            stage.pass_time(PARAMETERS.move_time)
            stage.settle_down(challenger, watcher)
    moves = [e["move"] for e in logs if e["event"] == "delegated_move_sent"]
    assert moves[:2] == ["OpenLayer", "OpenChunk"]
    (over,) = stage.disputes_of(asked)
    assert over.position.phase is Phase.STEP, "as far as the challenger gets"
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(delegating(stage))
    (over,) = stage.disputes_of(asked)
    assert over.status is DisputeStatus.LOST
    assert stage.look().claims[over.claim].status is ClaimStatus.FINAL
    assert stage.account(stage.executor_client).stake == 50 * ETHER


def test_a_delegate_does_not_defend_a_lie(stage: Stage) -> None:
    asked = stage.ask()
    policy = ExecutorPolicy(50 * ETHER, delegate=stage.watcher_client.address)
    lying = ExecutorService(
        stage.executor_client, Shelf(stage.models), liar(1), policy, defend=LyingDefender, inline=True
    )
    stage.settle_down(lying, defending(stage))
    (over,) = stage.disputes_of(asked)
    assert (over.challenger, over.status) == (stage.watcher_client.address, DisputeStatus.WON)


def test_the_delegate_is_in_the_claim(stage: Stage) -> None:
    asked = stage.ask()
    stage.settle_down(delegating(stage))
    (made,) = stage.claims_of(asked)
    assert made.delegate == stage.watcher_client.address
    assert made.delegate != calls.NOBODY


# A dry run


def test_a_dry_run_says_what_it_would_do_and_sends_nothing(stage: Stage) -> None:
    stage.ask()
    stage.settle_down(stage.executor(liar(1), LyingDefender))
    block = stage.chain.block().number
    nobody = Client(stage.chain, stage.deployment)
    with capture_logs() as logs:
        stage.settle_down(stage.watcher(client=nobody))
        stage.settle_down(stage.watcher(client=nobody))
    (made,) = stage.look().claims
    said = [e for e in logs if e["event"] == "would_send"]
    assert [(e["function"], e["claim"]) for e in said] == [("challengeAt", f"0x{made.hex()}")] * 2, "once in each run"
    assert stage.chain.block().number == block
