"""Compiles LLVM modules for this processor, and keeps the objects on disk for other processes.

Objects lie in $REFUTE_CACHE or ~/.cache/refute/kernels under the hash of what they were made from. A file is
written beside its place and moved there, so that processes may share the directory; if it cannot be written,
every process compiles for itself.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import structlog

_log = structlog.get_logger(__name__)


def _new_machine() -> llvm.TargetMachine:
    """For this processor; a loader keeps the one it is given."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)


@cache
def _machine() -> llvm.TargetMachine:
    """The one that compiles."""
    return _new_machine()


@cache
def _processor() -> str:
    """Everything besides the source that an object depends on."""
    features = llvm.get_host_cpu_features().flatten() if _machine() else ""
    version = ".".join(map(str, llvm.llvm_version_info))
    return "\n".join((llvmlite.__version__, version, _machine().triple, llvm.get_host_cpu_name(), features))


@cache
def _sources() -> str:
    """Digest of the code that writes modules, so that objects of another version are not taken."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def directory() -> Path:
    """Where objects are kept."""
    base = os.environ.get("REFUTE_CACHE")
    return Path(base) if base else Path.home() / ".cache" / "refute" / "kernels"


class Engine:
    """Compiled functions of this process; they stay loaded as long as it runs."""

    def __init__(self) -> None:
        machine = _new_machine()
        self._jit = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._lock = threading.Lock()
        self.compiled = 0
        """Modules compiled, not found in the cache."""

    def load(self, name: str, write: Callable[[], str], functions: Sequence[str]) -> list[int]:
        """Addresses of functions of a module, compiled at most once on this machine.

        Args:
            name: stands for the module's content together with the sources of this package.
            write: its LLVM assembly, called if it is not cached.
        """
        with self._lock:
            key = hashlib.sha256(f"{_processor()}\n{_sources()}\n{name}".encode()).hexdigest()
            path = directory() / f"{key[:40]}.o"
            data = _read(path)
            if data is None:
                data = self._compile(write())
                _write(path, data)
            self._jit.add_object_file(llvm.ObjectFileRef.from_data(data))
            self._jit.finalize_object()
            return [self._jit.get_function_address(function) for function in functions]

    def _compile(self, source: str) -> bytes:
        self.compiled += 1
        module = llvm.parse_assembly(source)
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = False
        builder = llvm.create_pass_builder(_machine(), options)
        builder.getModulePassManager().run(module, builder)
        data: bytes = _machine().emit_object(module)
        return data


def _read(path: Path) -> bytes | None:
    """An object as it was written; None if it is missing or damaged."""
    try:
        held = path.read_bytes()
    except OSError:
        return None
    digest, data = held[:32], held[32:]
    return data if hashlib.sha256(data).digest() == digest else None


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(file.name, path)
    except OSError as error:
        _log.debug("kernels.not_cached", path=str(path), reason=str(error))


@cache
def engine() -> Engine:
    """The one engine of this process."""
    return Engine()
