"""What a transaction may cost: its gas limit, what it offers per gas, and whether an account can pay."""

from __future__ import annotations

from contracts import calls
from contracts.abi import refute_abi
from contracts.amounts import format_amount
from contracts.calls import CALLDATA_CAP, GAS_CAP
from contracts.errors import NotFunded
from prover import encoding
from prover.program import Program

TIP = 10**9
"""Wei per gas for the miner."""
FLOOR_PER_BYTE = 40
"""Gas of a byte of calldata at most (EIP-7623)."""
TRANSACTION_GAS = 21_000


def gas_limit(gas: int, data: bytes) -> int:
    """Gas of a transaction whose execution may need `gas`."""
    return min(GAS_CAP, TRANSACTION_GAS + gas + FLOOR_PER_BYTE * len(data))


def highest_price(base_fee: int) -> int:
    """Wei that a transaction offers per gas: enough for some blocks of rising fees."""
    return 2 * base_fee + TIP


def not_funded(address: str, balance: int, value: int, fees: int) -> NotFunded:
    """The error of an account that cannot pay for a transaction."""
    needed = f"{format_amount(value)} are needed, and" if value else "a transaction needs"
    remedy = "send it some or give a smaller amount" if value else "send it some"
    return NotFunded(f"{address} has {format_amount(balance)}; {needed} up to {format_amount(fees)} for gas; {remedy}")


def unpostable(program: Program) -> str | None:
    """Why no answer of a model fits into a transaction; None if it does."""
    outputs = [bytes(spec.nbytes) for spec in program.outputs]
    claim = calls.claim(
        bytes(32), encoding.encode_head(program), encoding.encode_interface(program), [bytes(32)] * 8, outputs
    )
    length = len(refute_abi().encode_call(claim.function, claim.arguments))
    gas = TRANSACTION_GAS + claim.gas + FLOOR_PER_BYTE * length
    if length <= CALLDATA_CAP and gas <= GAS_CAP:
        return None
    return (
        f"its outputs make a claim of {length:,} bytes and up to {gas:,} gas; a transaction takes {CALLDATA_CAP:,} "
        f"bytes and {GAS_CAP:,} gas"
    )
