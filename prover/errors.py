"""The families of errors a caller can act on; every message says what is wrong, with what, and what to do."""

from __future__ import annotations


class RefuteError(Exception):
    """Base of every error that is meant for a person to read."""


class InvalidProgram(RefuteError):
    """A program breaks a rule of the protocol (sections 3.1 to 3.5).

    Attributes:
        rule: the rule's name, the same as the contract's error where the chain checks it too.
    """

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail


class InvalidInput(RefuteError):
    """An input does not have the form that the program asks for."""


class UnsupportedModule(RefuteError):
    """The compiler met a torch operator it cannot express exactly."""


class CorruptModel(RefuteError):
    """A model folder is missing, unreadable, or its bytes do not hash to its id."""


class IllegalMove(RefuteError):
    """A move breaks a rule of the dispute; the position is unchanged.

    Attributes:
        rule: the rule's name, the same as the contract's error.
    """

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"{rule}: {detail}" if detail else rule)
        self.rule = rule


class InexactBackend(RefuteError):
    """No matmul backend passes the exactness self-test on the device, or there is no such device."""


class NotEnoughMemory(RefuteError):
    """This machine has too little memory for what was asked of it."""


_PHRASES = (
    "can't allocate memory",  # torch on a CPU
    "cannot allocate memory",  # the system
    "out of memory",  # torch on CUDA
    "failed to map segment",  # the loader of shared libraries
    "pyobject pointer is null",  # safetensors
)


def lacks_memory(error: BaseException) -> bool:
    """Whether an error of any library says that memory has run out: few raise MemoryError."""
    return isinstance(error, MemoryError) or any(phrase in str(error).lower() for phrase in _PHRASES)
