"""The digits model as a publisher would make it: trained, compiled, measured, with images to ask about."""

from __future__ import annotations

from dataclasses import dataclass

from prover import quality
from prover.compiler import compile
from prover.errors import RefuteError
from prover.examples.digits import Digits, digits, smaller_digits
from prover.measure import measure
from prover.model_folder import Model
from prover.report import AccuracyReport
from prover.trace import Array


@dataclass(frozen=True)
class CompiledDigits:
    """A model with its report, and held-out images quantised as the model takes them."""

    model: Model
    report: AccuracyReport
    images: tuple[Array, ...]
    labels: tuple[int, ...]


def compile_digits(*, smaller: bool = False) -> CompiledDigits:
    """Train and compile the network, or the smaller one; RefuteError if it misses its quality gate."""
    held: Digits = smaller_digits() if smaller else digits()
    compiled = compile(held.module, held.example, held.calibration, name="small digits" if smaller else "digits")
    samples = [(image.unsqueeze(0),) for image in held.images]
    labels = [int(label) for label in held.labels]
    report = measure(compiled, samples, quality.classification(labels))
    if not report.passes:
        raise RefuteError(
            f"the integer model loses {report.lost_points:.2f} points of accuracy; a model that misses its gate "
            "is not published"
        )
    described = {**compiled.describe(), "accuracy": report.as_dict()}
    images = tuple(compiled.quantise(sample.numpy())[0] for (sample,) in samples)
    return CompiledDigits(Model(compiled.program, compiled.weights, described), report, images, tuple(labels))


def model() -> Model:
    """The compiled network with its report, for `prover compile digits`."""
    return compile_digits().model
