"""Two small language models on Python source text: the Llama and the GPT-2 architecture of transformers, trained.

Both were trained by train_language.py on the standard library's sources; weights, tokenizer and texts are shipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, LlamaModel

from prover.errors import InvalidInput
from prover.examples.shipped import shipped, shipped_weights

CONTEXT = 128
VOCABULARY = 1024
TOKENIZER = "language_tokenizer.json"
CALIBRATION_TEXT = "language_calibration.txt"
HELD_OUT_TEXT = "language_held_out.txt"
LLAMA_WEIGHTS = "llama.safetensors"
GPT2_WEIGHTS = "gpt2.safetensors"


class NextToken(nn.Module):
    """Token ids, int64 [N, S], to the logits of each next token, [N, S, vocabulary], by a model of transformers."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=ids, use_cache=False).logits
        return logits


class HiddenStates(nn.Module):
    """Hidden states, float32 [N, S, width], through the layers and the last norm of a Llama model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.model(inputs_embeds=hidden, use_cache=False).last_hidden_state
        return result


@dataclass(frozen=True)
class Window:
    """Consecutive tokens of a text: ids, int64 [1, S], and the token that follows each, int64 [1, S]."""

    ids: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class LanguageExample:
    """A trained model with windows of text to calibrate it and others, of files not trained on, to measure it."""

    module: NextToken
    calibration: tuple[tuple[torch.Tensor], ...]
    held_out: tuple[Window, ...]

    @property
    def example_inputs(self) -> tuple[torch.Tensor]:
        """One input, int64 [1, CONTEXT]."""
        return (self.held_out[0].ids,)


def llama() -> LanguageExample:
    """RMSNorm, rotary embedding, grouped-query attention, SwiGLU, a head of its own; CorruptModel if altered."""
    return _example(untrained_llama(), shipped_weights(LLAMA_WEIGHTS))


def gpt2() -> LanguageExample:
    """LayerNorm, tanh GELU, learned positions, the head tied to the embedding; CorruptModel if altered."""
    state = shipped_weights(GPT2_WEIGHTS)
    return _example(untrained_gpt2(), state | {"model.lm_head.weight": state["model.transformer.wte.weight"]})


def perplexity(logits_of: Callable[[torch.Tensor], torch.Tensor], windows: tuple[Window, ...]) -> float:
    """exp of the mean negative log-likelihood of every target, in nats a token.

    Args:
        logits_of: ids, int64 [1, S], to logits, [1, S, vocabulary]; a float or an integer model.
    """
    total, count = 0.0, 0
    with torch.no_grad():
        for window in windows:
            logits = logits_of(window.ids)[0].double()
            total += float(nn.functional.cross_entropy(logits, window.targets[0], reduction="sum"))
            count += window.targets.numel()
    return math.exp(total / count)


def encode(text: str) -> torch.Tensor:
    """Token ids of a text, int64 [n], each below VOCABULARY; byte-level, so every text can be encoded."""
    return torch.tensor(_tokenizer().encode(text).ids, dtype=torch.int64)


def decode(ids: torch.Tensor) -> str:
    """The text of token ids, int64 [n]; InvalidInput if one is not in the vocabulary."""
    if ids.numel() and not (int(ids.min()) >= 0 and int(ids.max()) < VOCABULARY):
        raise InvalidInput(f"token ids {int(ids.min())} to {int(ids.max())}: the vocabulary has 0 to {VOCABULARY - 1}")
    text: str = _tokenizer().decode(ids.tolist())
    return text


def windows(text: str) -> tuple[Window, ...]:
    """A text cut into windows of CONTEXT tokens; the last tokens that fill none are left out."""
    ids = encode(text)
    starts = range(0, len(ids) - CONTEXT, CONTEXT)
    return tuple(Window(ids[i : i + CONTEXT][None], ids[i + 1 : i + CONTEXT + 1][None]) for i in starts)


def untrained_llama() -> NextToken:
    """1.6 million parameters, drawn by torch's generator."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation("eager")
    return NextToken(model)


def untrained_gpt2() -> NextToken:
    """1.4 million parameters, drawn by torch's generator."""
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=160,
        n_layer=4,
        n_head=5,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config)
    model.set_attn_implementation("eager")
    return NextToken(model)


def llama_block(
    width: int = 2048, heads: int = 32, kv_heads: int = 8, feed_forward: int = 5632, layers: int = 1, seed: int = 0
) -> HiddenStates:
    """Layers of a real width with random weights, for measuring speed; takes [1, S, width], S at most 2,048."""
    config = LlamaConfig(
        vocab_size=1,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaModel(config)
    model.set_attn_implementation("eager")
    model.set_input_embeddings(nn.Identity())  # the hidden states come in from outside
    return HiddenStates(model).eval()


def _example(module: NextToken, state: dict[str, torch.Tensor]) -> LanguageExample:
    module.load_state_dict(state)
    calibration, held_out = (windows(shipped(name).decode()) for name in (CALIBRATION_TEXT, HELD_OUT_TEXT))
    return LanguageExample(module.eval(), tuple((window.ids,) for window in calibration), held_out)


@cache
def _tokenizer() -> Tokenizer:
    return Tokenizer.from_str(tokenizer_file().decode())


def tokenizer_file() -> bytes:
    """The shipped tokenizer, as JSON."""
    return shipped(TOKENIZER)
