"""Runs a compiled kernel over its rows on as many threads as torch uses, on torch's own threads where it can.

torch's products and these kernels alternate every few hundred microseconds. Two thread pools would wait for each
other, spinning; so the kernel is started by the OpenMP library that torch has loaded. Where there is none, plain
Python threads serve (the call releases the interpreter's lock).
"""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch

ARGUMENTS, SCRATCH, SCRATCH_SIZE, ROWS, GRAIN, NEXT, THREAD_NUMBER = range(7)
"""Words of a call: pointers, bytes of scratch per thread, rows, rows at a time, next row, omp_get_thread_num."""

_Call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


@cache
def _openmp() -> tuple[ctypes._NamedFuncPointer, int] | None:
    """GOMP_parallel and the address of omp_get_thread_num in the library that torch uses, if it has them."""
    bundled = sorted((Path(torch.__file__).parent / "lib").glob("lib*omp*"))
    for name in [*map(str, bundled), None]:
        try:
            library = ctypes.CDLL(name)
            start, number = library.GOMP_parallel, library.omp_get_thread_num
        except (OSError, AttributeError):
            continue
        start.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        start.restype = None
        return start, ctypes.cast(number, ctypes.c_void_p).value or 0
    return None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "refute-kernel")


class Launch:
    """One kernel with its arguments, ready to run again and again.

    Args:
        entry: address of `work(call)`, which asks OpenMP for its thread's number.
        numbered: address of `work_as(call, thread)`.
        arguments: int64 array; the caller may change its elements between runs.
        rows: how many rows there are.
        grain: rows that one thread takes at a time.
        scratch: bytes per thread.
    """

    def __init__(self, entry: int, numbered: int, arguments: np.ndarray, rows: int, grain: int, scratch: int) -> None:
        self._entry, self._numbered = entry, _Call(numbered)
        self._held = arguments
        self._rows, self._grain = rows, grain
        self._size = -(-scratch // 4096) * 4096
        self._words = np.zeros(7, np.int64)
        self._words[ARGUMENTS] = arguments.ctypes.data
        self._words[SCRATCH_SIZE], self._words[ROWS] = self._size, rows
        self._address = self._words.ctypes.data
        openmp = _openmp()
        self._start = None
        if openmp is not None:
            self._start, self._words[THREAD_NUMBER] = openmp

    def scratch_bytes(self, threads: int) -> int:
        """Bytes of scratch memory that a run on so many threads needs."""
        return self._size * threads

    def run(self, threads: int, scratch: int) -> None:
        """Run all rows on `threads` threads; `scratch` is the address of scratch memory, aligned to 64."""
        words = self._words
        words[NEXT], words[SCRATCH] = 0, scratch
        parts = max(1, min(threads, -(-self._rows // self._grain)))
        words[GRAIN] = self._grain
        if parts == 1:
            self._numbered(self._address, 0)
        elif self._start is not None:
            self._start(self._entry, self._address, parts, 0)
        else:
            list(_pool(threads).map(lambda number: self._numbered(self._address, number), range(parts)))
