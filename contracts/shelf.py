"""The models an agent holds: folders under one directory, loaded and checked once, and ways to run them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Protocol, runtime_checkable

import numpy as np

from contracts.errors import WrongSetup
from contracts.service.metrics import COMMIT, INFERENCE
from prover import model_folder
from prover.errors import CorruptModel, InvalidInput, RefuteError
from prover.game.moves import Move
from prover.model_folder import Model
from prover.program import Program
from prover.trace import NUMPY_DTYPES, Array, Execution

Run = Callable[[Model, Sequence[Array]], Execution]
"""Makes an execution of a model on inputs. Adversaries are honest services with another one of these."""


class CannotRun(RefuteError):
    """This machine cannot load or run a model, now or ever: it lacks memory, or its libraries do not take the model."""


_FAILURES = (
    ArithmeticError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What numpy and torch raise for want of memory, or for shapes and numbers beyond what they take. A model is a
stranger's, so none of it may end an agent; what we have checked ourselves is a RefuteError and is not among them."""


@contextmanager
def running(model: bytes) -> Iterator[None]:
    """Raise what a model's run does to this machine as CannotRun."""
    try:
        yield
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:300]
        raise CannotRun(f"this machine cannot run model {model.hex()}: {type(error).__name__}: {reason}") from error


class Sturdy:
    """Asks a player for moves; what that does to this machine is CannotRun, and rests for some seconds."""

    def __init__(self, model: bytes, rest: float = 5.0) -> None:
        self._model = model
        self._rest = rest
        self._failed: tuple[float, CannotRun] | None = None

    def ask(self, make: Callable[[], Move | None]) -> Move | None:
        """The move; CannotRun if it cannot be made now."""
        if self._failed is not None and monotonic() < self._failed[0] + self._rest:
            raise self._failed[1]
        try:
            with running(self._model):
                return make()
        except CannotRun as error:
            self._failed = monotonic(), error
            raise


_MODEL_ID = re.compile(r"[0-9a-f]{64}")

_State = frozenset[tuple[str, int, int]]
"""Name, time and size of each file of a folder: what changes when a model is fetched again."""


def _state(folder: Path) -> _State | None:
    try:
        return frozenset((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in folder.iterdir())
    except OSError:
        return None


class Shelf:
    """Models by id, from `<folder>/<id in hexadecimal>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[bytes, Model] = {}
        self._corrupt: dict[bytes, _State] = {}
        self._loading = Lock()

    def path(self, model: bytes) -> Path:
        return self.folder / model.hex()

    def holds(self, model: bytes) -> bool:
        """Whether there is a folder for a model that was not found corrupt, or has changed since."""
        if model in self._loaded:
            return True
        state = _state(self.path(model))
        return state is not None and state != self._corrupt.get(model)

    def ids(self) -> list[bytes]:
        """The models that there are folders for, right or wrong."""
        return sorted(bytes.fromhex(p.name) for p in self.folder.glob("*") if _MODEL_ID.fullmatch(p.name))

    def resolve(self, wanted: str) -> bytes:
        """The id of a model given by its id in hexadecimal or by its name; WrongSetup if none or several fit."""
        digits = wanted.removeprefix("0x").lower()
        if _MODEL_ID.fullmatch(digits):
            return bytes.fromhex(digits)
        held = [id.hex() for id in self.ids()]
        named = [id for id in held if model_folder.name_of(self.folder / id) == wanted]
        if len(named) == 1:
            return bytes.fromhex(named[0])
        if named:
            raise WrongSetup(f"{len(named)} models in {self.folder} are named {wanted!r}; give one's id")
        known = ", ".join(f"{model_folder.name_of(self.folder / id) or 'unnamed'} ({id[:8]}...)" for id in held)
        raise WrongSetup(
            f"there is no model {wanted!r} in {self.folder}, which holds {known or 'none'}; give a model's name or its "
            "id of 64 hexadecimal digits"
        )

    def get(self, model: bytes) -> Model:
        """A model, every hash and rule checked when it is first asked for.

        Raises:
            CorruptModel: it is missing or wrong.
            CannotRun: this machine cannot hold it.
        """
        with self._loading:  # one after the other: a model is in memory once, whoever asks
            if model not in self._loaded:
                state = _state(self.path(model))
                if state is None:
                    raise CorruptModel(
                        f"model {model.hex()} is not in {self.folder}; fetch its folder from its publisher"
                    )
                try:
                    with running(model):
                        self._loaded[model] = model_folder.load(self.path(model))
                except CorruptModel:
                    self._corrupt[model] = state
                    raise
            return self._loaded[model]

    def program(self, model: bytes) -> Program | None:
        """The program of a model that is here and right; None otherwise."""
        try:
            return self.get(model).program if self.holds(model) else None
        except (CorruptModel, CannotRun):
            return None


def input_arrays(program: Program, inputs: Sequence[bytes]) -> list[Array]:
    """The inputs of a request as arrays; InvalidInput if they are not what the program takes."""
    if len(inputs) != len(program.inputs):
        raise InvalidInput(f"{len(inputs)} inputs were posted, the model takes {len(program.inputs)}")
    for number, (data, spec) in enumerate(zip(inputs, program.inputs, strict=True)):
        if len(data) != spec.nbytes:
            raise InvalidInput(f"input {number} has {len(data)} bytes, the model takes {spec.nbytes}")
    return [
        np.frombuffer(data, NUMPY_DTYPES[spec.dtype]).reshape(spec.shape)
        for data, spec in zip(inputs, program.inputs, strict=True)
    ]


@runtime_checkable
class BatchRun(Protocol):
    """A `Run` that takes several queries in one pass."""

    def batch(self, model: Model, queries: Sequence[Sequence[Array]]) -> list[Execution]: ...


def run_all(run: Run, model: Model, queries: Sequence[Sequence[Array]]) -> list[Execution]:
    """Executions of a model on several inputs, together if `run` can do that."""
    return run.batch(model, queries) if isinstance(run, BatchRun) else [run(model, inputs) for inputs in queries]


class TorchRun:
    """Runs models with the torch runtime, each made ready once.

    Args:
        backend: a matmul backend by name; by default the fastest exact one for each product.
        second: compute each product by another route than the default takes, to confirm its results.
    """

    def __init__(self, backend: str | None = None, *, second: bool = False) -> None:
        from prover.kernels import select
        from prover.runtime import Runtime

        self._make, self._select = Runtime, select
        self._backend = backend
        self._second = second
        if backend is not None:
            select(backend)  # an unknown or inexact one is refused now, not at the first request
        self._ready: dict[bytes, Runtime] = {}
        self._turns: dict[bytes, Lock] = {}

    def __call__(self, model: Model, inputs: Sequence[Array]) -> Execution:
        return self.batch(model, [inputs])[0]

    def batch(self, model: Model, queries: Sequence[Sequence[Array]]) -> list[Execution]:
        """Several queries in one pass; each has the result and the trace that it has alone."""
        id = bytes(model.id)
        # A runtime's memory serves one run at a time; other models run meanwhile.
        with self._turns.setdefault(id, Lock()):
            if id not in self._ready:
                # Which backends are exact is found out when one is needed: an agent starts at once.
                backend = self._select().second if self._second else self._backend
                self._ready[id] = self._make(model.program, model.weights, backend=backend)
            with INFERENCE.time():
                executions = self._ready[id].run_batch(queries)
        with COMMIT.time():
            for execution in executions:
                _ = execution.trace  # it would be hashed when it is first asked for
        return list(executions)
