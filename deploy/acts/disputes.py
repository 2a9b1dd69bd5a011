"""What happens in every dispute of the demo: a liar is caught and slashed; the walk is told and its figures kept."""

from __future__ import annotations

import time

from contracts.amounts import format_amount
from contracts.snapshot import DisputeStatus, DisputeView, RequestStatus
from deploy.acts.stage import ETHER, Stage
from deploy.processes import Agent
from deploy.walk_table import WalkTable, read_walk
from prover.model_folder import Model

STAKE = 10 * ETHER


def catch(stage: Stage, kind: str, what: str, liar: Agent, model: Model, request: bytes, first_block: int) -> WalkTable:
    """The answer to a request is a lie; see it disputed and slashed, and the request open again."""
    story = stage.story
    stage.claim_of(request)
    begun = time.monotonic()
    if kind == "silence":
        stage.dispute_of(request, DisputeStatus.ACTIVE)
        stage.pass_time(stage.deployment.parameters.clock)
    dispute = stage.dispute_of(request, DisputeStatus.WON, DisputeStatus.LOST)
    walk = tell(stage, kind, what, model, dispute, first_block, time.monotonic() - begun)
    story.check(f"the watcher won, by {walk.reason.name.lower()}", walk.challenger_won)
    slashed = [e.arguments for e in stage.events(first_block) if e.name == "Slashed"]
    lost = [(a["account"], a["amount"], a["burned"]) for a in slashed]
    expected = [(stage.addresses["dishonest"], STAKE, STAKE // 2)]
    story.check(f"the stake of {format_amount(STAKE)} was slashed, half of it burned", lost == expected)
    won = stage.credited("watcher", first_block)
    story.check(f"the rest, {format_amount(won)}, was credited to the watcher", won == STAKE // 2)
    reopened = stage.observer.observe().requests[request].status is RequestStatus.OPEN
    story.check("the request is open again", reopened)
    stage.agents.stop(liar)
    return walk


def tell(
    stage: Stage, kind: str, what: str, model: Model, dispute: DisputeView, first_block: int, seconds: float
) -> WalkTable:
    """Print the walk of a dispute and keep its figures; `seconds` from when its claim was seen."""
    walk = read_walk(stage.requester, dispute.id, model.program, stage.names, first_block)
    stage.story.say(walk.render(f"dispute {dispute.id.hex()[:8]}: {what}"))
    stage.story.figures["disputes"].append(
        {
            "kind": kind,
            "winner": "watcher" if walk.challenger_won else "executor",
            "reason": walk.reason.name.lower(),
            "levels": walk.levels,
            "moves": len(walk.rows),
            "gas_total": walk.gas_total,
            "gas_step": walk.gas_step,
            "seconds": round(seconds, 3),
        }
    )
    return walk
