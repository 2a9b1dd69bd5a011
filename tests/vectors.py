"""Golden vectors of the encodings: `python -m tests.vectors` rewrites tests/vectors/encodings.json.

A second implementation reads the same file. Everything in it follows from `random_program(seed)`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prover import encoding, merkle, validity
from prover.game.simulator import initial_position
from prover.interpreter import Interpretation
from prover.program import Immediate, Operator
from prover.trace import tensor_bytes
from tests.strategies import random_program

PATH = Path(__file__).parent / "vectors" / "encodings.json"
SEEDS = range(4)


def _bound(operator: Operator, weights: dict[Any, Any]) -> dict[str, Any]:
    """The bound of section 3.4 with every view at its dtype's largest magnitude."""
    mags = tuple(abs(o.value) if isinstance(o, Immediate) else -o.dtype.lo for o in operator.operands)
    return {"magnitudes": list(mags), "bound": str(validity.bound(operator, mags, weights))}


def vectors() -> dict[str, Any]:
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
            "inputs_commitment": position.inputs.hex(),
            "position": position.encode().hex(),
            "position_hash": position.digest.hex(),
        }
    return result


def main() -> None:
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(vectors(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
