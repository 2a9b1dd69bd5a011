"""Golden vectors: `python -m tests.vectors` rewrites the files of tests/vectors, which Python and Solidity read.

`encodings.json`: records, roots and ids of programs; `primitives.json`: hashes, trees and scalar functions;
`steps.json`: a step of each operator; `games.json`: whole disputes. A second implementation reads the same files.
Everything in them follows from `random_program(seed)` and the like.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prover import encoding, int64_bound, merkle
from prover.game.simulator import initial_position
from prover.interpreter import Interpretation
from prover.program import Immediate, Operator
from prover.trace import tensor_bytes
from tests import golden_games, golden_primitives
from tests.strategies import random_program

FOLDER = Path(__file__).parent / "vectors"
SEEDS = range(4)


def _bound(operator: Operator, weights: dict[Any, Any]) -> dict[str, Any]:
    """The bound of section 3.4 with every view at its dtype's largest magnitude."""
    mags = tuple(abs(o.value) if isinstance(o, Immediate) else -o.dtype.lo for o in operator.operands)
    return {"magnitudes": list(mags), "bound": str(int64_bound.bound(operator, mags, weights))}


def encodings() -> dict[str, Any]:
    """Records, roots, ids, bounds and first positions of a few programs."""
    result = {}
    for seed in SEEDS:
        program, weights, inputs = random_program(seed)
        run = Interpretation(program, weights, tuple(inputs))
        records = [
            {"record": record.hex(), "leaf": merkle.leaf(record).hex(), **_bound(operator, weights)}
            for layer in program.layers
            for operator in layer.operators
            for record in (encoding.encode_operator(operator),)
        ]
        position = initial_position(program, run.trace.root, tuple(inputs))
        result[str(seed)] = {
            "operators": records,
            "layers": [encoding.encode_layer(layer).hex() for layer in program.layers],
            "interface": encoding.encode_interface(program).hex(),
            "head": encoding.encode_head(program).hex(),
            "model_id": encoding.model_id(program).hex(),
            "weights": {root.hex(): tensor_bytes(a).hex() for root, a in weights.items() if a.nbytes <= 4096},
            "inputs": [tensor_bytes(a).hex() for a in inputs],
            "outputs": [tensor_bytes(a).hex() for a in run.outputs],
            "trace_root": run.trace.root.hex(),
            "inputs_commitment": position.ground.inputs.hex(),
            "ground_hash": position.ground.digest.hex(),
            "position": b"".join(position.words()).hex(),
            "position_hash": position.digest.hex(),
        }
    return result


FILES: dict[str, Callable[[], Any]] = {
    "encodings.json": encodings,
    "primitives.json": golden_primitives.primitives,
    "steps.json": golden_primitives.steps,
    "games.json": golden_games.games,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (FOLDER / name).write_text(json.dumps(make(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
