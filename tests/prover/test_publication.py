"""What a publisher hands in: a subject without anything to measure it on is refused."""

from __future__ import annotations

import pytest
import torch

from prover import quality
from prover.errors import InvalidInput
from prover.publication import Subject


def test_a_subject_needs_held_out_inputs() -> None:
    with pytest.raises(InvalidInput, match="mine has no held-out inputs to measure it on; give some"):
        Subject.single("mine", torch.nn.Linear(2, 2), [(torch.ones(1, 2),)], [], quality.classification([]))
