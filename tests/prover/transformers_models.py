"""Tiny transformers with random weights: every operator that the real models have, small enough to interpret."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from prover.compiler import CompiledModel, compile
from prover.examples.language import NextToken
from prover.examples.minilm import SentenceEncoder
from prover.examples.vision import VisionTransformer

LENGTH = 8
WORDS = 40


def bert() -> nn.Module:
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LENGTH,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.set_attn_implementation("eager")
    return SentenceEncoder(model)


def llama() -> nn.Module:
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=LENGTH,
        attn_implementation="eager",
    )
    return NextToken(LlamaForCausalLM(config))


def gpt2() -> nn.Module:
    config = GPT2Config(
        vocab_size=WORDS,
        n_positions=LENGTH,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",
    )
    return NextToken(GPT2LMHeadModel(config))


def vit() -> nn.Module:
    return VisionTransformer(width=16, heads=2, depth=2, patch=8)


MODELS: dict[str, Callable[[], nn.Module]] = {"bert": bert, "llama": llama, "gpt2": gpt2, "vit": vit}


@cache
def module(name: str) -> nn.Module:
    """In eval mode, its weights drawn large enough that attention is not flat."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = MODELS[name]().eval()
        for parameter in made.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.2)
    return made


def sample(name: str, seed: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    if name == "vit":
        return (torch.rand(1, 1, 32, 32, generator=generator),)
    ids = torch.randint(0, WORDS, (1, LENGTH), generator=generator)
    if name == "bert":
        return ids, (torch.arange(LENGTH) < 3 + seed % 6).long()[None]
    return (ids,)


@cache
def compiled(name: str) -> CompiledModel:
    calibration = [sample(name, seed) for seed in range(40)]
    return compile(module(name), calibration[0], calibration, name=name)
