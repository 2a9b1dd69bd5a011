"""An account's transactions on their way to the chain: their nonces and fees, and replacing what is stuck.

A transaction that offers less than the base fee is not mined, and holds up every later one of its account. It is
replaced by the same one with higher fees, the lowest nonce first, up to what the operator allows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from contracts.chain import Chain, Receipt
from contracts.errors import NodeRefused
from contracts.fees import TIP, gas_limit, highest_price
from contracts.signers import Signer

PATIENCE = 120.0
"""Seconds to wait for transactions to be mined."""
AGENTS_PATIENCE = 15.0
"""The same for an agent: it then looks at the chain again, and knows what is still on its way."""
STUCK = 4
"""Times its patience after which an earlier process's transaction is taken to be stuck."""
LOOK = 2.0
"""Seconds between looks at whether a transaction is stuck."""
TOO_LOW = "underpriced", "less than block base fee"
"""What nodes say of a transaction that offers too little."""
KEPT = 256
"""Nonces back that are remembered: a reorganisation may send them on their way again."""


def raised(fee: int) -> int:
    """The least that nodes take from a replacement: 12.5 % more."""
    return -(-fee * 9 // 8)


@dataclass
class Sent:
    """A transaction on its way. `hashes` are those of every version of it; at most one of them will be mined."""

    data: bytes
    value: int
    gas: int
    nonce: int
    price: int
    tip: int
    hashes: list[bytes] = field(default_factory=list)
    receipt: Receipt | None = None

    @property
    def cost(self) -> int:
        """Wei that it may cost at most."""
        return self.value + gas_limit(self.gas, self.data) * self.price


@dataclass(frozen=True)
class OnTheirWay:
    """An account's unmined transactions, for those who watch an agent."""

    count: int = 0
    replaced: int = 0
    """Those that were sent again for a higher fee."""
    cost: int = 0
    """Wei that they may cost."""


class Kept(Protocol):
    """Where transactions on their way are kept for the next process."""

    def transactions(self) -> list[Sent]: ...

    def keep_transactions(self, sent: Iterable[Sent]) -> None: ...


class Outbox:
    """The way out for one account; `to` is the contract, `cap` the most wei it offers per gas."""

    def __init__(self, chain: Chain, account: Signer, to: str, cap: int, patience: float = PATIENCE) -> None:
        self._chain = chain
        self._account = account
        self._to = to
        self._cap = cap
        self._patience = patience
        self._sent: dict[int, Sent] = {}
        self._kept: Kept | None = None
        self._written: list[tuple[int, tuple[bytes, ...]]] | None = None
        self._mined = self._next = self._first = self._base_fee = 0
        self._strange: tuple[int, float] | None = None
        """The lowest unmined nonce, if an earlier process has used it, and since when it is."""

    def keep_in(self, kept: Kept) -> None:
        """Go on with what an earlier process had on its way, and keep what is for the next one."""
        self._kept = kept
        self._sent |= {sent.nonce: sent for sent in kept.transactions()}

    def _keep(self) -> None:
        if self._kept is None:
            return
        unmined = [self._sent[nonce] for nonce in self._unmined()]
        written = [(sent.nonce, tuple(sent.hashes)) for sent in unmined]
        if written != self._written:
            self._written = written
            self._kept.keep_transactions(unmined)

    @property
    def price(self) -> int:
        """Wei per gas that is offered now."""
        return min(highest_price(self._base_fee), self._cap)

    def open(self) -> bool:
        """Look at the account before something is sent; whether earlier transactions are on their way."""
        self._base_fee = self._chain.block().base_fee
        pending = self._look()
        self._next = max([pending, *(nonce + 1 for nonce in self._unmined())])
        if self._is_stuck():
            # What an earlier process wanted is decided anew from the chain, so nothing is lost with it.
            self._next = self._mined
        self._first = self._next
        self._keep()
        return pending - self._mined > (1 if self._next < pending else 0)

    def _look(self) -> int:
        """Compare nonces, and push what is stuck; the next nonce as the node counts.

        What the node has forgotten is forgotten here too: whoever still wants it sends it again.
        """
        self._mined, pending = self._chain.mined_nonce(self._account.address), self._chain.nonce(self._account.address)
        self._sent = {nonce: sent for nonce, sent in self._sent.items() if self._mined - KEPT <= nonce < pending}
        for nonce in self._unmined():
            self._sent[nonce].receipt = None  # it had one if the chain went back
            self._push(self._sent[nonce])
        return pending

    def _is_stuck(self) -> bool:
        """Whether the lowest unmined transaction is an earlier process's, and has not come through for a while."""
        if self._mined in self._sent or self._next == self._mined:
            self._strange = None
        elif self._strange is None or self._strange[0] != self._mined:
            self._strange = self._mined, time.monotonic()
        return self._strange is not None and time.monotonic() - self._strange[1] >= STUCK * self._patience

    def _unmined(self) -> list[int]:
        return sorted(nonce for nonce in self._sent if nonce >= self._mined)

    @property
    def pending(self) -> int:
        """Transactions on their way, as was last seen."""
        return sum(self._sent[nonce].receipt is None for nonce in self._unmined())

    @property
    def reserved(self) -> int:
        """Wei that what is on its way may cost."""
        return sum(self._sent[nonce].cost for nonce in self._unmined())

    def on_their_way(self) -> OnTheirWay:
        """What was unmined at the last look; safe from any thread."""
        unmined = [sent for nonce, sent in list(self._sent.items()) if nonce >= self._mined]
        replaced = sum(len(sent.hashes) > 1 for sent in unmined)
        return OnTheirWay(len(unmined), replaced, sum(sent.cost for sent in unmined))

    def under_way(self, data: bytes, value: int) -> Sent | None:
        """The same transaction, if it was sent before `open` and is not mined."""
        same = (self._sent[nonce] for nonce in self._unmined() if nonce < self._first)
        return next((sent for sent in same if (sent.data, sent.value) == (data, value)), None)

    def send(self, data: bytes, value: int, gas: int) -> Sent:
        """Send a transaction behind the others. NodeRefused if the node does not take it."""
        sent = Sent(data, value, gas, self._next, self.price, TIP)
        self._offer(sent)
        self._sent[sent.nonce] = sent
        self._next += 1
        self._keep()
        return sent

    def _offer(self, sent: Sent) -> None:
        """Hand a transaction to the node, for more if it asks for more, up to the cap."""
        while True:
            try:
                offered = self._chain.send(
                    self._account,
                    self._to,
                    sent.data,
                    value=sent.value,
                    gas=sent.gas,
                    nonce=sent.nonce,
                    base_fee=self._base_fee,
                    price=sent.price,
                    tip=sent.tip,
                )
            except NodeRefused as refused:
                if not any(said in str(refused) for said in TOO_LOW) or raised(sent.price) > self._cap:
                    raise
                self._base_fee = self._chain.block().base_fee  # it may have risen since it was looked at
                sent.price, sent.tip = max(raised(sent.price), self.price), raised(sent.tip)
                continue
            if offered not in sent.hashes:
                sent.hashes.append(offered)
            return

    def _push(self, sent: Sent) -> None:
        """Replace a transaction that offers less than the base fee, as far as the cap allows."""
        if sent.price >= self._base_fee or raised(sent.price) > self._cap:
            return
        price, tip = max(raised(sent.price), self.price), raised(sent.tip)
        offer = replace(sent, price=price, tip=tip)
        with suppress(NodeRefused):  # it was mined meanwhile: the next look tells
            self._offer(offer)
            sent.price, sent.tip = offer.price, offer.tip

    def wait(self, all_sent: Sequence[Sent]) -> None:
        """Wait until each has its receipt, or is gone, or patience ends; what is stuck meanwhile is replaced."""
        end, looked, interval = time.monotonic() + self._patience, time.monotonic(), 0.02
        while not all(self._arrived(sent) for sent in all_sent):
            now = time.monotonic()
            if now > end:
                return
            if now - looked >= LOOK:
                looked = now
                self._base_fee = self._chain.block().base_fee
                self._look()
                if not any(sent.receipt is None and self._sent.get(sent.nonce) is sent for sent in all_sent):
                    return  # a reorganisation or a full pool has dropped them: whoever wants them decides anew
            time.sleep(interval)
            interval = min(2 * interval, LOOK)

    def _arrived(self, sent: Sent) -> bool:
        if sent.receipt is None:
            found = map(self._chain.receipt, reversed(sent.hashes))
            sent.receipt = next((receipt for receipt in found if receipt is not None), None)
        return sent.receipt is not None
