"""Trains the vision models: `python -m prover.examples.train_vision`, some minutes on one thread."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import nn

from prover.examples import vision
from prover.examples.shipped import publish_weights
from prover.examples.vision import Images, VisionExample, accuracy, enlarged_digits

SEED = 0
BATCH = 64
EPOCHS = 40
COMMAND = "python -m prover.examples.train_vision"


def main() -> None:
    """Train and publish both models, or with `--only` one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["resnet18", "vit"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.only in (None, "resnet18"):
        train_and_publish(vision.untrained_resnet18, vision.RESNET18_WEIGHTS, rate=0.005)
    if chosen.only in (None, "vit"):
        train_and_publish(vision.untrained_vit, vision.VIT_WEIGHTS, rate=0.002)


def train_and_publish(make: Callable[[], nn.Module], name: str, rate: float) -> None:
    """Train a model; its metric is the held-out accuracy of the float16 weights."""
    seen, unseen = enlarged_digits()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        module = make()
        fit(module.train(), seen, rate)
    module.half().float().eval()
    example = VisionExample(module, (), unseen.images, unseen.labels.numpy())
    metric = {"accuracy": round(accuracy(module, example), 4)}
    publish_weights(name, module, command=COMMAND, metric=metric)
    print(name, metric)


def fit(module: nn.Module, seen: Images, rate: float) -> None:
    """AdamW with a one-cycle rate; each image moved by up to three pixels each way, by the seeded generator."""
    steps = EPOCHS * -(-len(seen.images) // BATCH)
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for epoch in range(EPOCHS):
        for chosen in torch.split(torch.randperm(len(seen.images)), BATCH):
            images = torch.stack([_moved(image) for image in seen.images[chosen]])
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(module(images), seen.labels[chosen], label_smoothing=0.05)
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch}: loss {float(loss.detach()):.3f}", flush=True)


def _moved(image: torch.Tensor) -> torch.Tensor:
    across, down = (int(x) for x in torch.randint(-3, 4, (2,)))
    return image.roll((down, across), (1, 2))


if __name__ == "__main__":
    main()
