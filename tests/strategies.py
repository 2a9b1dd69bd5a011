"""Random valid little programs, deterministic from a seed: every operator, every source, views of every kind.

`random_program(seed)` is for properties of whole games; `random_operator(seed, name)` is one operator alone, with
extreme values, for comparing its meanings. `programs()` and `lone_operators(name)` are the Hypothesis strategies.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from prover.operators import TABLE
from prover.program import DType
from tests.program_builder import MAX_NUMEL, Builder, Sample


def _builder(seed: int) -> Builder:
    """A builder with inputs and weights of every dtype, some of one chunk, some of several."""
    builder = Builder(np.random.default_rng(seed))
    for _ in range(builder.between(1, 3)):
        builder.add_input(builder.dtype(), builder.shape())
    for dtype in DType:
        builder.add_weight(dtype, builder.between(1, 40))
        builder.add_weight(dtype, builder.between(400, MAX_NUMEL))
    return builder


def random_program(seed: int) -> Sample:
    """A valid program of 3 to 6 layers that uses every operator, deterministic from `seed`.

    Tensors have at most a few KiB. Operands come from inputs, weights, earlier checkpoints and results of the same
    layer; some layers have several outputs; some reductions are wide.
    """
    builder = _builder(seed)
    rows = [list(TABLE.values())[i] for i in builder.rng.permutation(len(TABLE))]
    rows += [list(TABLE.values())[builder.between(0, len(TABLE) - 1)] for _ in range(builder.between(0, 4))]
    cuts = sorted({builder.between(1, len(rows) - 1) for _ in range(builder.between(2, 5))})
    for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        builder.add_layer(rows[first:last])
    return builder.finish(builder.between(1, 3))


def random_operator(seed: int, name: str) -> Sample:
    """A valid program of one operator, the row `name` of the operator table, deterministic from `seed`."""
    builder = _builder(seed)
    builder.add_layer([TABLE[name]])
    return builder.finish(1)


def programs() -> st.SearchStrategy[Sample]:
    """Whole random programs."""
    return st.integers(0, (1 << 32) - 1).map(random_program)


def lone_operators(name: str) -> st.SearchStrategy[Sample]:
    """Random programs of one operator."""
    return st.integers(0, (1 << 32) - 1).map(lambda seed: random_operator(seed, name))
