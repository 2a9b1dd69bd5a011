"""The named examples of `prover compile`, each as a subject to publish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prover import quality
from prover.errors import InvalidInput
from prover.publication import Subject
from prover.text_input import TOKENIZER_FILE, TextForm

if TYPE_CHECKING:
    from prover.examples.digits import Digits
    from prover.examples.language import LanguageExample
    from prover.examples.vision import VisionExample


def digits() -> Subject:
    """A small residual network on scikit-learn's digits."""
    from prover.examples.digits import digits as trained

    return subject_of_digits("digits", trained())


def subject_of_digits(name: str, held: Digits) -> Subject:
    """A network trained on the digits, judged on the images it has not seen."""
    images = [(image.unsqueeze(0),) for image in held.images]
    judge = quality.classification([int(label) for label in held.labels])
    return Subject.single(name, held.module, held.calibration, images, judge)


def resnet18() -> Subject:
    """ResNet-18 with a quarter of its channels, on enlarged digits."""
    from prover.examples import vision

    return _vision("resnet18", vision.resnet18)


def vit() -> Subject:
    """A vision transformer of 17 tokens, on enlarged digits."""
    from prover.examples import vision

    return _vision("vit", vision.vit)


def llama() -> Subject:
    """A small Llama on the standard library's sources, 128 tokens."""
    from prover.examples import language

    return _language("llama", language.llama)


def gpt2() -> Subject:
    """A small GPT-2 on the standard library's sources, 128 tokens."""
    from prover.examples import language

    return _language("gpt2", language.gpt2)


def minilm(length: int | None = None, calibrate: Path | None = None) -> Subject:
    """all-MiniLM-L6-v2, for texts of at most `length` tokens, or for every published length.

    Args:
        calibrate: a file of texts, one a line; by default those that are shipped.
    """
    from prover.examples import minilm as example

    if length is not None and length not in example.LENGTHS:
        known = ", ".join(map(str, example.LENGTHS))
        raise InvalidInput(f"all-MiniLM-L6-v2 is published for the lengths {known}, not {length}")
    texts = example.calibration_texts() if calibrate is None else example.read_texts(calibrate)
    names = {width: f"minilm-{width}" for width in example.LENGTHS}
    groups: dict[str, list[example.Tokens]] = {name: [] for name in names.values()}
    for text in texts:
        tokens = example.tokenise(text, truncate=True)
        groups[names[tokens[0].shape[1]]].append(tokens)
    held_out = {
        name: [example.tokenise(text, truncate=True, length=width) for text in example.held_out_texts()]
        for width, name in names.items()
    }
    return Subject(
        "minilm",
        example.encoder(),
        {name: held_out[name][0] for name in names.values()},
        groups,
        held_out,
        dict.fromkeys(names.values(), quality.embedding),
        [names[length]] if length is not None else list(names.values()),
        {name: {"text": TextForm(width, masked=True).as_dict()} for width, name in names.items()},
        {TOKENIZER_FILE: example.tokenizer_file()},
    )


def _vision(name: str, make: Callable[[], VisionExample]) -> Subject:
    held = make()
    images = [(image[None],) for image in held.images]
    judge = quality.classification([int(label) for label in held.labels])
    return Subject.single(name, held.module, held.calibration, images, judge)


def _language(name: str, make: Callable[[], LanguageExample]) -> Subject:
    from prover.examples.language import CONTEXT, tokenizer_file

    held = make()
    windows = [(window.ids,) for window in held.held_out]
    judge = quality.language([[int(token) for token in window.targets[0]] for window in held.held_out])
    details = {name: {"text": TextForm(CONTEXT, masked=False).as_dict()}}
    files = {TOKENIZER_FILE: tokenizer_file()}
    return Subject.single(name, held.module, held.calibration, windows, judge, details=details, files=files)
