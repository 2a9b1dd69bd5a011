"""A small model of stakes, requests, claims and disputes: what the contract should hold after each transaction.

Written from the protocol (sections 5 to 9), not from the Solidity. Every method refuses before it changes anything, by
the name of the contract's error.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from contracts.deployment import Parameters
from prover.game.position import Side
from tests.model.records import Account, Claim, Dispute, Request, require

BASIS = 10_000
CHALLENGE_UNITS, NODE_UNITS, PICK_UNITS, PROOF_UNITS = 160_000, 65_000, 95_000, 400_000
"""Gas that a challenger is owed: for opening a dispute, a pick of a node, any other pick, and the proof that wins."""


RARE = {"fell after a dispute was lost", "a pot too small for all tariffs", "lost at its settlement", "settled"}


@dataclass
class Ledger:
    """Everything, by id."""

    parameters: Parameters
    price: int
    """Of tariffs: the base fee, at most peakGasPrice."""
    now: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    requests: dict[bytes, Request] = field(default_factory=dict)
    claims: dict[bytes, Claim] = field(default_factory=dict)
    disputes: dict[bytes, Dispute] = field(default_factory=dict)
    burned: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    """How often what is rare happened."""

    def held(self) -> int:
        """INVARIANT: [inv 9] what the contract should have: stakes, credits, escrow and what is burned."""
        stakes = sum(a.free + a.locked + a.leaving + a.credits for a in self.accounts.values())
        fees = sum(r.fee for r in self.requests.values() if r.status not in ("final", "ended"))
        bonds = sum(c.lost for c in self.claims.values() if c.over_at is None) * self.parameters.challenger_bond
        return stakes + fees + bonds + sum(c.left for c in self.claims.values()) + self.burned

    # Stakes

    def deposit(self, who: str, amount: int) -> None:
        require(amount > 0, "AmountIsZero")
        self.accounts[who].free += amount

    def start_withdrawal(self, who: str, amount: int) -> None:
        account = self.accounts[who]
        require(amount > 0, "AmountIsZero")
        require(account.free >= amount, "FreeStakeTooLow")
        account.free -= amount
        account.leaving += amount
        account.due = self.now + self.parameters.withdrawal_delay

    def withdraw(self, who: str) -> None:
        account = self.accounts[who]
        require(account.leaving > 0, "NothingToWithdraw")
        require(self.now >= account.due, "WithdrawalNotDue")
        account.leaving = 0

    def collect(self, who: str) -> None:
        require(self.accounts[who].credits > 0, "NothingToCollect")
        self.accounts[who].credits = 0

    def _lock(self, who: str, amount: int) -> None:
        account = self.accounts[who]
        require(account.free >= amount, "FreeStakeTooLow")
        account.free -= amount
        account.locked += amount

    def _unlock(self, who: str, amount: int) -> None:
        self.accounts[who].free += amount
        self.accounts[who].locked -= amount

    def _slash(self, who: str, amount: int) -> None:
        self.accounts[who].locked -= amount
        self.accounts[who].slashed += amount

    # Requests

    def request(self, id: bytes, request: Request) -> None:
        self.requests[id] = request

    def stake_of(self, request: Request) -> int:
        return max(request.least, self.parameters.executor_stake)

    def accept(self, id: bytes, who: str) -> None:
        request = self.requests[id]
        require(request.status == "open", "RequestNotOpen")
        require(request.only in (None, who), "ReservedFor")
        require(who not in request.barred, "ExecutorBarred")
        self._lock(who, self.stake_of(request))
        request.status, request.executor, request.due = "accepted", who, self.now + request.answer_period

    def lapse(self, id: bytes) -> None:
        request, bond = self.requests[id], self.parameters.acceptance_bond
        require(request.status == "accepted", "RequestNotAccepted")
        require(self.now >= request.due, "AnswerNotOverdue")
        executor = request.executor
        assert executor is not None
        request.barred.add(executor)
        self._slash(executor, bond)
        self.burned += bond // 2
        self.accounts[request.requester].credits += bond - bond // 2
        self._unlock(executor, self.stake_of(request) - bond)
        self._reopen(request)

    def cancel(self, id: bytes, who: str) -> None:
        request = self.requests[id]
        require(who == request.requester, "NotTheRequester")
        require(request.status not in ("final", "ended"), "RequestIsOver")
        require(not request.cancelled, "AlreadyCancelled")
        request.cancelled = True
        if request.status == "open":
            self._reopen(request)

    def _reopen(self, request: Request) -> None:
        request.status, request.executor, request.due = "open", None, 0
        if request.cancelled:
            request.status = "ended"
            self.accounts[request.requester].credits += request.fee

    # Claims

    def require_claim(self, request_id: bytes, who: str) -> None:
        request = self.requests[request_id]
        require(request.status == "accepted", "RequestNotAccepted")
        require(who == request.executor, "NotTheAcceptor")
        require(self.now < request.due, "AnswerTooLate")

    def claim(self, id: bytes, request_id: bytes, who: str) -> None:
        request, end = self.requests[request_id], self.now + self.parameters.window
        request.status, request.due = "claimed", end
        self.claims[id] = Claim(request_id, who, end, self.now)

    def _require_standing(self, claim: Claim) -> None:
        require(self.requests[claim.request].status != "final" or claim.fallen_at is not None, "ClaimIsFinal")
        require(claim.fallen_at is None, "ClaimHasFallen")

    def finalise(self, id: bytes) -> None:
        claim = self.claims[id]
        self._require_standing(claim)
        require(self.now >= claim.window_end, "WindowStillOpen")
        require(claim.unresolved == 0, "DisputesUnresolved")
        request = self.requests[claim.request]
        request.status, claim.over_at = "final", self.now
        self._unlock(claim.executor, self.stake_of(request))
        self.accounts[claim.executor].credits += request.fee + claim.lost * self.parameters.challenger_bond

    # Disputes

    def require_challenge(self, id: bytes, claim_id: bytes, who: str) -> None:
        """`id`: what the dispute would have."""
        require(id not in self.disputes, "AlreadyChallenged")
        claim = self.claims[claim_id]
        self._require_standing(claim)
        require(self.now < claim.window_end, "WindowIsOver")
        require(self.accounts[who].free >= self.parameters.challenger_bond, "FreeStakeTooLow")

    def challenge(self, id: bytes, claim_id: bytes, who: str, side: Side) -> None:
        """`side`: whose turn it is where the dispute begins."""
        clock = self.parameters.clock
        self._lock(who, self.parameters.challenger_bond)
        self.claims[claim_id].unresolved += 1
        self.disputes[id] = Dispute(claim_id, who, side, self.now + clock, clock)
        self.add_tariff(id, CHALLENGE_UNITS)

    def add_tariff(self, id: bytes, units: int) -> None:
        dispute = self.disputes[id]
        dispute.tariff += units * self.price
        self.claims[dispute.claim].tariffs += units * self.price

    def require_move(self, id: bytes) -> None:
        dispute = self.disputes[id]
        require(dispute.status == "active", "DisputeIsResolved")
        require(self.claims[dispute.claim].fallen_at is None, "ClaimHasFallen")
        require(self.now < dispute.deadline, "MoveAfterDeadline")

    def turn(self, id: bytes, side: Side) -> None:
        """After a move: the clock of whoever is to move next, `side`, runs."""
        dispute = self.disputes[id]
        if dispute.side is not side:
            left = dispute.deadline - self.now
            dispute.deadline, dispute.idle, dispute.side = self.now + dispute.idle, left, side

    def expire(self, ids: list[bytes]) -> None:
        """INVARIANT: [inv 6] from the deadline on."""
        over = [id for id in ids if self._has_expired(id)]
        require(bool(over), "NothingExpired")
        for id in over:
            if self._has_expired(id):  # one before it may have made the claim fall
                if self.disputes[id].side is Side.CHALLENGER:
                    self._lose(id)
                else:
                    self.win(id)

    def _has_expired(self, id: bytes) -> bool:
        dispute = self.disputes[id]
        standing = dispute.status == "active" and self.claims[dispute.claim].fallen_at is None
        return standing and self.now >= dispute.deadline

    def _lose(self, id: bytes) -> None:
        dispute = self.disputes[id]
        claim = self.claims[dispute.claim]
        dispute.status = "lost"
        claim.unresolved -= 1
        claim.lost += 1
        claim.tariffs -= dispute.tariff
        self._slash(dispute.challenger, self.parameters.challenger_bond)

    def win(self, id: bytes) -> None:
        dispute = self.disputes[id]
        claim = self.claims[dispute.claim]
        request, bond = self.requests[claim.request], self.parameters.challenger_bond
        stake = self.stake_of(request)
        dispute.status = "won"
        self.seen["fell after a dispute was lost"] += claim.lost > 0
        burned = stake * self.parameters.burn_share // BASIS
        pot = stake - burned
        owed = self._share(dispute, claim, pot) + max(pot - claim.tariffs, 0)
        self.seen["a pot too small for all tariffs"] += claim.tariffs > pot > 0
        self._slash(claim.executor, stake)
        self.burned += burned + claim.lost * bond
        claim.fallen_at = claim.over_at = self.now
        claim.pot, claim.left = pot, pot - owed
        claim.unresolved -= 1
        self._close(claim)
        self._reopen(request)
        self._unlock(dispute.challenger, bond)
        self.accounts[dispute.challenger].credits += owed

    def _share(self, dispute: Dispute, claim: Claim, pot: int) -> int:
        return dispute.tariff if claim.tariffs <= pot else pot * dispute.tariff // claim.tariffs

    def _close(self, claim: Claim) -> None:
        """INVARIANT: [inv 9] the last one burns what is left."""
        if claim.unresolved == 0:
            self.burned += claim.left
            claim.left = 0

    def settle(self, id: bytes) -> None:
        dispute, bond = self.disputes[id], self.parameters.challenger_bond
        claim = self.claims[dispute.claim]
        require(dispute.status == "active", "DisputeIsResolved")
        require(claim.fallen_at is not None, "ClaimHasNotFallen")
        assert claim.fallen_at is not None
        if dispute.side is Side.CHALLENGER and dispute.deadline <= claim.fallen_at:
            dispute.status = "lost"
            self.seen["lost at its settlement"] += 1
            self._slash(dispute.challenger, bond)
            self.burned += bond
        else:
            dispute.status = "settled"
            self.seen["settled"] += 1
            self._unlock(dispute.challenger, bond)
            owed = self._share(dispute, claim, claim.pot)
            claim.left -= owed
            self.accounts[dispute.challenger].credits += owed
        claim.unresolved -= 1
        self._close(claim)
