"""What a watcher's operator wants: the stake, and which claims are verified."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from contracts.errors import WrongSetup
from contracts.snapshot import ClaimView, RequestView

SECRET_FILE = "sample.secret"
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Policy:
    """What the operator wants. Empty sets of models and executors are all of them; a refusal goes before a wish."""

    stake: int
    """Wei to have at stake in all; lost stake is not replaced."""
    sample: float = 1.0
    """Share of the claims that is verified."""
    secret: bytes = b""
    """What draws the sample; an executor that knew it would cheat where nobody looks."""
    models: Collection[bytes] = frozenset()
    refused_models: Collection[bytes] = frozenset()
    executors: Collection[str] = frozenset()
    refused_executors: Collection[str] = frozenset()
    defend: bool = False
    """Whether to move for executors that named this account as their delegate."""

    def passes_over(self, claim: ClaimView, request: RequestView) -> str | None:
        """Why a claim is not verified; None if it is. The same claim gets the same answer for ever."""
        if request.model in self.refused_models or (self.models and request.model not in self.models):
            return "its model is not among the chosen ones"
        if claim.executor in self.refused_executors or (self.executors and claim.executor not in self.executors):
            return "its executor is not among the chosen ones"
        drawn = int.from_bytes(blake2b(claim.id, key=self.secret, digest_size=8).digest(), "big")
        return None if drawn < self.sample * 2**64 else "it is not in the sample"


def read_secret(data: Path) -> bytes:
    """The watcher's secret, made when it is first needed: a restart does not draw again."""
    file = data / SECRET_FILE
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _write_once(file, os.urandom(_SECRET_BYTES))
        secret = file.read_bytes()
    except OSError as error:
        raise WrongSetup(f"the sample's secret {file} cannot be kept: {error.strerror}; give another --data") from error
    if len(secret) != _SECRET_BYTES:
        raise WrongSetup(f"{file} holds no secret of {_SECRET_BYTES} bytes; delete it, and the sample is drawn anew")
    return secret


def _write_once(file: Path, content: bytes) -> None:
    """A reader sees all of it or nothing, and of two writers the first has written it."""
    staging = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(staging, file)
        except FileExistsError:
            return
    finally:
        staging.unlink(missing_ok=True)
