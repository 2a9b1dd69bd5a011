"""Whose money has become more and whose less, over a game: what an adversary must not gain and an honest one not lose.

An account's wealth is all that it has in its wallet and in the contract, and the gas that it has paid: so moves cost
nothing here, and what is compared is what the protocol took and gave. A bond that is locked is still its owner's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.client import Client
from contracts.snapshot import ClaimStatus, RequestStatus, Snapshot
from deploy.testkit.stage import Stage


class Books:
    """Opened before a game, and read after it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._addresses = [client.address for client in stage.clients]
        self._block = stage.chain.block().number
        self._before = {address: self._wealth(address) for address in self._addresses}

    def change(self, *parties: Client) -> int:
        """By how many wei the parties together have become richer, the gas that they paid not counted."""
        addresses = {party.address for party in parties}
        operators = {party.signer.address for party in parties} - addresses
        before = sum(self._before[address] for address in addresses | operators)
        return sum(map(self._wealth, addresses | operators)) + self.gas(*parties) - before

    def gas(self, *parties: Client) -> int:
        """What the parties have paid for transactions since the books were opened, in wei."""
        sent = self._stage.sent({party.signer.address for party in parties}, self._block + 1)
        return sum(receipt["gasUsed"] * receipt["effectiveGasPrice"] for _, receipt in sent)

    def require_just(self, *, adversaries: Sequence[Client], honest: Sequence[Client], allowed: int = 0) -> None:
        """No adversary gains, no honest party loses, and no wei appears or vanishes; AssertionError says who.

        Args:
            adversaries: accounts of one adversary; they may pay each other.
            honest: the others that took part, the requester too, which pays the fees of what was answered.
            allowed: what an honest party in the adversary's place would have earned, in wei.
        """
        snapshot = self._stage.look()
        gained = self.change(*adversaries)
        assert gained <= allowed, f"the adversary gained {gained} wei; {allowed} would be an honest party's"
        for party in honest:
            paid = sum(
                request.fee
                for request in snapshot.requests.values()
                if request.requester == party.address and request.status is RequestStatus.FINAL
            )
            change = self.change(party) + paid
            assert change >= 0, f"{party.address} is honest and lost {-change} wei"
        held, known = self._stage.chain.balance(self._stage.deployment.refute), self.accounted_for()
        assert held == known, f"the contract holds {held} wei, and {known} are accounted for"

    def _wealth(self, address: str) -> int:
        return self._stage.chain.balance(address) + held_for(self._stage.requester, address)

    def accounted_for(self) -> int:
        """INVARIANT: [inv 9] what the contract should hold, in wei."""
        addresses = [*self._addresses, *self._stage.partners]
        return accounted_for(self._stage.requester, self._stage.look(), addresses)


def held_for(client: Client, address: str) -> int:
    """An account's stake (free, locked, leaving) and credits in the contract, in wei; read through any client."""
    free, locked, leaving, _due = client.view("accountOf", address)
    return int(free + locked + leaving + client.view("creditsOf", address))


def accounted_for(client: Client, snapshot: Snapshot, addresses: Sequence[str]) -> int:
    """Stakes, credits, escrow and what is burned, in wei, if only these addresses have money in the contract."""
    stakes = sum(held_for(client, address) for address in addresses)
    over = (RequestStatus.FINAL, RequestStatus.ENDED)
    fees = sum(r.fee for r in snapshot.requests.values() if r.status not in over)
    held = {claim: client.view("claimOf", claim)[1] for claim in snapshot.claims}
    pending = [c.id for c in snapshot.claims.values() if c.status is ClaimStatus.PENDING]
    bonds = client.deployment.parameters.challenger_bond * sum(_lost(held[claim]) for claim in pending)
    pots = sum(_left(claim) for claim in held.values())
    return stakes + fees + bonds + pots + int(client.view("burned"))


def _lost(held: tuple[Any, ...]) -> int:
    """Disputes of a claim that challengers lost, of the struct `Claim`."""
    _request, (_fallen, _fallen_at, _unresolved, lost, _tariffs), *_ = held
    return int(lost)


def _left(held: tuple[Any, ...]) -> int:
    """What of a fallen claim's pot is not paid yet, of the struct `Claim`."""
    return int(held[-1])
