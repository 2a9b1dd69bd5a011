"""A running agent on one screen of a terminal: claims, verdicts, its disputes with their clocks, the latest events."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import structlog
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.agent import hexed
from contracts.amounts import rounded_ether
from contracts.service.feed import Feed, Report
from contracts.service.metrics import own_disputes, verification_lag
from contracts.snapshot import ClaimStatus, DisputeStatus, DisputeView
from prover.game.position import Side

KEPT = 200
"""Events that are kept to be shown."""
URGENT = 300
"""Seconds of a clock below which it is red."""
_COLOURS = {"error": "bold red", "warning": "yellow"}
_HEADING = "bold"
_HASH = re.compile(r"0x[0-9a-f]{64}")


class LatestEvents:
    """Keeps the latest events instead of printing them: the last processor of structlog while a screen is shown."""

    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def __call__(self, _logger: object, _method: str, event: Any) -> NoReturn:
        self._events.append(dict(event))
        raise structlog.DropEvent

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last ones, the oldest first."""
        return list(self._events)[-count:] if count > 0 else []


@contextmanager
def shown_live(feed: Feed, events: LatestEvents | None) -> Iterator[None]:
    """Show an agent on the terminal while it runs; nothing without `events`. Its last events stay when it ends."""
    if events is None:
        yield
        return
    console = Console()
    try:
        with Live(
            get_renderable=lambda: screen(feed.latest, events, console.size.height),
            console=console,
            screen=True,
            refresh_per_second=2,
            vertical_overflow="crop",
        ):
            yield
    finally:
        console.print(Group(*(_event(event, whole=True) for event in events.last(20))))


def on_terminal(wanted: bool, agent: str) -> LatestEvents | None:
    """What collects events for a screen, if one is wanted and there is a terminal; else it is said in one line."""
    if not wanted:
        return None
    if sys.stdout.isatty():
        return LatestEvents()
    print(f"{agent}: --live needs a terminal, and this output is none; events are logged instead", file=sys.stderr)
    return None


def screen(report: Report | None, events: LatestEvents, height: int) -> RenderableType:
    """The whole screen, at most `height` lines."""
    if report is None:
        return Group(Text("reading the chain", _HEADING), *map(_event, events.last(height - 2)))
    mine = sorted(own_disputes(report), key=lambda pair: _order(pair[0], report))
    room = max(1, (height - 10) // 2)
    parts: list[RenderableType] = [_head(report), _claims(report), Text()]
    if mine:
        parts.append(_disputes(mine[:room], report))
        if len(mine) > room:
            parts.append(Text(f"and {len(mine) - room} more", "dim"))
    else:
        parts.append(Text("no dispute of this account", "dim"))
    used = 7 + (min(len(mine), room) + 2 if mine else 1)
    latest = events.last(height - used)
    return Group(*parts, Text(), Text("Latest events", _HEADING), *map(_event, latest))


def _head(report: Report) -> Text:
    snapshot, account = report.snapshot, report.snapshot.account
    line = Text.assemble((report.agent, _HEADING), f"  block {snapshot.block:,}")
    line.append(
        f"  stake {_ether(account.free)} free, {_ether(account.locked)} at risk  balance {_ether(account.balance)}"
    )
    if account.credits:
        line.append(f"  credits {_ether(account.credits)}")
    if report.pending:
        line.append(f"  {report.pending} transactions on their way")
    age = time.monotonic() - report.at
    if age > URGENT / 10:
        line.append(f"  no round for {_duration(age)}", "bold red")
    if snapshot.doubt is not None:
        line.append("  the nodes disagree", "bold red")
    return line


def _claims(report: Report) -> Text:
    claims = Tally(claim.status for claim in report.snapshot.claims.values())
    verdicts = Tally(report.verdicts.values())
    line = Text.assemble(("claims", _HEADING), "  ")
    line.append(", ".join(f"{claims[status]} {status.value}" for status in ClaimStatus))
    line.append("   ").append("open ones", _HEADING).append("  ")
    line.append(f"{verdicts['agrees']} agree, ")
    line.append(f"{verdicts['refuted']} refuted", "red" if verdicts["refuted"] else "").append(", ")
    line.append(f"{verdicts['unknown']} unknown", "yellow" if verdicts["unknown"] else "")
    if report.computing:
        line.append(f", {report.computing} being verified")
    if lag := verification_lag(report):
        line.append(f", the oldest waits {_duration(lag)}")
    return line


def _disputes(pairs: Sequence[tuple[DisputeView, Side]], report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style=_HEADING)
    for heading in ("dispute", "claim", "against", "level", "to move", "clock"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "clock" else "left")
    for dispute, side in pairs:
        other = report.snapshot.claims[dispute.claim].executor if side is Side.CHALLENGER else dispute.challenger
        ids = _short(hexed(dispute.id)), _short(hexed(dispute.claim)), _short(other)
        if not _runs(dispute, report):
            table.add_row(*ids, dispute.position.phase.level, _ending(dispute, side), "", style="dim")
            continue
        mine, left = dispute.side is side, dispute.deadline - report.snapshot.timestamp
        clock = Text(_duration(left) if left > 0 else "run out", "bold red" if mine and left < URGENT else "")
        mover = Text("this agent", "bold") if mine else Text(dispute.side.name.lower())
        table.add_row(*ids, dispute.position.phase.level, mover, clock)
    return table


def _runs(dispute: DisputeView, report: Report) -> bool:
    pending = report.snapshot.claims[dispute.claim].status is ClaimStatus.PENDING
    return dispute.status is DisputeStatus.ACTIVE and pending


def _ending(dispute: DisputeView, side: Side) -> str:
    if dispute.status in (DisputeStatus.WON, DisputeStatus.LOST):
        return "won" if (dispute.status is DisputeStatus.WON) == (side is Side.CHALLENGER) else "lost"
    return "over"


def _order(dispute: DisputeView, report: Report) -> tuple[bool, int]:
    """Those that run first, the most urgent at the top."""
    return not _runs(dispute, report), dispute.deadline


def _event(event: dict[str, Any], whole: bool = False) -> Text:
    """One line with shortened ids, or the `whole` of it; what strangers have a part in cannot steer the terminal."""
    shown = {key: value for key, value in event.items() if key not in ("event", "level", "timestamp", "agent")}
    details = " ".join(f"{key}={value}" for key, value in shown.items())
    clock = str(event.get("timestamp", ""))[11:19]
    line = Text(overflow="fold") if whole else Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{clock} ", "dim").append(_printable(event["event"]), _COLOURS.get(str(event.get("level")), "bold"))
    return line.append(_printable(" " + (details if whole else _HASH.sub(lambda found: _short(found[0]), details))))


def _printable(text: object) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def _short(text: str) -> str:
    return f"{text[:8]}…{text[-4:]}"


def _ether(wei: int) -> str:
    return f"{rounded_ether(wei)} eth"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
