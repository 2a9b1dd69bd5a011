"""Two small vision models in plain torch, ResNet-18 and a ViT, trained on scikit-learn's handwritten digits.

Both were trained by train_vision.py; the weights are shipped. The images are enlarged to 32x32, and the same fifth is
held out as in the digits example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prover.examples.shipped import shipped_weights

SIDE = 32
CLASSES = 10
CALIBRATION = 300
RESNET18_WEIGHTS = "resnet18.safetensors"
VIT_WEIGHTS = "vit.safetensors"
_BRIGHTEST = 16.0


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut, which is a strided 1x1 one where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


class ResNet18(nn.Module):
    """[N, channels, H, W] to logits, with the original's stem (7x7 convolution, max pool) and its [2, 2, 2, 2] blocks.

    `width` is the channels of the first stage, 64 in the original.
    """

    def __init__(self, width: int, channels: int = 1, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(width, width, 1), BasicBlock(width, width, 1))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width, 1))
        self.layer3 = nn.Sequential(BasicBlock(2 * width, 4 * width, 2), BasicBlock(4 * width, 4 * width, 1))
        self.layer4 = nn.Sequential(BasicBlock(4 * width, 8 * width, 2), BasicBlock(8 * width, 8 * width, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: torch.Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class Attention(nn.Module):
    """Multi-head self-attention, [N, S, width] to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, s, width = x.shape
        query, key, value = self.qkv(x).reshape(n, s, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        result: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(n, s, width))
        return result


class EncoderBlock(nn.Module):
    """Pre-norm attention and a GELU feed-forward of four times the width, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        result: torch.Tensor = x + self.mlp(self.norm2(x))
        return result


class VisionTransformer(nn.Module):
    """[N, channels, side, side] to logits: patches, a class token, learned positions, blocks, a head on the class."""

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        patch: int,
        side: int = SIDE,
        channels: int = 1,
        classes: int = CLASSES,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.class_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, (side // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1) + self.positions
        logits: torch.Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return logits


@dataclass(frozen=True)
class VisionExample:
    """A trained model with images it has seen, for calibration, and those it has not seen, to measure it.

    `images` is float32 [n, 1, SIDE, SIDE] in 0..1, `labels` int64 [n]; the model takes one image at a time.
    """

    module: nn.Module
    calibration: tuple[tuple[torch.Tensor], ...]
    images: torch.Tensor
    labels: NDArray[np.int64]

    @property
    def example_inputs(self) -> tuple[torch.Tensor]:
        """One input, [1, 1, SIDE, SIDE]."""
        return (self.images[:1],)


@dataclass(frozen=True)
class Images:
    """Enlarged digits, float32 [n, 1, SIDE, SIDE] in 0..1, with their labels, int64 [n]."""

    images: torch.Tensor
    labels: torch.Tensor


def resnet18() -> VisionExample:
    """ResNet-18 with a quarter of its channels; CorruptModel if its weights are missing or altered."""
    return _example(untrained_resnet18(), RESNET18_WEIGHTS)


def vit() -> VisionExample:
    """A vision transformer of 17 tokens and four blocks; CorruptModel if its weights are missing or altered."""
    return _example(untrained_vit(), VIT_WEIGHTS)


def accuracy(logits_of: Callable[[torch.Tensor], torch.Tensor], example: VisionExample) -> float:
    """Share of the held-out images that a float or integer model gets right.

    Args:
        logits_of: an image, float32 [1, 1, SIDE, SIDE], to logits, [1, CLASSES].
    """
    with torch.no_grad():
        predicted = [int(logits_of(image[None]).argmax()) for image in example.images]
    return float((np.array(predicted) == example.labels).mean())


def untrained_resnet18() -> ResNet18:
    """0.7 million parameters, drawn by torch's generator."""
    return ResNet18(width=16)


def untrained_vit() -> VisionTransformer:
    """0.2 million parameters, drawn by torch's generator."""
    return VisionTransformer(width=64, heads=4, depth=4, patch=8)


def enlarged_digits() -> tuple[Images, Images]:
    """The images that are trained on and those that are held out, split as in the digits example."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    split = train_test_split(np.arange(len(data.images)), test_size=0.2, random_state=0, stratify=data.target)
    small = torch.from_numpy((data.images / _BRIGHTEST).astype(np.float32)).unsqueeze(1)
    images = nn.functional.interpolate(small, (SIDE, SIDE), mode="bilinear", align_corners=False)
    labels = torch.from_numpy(data.target.astype(np.int64))
    seen, unseen = (torch.from_numpy(np.sort(part)) for part in split)
    return Images(images[seen], labels[seen]), Images(images[unseen], labels[unseen])


def _example(module: nn.Module, weights: str) -> VisionExample:
    module.load_state_dict(module.state_dict() | shipped_weights(weights))
    seen, unseen = enlarged_digits()
    calibration = tuple((image[None],) for image in seen.images[:CALIBRATION])
    return VisionExample(module.eval(), calibration, unseen.images, unseen.labels.numpy())
