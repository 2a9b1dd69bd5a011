"""Trains the tokenizer and the language models: `python -m prover.examples.train_language`, some minutes on one thread.

The text is the standard library of the Python that runs this. One file in twenty is held out whole; excerpts of those,
and of files trained on, are written too, so that the shipped figures depend on no Python's library.
"""

from __future__ import annotations

import argparse
import math
import sysconfig
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn

from prover.examples import language
from prover.examples.language import CONTEXT, VOCABULARY, NextToken, encode, perplexity, windows
from prover.examples.shipped import publish, publish_weights, shipped

SEED = 0
STEPS = 1000
BATCH = 12
RATE = 3e-3
WARM_UP = 100
COMMAND = "python -m prover.examples.train_language"
_LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "encodings", "pydoc_data", "turtledemo"}
_EXCERPTS = 16
_EXCERPT_CHARACTERS = 3_000


def main() -> None:
    """Train and publish everything, or with `--only llama` or `--only gpt2` one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["text", "llama", "gpt2"])
    parser.add_argument("--steps", type=int, default=STEPS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    trained_on, held_out = library()
    if chosen.only in (None, "text"):
        publish_text(trained_on, held_out)
    if chosen.only in (None, "llama"):
        train_and_publish(language.untrained_llama, language.LLAMA_WEIGHTS, trained_on, chosen.steps)
    if chosen.only in (None, "gpt2"):
        train_and_publish(language.untrained_gpt2, language.GPT2_WEIGHTS, trained_on, chosen.steps)


def library() -> tuple[list[str], list[str]]:
    """The sources that are trained on and those that are held out, each in the order of their names."""
    root = Path(sysconfig.get_path("stdlib"))
    names = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    names = [name for name in names if not set(name.parts) & _LEFT_OUT and not name.name.startswith("_sysconfig")]
    texts = [(root / name).read_text(encoding="utf-8", errors="replace") for name in names]
    return [text for i, text in enumerate(texts) if i % 20 != 7], [text for i, text in enumerate(texts) if i % 20 == 7]


def publish_text(trained_on: list[str], held_out: list[str]) -> None:
    """The excerpts, and a byte-level BPE tokenizer trained on what the models are trained on."""
    excerpts = {language.CALIBRATION_TEXT: _excerpts(trained_on), language.HELD_OUT_TEXT: _excerpts(held_out)}
    for name, text in excerpts.items():
        publish(name, text.encode(), command=COMMAND, metric={"characters": len(text)})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(trained_on, trainer)
    held = excerpts[language.HELD_OUT_TEXT]
    per_token = round(len(held) / len(tokenizer.encode(held).ids), 3)
    publish(
        language.TOKENIZER, tokenizer.to_str().encode(), command=COMMAND, metric={"characters_per_token": per_token}
    )


def train_and_publish(make: Callable[[], NextToken], name: str, trained_on: list[str], steps: int) -> None:
    """Train a model; its metric is the perplexity of the held-out excerpt before and after, by the float16 weights."""
    held_out = windows(shipped(language.HELD_OUT_TEXT).decode())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        module = make()
        before = perplexity(module.eval(), held_out)
        fit(module.train(), torch.cat([encode(text) for text in trained_on]), steps)
    module.half().float().eval()
    metric = {"perplexity": round(perplexity(module, held_out), 4), "perplexity_untrained": round(before, 1)}
    publish_weights(name, module, command=COMMAND, metric=metric)
    print(name, metric)


def fit(module: nn.Module, ids: torch.Tensor, steps: int) -> None:
    """AdamW on random windows; the rate rises linearly over WARM_UP steps, then falls along a cosine to a tenth."""
    matrices = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in module.parameters() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, RATE, betas=(0.9, 0.95))
    across = torch.arange(CONTEXT + 1)
    for step in range(steps):
        rate = RATE * min((step + 1) / WARM_UP, 0.55 + 0.45 * math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        chosen = ids[torch.randint(len(ids) - CONTEXT, (BATCH, 1)) + across]
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(module(chosen[:, :-1]).flatten(0, 1), chosen[:, 1:].flatten())
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step}: loss {float(loss.detach()):.3f}", flush=True)


def _excerpts(texts: list[str]) -> str:
    """The middles of some of the longer files, spread over the list, cut at line ends."""
    longer = [text for text in texts if len(text) > 4 * _EXCERPT_CHARACTERS and text.isascii()]
    chosen = longer[:: max(1, len(longer) // _EXCERPTS)][:_EXCERPTS]
    return "\n".join(_middle(text) for text in chosen)


def _middle(text: str) -> str:
    start = text.index("\n", len(text) // 2) + 1
    return text[start : text.rindex("\n", start, start + _EXCERPT_CHARACTERS) + 1]


if __name__ == "__main__":
    main()
