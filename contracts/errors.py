"""What can go wrong with a chain, by what the caller does about it: retry, tell the person, or drop the action."""

from __future__ import annotations

from prover.errors import RefuteError


class ChainUnavailable(RefuteError):
    """The chain did not answer, or not in time. Retry with back-off; nothing is wrong with us or the peer."""


class NodeRefused(ChainUnavailable):
    """The node answered that it will not. Of a look: retry it, or ask for less. Of a transaction: that one is not
    taken, the others are not affected."""


class Unmined(ChainUnavailable):
    """A transaction is on its way and not in a block yet. What waits for it looks again later."""


class WrongSetup(RefuteError):
    """An amount, key, deployment file or balance that a person has to put right."""


class NotFunded(WrongSetup):
    """The account cannot pay for a transaction. An agent at work waits for its operator to send it some."""


class ContractRefused(RefuteError):
    """The contract refused a transaction or call; nothing changed.

    Attributes:
        name: the contract's error, such as `WindowIsOver`.
        arguments: its values, in order.
    """

    def __init__(self, name: str, arguments: tuple[object, ...] = (), text: str = "") -> None:
        shown = ", ".join("0x" + a.hex() if isinstance(a, bytes) else str(a) for a in arguments)
        super().__init__(f"{name}({shown}): {text}" if text else f"{name}({shown})")
        self.name = name
        self.arguments = arguments
