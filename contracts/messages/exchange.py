"""Asking for parts of a trace and giving them: questions go to an account, answers come back by hash."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late

from contracts.messages.bus import Bus
from contracts.messages.contents import Contents, fits
from contracts.messages.envelope import Reason, Refused
from contracts.messages.kinds import Content, Wanted
from contracts.messages.rates import Bucket, Rate

PATIENCE = 2.0
"""Seconds in which an answer comes, or does not count."""
ANSWERS = Rate(4 << 20, 16 << 20)
"""Bytes given to all who ask: a question is small, and costs nothing."""


class Exchange:
    """One agent's questions and answers. For any thread."""

    def __init__(self, bus: Bus, contents: Contents) -> None:
        self._bus = bus
        self._contents = contents
        self._lock = threading.Lock()
        self._answers = Bucket(ANSWERS, time.monotonic)
        self._asked: dict[tuple[str, bytes], Future[bytes]] = {}

    def ask(self, account: str, form: str, root: bytes, seconds: float = PATIENCE) -> bytes | None:
        """What hashes to `root`, from an account; None if it does not give it in time. Not for the bus's own thread."""
        with self._lock:
            answer = self._asked.setdefault((form, root), Future())
        try:
            self._bus.publish(Wanted(form, root), account)
            return answer.result(seconds)
        except Late:
            return None
        finally:
            with self._lock:
                self._asked.pop((form, root), None)

    def asked(self, sender: str, wanted: Wanted) -> None:
        """Answer a question, if this agent has what is asked for, and has not given too much already."""
        data = self._contents.get(wanted.form, wanted.root)
        if data is not None and self._answers.take(len(data)):
            self._bus.publish(Content(wanted.form, wanted.root, data), sender)

    def given(self, sender: str, content: Content) -> None:
        """Take an answer; Refused if nobody asked, or if it is not what was asked for.

        Who sends it does not matter: what does not hash right is not heard, and the question stays open.
        """
        with self._lock:
            answer = self._asked.get((content.form, content.root))
        if answer is None or answer.done():
            raise Refused(Reason.UNASKED, sender)
        if not fits(content.form, content.root, content.data):
            raise Refused(Reason.MALFORMED, f"what {sender} gives does not hash to what was asked for")
        answer.set_result(content.data)
