"""What the page shows, as JSON: the state of a report, and one dispute as a descent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.agent import hexed
from contracts.service.feed import Report
from contracts.service.walk import Stage
from contracts.snapshot import ClaimStatus, ClaimView, DisputeStatus, DisputeView, Reason
from prover.game.position import Phase, Position, Side
from prover.operators import row_of
from prover.program import Program

Programs = Callable[[bytes], Program | None]
"""A model's program, if its folder is at hand: it gives names to layers and operators."""

NEWEST = 200
"""Claims that are shown."""

ENDINGS = {
    Reason.STEP: "the contract computed the number, and it is not what the executor committed to",
    Reason.OUTPUT: "the posted output is not the committed one",
    Reason.PROGRAM: "a record of the model breaks a rule",
    Reason.TIMEOUT: "the side to move ran out of time",
    Reason.OPENING: "what the executor opened is not what it committed to",
    Reason.OTHER: "another dispute on the claim was won first",
}
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
        "doubt": snapshot.doubt,
        "account": {
            "address": account.address,
            "free": ether(account.free),
            "locked": ether(account.locked),
            "credits": ether(account.credits),
            "balance": ether(account.balance),
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
        "fee": ether(request.fee),
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
        "ending": ENDINGS[reason] if reason is not None else None,
        "time": report.snapshot.timestamp,
        "bond": ether(report.snapshot.parameters.challenger_bond),
        "stake": ether(report.snapshot.parameters.executor_stake),
        "gas": sum(stage.gas for stage in stages),
        "size": sum(stage.size for stage in stages),
        "stages": [_stage(stage, program) for stage in stages],
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
        "where": place(position, program),
    }


def place(position: Position, program: Program | None) -> str:
    """What a number is: an element of an operator's result, or a part of its terms."""
    where = f"element {position.element} of {operator_name(position, program)}"
    return f"{where} in {layer_name(position.layer, program)}"


def layer_name(layer: int, program: Program | None) -> str:
    if program is not None and layer < len(program.names):
        return program.names[layer]
    return f"layer {layer}"


def operator_name(position: Position, program: Program | None) -> str:
    if program is None:
        return f"operator {position.operator}"
    return f"operator {position.operator} ({row_of(program.operator(position.layer, position.operator)).name})"


def _stage(stage: Stage, program: Program | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "event": stage.event,
        "mover": stage.mover,
        "block": stage.block,
        "transaction": hexed(stage.transaction),
        "gas": stage.gas,
        "size": stage.size,
        "before": None if stage.before is None else _position(stage.before),
        "after": None if stage.after is None else _position(stage.after),
    }
    if stage.reason is not None:
        ending = ENDINGS[stage.reason]
        return {
            **shown,
            "level": "end",
            "text": f"{'challenger' if stage.challenger_won else 'executor'} wins: {ending}",
        }
    if stage.event == "Challenged" and stage.after is not None:
        whole = _cut(stage.after.ground.layers, 0, None)
        return {**shown, "level": "claim", "text": "the claim is challenged", "cut": whole}
    if stage.event != "Moved" or stage.before is None or stage.after is None:
        return {**shown, "level": "end", "text": "settled"}
    before, after = stage.before, stage.after
    if before.phase.side is Side.EXECUTOR:
        return {**shown, "level": before.phase.level, "side": "executor", "text": _opened(before, stage.opened)}
    text, cut = _picked(before, after, stage.opened, program)
    return {**shown, "level": before.phase.level, "side": "challenger", "text": text, "cut": cut}


def _opened(before: Position, opened: bytes) -> str:
    size = len(opened)
    match before.phase.level:
        case "layer":
            return f"opens the roots of {size // 32} operators"
        case "chunk":
            return f"opens a chunk of {size} bytes"
        case "terms":
            return f"opens {size // 8} partial values"
    return f"opens {size // 32} nodes"


def _picked(
    before: Position, after: Position, opened: bytes, program: Program | None
) -> tuple[str, Mapping[str, Any] | None]:
    """What the challenger picked, and where it lies in what was there to pick from."""
    match before.phase.level:
        case "trace":
            text = f"picks {layer_name(after.layer, program)}" if after.count == 1 else _range("layers", after)
            return text, _cut(before.count, after.start - before.start, after.count)
        case "layer":
            return f"picks {operator_name(after, program)}", _cut(before.operators or 1, after.operator, 1)
        case "tensor":
            return _range("chunks", after), _cut(before.count, after.start - before.start, after.count)
        case "chunk":
            return f"picks element {after.element}, committed as {after.value}", None
        case "terms":
            text = f"{_range('terms', after)}, claimed as {after.value}"
            return text, _cut(before.count, after.start - before.start, after.count)
    return "moves", None


def _range(what: str, after: Position) -> str:
    if after.count == 1:
        return f"picks {what.removesuffix('s')} {after.start}"
    return f"picks {what} {after.start} to {after.start + after.count - 1}"


def _cut(total: int, start: int, count: int | None) -> dict[str, Any]:
    """A part of a whole: `count` of `total` from `start` on."""
    return {"total": total, "start": start, "count": count}


def _position(position: Position) -> dict[str, Any]:
    return {
        "phase": position.phase.name.lower().replace("_", " "),
        "layer": position.layer,
        "operator": position.operator,
        "element": position.element,
        "start": position.start,
        "count": position.count,
        "value": str(position.value),
    }


def ether(wei: int) -> str:
    """Ether to four digits behind the point."""
    return f"{wei / 1e18:.4f}".rstrip("0").rstrip(".")
