"""The scalar functions on chain against plain integers, on random and extreme values."""

from __future__ import annotations

import math
import random

from tests.contracts.machine import machine

HARNESS = machine("Harness")
I32 = (-(1 << 31), (1 << 31) - 1)
EXTREMES = [I32[0], I32[0] + 1, -2, -1, 0, 1, 2, 3, I32[1] - 1, I32[1]]
RNG = random.Random(7)


def i32() -> int:
    return RNG.choice(EXTREMES) if RNG.random() < 0.4 else RNG.randint(*I32)


def test_rescale_rounds_half_up_with_one_rounding() -> None:
    for _ in range(500):
        acc = RNG.choice([i32(), RNG.randint(-(1 << 63), 1 << 63), (1 << 63) - 1, -(1 << 63)])
        m, c = i32(), i32()
        s, t = RNG.choice([0, 1, 31, 62, RNG.randint(0, 62)]), RNG.choice([0, 62, RNG.randint(0, 62)])
        half = 1 << (s - 1) if s else 0
        assert HARNESS.call("rescale", acc, m, c, s, t) == (acc * m + (c << t) + half) >> s


def test_divide_rounds_half_up_towards_plus_infinity() -> None:
    for _ in range(500):
        a, b, m, c, t = i32(), i32(), i32(), i32(), RNG.choice([0, 62, RNG.randint(0, 62)])
        n, d = a * m + (c << t), max(b, 1)
        assert HARNESS.call("divide", a, b, m, c, t) == (2 * n + d) // (2 * d)


def test_reciprocals_and_roots() -> None:
    for a in [*EXTREMES, *(RNG.randint(*I32) for _ in range(60)), *range(1, 20)]:
        x = max(a, 1)
        for k in {0, 1, 31, 62, RNG.randint(0, 62)}:
            assert HARNESS.call("recip", a, k) == ((1 << k) + x // 2) // x
        for k in {0, 1, 30, 31, RNG.randint(0, 31)}:
            assert HARNESS.call("rsqrt", a, k) == math.isqrt((1 << 2 * k) // x)


def test_integer_square_roots() -> None:
    squares = [n * n + d for n in (1, 2, 3, 255, 46340, 46341, 1 << 16, (1 << 31) - 1, 1 << 31) for d in (-1, 0, 1)]
    for x in [*squares, *range(70), (1 << 62) - 1, 1 << 62, *(RNG.randint(0, 1 << 62) for _ in range(100))]:
        assert HARNESS.call("isqrt", x) == math.isqrt(x)
    assert HARNESS.call("isqrt", -1) == HARNESS.call("isqrt", I32[0]) == 0
