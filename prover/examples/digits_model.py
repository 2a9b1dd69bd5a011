"""The digits model as a publisher would make it: trained, compiled, measured, with images to ask about."""

from __future__ import annotations

from dataclasses import dataclass

from prover.examples.catalogue import subject_of_digits
from prover.examples.digits import digits, smaller_digits
from prover.model_folder import Model
from prover.publication import publishable
from prover.quantisation import Quantisation
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
    """Train and compile the network, or the smaller one; MissesItsGate if it is not close enough to float."""
    held = smaller_digits() if smaller else digits()
    subject = subject_of_digits("small digits" if smaller else "digits", held)
    ((model, report),) = publishable(subject).values()
    (form,) = (Quantisation.from_dict(described) for described in model.report["inputs"])
    images = tuple(form.quantise(image.unsqueeze(0).numpy()) for image in held.images)
    return CompiledDigits(model, report, images, tuple(int(label) for label in held.labels))
