"""Handwritten digits: scikit-learn's 1,797 real images, 8x8, and a small residual network trained on them in seconds.

The dot of its hidden layer sums 576 products of i16 activations, whose row crosses a chunk, so a dispute over it
plays the terms level; every other operator is settled in one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prover.progress import counted

SIDE = 8
CLASSES = 10
CALIBRATION = 300
_BRIGHTEST = 16.0


class Residual(nn.Module):
    """relu(x + b(relu(a(x)))), two 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.b(torch.relu(self.a(x))))


class DigitNetwork(nn.Module):
    """[N, 1, 8, 8] in 0..1 to ten logits.

    `width` is the channels after the residual block and the units of the hidden layer. A smaller one has the same
    layers, with the same tensors up to the block.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.maximum = nn.MaxPool2d(2, stride=1)
        self.average = nn.AvgPool2d(3, stride=2)
        self.block = Residual(8)
        self.expand = nn.Conv2d(8, width, 1)
        self.hidden = nn.Linear(9 * width, width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.average(self.maximum(torch.relu(self.stem(x))))
        x = torch.relu(self.expand(self.block(x)))
        x = torch.relu(self.hidden(x.flatten(1)))
        logits: torch.Tensor = self.head(x)
        return logits


@dataclass(frozen=True)
class Digits:
    """A trained network with the images it has seen for calibration and those it has not seen.

    `images` is float32 [n, 1, 8, 8] in 0..1, `labels` int64 [n]; the network takes one image at a time.
    """

    module: DigitNetwork
    calibration: tuple[tuple[torch.Tensor], ...]
    images: torch.Tensor
    labels: NDArray[np.int64]

    @property
    def example(self) -> tuple[torch.Tensor]:
        """One input, [1, 1, 8, 8]."""
        return (self.images[:1],)

    def float_accuracy(self) -> float:
        """Share of the held-out images that the float network gets right."""
        with torch.no_grad():
            predicted = self.module(self.images).argmax(1).numpy()
        return float((predicted == self.labels).mean())


def digits(seed: int = 0) -> Digits:
    """The network of the examples, trained anew and always the same."""
    return _trained(width=64, seed=seed)


def smaller_digits(seed: int = 1) -> Digits:
    """A cheaper network with as many layers, as an executor that cheats would run instead."""
    return _trained(width=16, seed=seed)


def _trained(width: int, seed: int, epochs: int = 30) -> Digits:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    images = torch.from_numpy((data.images / _BRIGHTEST).astype(np.float32)).unsqueeze(1)
    split = train_test_split(np.arange(len(images)), test_size=0.2, random_state=0, stratify=data.target)
    seen, unseen = (torch.from_numpy(np.sort(part)) for part in split)
    labels = torch.from_numpy(data.target.astype(np.int64))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # float sums depend on how they are split over threads
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = DigitNetwork(width)
            _fit(module, images[seen], labels[seen], epochs)
    finally:
        torch.set_num_threads(threads)
    calibration = tuple((image.unsqueeze(0),) for image in images[seen[:CALIBRATION]])
    return Digits(module.eval(), calibration, images[unseen], labels[unseen].numpy())


def _fit(module: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int, batch: int = 64) -> None:
    """Adam with a one-cycle learning rate; each image moved by at most one pixel, by the seeded generator."""
    steps = epochs * -(-len(images) // batch)
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=steps)
    for _ in counted("training", range(epochs)):
        for chosen in torch.split(torch.randperm(len(images)), batch):
            across, down = (int(x) for x in torch.randint(-1, 2, (2,)))
            moved = images[chosen].roll((down, across), (2, 3))
            optimiser.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(module(moved), labels[chosen]))
            optimiser.step()
            schedule.step()
