"""What a person gets wrong about models, inputs, amounts and requests: one line that says what, and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.keys import load_account
from contracts.observer import Observer
from contracts.snapshot import AccountView, RequestStatus
from prover import model_folder
from tests.agents.stage import ETHER, small_model
from tests.commands.conftest import Commands

MODEL = small_model().id.hex()
ANOTHER = "ab" * 32


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "input.npy"
    np.save(path, np.zeros(300, "i1"))
    return path


def client_of(commands: Commands, role: str) -> Client:
    held = commands.devnet
    return Client(Chain.connect(held.server.url), held.deployment, load_account(None, role, held.files.keys))


def account_of(commands: Commands, role: str) -> AccountView:
    client = client_of(commands, role)
    return Observer(client, client.address).observe().account


def requests_on(commands: Commands) -> dict[bytes, RequestStatus]:
    return {id: r.status for id, r in Observer(client_of(commands, "requester")).observe().requests.items()}


def ask(commands: Commands, image: Path, model: str = MODEL, fee: str = "1gwei", **options: object) -> str:
    """The line that refuses a request; nothing is on the chain afterwards that was not before."""
    before = requests_on(commands)
    line = commands.refused("executor", "request", model, "--input", image, "--fee", fee, *commands.options(**options))
    assert requests_on(commands) == before
    return line


def asked(commands: Commands, image: Path) -> str:
    """A request's id as the command prints it."""
    out = commands.done("executor", "request", MODEL, "--input", image, "--fee", "0.1eth", *commands.options())
    return out.split()[1]


# Models


def test_an_unknown_model_is_named_with_those_that_are_there(commands: Commands, image: Path) -> None:
    line = ask(commands, image, model="digits")
    assert "there is no model 'digits' in" in line
    assert f"which holds unnamed ({MODEL[:8]}...); give a model's name or its id" in line


def test_an_id_without_a_folder_is_to_be_fetched(commands: Commands, image: Path) -> None:
    assert f"model {ANOTHER} is not in" in ask(commands, image, model=ANOTHER)


def test_a_folder_that_does_not_hash_to_its_name_is_refused(commands: Commands, image: Path, tmp_path: Path) -> None:
    folder = model_folder.publish(small_model(), tmp_path / "models")
    folder.rename(renamed := folder.with_name(ANOTHER))
    line = ask(commands, image, model=ANOTHER, models=folder.parent)
    assert f"hashes to {MODEL}, not to its name; fetch the model again from its publisher" in line
    line = commands.refused("refute", "register", renamed, *commands.options(models=None))
    assert "not to its name" in line


def test_a_folder_with_changed_weights_is_refused(commands: Commands, image: Path, tmp_path: Path) -> None:
    folder = model_folder.publish(small_model(), tmp_path / "models")
    weights = folder / model_folder.WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    assert "fetch the model again" in ask(commands, image, models=folder.parent)
    for command in ("inspect", "report"):
        assert "fetch the model again" in commands.refused("prover", command, folder)
    assert "fetch the model again" in commands.refused("prover", "run", folder, "--input", image)


def test_a_model_that_nobody_registered_cannot_be_asked_for(commands: Commands, image: Path, tmp_path: Path) -> None:
    folder = model_folder.publish(small_model(seed=9), tmp_path / "models")
    line = ask(commands, image, model=folder.name, models=folder.parent)
    assert f"UnknownModel(0x{folder.name}): the model is not registered; publish it first" in line


def test_a_model_is_registered_once(commands: Commands) -> None:
    folder = commands.devnet.files.models / MODEL
    line = commands.refused("refute", "register", folder, *commands.options(models=None))
    assert "ModelAlreadyRegistered" in line


def test_what_is_no_model_at_all_is_refused(commands: Commands, tmp_path: Path) -> None:
    for command in ("inspect", "report"):
        assert "cannot be read" in commands.refused("prover", command, tmp_path / "none")
    assert "neither an example" in commands.refused("prover", "compile", "nonsense", "--models", tmp_path / "models")
    line = commands.refused("prover", "compile", "no.such:model", "--models", tmp_path / "models")
    assert "no.such:model cannot be imported" in line
    assert not (tmp_path / "models").exists()


# Inputs

WANTED = "300 bytes: 300 of i8"


def test_an_input_that_is_missing_is_named(commands: Commands, tmp_path: Path) -> None:
    line = ask(commands, tmp_path / "none.npy")
    assert f"input {tmp_path / 'none.npy'} cannot be read" in line
    assert WANTED in line


def test_an_input_of_the_wrong_length_is_refused_with_the_right_one(commands: Commands, tmp_path: Path) -> None:
    raw = tmp_path / "input.bin"
    raw.write_bytes(bytes(299))
    assert f"input {raw} has 299 bytes; the model takes {WANTED}" in ask(commands, raw)
    np.save(tmp_path / "short.npy", np.zeros(299, "i1"))
    assert f"holds 299 of int8; the model takes {WANTED}" in ask(commands, tmp_path / "short.npy")


def test_an_input_of_the_wrong_dtype_is_refused(commands: Commands, tmp_path: Path) -> None:
    for dtype in ("i2", "u1", "f4"):
        np.save(tmp_path / "wrong.npy", np.zeros(300, dtype))
        assert f"holds 300 of {np.dtype(dtype)}; the model takes {WANTED}" in ask(commands, tmp_path / "wrong.npy")


def test_a_file_that_is_no_array_is_refused(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "garbage.npy").write_bytes(b"not an array")
    assert "cannot be read" in ask(commands, tmp_path / "garbage.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    assert "cannot be read" in ask(commands, tmp_path / "objects.npy")


def test_as_many_files_as_inputs(commands: Commands, image: Path) -> None:
    line = commands.refused(
        "executor", "request", MODEL, "--input", image, "--input", image, "--fee", "1", *commands.options()
    )
    assert "the model has 1 inputs, 2 files were given" in line


# Amounts

STAKES = {
    "0.1eth": "a stake of 0.1 eth is too little",
    "0.5ether": "a stake of 0.5 eth is too little",
    "500gwei": "a stake of 500 gwei is too little",
    "12345": "a stake of 12345 wei is too little",
    "2000000eth": "eth are needed, and up to",
    "ten": "--stake: 'ten' is not an amount; write a number and a unit, such as 10eth, 0.5ether or 500gwei",
    "10 doge": "--stake: '10 doge' has the unknown unit 'doge'; the units are eth, ether, gwei and wei",
    "-1": "--stake: '-1' is not an amount",
    "1.0000000000000000001eth": "is not a whole number of wei; one ether has 18 decimal places",
}


@pytest.mark.parametrize("command", ["watcher", "executor"])
@pytest.mark.parametrize("stake", STAKES)
def test_a_stake_that_cannot_be_is_refused_and_nothing_deposited(commands: Commands, command: str, stake: str) -> None:
    before = account_of(commands, command)
    assert STAKES[stake] in commands.refused(command, "--stake", stake, *commands.options())
    assert account_of(commands, command) == before


def test_a_fee_above_the_balance_says_how_much_is_there(commands: Commands, image: Path) -> None:
    line = ask(commands, image, fee="1000001eth")
    assert "1000001 eth are needed" in line
    assert "send it some or give a smaller amount" in line


def test_an_account_without_a_wei_is_told_so(commands: Commands, tmp_path: Path, image: Path) -> None:
    poor = tmp_path / "poor"
    poor.write_text("77" * 32)
    assert "has 0 eth; 1 gwei are needed, and up to" in ask(commands, image, key=poor)
    folder = model_folder.publish(small_model(seed=5), tmp_path)
    line = commands.refused("refute", "register", folder, *commands.options(key=poor, models=None))
    assert "has 0 eth; a transaction needs up to" in line


@pytest.mark.parametrize("option", ["--fee", "--min-stake"])
def test_the_option_with_the_bad_amount_is_named(commands: Commands, image: Path, option: str) -> None:
    amounts = {"--fee": "1", "--min-stake": "0", option: "much"}
    given = [part for pair in amounts.items() for part in pair]
    line = commands.refused("executor", "request", MODEL, "--input", image, *given, *commands.options())
    assert f"{option}: 'much' is not an amount" in line


# Requests


def test_a_request_that_is_none_is_refused(commands: Commands) -> None:
    options = commands.options(key=None)
    assert "'0x12' is not a request's id; one has 64 hexadecimal digits" in commands.refused(
        "executor", "result", "0x12", *options
    )
    assert f"there is no request 0x{ANOTHER} on this chain" in commands.refused("executor", "result", ANOTHER, *options)
    line = commands.refused("executor", "cancel", ANOTHER, *commands.options(models=None))
    assert f"UnknownRequest(0x{ANOTHER}): there is no such request" in line


def test_a_request_without_an_answer_has_no_result(commands: Commands, image: Path) -> None:
    id = asked(commands, image)
    line = commands.refused("executor", "result", id, *commands.options(key=None))
    assert f"request {id} has no answer: no executor has accepted it" in line
    executor = client_of(commands, "mistaken")
    executor.transact(calls.deposit(10 * ETHER))
    executor.transact(calls.accept(bytes.fromhex(id[2:])))
    assert "its executor still has time" in commands.refused("executor", "result", id, *commands.options(key=None))


def test_only_its_requester_cancels_a_request_and_only_once(commands: Commands, image: Path) -> None:
    id = asked(commands, image)
    stranger = commands.devnet.files.directory / "stranger"
    stranger.write_text(f"{7:064x}")
    options = commands.options(models=None)
    line = commands.refused("executor", "cancel", id, *commands.options(models=None, key=stranger))
    assert "NotTheRequester()" in line
    assert "0.1 eth credited" in commands.done("executor", "cancel", id, *options)
    assert "RequestIsOver()" in commands.refused("executor", "cancel", id, *options)
    assert "it was cancelled" in commands.refused("executor", "result", id, *commands.options(key=None))


def test_an_executor_that_is_no_address_cannot_be_chosen(commands: Commands, image: Path) -> None:
    line = commands.refused(
        "executor", "request", MODEL, "--input", image, "--fee", "1", "--only", "0x12", *commands.options()
    )
    assert "--only: '0x12' is not an address" in line
