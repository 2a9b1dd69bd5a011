"""A deployment of the contracts: its parameters, how it is made, and the file that says where it is."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_utils.address import is_address

from contracts.abi import Abi, artifact, refute_abi
from contracts.asking import Reverted
from contracts.chain import Chain
from contracts.errors import ContractRefused, WrongSetup
from contracts.fees import gas_limit
from contracts.refusals import refusal
from contracts.signers import Signer
from prover.progress import counted

DEPLOY_GAS = 12_000_000


@dataclass(frozen=True)
class Parameters:
    """Section 5 of the protocol: times in seconds, money in wei, shares in basis points."""

    window: int = 3600
    clock: int = 1200
    move_time: int = 60
    layer_time: int = 300
    withdrawal_delay: int = 7200
    executor_stake: int = 10 * 10**18
    challenger_bond: int = 10**18
    acceptance_bond: int = 10**18
    peak_gas_price: int = 100 * 10**9
    burn_share: int = 5000


DEVNET_PARAMETERS = Parameters()

_BITS = {
    "window": 32,
    "clock": 32,
    "move_time": 32,
    "layer_time": 32,
    "withdrawal_delay": 32,
    "executor_stake": 128,
    "challenger_bond": 128,
    "acceptance_bond": 128,
    "peak_gas_price": 64,
    "burn_share": 16,
}
"""Widths of the contract's fields."""


def read_parameters(path: Path) -> Parameters:
    """The devnet's parameters, changed as a JSON file says; WrongSetup names what is wrong with it."""
    try:
        changes = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WrongSetup(f"parameter file {path} cannot be read: {error}") from error
    if not isinstance(changes, dict) or not all(type(value) is int and value >= 0 for value in changes.values()):
        raise WrongSetup(f"parameter file {path} holds no JSON object of whole numbers: seconds, wei, basis points")
    if unknown := sorted(set(changes) - set(_BITS)):
        raise WrongSetup(f"parameter file {path} has the unknown {unknown[0]!r}; the names are {', '.join(_BITS)}")
    for name, value in changes.items():
        if value >> _BITS[name]:
            raise WrongSetup(f"parameter file {path}: {name} is {value}; the largest is {(1 << _BITS[name]) - 1}")
    return replace(DEVNET_PARAMETERS, **changes)


@dataclass(frozen=True)
class Deployment:
    """Where the contracts stand. `block` is the one they were deployed in: there is nothing to read before it."""

    chain: int
    refute: str
    walk: str
    referee: str
    commitments: str
    block: int
    parameters: Parameters

    def save(self, path: Path) -> None:
        """Write the deployment file; a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.with_name(path.name + ".new")
        staging.write_text(json.dumps(asdict(self), indent=2) + "\n")
        os.replace(staging, path)


def require_writable(path: Path) -> None:
    """Before money is spent on a deployment: WrongSetup unless its file can be written, and would be a new one."""
    if path.exists():
        raise WrongSetup(f"deployment file {path} exists; give another name, or move it away to deploy again")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise WrongSetup(f"deployment file {path} cannot be written: {error.strerror}; give another --file") from error


def load(path: Path, chain: Chain) -> Deployment:
    """The deployment of a file, if it is on this chain; WrongSetup says what is wrong."""
    try:
        deployment = _from_json(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise WrongSetup(
            f"there is no deployment file {path}; start a devnet (`refute devnet`) or give one with --deployment"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WrongSetup(
            f"{path} is not a deployment file that can be read: {error}; give the one that `refute deploy` or "
            "`refute devnet` wrote"
        ) from error
    if deployment.chain != chain.id:
        raise WrongSetup(
            f"deployment file {path} is for chain {deployment.chain}, but the chain at {chain.url} is {chain.id}; "
            "give the other's --deployment or --chain"
        )
    if not chain.has_code(deployment.refute):
        raise WrongSetup(
            f"there is no contract at {deployment.refute}, where deployment file {path} says it is; "
            "the chain was started anew: deploy again"
        )
    if _parameters_at(deployment.refute, chain) != deployment.parameters:
        raise WrongSetup(
            f"the contract at {deployment.refute} is not the one that deployment file {path} describes; "
            "give the file of this deployment, or deploy again"
        )
    return deployment


def _from_json(content: Any) -> Deployment:
    """A deployment from its file's JSON; TypeError, KeyError or ValueError if it is none."""
    if not isinstance(content, dict):
        raise TypeError("it holds no JSON object")
    held = Deployment(**{**content, "parameters": Parameters(**content["parameters"])})
    for name, value in (("chain", held.chain), ("block", held.block), *asdict(held.parameters).items()):
        if type(value) is not int or value < 0:
            raise ValueError(f"{name} is {value!r}, not a whole number")
    for name in ("refute", "walk", "referee", "commitments"):
        if not is_address(content[name]):
            raise ValueError(f"{name} is {content[name]!r}, not an address")
    return held


def _parameters_at(address: str, chain: Chain) -> Parameters | None:
    """The parameters that a contract gives as its own; None if it has none to give."""
    try:
        data = chain.call(address, refute_abi().encode_call("parameters", ()))
        return Parameters(*refute_abi().decode_result("parameters", data))
    except (Reverted, DecodingError):
        return None


def deploy(chain: Chain, account: Signer, parameters: Parameters = DEVNET_PARAMETERS) -> Deployment:
    """Deploy Commitments, Walk, Referee and Refute; ContractRefused if the parameters break a relation of section 5."""
    made: dict[str, str] = {}
    block = 0
    for name in counted("deploying contracts", ("Commitments", "Walk", "Referee", "Refute")):
        made[name], block = _create(chain, account, name, constructor_arguments(name, parameters, made))
    walk, referee, commitments, refute = (made[name] for name in ("Walk", "Referee", "Commitments", "Refute"))
    return Deployment(chain.id, refute, walk, referee, commitments, block, parameters)


def constructor_arguments(name: str, parameters: Parameters, made: Mapping[str, str]) -> tuple[Any, ...]:
    """What the constructor of a contract takes; `made`: the addresses of those it is deployed after, by name."""
    if name == "Walk":
        return (made["Commitments"],)
    if name == "Refute":
        return astuple(parameters), made["Walk"], made["Referee"], made["Commitments"]
    return ()


def _create(chain: Chain, account: Signer, name: str, arguments: tuple[Any, ...]) -> tuple[str, int]:
    """(address, block) of a new contract."""
    made = artifact(name)
    data = made.bytecode + Abi(made.abi).encode_constructor(arguments)
    chain.require_balance(account.address, 0, gas_limit(DEPLOY_GAS, data), chain.block().base_fee)
    receipt = chain.transact(account, None, data, gas=DEPLOY_GAS)
    if not receipt.succeeded or receipt.contract is None:
        try:
            chain.call(None, data, account.address)
        except Reverted as reason:
            raise refusal(*refute_abi().decode_error(reason.data)) from reason
        raise ContractRefused("NoReason", (), f"{name} could not be deployed")
    return receipt.contract, receipt.block
