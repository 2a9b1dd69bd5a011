"""Every check of an agent's setup: what is right, and what is wrong with its remedy. `refute doctor` prints them.

A check is a function from a `Setup` to findings; a new one is added to `COMMON` (the same for every agent on this
machine) or to `PERSONAL` (of one agent's account).
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from contracts.amounts import format_amount, rounded_ether
from contracts.client import Client
from contracts.command_line import amount, data_directory
from contracts.errors import WrongSetup
from contracts.fees import highest_price
from contracts.keys import OWNER_ONLY, is_key, is_remote
from contracts.messages.checking import inspect
from contracts.messages.command_line import find_broker
from contracts.observer import Observer
from contracts.service import disk
from contracts.service.setup import Check, Finding, Setup, Status, wrong
from contracts.urls import without_secrets
from contracts.verification import strange_contracts
from prover import model_folder
from prover.errors import RefuteError

LAG = 120
"""Seconds between the chain's clock and this machine's that are worth a word."""
GAME_GAS = 10_000_000
"""Gas of the longest game with its claim or challenge: what an account should be able to pay for at any time."""
COMFORT = 100_000_000
"""Free bytes above the least below which it is time to make room."""


def check_chain(setup: Setup) -> Iterator[Finding]:
    block = setup.chain.block()
    yield Finding("chain", Status.ok, f"chain {setup.chain.id} at {without_secrets(setup.url)}, block {block.number:,}")


def check_clock(setup: Setup) -> Iterator[Finding]:
    setup.require("chain")
    lag = round(time.time()) - setup.chain.block().timestamp
    if abs(lag) <= LAG:
        yield Finding("clock", Status.ok, f"{abs(lag)} s between the latest block and this machine")
    elif lag > 0:
        remedy = "wait until the node is in step; a devnet without transactions stands still, which is fine"
        yield Finding("clock", Status.warn, f"the latest block is {lag:,} s old", remedy)
    else:
        remedy = "set this machine's clock; a devnet after `refute warp` is ahead, which is fine"
        yield Finding("clock", Status.warn, f"the latest block is {-lag:,} s ahead of this machine", remedy)


def check_contracts(setup: Setup) -> Iterator[Finding]:
    setup.require("chain")
    held = setup.deployed
    if strange := list(strange_contracts(setup.chain, held)):
        said = f"the code of {', '.join(strange)} at {held.refute} is not that of this version's artifacts"
        yield Finding("contracts", Status.fail, said, "install the version that it was deployed with, or deploy again")
    else:
        yield Finding("contracts", Status.ok, f"{held.refute}, its code is that of the artifacts")


def check_parameters(setup: Setup) -> Iterator[Finding]:
    setup.require("chain", "deployed")
    p = setup.deployed.parameters
    stake, bond = format_amount(p.executor_stake), format_amount(p.challenger_bond)
    yield Finding(
        "parameters",
        Status.ok,
        f"window {p.window:,} s, clock {p.clock:,} s a side; an answer locks {stake}, a dispute {bond}",
    )


def _folders(setup: Setup) -> list[Path]:
    return sorted(p for p in setup.models.glob("*") if re.fullmatch(r"[0-9a-f]{64}", p.name))


def check_models(setup: Setup) -> Iterator[Finding]:
    """Every folder is loaded: its hashes and every rule of validity."""
    good = 0
    for folder in _folders(setup):
        named = f"model {folder.name[:8]}..."
        try:
            model_folder.load(folder)
            good += 1
        except RefuteError as error:
            yield wrong(named, error)
        except (OSError, MemoryError) as error:
            remedy = "make the folder readable, or give the machine more memory"
            yield Finding(named, Status.fail, f"cannot be read here: {type(error).__name__}", remedy)
    if good:
        yield Finding("models", Status.ok, f"{good} in {setup.models}, every hash and rule checked")
    else:
        remedy = "fetch a model's folder from its publisher, or give --models"
        yield Finding("models", Status.fail, f"no valid model in {setup.models}", remedy)


def check_registered_models(setup: Setup) -> Iterator[Finding]:
    setup.require("chain", "deployed")
    held = {bytes.fromhex(folder.name) for folder in _folders(setup)}
    registered = set(Observer(Client(setup.chain, setup.deployed)).observe().models)
    if missing := sorted(registered - held):
        ids = ", ".join(f"{id.hex()[:8]}..." for id in missing[:3])
        remedy = "fetch their folders: claims of a model that is not held are unknown to a watcher, and pass"
        said = f"{len(missing)} of {len(registered)} are not held: {ids}"
        yield Finding("registered models", Status.warn, said, remedy)
    else:
        yield Finding("registered models", Status.ok, f"all {len(registered)} are held")


def check_kernels(setup: Setup) -> Iterator[Finding]:
    """The worst cases of every product and every fused loop, on this machine."""
    import torch

    from prover.kernels import select
    from prover.kernels.fused.self_test import why_inexact

    for device, name in (("cpu", "kernels"), *([("cuda", "kernels on cuda")] if torch.cuda.is_available() else [])):
        selection = select(device=device)
        exact = ", ".join(backend.name for backend in selection.backends)
        yield Finding(name, Status.ok, f"exact here, preferred first: {exact}; {selection.second} confirms")
    if reason := why_inexact(select()):
        remedy = "runs are slower without them and as right; see that llvmlite suits this processor"
        yield Finding("fused kernels", Status.warn, f"not used: {reason}", remedy)
    else:
        yield Finding("fused kernels", Status.ok, "exact here")


def check_key(setup: Setup) -> Iterator[Finding]:
    address, given = setup.signer.address, setup.key
    if given is None:
        yield Finding("key", Status.ok, f"{address}, of the devnet")
    elif is_remote(given):
        yield Finding("key", Status.ok, f"{address}, kept by the signer at {without_secrets(given)}")
    elif is_key(given):
        yield Finding("key", Status.ok, f"{address}, from the environment")
    elif (mode := Path(given).expanduser().stat().st_mode) & 0o077:
        said = f"{address}; others can read {given} (mode {mode & 0o777:o})"
        yield Finding("key", Status.warn, said, f"chmod {OWNER_ONLY:o} {given}")
    else:
        yield Finding("key", Status.ok, f"{address}, from {given}")


def check_balance(setup: Setup) -> Iterator[Finding]:
    setup.require("chain", "signer")
    balance, needed = setup.chain.balance(setup.signer.address), _game(setup)
    said = f"{rounded_ether(balance)} eth outside the contract"
    if balance < needed:
        remedy = f"send {setup.signer.address} at least {format_amount(needed - balance)}"
        yield Finding("balance", Status.fail, f"{said}; the longest game costs {format_amount(needed)} now", remedy)
    else:
        yield Finding("balance", Status.ok, said)


def _game(setup: Setup) -> int:
    """Wei that the gas of the longest game costs now."""
    return GAME_GAS * highest_price(setup.chain.block().base_fee)


def check_stake(setup: Setup) -> Iterator[Finding]:
    setup.require("chain", "deployed", "signer")
    parameters = setup.deployed.parameters
    least = parameters.challenger_bond if setup.role == "watcher" else parameters.executor_stake
    remedy = f"give --stake {format_amount(least).replace(' ', '')} or more"
    if setup.stake is None:
        yield Finding("stake", Status.warn, "no --stake is given", remedy)
        return
    wanted = amount(setup.stake, "--stake")
    account = Observer(setup.client, setup.client.address).observe().account
    said = f"{format_amount(account.stake)} at stake of {format_amount(wanted)}"
    lacking = wanted - account.stake
    if wanted < least:
        yield Finding("stake", Status.fail, f"{format_amount(wanted)} is too little for one game", remedy)
    elif lacking > 0 and (missing := lacking + _game(setup) - account.balance) > 0:
        remedy = f"send {setup.client.address} at least {format_amount(missing)}, or lower --stake"
        yield Finding("stake", Status.fail, f"{said}, and the balance does not reach for the rest and a game", remedy)
    else:
        rest = f", {format_amount(lacking)} are deposited at the start" if lacking > 0 else ""
        yield Finding("stake", Status.ok, said + rest)


def check_data(setup: Setup) -> Iterator[Finding]:
    if setup.data is None:
        setup.require("chain", "deployed", "signer")
    place = setup.data or data_directory(None, setup.file, setup.client, setup.client.address)
    free = disk.free_bytes(place)
    held = place.absolute()
    while not held.exists():
        held = held.parent
    try:
        with tempfile.TemporaryFile(dir=held):
            pass
    except OSError as error:
        yield Finding("data", Status.fail, f"{place} cannot be written: {error.strerror}", "give --data DIR")
        return
    said = f"{place}, {free / 1e9:,.1f} GB free"
    if free < disk.LEAST:
        yield Finding("data", Status.fail, said, f"make room: nothing is accepted below {disk.LEAST / 1e9:.1f} GB")
    elif free < disk.LEAST + COMFORT:
        yield Finding("data", Status.warn, said, "make room")
    else:
        yield Finding("data", Status.ok, said)


def check_broker(setup: Setup) -> Iterator[Finding]:
    """A broker that is wrongly named fails, since the agent would not start; one that is down is done without."""
    found = find_broker(setup.broker, setup.broker_password_file, setup.broker_ca, setup.file)
    if found is None:
        yield Finding("broker", Status.ok, "none: it works from the chain alone, which is as safe and slower")
        return
    try:
        yield Finding("broker", Status.ok, str(inspect(found)))
    except WrongSetup as error:
        yield wrong("broker", error, Status.warn)


COMMON: list[Check] = [
    check_chain,
    check_clock,
    check_contracts,
    check_parameters,
    check_models,
    check_registered_models,
    check_kernels,
]
PERSONAL: list[Check] = [check_key, check_balance, check_stake, check_data, check_broker]
