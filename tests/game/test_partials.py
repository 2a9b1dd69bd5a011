"""Partial values in bulk are those of the scalar specification, and a player computes nothing twice."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from prover import operators
from prover.blake3_tree import ChunkTree
from prover.game import tree_shelf
from prover.game.partials import partials
from prover.game.players import Challenger, Defender
from prover.game.simulator import initial_position, play
from prover.game.tree_shelf import TreeShelf
from prover.interpreter import Interpretation
from prover.operators import ABSMAX, ARGMAX, MAX
from prover.program import DType, Immediate, InputRef, Opcode, Operator, View
from prover.trace import NUMPY_DTYPES, Array
from prover.views import sub_ranges
from tests.agents.stage import interpret, liar, small_model

I32 = DType.I32
EXTREMES = {"least": I32.lo, "most": I32.hi, "zero": 0, "one below": -1}


def dot(a: View, b: View | Immediate, shape: tuple[int, ...], reduced: int) -> Operator:
    return Operator(Opcode.DOT, 0, I32, shape, (a, b, Immediate(1), Immediate(0)), I32.lo, I32.hi, reduced=reduced)


def reduction(variant: int, a: View, shape: tuple[int, ...], reduced: int) -> Operator:
    return Operator(Opcode.REDUCE, variant, I32, shape, (a,), I32.lo, I32.hi, reduced=reduced)


def check(operator: Operator, element: int, start: int, count: int, *tensors: Array) -> None:
    """Every sub-range against the scalar specification."""
    held = [*tensors, None, None, None][: len(operator.operands)]
    expected = [
        operators.partial(operator, element, first, size, lambda slot, at: int(tensors[slot][at]))
        for first, size in sub_ranges(start, count)
    ]
    assert partials(operator, element, start, count, held) == expected


@pytest.mark.parametrize("dtype", list(DType))
@pytest.mark.parametrize("seed", range(4))
def test_strided_views_of_every_dtype(dtype: DType, seed: int) -> None:
    """Negative and zero strides, an axis of length 1 with a stride beyond the tensor, ranges that begin anywhere."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(dtype.lo, dtype.hi, 4000, NUMPY_DTYPES[dtype], endpoint=True) for _ in range(2))
    shape = (3, 1, 7, 5, 4)
    first = View(InputRef(0), dtype, 4000, 2000, (13, 1 << 62, -29, 0, 3))
    second = View(InputRef(1), dtype, 4000, 17, (0, -(1 << 62), 1, 11, 7))
    start, count = int(rng.integers(0, 20)), int(rng.integers(1, 120))
    for element in range(3):
        check(dot(first, second, shape, 4), element, start, count, a, b)
        check(dot(first, Immediate(-(1 << 31)), shape, 4), element, start, count, a)
        for variant in (MAX, ABSMAX, ARGMAX):
            check(reduction(variant, first, shape, 4), element, start, count, a)


@pytest.mark.parametrize("left", EXTREMES)
@pytest.mark.parametrize("right", EXTREMES)
def test_sums_that_leave_int64(left: str, right: str) -> None:
    """No valid program gives them, but a machine that lies may."""
    n = 3000
    view = View(InputRef(0), I32, n, 0, (1,))
    a, b = (np.full(n, EXTREMES[name], "<i4") for name in (left, right))
    check(dot(view, view, (n,), 1), 0, 0, n, a, b)


def test_two_million_terms_take_no_time_to_speak_of() -> None:
    """Term by term they would take a minute, and this test with them."""
    n = 1 << 21
    values = np.arange(n, dtype="<i4") % 251 - 125
    view = View(InputRef(0), I32, n, 0, (1,))
    whole = sum(p.value for p in partials(dot(view, view, (n,), 1), 0, 0, n, [values, values, None, None]))
    assert whole == int((values.astype(object)[:251] ** 2).sum()) * (n // 251) + int(
        (values.astype(object)[: n % 251] ** 2).sum()
    )
    ties = partials(reduction(ARGMAX, view, (n,), 1), 0, 0, n, [np.zeros(n, "<i4")])
    assert [p.index for p in ties] == list(range(0, n, n // 128))


class Counted:
    """An execution that counts how often its layers are re-run."""

    def __init__(self, execution: Interpretation, runs: Counter[int]) -> None:
        self._execution, self._runs = execution, runs

    def results(self, layer: int) -> list[Array]:
        self._runs[layer] += 1
        return self._execution.results(layer)

    def __getattr__(self, name: str) -> object:
        return getattr(self._execution, name)


def test_a_move_that_is_asked_for_again_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent asks in every round until its move is mined."""
    made: Counter[str] = Counter()

    class Tree(ChunkTree):
        def __init__(self, data: bytes) -> None:
            made["trees"] += 1
            super().__init__(data)

    monkeypatch.setattr(tree_shelf, "ChunkTree", Tree)
    model, inputs = small_model(), [np.arange(300, dtype="<i1")]
    honest, wrong = interpret(model, inputs), liar(0)(model, inputs)
    runs: Counter[int] = Counter()
    defender, challenger = Defender(Counted(wrong, runs)), Challenger(Counted(honest, runs))  # type: ignore[arg-type]
    position = initial_position(model.program, wrong.trace.root, wrong.inputs)
    first = play(position, defender, challenger)
    walked, trees = dict(runs), made["trees"]
    assert play(position, defender, challenger) == first
    assert (dict(runs), made["trees"]) == (walked, trees)
    assert set(walked.values()) <= {2}, "one for each side"


def test_trees_are_given_up_the_oldest_first() -> None:
    shelf = TreeShelf(most_bytes=5_000)
    tensors = {index: np.zeros(2_000, "<i1") for index in range(3)}
    made = [shelf.get(InputRef(index), lambda index=index: tensors[index]) for index in (0, 1, 0, 2)]  # type: ignore[misc]
    assert made[0] is made[2]
    assert shelf.get(InputRef(0), lambda: tensors[0]) is made[0]
    assert shelf.get(InputRef(1), lambda: tensors[1]) is not made[1]
