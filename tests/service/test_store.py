"""What an agent keeps: it helps the next process, and whatever becomes of it, the agent goes on."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.errors import Unmined, WrongSetup
from contracts.outbox import Sent
from contracts.service.lock import DirectoryLock
from contracts.service.store import VERSION, Store
from tests.agents.stage import ETHER, Stage
from tests.contracts.pool import Pool
from tests.contracts.test_outbox import ACCOUNT

OWNER = "31337 0xcontract 0xaccount"
SENT = Sent(b"data", 1 << 200, 21_000, 7, 10**9, 1, [b"\x01" * 32, b"\x02" * 32])
CLAIM = bytes(range(32))


def filled(directory: Path) -> Store:
    store = Store(directory, OWNER)
    store.keep_transactions([SENT])
    store.note_agreed(CLAIM)
    return store


def test_the_next_process_finds_what_was_kept(tmp_path: Path) -> None:
    filled(tmp_path).close()
    store = Store(tmp_path, OWNER)
    assert (store.transactions(), store.agreed()) == ([SENT], {CLAIM})
    store.forget_agreed([CLAIM])
    store.keep_transactions([])
    assert (store.transactions(), store.agreed()) == ([], set())


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _scribble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:8192] = os.urandom(4096)
    path.write_bytes(content)


def _other_version(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")


def _other_content(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE transactions SET content = x'c1'")


@pytest.mark.parametrize(
    "harm", [_cut, _scribble, _other_version, _other_content, lambda path: path.write_bytes(b"not a database" * 1000)]
)
def test_a_store_that_cannot_be_read_is_said_set_aside_and_begun_anew(tmp_path: Path, harm: object) -> None:
    filled(tmp_path).close()
    path = tmp_path / "agent.sqlite"
    harm(path)  # type: ignore[operator]
    with capture_logs() as logs:
        store = Store(tmp_path, OWNER)
    assert [log["event"] for log in logs] == ["store_rebuilt"]
    assert Path(logs[0]["kept"]).exists()
    assert (store.transactions(), store.agreed()) == ([], set())
    store.note_agreed(CLAIM)
    store.close()
    assert Store(tmp_path, OWNER).agreed() == {CLAIM}


def test_the_store_of_another_account_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with capture_logs() as logs:
        assert Store(tmp_path, OWNER + "2").transactions() == []
    assert "belongs to" in logs[0]["reason"]


def test_a_store_that_is_damaged_under_a_running_agent_is_rebuilt(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = tmp_path / "agent.sqlite"
    path.write_bytes(b"\x00" * path.stat().st_size)
    with capture_logs() as logs:
        for number in range(3):
            store._database.execute("PRAGMA shrink_memory")  # it would go on with what it has in its cache
            store.note_agreed(bytes([number]) * 32)
            store.agreed()
    assert "store_rebuilt" in {log["event"] for log in logs}
    store.note_agreed(CLAIM)
    assert CLAIM in store.agreed()


def test_a_full_disk_is_said_once_and_costs_nothing_else(tmp_path: Path) -> None:
    store = filled(tmp_path)
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    with capture_logs() as logs:
        for number in range(2000):
            store.note_agreed(number.to_bytes(32, "big"))
    assert [log["event"] for log in logs] == ["store_not_written"]
    store._database.execute("PRAGMA max_page_count = 100000")
    with capture_logs() as logs:
        store.note_agreed(CLAIM)
    assert [log["event"] for log in logs] == ["store_written_again"]


def test_a_directory_that_is_in_use_is_refused_with_the_others_number(tmp_path: Path) -> None:
    hold = "import sys, time; from pathlib import Path; from contracts.service.lock import DirectoryLock; "
    hold += "lock = DirectoryLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(WrongSetup, match=f"process {other.pid} works in"):
            DirectoryLock(tmp_path)
    finally:
        other.kill()
        other.wait()
    DirectoryLock(tmp_path).release()


def test_a_directory_on_a_full_disk_is_held_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is started again there plays on from the chain."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    lock = DirectoryLock(tmp_path)
    with pytest.raises(WrongSetup, match="process unknown works in"):
        DirectoryLock(tmp_path)
    lock.release()


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongSetup, match="cannot be used: Not a directory; give another --data"):
        DirectoryLock(tmp_path / "file" / "data")


def test_a_restarted_process_sends_nothing_twice_and_knows_its_receipt(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "models")
    pool = Pool(stage.devnet)

    def process() -> Client:
        client = Client(Chain(pool), stage.deployment, ACCOUNT, patience=0.05)
        client.keep_in(Store(tmp_path, OWNER))
        return client

    wanted = [calls.deposit(ETHER), calls.deposit(2 * ETHER)]
    assert all(isinstance(outcome, Unmined) for outcome in process().transact_all(wanted))
    assert all(isinstance(outcome, Unmined) for outcome in process().transact_all(wanted))
    assert len(pool.taken) == 2
    assert pool.mine() == 2
    assert stage.requester.view("accountOf", ACCOUNT.address)[0] == 3 * ETHER


def test_a_restarted_watcher_runs_no_claim_again_that_it_agreed_with(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "models")
    executor = stage.executor()
    stage.ask()
    stage.settle_down(executor)
    for times in range(2):
        watcher = stage.watcher(store=Store(tmp_path, OWNER))
        with capture_logs() as logs:
            stage.settle_down(watcher)
        assert [log["event"] for log in logs if log["event"] == "claim_agrees"] == ["claim_agrees"] * (1 - times)
