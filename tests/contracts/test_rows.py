"""Rows of elements in calldata: the assembly against the plain version and plain integers."""

from __future__ import annotations

import random

import pytest

from tests.contracts.machine import machine

HARNESS, PLAIN = machine("Harness"), machine("Plain")
MOST_GAS_OF_A_TERM = 60


def some_bytes(rng: random.Random, length: int) -> bytes:
    """Random, or from the extremes."""
    if rng.random() < 0.5:
        return rng.randbytes(length)
    return bytes(rng.choice([0x00, 0x01, 0x7F, 0x80, 0xFF]) for _ in range(length))


def some_row(rng: random.Random, size: int, count: int, contiguous: bool, length: int) -> tuple[int, int]:
    """First byte and step of a row of `count` elements inside `length` bytes."""
    most = (length - size) // max(count - 1, 1)
    step = size if contiguous else rng.choice([0, size, -size, rng.randint(-most, most)])
    step = step if abs(step) <= most else size
    span = step * (count - 1)
    return rng.randint(max(0, -span), length - size - max(0, span)), step


@pytest.mark.parametrize("size", [1, 2, 4])
def test_rows(size: int) -> None:
    rng = random.Random(size)
    for _ in range(60):
        count = rng.choice([1, 2, 15, 16, 17, rng.randint(1, 200)])
        data = some_bytes(rng, 1024)
        place, step = some_row(rng, size, count, rng.random() < 0.4, len(data))
        values = [
            int.from_bytes(data[i : i + size], "little", signed=True) for i in (place + step * j for j in range(count))
        ]
        expected = sum(values), max(values), values.index(max(values)), max(map(abs, values))
        assert HARNESS.call("row", data, place, step, size, count) == expected
        assert PLAIN.call("row", data, place, step, size, count) == expected


@pytest.mark.parametrize("sizes", [(a, b) for a in (1, 2, 4) for b in (1, 2, 4)])
def test_sums_of_products(sizes: tuple[int, int]) -> None:
    rng = random.Random(str(sizes))
    for _ in range(40):
        count = rng.choice([1, 15, 16, 17, 31, 32, 33, rng.randint(1, 250)])
        contiguous = rng.random() < 0.6
        data = some_bytes(rng, 1024)
        a, b = ((*some_row(rng, size, count, contiguous, len(data)), size) for size in sizes)
        assert HARNESS.call("products", data, a, b, count) == PLAIN.call("products", data, a, b, count)


def test_gas_of_a_term() -> None:
    """Contiguous i16 by i8, as a linear layer has them."""
    data, a, b = some_bytes(random.Random(0), 2048), (0, 2, 2), (1024, 1, 1)
    HARNESS.call("products", data, a, b, 16)
    few = HARNESS.gas
    HARNESS.call("products", data, a, b, 512)
    assert (HARNESS.gas - few) / 496 < MOST_GAS_OF_A_TERM
