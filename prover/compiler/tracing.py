"""A module traced by torch.export to core ATen; what cannot be traced is one line that names the place."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import torch

from prover.errors import UnsupportedModule

_PLACE = re.compile(r'File "([^"]+)", line (\d+), in .+\n\s*(.+)')
"""A line of the module's own code, as torch.export shows it."""


def exported(module: torch.nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> torch.export.ExportedProgram:
    """The program of a module for inputs of these shapes; UnsupportedModule if it cannot be traced."""
    try:
        with _silent():
            program: torch.export.ExportedProgram = torch.export.export(module, example_inputs).run_decompositions()
    except Exception as error:  # torch.export has no common error of its own
        said = str(error).strip()
        reason = said.splitlines()[0] if said else type(error).__name__
        places = _PLACE.findall(said)
        where = " (at {} line {}: {})".format(*places[-1]) if places else ""
        raise UnsupportedModule(
            f"torch.export cannot trace {type(module).__name__}: {reason}{where}; a module's control flow and shapes "
            "may not depend on the values of its inputs"
        ) from error
    return program


@contextmanager
def _silent() -> Iterator[None]:
    """torch.export warns, logs and prints graphs besides what it raises."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.disable(before)
