"""The float originals of the benchmark programs: the same modules in eager torch, float32."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from prover.benchmarks.bert import BertShape
from prover.benchmarks.llama import LlamaShape


class BertBlock(nn.Module):
    """One encoder block; `mask` [batch, 1, 1, tokens] is added to the scores."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        d = shape.width
        self.heads = shape.heads
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.up, self.down = nn.Linear(d, shape.inner), nn.Linear(shape.inner, d)
        self.first, self.second = nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, tokens, d = x.shape
        q, k, v = (f(x).view(batch, tokens, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        context = functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(batch, tokens, d)
        x = self.first(x + self.o(context))
        y: torch.Tensor = self.second(x + self.down(functional.gelu(self.up(x))))
        return y


class Bert(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(BertBlock(shape) for _ in range(shape.blocks))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x


class LlamaBlock(nn.Module):
    """One decoder block with rotary positions and grouped heads."""

    cos: torch.Tensor
    sin: torch.Tensor

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        d, e = shape.width, shape.head
        self.shape = shape
        self.q, self.o = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.k, self.v = (nn.Linear(d, shape.kv_heads * e, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(d, shape.inner, bias=False) for _ in range(2))
        self.down = nn.Linear(shape.inner, d, bias=False)
        self.first, self.second = nn.RMSNorm(d), nn.RMSNorm(d)
        angles = torch.outer(torch.arange(shape.tokens), 10_000 ** (-torch.arange(0, e, 2) / e))
        self.register_buffer("cos", torch.cat([angles.cos()] * 2, -1))
        self.register_buffer("sin", torch.cat([angles.sin()] * 2, -1))

    def _rotated(self, x: torch.Tensor) -> torch.Tensor:
        low, high = x.chunk(2, -1)
        return x * self.cos + torch.cat((-high, low), -1) * self.sin

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, d = x.shape
        y = self.first(x)
        q, k, v = (f(y).view(batch, tokens, -1, self.shape.head).transpose(1, 2) for f in (self.q, self.k, self.v))
        q, k = self._rotated(q), self._rotated(k)
        context = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(context.transpose(1, 2).reshape(batch, tokens, d))
        y = self.second(x)
        fed: torch.Tensor = self.down(functional.silu(self.gate(y)) * self.up(y))
        return x + fed
