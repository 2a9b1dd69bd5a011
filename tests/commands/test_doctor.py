"""`refute doctor`: a sound setup has only good findings; what is wrong is found, with what to do about it."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import asdict
from pathlib import Path

import pytest
from eth_account import Account

from contracts.chain import Chain
from contracts.provider import DEVNET_KEYS, DevnetChain
from contracts.service import disk
from contracts.service.checks import COMMON, PERSONAL
from deploy.rpc_server import RpcServer
from prover import model_folder
from prover.kernels.fused import self_test
from prover.progress import told
from tests.agents.stage import small_model
from tests.commands.conftest import Commands

Finding = dict[str, str]


def diagnosed(commands: Commands, *flags: object, role: str = "watcher", **changes: object) -> dict[str, Finding]:
    """Findings by name; the exit status says whether one of them fails."""
    said = commands.call("refute", "doctor", "--json", role, *commands.options(**changes), *flags)
    found: dict[str, Finding] = {f["name"]: f for f in json.loads(said.out)}
    assert said.status == ("fail" in {f["status"] for f in found.values()})
    return found


def remedy(finding: Finding, status: str) -> str:
    """What a finding says and advises."""
    assert finding["status"] == status, finding
    assert finding["remedy"], finding
    return f"{finding['said']}; {finding['remedy']}"


def test_a_sound_setup_is_one_line_for_each_check(commands: Commands) -> None:
    commands.call("refute", "warp", "1", "--chain", commands.devnet.server.url)
    found = diagnosed(commands, "--stake", "10eth")
    assert {name: f["status"] for name, f in found.items() if f["status"] != "ok"} in ({}, {"clock": "warn"})
    assert set(found) == {
        *("chain", "clock", "contracts", "parameters", "models", "registered models", "kernels", "fused kernels"),
        *("watcher's key", "watcher's balance", "watcher's stake", "watcher's data", "watcher's broker"),
    }
    said = commands.call("refute", "doctor", *commands.options())
    assert said.status == 0
    lines = said.out.splitlines()
    assert all(line.split()[0] in ("ok", "warn") for line in lines)
    assert {"watcher's", "executor's"} < {line.split()[1] for line in lines}


def test_it_tells_how_far_it_is(commands: Commands) -> None:
    heard: set[tuple[str, int, int]] = set()
    with told(lambda *said: heard.add(said)):
        diagnosed(commands, "--stake", "10eth")
    assert heard >= {("checking", len(COMMON), len(COMMON)), ("checking", len(PERSONAL), len(PERSONAL))}
    assert {what for what, _, _ in heard} >= {"checking layers", "hashing weights"}


def test_a_chain_that_does_not_answer_leaves_what_needs_it_unchecked(commands: Commands) -> None:
    found = diagnosed(commands, chain="http://127.0.0.1:9")
    assert "no chain answers at http://127.0.0.1:9; start one" in remedy(found["chain"], "fail")
    unchecked = {name for name, f in found.items() if f["said"] == "not checked: it needs the chain"}
    assert {"clock", "contracts", "parameters", "watcher's balance", "watcher's stake"} <= unchecked
    assert found["models"]["status"] == found["watcher's key"]["status"] == "ok"


def test_a_clock_that_is_behind_the_chain(commands: Commands, tmp_path: Path) -> None:
    server = RpcServer(DevnetChain().handle, 0)
    server.start()
    commands.done("refute", "warp", "5000", "--chain", server.url)
    found = diagnosed(commands, chain=server.url)
    server.close()
    assert "s ahead of this machine; set this machine's clock" in remedy(found["clock"], "warn")
    assert "the chain was started anew: deploy again" in found["contracts"]["said"] + found["contracts"]["remedy"]


def test_a_contract_that_is_not_the_artifacts(commands: Commands, tmp_path: Path) -> None:
    """The file names the referee where the walk should stand."""
    described = asdict(commands.devnet.deployment)
    (file := tmp_path / "deployment.json").write_text(json.dumps({**described, "walk": described["referee"]}))
    found = diagnosed(commands, deployment=file)
    assert "the code of Walk, Refute at " in remedy(found["contracts"], "fail")


def test_a_model_that_is_corrupt_or_not_held(commands: Commands, tmp_path: Path) -> None:
    other = model_folder.publish(small_model(seed=9), tmp_path / "models")
    found = diagnosed(commands, models=tmp_path / "models")
    assert "1 of 1 are not held" in remedy(found["registered models"], "warn")
    weights = other / model_folder.WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    found = diagnosed(commands, models=tmp_path / "models")
    assert "fetch the model again" in remedy(found[f"model {other.name[:8]}..."], "fail")
    assert "no valid model in" in remedy(found["models"], "fail")


def test_kernels_that_do_not_compile_are_done_without(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no such processor")

    monkeypatch.setattr(self_test, "Execution", broken)
    assert "kernels do not compile: no such processor" in remedy(diagnosed(commands)["fused kernels"], "warn")


def test_a_key_without_money(commands: Commands, tmp_path: Path) -> None:
    poor = Account.create()
    (file := tmp_path / "key").write_text(poor.key.hex())
    file.chmod(0o644)
    found = diagnosed(commands, "--stake", "10eth", key=file)
    assert f"others can read {file} (mode 644); chmod 600 {file}" in remedy(found["watcher's key"], "warn")
    assert f"send {poor.address} at least" in remedy(found["watcher's balance"], "fail")
    assert f"send {poor.address} at least 10.0" in remedy(found["watcher's stake"], "fail")
    file.chmod(0o600)
    assert diagnosed(commands, key=file)["watcher's key"]["status"] == "ok"
    found = diagnosed(commands, key=tmp_path / "none")
    assert "neither a key nor a file that can be read" in remedy(found["watcher's key"], "fail")
    assert found["watcher's balance"]["said"] == "not checked: it needs the key"


@pytest.mark.parametrize(
    ("role", "stake", "said"),
    [
        ("watcher", None, "no --stake is given; give --stake 1eth or more"),
        ("watcher", "0.5eth", "0.5 eth is too little for one game; give --stake 1eth or more"),
        ("executor", "5eth", "5 eth is too little for one game; give --stake 10eth or more"),
        ("executor", "5apples", "--stake: '5apples' has the unknown unit 'apples'; the units are"),
    ],
)
def test_a_stake_that_will_not_do(commands: Commands, role: str, stake: str | None, said: str) -> None:
    flags = () if stake is None else ("--stake", stake)
    finding = diagnosed(commands, *flags, role=role)[f"{role}'s stake"]
    assert said in remedy(finding, "warn" if stake is None else "fail")


def test_a_data_directory_without_room_or_that_is_none(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    found = diagnosed(commands, "--data", tmp_path / "file" / "data")
    assert "cannot be written: Not a directory; give --data DIR" in remedy(found["watcher's data"], "fail")
    usage = namedtuple("usage", "total used free")
    for free, status in ((disk.LEAST - 1, "fail"), (disk.LEAST, "warn")):
        monkeypatch.setattr(shutil, "disk_usage", lambda place, free=free: usage(10**12, 0, free))
        assert "make room" in remedy(diagnosed(commands, "--data", tmp_path)["watcher's data"], status)
    assert not (tmp_path / "data").exists(), "looking makes nothing"


def send(chain: Chain, to: str, amount: int) -> None:
    rich = Account.from_key(DEVNET_KEYS[9])
    chain.transact(rich, to, b"", value=amount, gas=0)


def test_the_stake_leaves_enough_for_a_game(commands: Commands, tmp_path: Path) -> None:
    """As much as the stake and not a wei more would be all spent at the start."""
    exact = Account.create()
    (file := tmp_path / "key").write_text(exact.key.hex())
    file.chmod(0o600)
    for sent, status in ((10 * 10**18, "fail"), (10**18, "ok")):
        send(Chain.connect(commands.devnet.server.url), exact.address, sent)
        finding = diagnosed(commands, "--stake", "10eth", key=file)["watcher's stake"]
        assert finding["status"] == status
        assert ("or lower --stake" in finding["remedy"]) == (status == "fail")


def test_a_configuration_that_is_wrong_ends_the_doctor(commands: Commands, tmp_path: Path) -> None:
    """It reads options as the agents do, from the same file."""
    (file := tmp_path / "refute.toml").write_text('[executor]\nstke = "5eth"\n')
    assert "did you mean 'stake'?" in commands.refused("refute", "--config", file, "doctor")
    assert "did you mean 'stake'?" in commands.refused("refute", "doctor", "--config", file)
    assert commands.call("refute", "doctor", "watcher", "--nonsense").status == 2


@pytest.mark.parametrize("command", ["doctor", "config"])
def test_an_agent_is_named_before_or_after_its_flags_and_nothing_is_passed_over(
    commands: Commands, command: str
) -> None:
    flags = ("--network", "devnet", "--stake", "2eth")
    for order in (("watcher", *flags), (*flags, "watcher")):
        said = json.loads(commands.call("refute", command, "--json", *order).out)
        names = {finding["name"].split("'")[0] for finding in said} if command == "doctor" else set(said)
        assert "watcher" in names
        assert "executor" not in names
    for wrong in (("wacher",), ("watcher", "withdraw"), ("watcher", "executor")):
        line = commands.refused("refute", command, *wrong, *commands.options())
        assert f"{wrong[-1]!r} is not understood here; name one agent, watcher or executor" in line


# Keys


def test_a_new_key_is_made_shown_and_used(commands: Commands, tmp_path: Path) -> None:
    (password := tmp_path / "password").write_text("hunter2\n")
    file = tmp_path / "keystore.json"
    said = commands.done("refute", "keys", "new", file, "--password-file", password)
    address = commands.done("refute", "keys", "show", file).strip()
    assert said.startswith(f"{address}, written to {file}")
    found = diagnosed(commands, "--password-file", password, key=file)
    assert found["watcher's key"]["said"] == f"{address}, from {file}"
    assert "has 0 eth" in commands.refused(
        "watcher", "--stake", "10eth", "--password-file", password, *commands.options(key=file)
    )
    assert "a key is never written over" in commands.refused("refute", "keys", "new", file)
    assert "hunter2" not in file.read_text() + said
