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
    """The inputs that a text is; InvalidInput if the model takes none, or none as long as this."""
    form = text_form(model.report)
    tokenizer = model.files.get(TOKENIZER_FILE)
    if form is None or tokenizer is None:
        raise InvalidInput("the model takes no texts; give its inputs as files")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise InvalidInput("texts need the package tokenizers; install it, or give token ids as files") from error
    reader = Tokenizer.from_str(tokenizer.decode())
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
