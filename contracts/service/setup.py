"""An agent's setup as a check sees it, and what checks find: `contracts.service.checks` has the checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from contracts import deployment
from contracts.chain import Chain
from contracts.client import Client
from contracts.command_line import DEVNET
from contracts.deployment import Deployment
from contracts.keys import load_signer
from contracts.signers import Signer
from prover.errors import RefuteError
from prover.progress import counted


class Status(StrEnum):
    ok = "ok"
    warn = "warn"
    fail = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    name: str
    status: Status
    said: str
    remedy: str = ""


class Unchecked(RefuteError):
    """What a check looks at cannot be reached; another check says why."""


@dataclass(frozen=True)
class Setup:
    """The effective options of one agent, and what they lead to. A property raises what is wrong with it."""

    role: str
    url: str
    file: Path
    models: Path
    key: str | None = None
    password_file: Path | None = None
    data: Path | None = None
    stake: str | None = None
    broker: str | None = None
    broker_password_file: Path | None = None
    broker_ca: Path | None = None

    @cached_property
    def chain(self) -> Chain:
        return Chain.connect(self.url)

    @cached_property
    def deployed(self) -> Deployment:
        return deployment.load(self.file, self.chain)

    @cached_property
    def signer(self) -> Signer:
        return load_signer(self.key, self.role, DEVNET.keys, self.password_file)

    @cached_property
    def client(self) -> Client:
        return Client(self.chain, self.deployed, self.signer)

    def require(self, *names: str) -> None:
        """Unchecked unless these properties are there."""
        for name in names:
            try:
                getattr(self, name)
            except RefuteError:
                raise Unchecked(f"not checked: it needs the {_WORDS[name]}") from None


_WORDS = {"chain": "chain", "deployed": "contracts", "signer": "key"}
Check = Callable[[Setup], Iterator[Finding]]


def wrong(name: str, error: RefuteError, status: Status = Status.fail) -> Finding:
    """Our errors say what is wrong, a semicolon, and what to do."""
    said, _, remedy = str(error).partition("; ")
    return Finding(name, status, said, remedy)


def examine(setup: Setup, checks: Sequence[Check]) -> Iterator[Finding]:
    """What the checks find, one by one."""
    for check in counted("checking", checks):
        name = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            yield from check(setup)
        except Unchecked as error:
            yield Finding(name, Status.warn, str(error))
        except RefuteError as error:
            yield wrong(name, error)
