"""Texts as inputs of a model whose folder has a tokenizer: padded token ids, and a mask where the model has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from prover.errors import CorruptModel, InvalidInput
from prover.model_folder import Model
from prover.quantisation import Quantisation
from prover.trace import Array

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class TextForm:
    """How a text becomes the model's inputs: `length` tokens of one input, and a mask as another if `masked`."""

    length: int
    masked: bool

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for the model's report."""
        return {"length": self.length, "masked": self.masked}


def text_form(report: Mapping[str, Any]) -> TextForm | None:
    """The form that a report describes; None if the model takes no texts."""
    held = report.get("text")
    if held is None:
        return None
    try:
        return TextForm(int(held["length"]), bool(held["masked"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptModel(f"the report describes its texts as {held!r}; publish the model anew") from error


def tokenised(model: Model, text: str) -> list[Array]:
    """The inputs that a text is; InvalidInput if the model takes none, or none as long as this. CorruptModel if its
    tokenizer is missing or damaged."""
    form = text_form(model.report)
    if form is None:
        raise InvalidInput("the model takes no texts; give its inputs as files")
    tokenizer = model.files.get(TOKENIZER_FILE)
    remedy = "fetch the model again from its publisher, or give token ids as files"
    if tokenizer is None:
        raise CorruptModel(f"the model takes texts, but its folder has no {TOKENIZER_FILE}; {remedy}")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise InvalidInput("texts need the package tokenizers; install it, or give token ids as files") from error
    try:
        reader = Tokenizer.from_str(tokenizer.decode())
    except Exception as error:  # the library raises nothing narrower
        raise CorruptModel(f"{TOKENIZER_FILE} of the model cannot be read: {error}; {remedy}") from error
    reader.no_truncation()
    reader.no_padding()
    ids = reader.encode(text).ids
    if len(ids) > form.length:
        raise InvalidInput(
            f"the text has {len(ids)} tokens, the model takes {form.length}; shorten it or use a model for longer texts"
        )
    padding = [0] * (form.length - len(ids))
    rows = [ids + padding, *([[1] * len(ids) + padding] if form.masked else [])]
    forms = [Quantisation.from_dict(held) for held in model.report["inputs"]]
    return [form.quantise(np.array([row])) for form, row in zip(forms, rows, strict=True)]
