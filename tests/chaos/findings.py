"""What a run in chaos showed, and what the honest accounts' transactions did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.abi import refute_abi
from deploy.anvil import AnvilProcess

COLLECT = "collect"
"""The one call that may rightly be made again word for word."""


@dataclass
class Findings:
    """What a run showed. `lost` is honest stake, in wei; `doubled` are transactions that took effect twice."""

    disputes: int
    won: int = 0
    lost: int = 0
    doubled: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    reverted: int = 0
    """Honest transactions that cost gas and changed nothing."""
    transactions: int = 0
    seconds: float = 0.0
    disturbances: dict[str, int] = field(default_factory=dict)
    spoilt: dict[str, int] = field(default_factory=dict)
    bus_lost: int = 0
    """How often an honest agent said that its broker is gone."""

    @property
    def good(self) -> bool:
        return self.won == self.disputes and self.lost == 0 and not self.doubled and not self.crashes


def count_transactions(node: AnvilProcess, honest: Mapping[str, str], findings: Findings) -> None:
    """What the accounts in `honest` (address to role) sent; the same call with an effect twice is a doubled one."""
    collect = "0x" + refute_abi().encode_call(COLLECT, ()).hex()
    effects: Counter[tuple[str, str, str]] = Counter()
    for number in range(int(node.ask("eth_blockNumber"), 16) + 1):
        block = node.ask("eth_getBlockByNumber", hex(number), True)
        sent = [transaction for transaction in block["transactions"] if transaction["from"] in honest]
        if not sent:
            continue
        receipts = {r["transactionHash"]: r for r in node.ask("eth_getBlockReceipts", hex(number))}
        for transaction in sent:
            receipt = receipts[transaction["hash"]]
            findings.transactions += 1
            findings.reverted += receipt["status"] == "0x0"
            if receipt["status"] == "0x1" and receipt["logs"] and transaction["input"] != collect:
                effects[honest[transaction["from"]], transaction["input"], transaction["value"]] += 1
    doubled = [(role, data, times) for (role, data, _), times in effects.items() if times > 1]
    findings.doubled = [f"{times} times by the {role}: {data[:74]}" for role, data, times in doubled]
