"""How close an integer model is to its float original, by what the model is for; and the gates it must pass.

A judge compares the first outputs of both models on the same held-out inputs, as reals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prover.errors import InvalidInput
from prover.quantisation import Reals

LOST_POINTS = 0.5
"""Accuracy that an integer classifier may lose, in percentage points."""
MEAN_COSINE, LEAST_COSINE, SAME_NEIGHBOUR = 0.9995, 0.998, 0.97
"""What an integer embedding must reach: cosines to float, and how often its nearest neighbour is float's."""
PERPLEXITY_RATIO = 1.01
"""Perplexity that an integer language model may have, as a multiple of float's."""


@dataclass(frozen=True)
class Quality:
    """Figures by name, and per gate whether it holds; a model that misses one is not published."""

    kind: str
    figures: Mapping[str, float]
    gates: Mapping[str, bool]

    @property
    def passes(self) -> bool:
        return all(self.gates.values())


Judge = Callable[[Sequence[Reals], Sequence[Reals]], Quality]
"""(outputs of the float model, outputs of the integer model) -> their quality."""


def classification(labels: Sequence[int]) -> Judge:
    """The class is the largest element of an output; `labels` are the true ones."""

    def judge(floats: Sequence[Reals], integers: Sequence[Reals]) -> Quality:
        _check_count(len(labels), "labels", floats)
        true = np.asarray(labels)
        real, integer = (np.array([int(np.argmax(output)) for output in outputs]) for outputs in (floats, integers))
        figures = {
            "float_accuracy": float((real == true).mean()),
            "integer_accuracy": float((integer == true).mean()),
            "agreement": float((real == integer).mean()),
        }
        figures["lost_points"] = 100 * (int((real == true).sum()) - int((integer == true).sum())) / len(true)
        gate = f"at most {LOST_POINTS} points of accuracy lost"
        return Quality("classification", figures, {gate: figures["lost_points"] <= LOST_POINTS})

    return judge


def embedding(floats: Sequence[Reals], integers: Sequence[Reals]) -> Quality:
    """Cosine of each integer embedding to its float one, and whether the nearest other input is the same."""
    real, integer = (_unit(np.stack([output.reshape(-1) for output in outputs])) for outputs in (floats, integers))
    cosines = (real * integer).sum(axis=1)
    same = float((_nearest(real) == _nearest(integer)).mean())
    figures = {"cosine_mean": float(cosines.mean()), "cosine_min": float(cosines.min()), "same_neighbour": same}
    gates = {
        f"mean cosine at least {MEAN_COSINE}": figures["cosine_mean"] >= MEAN_COSINE,
        f"least cosine at least {LEAST_COSINE}": figures["cosine_min"] >= LEAST_COSINE,
        f"nearest neighbour the same for {SAME_NEIGHBOUR:.0%}": same >= SAME_NEIGHBOUR,
    }
    return Quality("embedding", figures, gates)


def language(targets: Sequence[Sequence[int]]) -> Judge:
    """Perplexity of the next token: `targets` are, per input, the true tokens at each position; -100 is left out."""

    def judge(floats: Sequence[Reals], integers: Sequence[Reals]) -> Quality:
        _check_count(len(targets), "rows of targets", floats)
        real, integer = perplexity(floats, targets), perplexity(integers, targets)
        figures = {"ppl_float": real, "ppl_exact": integer, "ppl_ratio": integer / real}
        gate = f"perplexity at most {PERPLEXITY_RATIO} times float's"
        return Quality("language", figures, {gate: figures["ppl_ratio"] <= PERPLEXITY_RATIO})

    return judge


def _check_count(count: int, what: str, outputs: Sequence[Reals]) -> None:
    if count != len(outputs):
        raise InvalidInput(f"{count} {what} for {len(outputs)} held-out inputs; give one for each")


def perplexity(logits: Sequence[Reals], targets: Sequence[Sequence[int]]) -> float:
    """exp of the mean negative log-likelihood; logits [.., S, V] and targets [S] per input."""
    total, count = 0.0, 0
    for output, wanted in zip(logits, targets, strict=True):
        rows = np.asarray(output, np.float64).reshape(len(wanted), -1)
        keep = np.asarray(wanted) >= 0
        rows, true = rows[keep], np.asarray(wanted)[keep]
        peak = rows.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(rows - peak).sum(axis=1)) + peak[:, 0]
        total += float((log_sum - rows[np.arange(len(true)), true]).sum())
        count += len(true)
    return float(np.exp(total / count))


def _unit(rows: Reals) -> Reals:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float64)


def _nearest(rows: Reals) -> Reals:
    similar = rows @ rows.T
    np.fill_diagonal(similar, -2.0)
    return np.asarray(similar.argmax(axis=1))
