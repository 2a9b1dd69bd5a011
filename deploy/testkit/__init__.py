"""A kit for tests of the protocol: chains, a deployed protocol, honest agents and adversaries, as pytest fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.testkit.adversary import Adversary


def adversaries() -> dict[str, Adversary]:
    """Every adversary of the kit, by its name."""
    from deploy.testkit import challengers, executors  # noqa: F401  each registers its own
    from deploy.testkit.adversary import ADVERSARIES

    return dict(ADVERSARIES)
