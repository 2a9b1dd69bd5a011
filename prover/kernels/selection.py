"""Which matmul backends this machine computes exactly: each is tested with the worst cases before it is used."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from timeit import default_timer as clock

import structlog
import torch

from prover.errors import InexactBackend
from prover.kernels.backend import Backend, Product
from prover.kernels.matmul import BACKENDS
from prover.kernels.worst_cases import I8, TWO_DIGITS, why_inexact

_log = structlog.get_logger(__name__)

RACED = ("int8", "bf16")
"""Which of these is faster differs between GPUs, so it is measured there."""
RACE = Product(1, 128, 4096, 4096, TWO_DIGITS, I8)
"""A projection of a model of 7 billion parameters for 128 tokens."""


@cache
def _tested(backend: Backend, device: str) -> bool:
    reason = why_inexact(backend, torch.device(device))
    if reason:
        _log.warning("matmul.backend_refused", backend=backend.name, device=device, reason=reason)
    else:
        _log.debug("matmul.backend_ready", backend=backend.name, device=device)
    return reason is None


@dataclass(frozen=True)
class Selection:
    """Backends in the order in which a product is offered to them; each is tested when it is first wanted."""

    candidates: tuple[Backend, ...]
    device: str

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All that pass."""
        return tuple(self._passing())

    def _passing(self) -> Iterator[Backend]:
        return (backend for backend in self.candidates if _tested(backend, self.device))

    @property
    def second(self) -> str:
        """The name of a backend that takes another route than the one preferred here; InexactBackend if none does."""
        passing = self._passing()
        next(passing, None)
        other = next(passing, None)
        if other is None:
            raise InexactBackend("only one matmul backend is exact on this machine; nothing can confirm its results")
        return other.name

    def choose(self, product: Product) -> Backend:
        """The first exact backend that supports a product."""
        for backend in self.candidates:
            if backend.supports(product) and _tested(backend, self.device):
                return backend
        raise InexactBackend(f"no backend of {[b.name for b in self.candidates]} multiplies {product} exactly")


def milliseconds(backend: Backend, device: str, product: Product = RACE) -> float:
    """Median time of a product on a device, from factors as they are stored: i16 rows, i8 columns."""
    rows = torch.ones((product.batch, product.m, product.k), dtype=torch.int16, device=device)
    columns = torch.ones((product.batch, product.n, product.k), dtype=torch.int8, device=device)
    times = []
    for _ in range(7):
        start = clock()
        backend.multiply(rows, columns, product)[0, 0, 0].item()  # waits for the device
        times.append(1e3 * (clock() - start))
    return statistics.median(times[2:])


def fastest_first(
    candidates: tuple[Backend, ...], device: str, time: Callable[[Backend, str], float] = milliseconds
) -> tuple[Backend, ...]:
    """Those of RACED that are exact on a device, the faster one first, then all others in their order."""
    times = {
        backend: time(backend, device) for backend in candidates if backend.name in RACED and _tested(backend, device)
    }
    _log.info("matmul.raced", device=device, ms={backend.name: round(ms, 3) for backend, ms in times.items()})
    return (*sorted(times, key=times.__getitem__), *(backend for backend in candidates if backend not in times))


@cache
def _ordered(candidates: tuple[Backend, ...], device: str) -> tuple[Backend, ...]:
    """In order of preference: as they are on a CPU, by a race on CUDA."""
    return fastest_first(candidates, device) if torch.device(device).type == "cuda" else candidates


def device_named(name: str) -> torch.device:
    """A device of torch's that is here; InexactBackend for others."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # as torch says it, depending on how it was built
        reason = str(error).splitlines()[0].split(". ")[0]
        raise InexactBackend(f"device {name!r} cannot be used ({reason}); take cpu, or a torch built for it") from error
    return device


def select(preferred: str | None = None, device: str = "cpu", candidates: Sequence[Backend] = BACKENDS) -> Selection:
    """The exact backends of this machine, in order of preference; with `preferred`, that one and int64 for the rest.

    InexactBackend if there is no such device, if `preferred` is unknown or fails its test, or if no backend passes.
    """
    device_named(device)
    names = [backend.name for backend in candidates]
    if preferred is not None and preferred not in names:
        raise InexactBackend(f"there is no matmul backend {preferred!r}; choose one of {', '.join(names)}")
    wanted = tuple(b for b in candidates if preferred is None or b.name in (preferred, candidates[-1].name))
    if preferred is not None and not _tested(wanted[0], device):
        raise InexactBackend(f"matmul backend {preferred!r} is not exact on this machine; leave the choice open")
    if not any(_tested(backend, device) for backend in wanted):
        raise InexactBackend(f"none of the matmul backends {', '.join(names)} is exact on {device}")
    return Selection(wanted if preferred else _ordered(wanted, device), device)
