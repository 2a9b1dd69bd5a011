"""Matmul backends are tested before use: an inexact one is refused by name and reason, and the next one taken."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from structlog.testing import capture_logs

from prover.errors import InexactBackend
from prover.kernels.backend import Backend, Product
from prover.kernels.digits import Range, split
from prover.kernels.matmul import BACKENDS, Int8, Int64
from prover.kernels.selection import fastest_first, milliseconds, select
from prover.kernels.worst_cases import I8, I16, I32, TWO_DIGITS, why_inexact

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Saturating(Int8):
    """As x86 without VNNI: pairs of products are added in 16 bits, with saturation."""

    name: str = "saturating"

    def _matrix(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if a.shape[1] % 2:
            a, b = (torch.nn.functional.pad(x, (0, 1)) for x in (a, b))
        products = a.to(torch.int32).unsqueeze(1) * b.to(torch.int32).unsqueeze(0)
        pairs = (products[..., ::2] + products[..., 1::2]).clamp(-(1 << 15), (1 << 15) - 1)
        return pairs.sum(-1, dtype=torch.int32)


@dataclass(frozen=True)
class Rounding(Int64):
    """A library path that falls back to float32 over all terms."""

    name: str = "rounding"

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        return torch.bmm(a.float(), b.float().transpose(1, 2)).to(torch.int64)


@dataclass(frozen=True)
class Failing(Int64):
    """A kernel this machine does not have."""

    name: str = "failing"

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        raise RuntimeError("not implemented for this device\ndetails")


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_every_backend_is_exact_on_this_machine(backend: Backend) -> None:
    assert why_inexact(backend, CPU) is None


@pytest.mark.parametrize(
    ("backend", "reason"), [(Saturating(), "instead of"), (Rounding(), "instead of"), (Failing(), "not implemented")]
)
def test_an_inexact_backend_is_refused_and_the_next_one_taken(backend: Backend, reason: str) -> None:
    with capture_logs() as logs:
        chosen = select(candidates=(backend, *BACKENDS))
    assert chosen.backends[0].name == BACKENDS[0].name
    refused = [log for log in logs if log["event"] == "matmul.backend_refused"]
    assert [(log["backend"], log["log_level"]) for log in refused] == [(backend.name, "warning")]
    assert reason in refused[0]["reason"]


@dataclass(frozen=True)
class Starved(Int64):
    """A machine whose memory is full."""

    name: str = "starved"

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        return torch.ones(1 << 56, dtype=torch.int64)


def test_want_of_memory_does_not_make_a_backend_inexact() -> None:
    with pytest.raises(RuntimeError, match="memory"):
        why_inexact(Starved(), CPU)


def test_a_named_backend_must_exist_and_be_exact() -> None:
    with pytest.raises(InexactBackend, match="choose one of int8, float32, float64, bf16, int64"):
        select("bfloat16")
    with pytest.raises(InexactBackend, match="'rounding' is not exact"):
        select("rounding", candidates=(Rounding(), *BACKENDS))
    with pytest.raises(InexactBackend, match="none of"):
        select(candidates=(Rounding(), Failing()))


def test_a_named_backend_is_taken_first() -> None:
    assert [backend.name for backend in select("float64").backends] == ["float64", "int64"]


@pytest.mark.parametrize(("faster", "order"), [("bf16", ["bf16", "int8"]), ("int8", ["int8", "bf16"])])
def test_the_faster_of_int8_and_bf16_comes_first_where_they_are_raced(faster: str, order: list[str]) -> None:
    with capture_logs() as logs:
        found = fastest_first(BACKENDS, "cpu", lambda backend, _device: 1.0 if backend.name == faster else 2.5)
    assert [backend.name for backend in found] == [*order, "float32", "float64", "int64"]
    (raced,) = (log for log in logs if log["event"] == "matmul.raced")
    assert raced["ms"] == {"int8": 2.5, "bf16": 2.5, faster: 1.0}


def test_an_inexact_one_is_not_raced() -> None:
    broken = Saturating("int8")
    found = fastest_first((broken, *BACKENDS[1:]), "cpu", lambda _backend, _device: 1.0)
    assert [backend.name for backend in found] == ["bf16", "int8", "float32", "float64", "int64"]


def test_a_race_is_of_products_as_they_are_made() -> None:
    small = Product(1, 4, 5, 6, TWO_DIGITS, I8)
    assert all(0 < milliseconds(backend, "cpu", small) < 1_000 for backend in BACKENDS)


@pytest.mark.parametrize(
    ("a", "b", "name"), [(I8, I8, "int8"), (TWO_DIGITS, I8, "int8"), (I16, I16, "float64"), (I32, I32, "int64")]
)
def test_backends_are_chosen_by_the_ranges_of_the_factors(a: Range, b: Range, name: str) -> None:
    assert select().choose(Product(1, 32, 32, 64, a, b)).name == name


@pytest.mark.parametrize("held", [I8, TWO_DIGITS, I16, I32, Range(5, 300), Range(-40_000, -39_000)])
def test_digits_add_up_to_the_value(held: Range) -> None:
    values = torch.tensor([held.lo, held.lo + 1, (held.lo + held.hi) // 2, held.hi - 1, held.hi])
    digits = split(values, held.digits)
    assert all(digit.dtype == torch.int8 for digit in digits)
    total = sum(digit.to(torch.int64) * 256**i for i, digit in enumerate(digits))
    assert torch.equal(torch.as_tensor(total), values)
