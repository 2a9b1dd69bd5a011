"""A log that cannot be written does not end an agent."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import structlog
from structlog.typing import FilteringBoundLogger as BoundLogger

from contracts.command_line import configure_logs
from contracts.options import LogForm


class Disk(io.StringIO):
    """A file on a disk that is full for a while."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


@contextmanager
def logged_to(disk: Disk, agent: str | None = None) -> Iterator[BoundLogger]:
    before = structlog.get_config()
    with redirect_stdout(disk):
        configure_logs(LogForm.json, agent=agent)
        yield structlog.get_logger()
    structlog.configure(**before)


def test_lines_that_find_no_room_are_counted_and_that_is_said_when_there_is_room() -> None:
    disk = Disk()
    with logged_to(disk) as log:
        log.info("bus_connected")
        disk.full = True
        log.info("move_sent")
        log.error("move_not_made")
        disk.full = False
        log.info("dispute_won")
        log.info("claim_final")
    events = [json.loads(line) for line in disk.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["bus_connected", "dispute_won", "log_written_again", "claim_final"]
    assert (events[2]["level"], events[2]["lines"]) == ("warning", 2)


def test_a_log_that_is_closed_ends_nothing() -> None:
    disk = Disk()
    with logged_to(disk) as log:
        disk.close()
        log.error("move_not_made")


def test_every_event_of_an_agents_process_names_the_agent() -> None:
    """Whichever part of it speaks: those parts that serve all agents know no name."""
    disk = Disk()
    with logged_to(disk, agent="watcher") as log:
        log.warning("store_rebuilt")
        log.bind(agent="mistaken").info("move_sent")
    assert [json.loads(line)["agent"] for line in disk.getvalue().splitlines()] == ["watcher", "mistaken"]
