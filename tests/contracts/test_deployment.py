"""Deployments: parameters that break a relation are refused by its name, and a file is believed only if it is true."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from eth_account import Account

from contracts import deployment
from contracts.chain import Chain
from contracts.deployment import DEVNET_PARAMETERS, Deployment, Parameters, deploy, read_parameters
from contracts.errors import ContractRefused, WrongSetup
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider

DEPLOYER = Account.from_key(DEVNET_KEYS[0])
P = DEVNET_PARAMETERS


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(LocalProvider(DevnetChain()))


@pytest.fixture(scope="module")
def deployed(chain: Chain) -> Deployment:
    return deploy(chain, DEPLOYER)


BROKEN = [
    ("MoveTimeIsZero", {"move_time": 0}),
    ("WindowTooShort", {"window": P.move_time + P.layer_time - 1}),
    ("ClockTooShort", {"clock": 12 * P.move_time + P.layer_time - 1}),
    ("WithdrawalDelayTooShort", {"withdrawal_delay": P.window + 2 * P.clock - 1}),
    ("AcceptanceBondIsZero", {"acceptance_bond": 0}),
    ("PeakGasPriceIsZero", {"peak_gas_price": 0, "challenger_bond": 0}),
    ("ExecutorStakeTooLow", {"executor_stake": 2 * P.challenger_bond - 1}),
    ("ExecutorStakeTooLow", {"acceptance_bond": P.executor_stake}),
    ("ChallengerBondTooLow", {"challenger_bond": 5 * 5_000_000 * P.peak_gas_price // 4 - 1}),
    ("BurnShareOutOfRange", {"burn_share": 4_999}),
    ("BurnShareOutOfRange", {"burn_share": 10_001}),
]


@pytest.mark.parametrize(("name", "change"), BROKEN)
def test_parameters_that_break_a_relation_are_refused_by_its_name(
    chain: Chain, name: str, change: dict[str, int]
) -> None:
    with pytest.raises(ContractRefused) as refused:
        deploy(chain, DEPLOYER, replace(P, **change))
    assert refused.value.name == name
    assert "breaks this rule" not in str(refused.value)


def test_parameters_at_the_edge_of_every_relation_are_taken(chain: Chain) -> None:
    edge = Parameters(
        window=301,
        clock=315,
        move_time=1,
        layer_time=300,
        withdrawal_delay=931,
        executor_stake=12_500_000,
        challenger_bond=6_250_000,
        acceptance_bond=12_499_999,
        peak_gas_price=1,
        burn_share=10_000,
    )
    made = deploy(chain, DEPLOYER, edge)
    assert deployment._parameters_at(made.refute, chain) == edge


# The parameter file


def test_a_parameter_file_changes_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps({"window": 7200, "withdrawal_delay": 86_400}))
    assert read_parameters(file) == replace(P, window=7200, withdrawal_delay=86_400)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cannot be read"),
        ("[1]", "holds no JSON object of whole numbers"),
        ('{"window": "3600"}', "holds no JSON object of whole numbers"),
        ('{"window": -1}', "holds no JSON object of whole numbers"),
        ('{"window": 1.5}', "holds no JSON object of whole numbers"),
        ('{"window": true}', "holds no JSON object of whole numbers"),
        ('{"widow": 3600}', "has the unknown 'widow'; the names are window, clock"),
        ('{"window": 4294967296}', "window is 4294967296; the largest is 4294967295"),
        ('{"burn_share": 65536}', "burn_share is 65536; the largest is 65535"),
    ],
)
def test_a_parameter_file_that_is_wrong_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(content)
    with pytest.raises(WrongSetup, match=reason) as refused:
        read_parameters(file)
    assert str(file) in str(refused.value)


def test_a_parameter_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongSetup, match="cannot be read"):
        read_parameters(tmp_path / "none.json")


# The deployment file


def test_a_deployment_is_read_as_it_was_written(chain: Chain, deployed: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "new" / "deployment.json"
    deployed.save(file)
    assert deployment.load(file, chain) == deployed
    assert [p.name for p in file.parent.iterdir()] == [file.name]


WRONG = [
    ({"chain": 1}, "is for chain 1, but the chain at this process is 131277322940537"),
    ({"refute": "0x" + "11" * 20}, "there is no contract at 0x1111"),
    ({"refute": "0x11"}, "refute is '0x11', not an address"),
    ({"refute": 5}, "refute is 5, not an address"),
    ({"block": -1}, "block is -1, not a whole number"),
    ({"chain": "131277322940537"}, "chain is '131277322940537', not a whole number"),
    ({"parameters": {"window": "long"}}, "window is 'long', not a whole number"),
    ({"parameters": {"widow": 1}}, "widow"),
    ({"parameters": 5}, "not a deployment file"),
    ({"parameters": {"window": 1}}, "is not the one that deployment file .* describes"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("change", "reason"), WRONG)
def test_a_deployment_file_that_is_not_true_is_refused(
    chain: Chain, deployed: Deployment, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps({**asdict(deployed), **change}))
    with pytest.raises(WrongSetup, match=reason) as refused:
        deployment.load(file, chain)
    assert str(file) in str(refused.value)


def test_another_contract_at_the_address_is_noticed(chain: Chain, deployed: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    replace(deployed, refute=deployed.walk).save(file)
    with pytest.raises(WrongSetup, match="is not the one that deployment file"):
        deployment.load(file, chain)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "5", "{}", '"text"'])
def test_garbage_is_no_deployment_file(chain: Chain, tmp_path: Path, content: str) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(content)
    with pytest.raises(WrongSetup, match=r"not a deployment file that can be read.*`refute deploy`"):
        deployment.load(file, chain)


def test_before_money_is_spent_the_file_must_be_new_and_writable(tmp_path: Path) -> None:
    taken = tmp_path / "deployment.json"
    deployment.require_writable(taken)
    taken.touch()
    with pytest.raises(WrongSetup, match="exists; give another name"):
        deployment.require_writable(taken)
    with pytest.raises(WrongSetup, match="cannot be written: File exists; give another --file"):
        deployment.require_writable(taken / "deployment.json")


def test_a_deployer_without_money_is_told_so(chain: Chain) -> None:
    poor = Account.from_key("0x" + "77" * 32)
    with pytest.raises(WrongSetup, match=f"{poor.address} has 0 eth; a transaction needs up to .* for gas; send it"):
        deploy(chain, poor)
