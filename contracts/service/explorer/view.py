"""What the page shows, as JSON: the state of a report, and one dispute with its two numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from contracts.agent import hexed
from contracts.amounts import rounded_ether
from contracts.service.explorer import descent
from contracts.service.feed import Report
from contracts.service.walk import Stage
from contracts.snapshot import ClaimStatus, ClaimView, DisputeStatus, DisputeView
from contracts.urls import hosts_only
from prover.game.position import Phase, Side
from prover.program import Program

Programs = Callable[[bytes], Program | None]
"""A model's program, if its folder is at hand: it gives names to layers and operators."""

NEWEST = 200
"""Claims that are shown."""

PARTIES = {Side.EXECUTOR: "executor", Side.CHALLENGER: "challenger"}


def state(report: Report) -> dict[str, Any]:
    """The chain's head, the account, and the newest claims with their disputes."""
    snapshot, account = report.snapshot, report.snapshot.account
    claims = list(snapshot.claims.values())[::-1][:NEWEST]
    shown = {claim.id for claim in claims}
    disputes: dict[bytes, list[DisputeView]] = {}
    for dispute in snapshot.disputes.values():
        if dispute.claim in shown:
            disputes.setdefault(dispute.claim, []).append(dispute)
    return {
        "agent": report.agent,
        "block": snapshot.block,
        "time": snapshot.timestamp,
        "window": snapshot.parameters.window,
        "clock": snapshot.parameters.clock,
        "doubt": None if snapshot.doubt is None else hosts_only(snapshot.doubt),
        "account": {
            "address": account.address,
            "free": rounded_ether(account.free),
            "locked": rounded_ether(account.locked),
            "credits": rounded_ether(account.credits),
            "balance": rounded_ether(account.balance),
        },
        "computing": report.computing,
        "pending": report.pending,
        "total": len(snapshot.claims),
        "claims": [_claim(claim, report, disputes.get(claim.id, [])) for claim in claims],
    }


def _claim(claim: ClaimView, report: Report, disputes: Sequence[DisputeView]) -> dict[str, Any]:
    request = report.snapshot.requests[claim.request]
    return {
        "id": hexed(claim.id),
        "model": request.model.hex(),
        "executor": claim.executor,
        "fee": rounded_ether(request.fee),
        "status": claim.status.value,
        "windowEnd": claim.window_end,
        "verdict": report.verdicts.get(claim.id),
        "disputes": [_brief(dispute, report) for dispute in disputes],
    }


def _brief(dispute: DisputeView, report: Report) -> dict[str, Any]:
    return {
        "id": hexed(dispute.id),
        "challenger": dispute.challenger,
        "status": dispute.status.value,
        "level": dispute.position.phase.level,
        "toMove": to_move(dispute, report),
        "deadline": dispute.deadline,
    }


def to_move(dispute: DisputeView, report: Report) -> str | None:
    """The side whose clock runs; None if none does."""
    claim = report.snapshot.claims[dispute.claim]
    running = dispute.status is DisputeStatus.ACTIVE and claim.status is ClaimStatus.PENDING
    return PARTIES[dispute.side] if running else None


def dispute(view: DisputeView, report: Report, stages: Sequence[Stage], programs: Programs) -> dict[str, Any]:
    """One dispute: who against whom, its stages, and the two numbers."""
    claim = report.snapshot.claims[view.claim]
    program = programs(report.snapshot.requests[claim.request].model)
    reason = view.reason
    return {
        **_brief(view, report),
        "claim": hexed(claim.id),
        "executor": claim.executor,
        "claimStatus": claim.status.value,
        "ending": descent.ENDINGS[reason] if reason is not None else None,
        "time": report.snapshot.timestamp,
        "bond": rounded_ether(report.snapshot.parameters.challenger_bond),
        "stake": rounded_ether(report.snapshot.parameters.executor_stake),
        "gas": sum(stage.gas for stage in stages),
        "size": sum(stage.size for stage in stages),
        "stages": [descent.stage(one, program) for one in stages],
        "numbers": _numbers(view, report, program),
    }


def _numbers(view: DisputeView, report: Report, program: Program | None) -> dict[str, Any] | None:
    """The executor's number and this agent's own, once the walk has come down to one."""
    position = view.position
    if position.phase not in (Phase.TERMS_OPEN, Phase.TERMS_PICK, Phase.STEP):
        return None
    own = report.own(view)
    return {
        "executor": str(position.value),
        "own": None if own is None else str(own),
        "where": descent.place(position, program),
    }
