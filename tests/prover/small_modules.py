"""Small seeded modules for the compiler, whose weights i8 holds exactly: only activations are rounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from prover.compiler import CompiledModel, compile

Shapes = tuple[tuple[int, ...], ...]
Inputs = tuple[torch.Tensor, ...]


class Calls(nn.Module):
    """A function of the inputs and of some layers."""

    def __init__(self, function: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs, *self.layers)


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A module in evaluation mode: each output channel's weights are multiples of a 127th of its largest."""
    torch.manual_seed(seed)
    module = make()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_var is not None:
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                rows = parameter.flatten(1)
                unit = rows.abs().amax(1, keepdim=True) / 127
                parameter.copy_((torch.round(rows / unit) * unit).reshape(parameter.shape))
            else:
                parameter.uniform_(0.2, 1)
    return module.eval()


def drawn(shapes: Shapes, count: int = 6) -> list[Inputs]:
    """Inputs between -1 and 1."""
    torch.manual_seed(1)
    return [tuple(torch.rand(shape) * 2 - 1 for shape in shapes) for _ in range(count)]


def compiled(module: nn.Module, samples: list[Inputs]) -> CompiledModel:
    return compile(module, samples[0], samples)
