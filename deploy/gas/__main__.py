"""`python -m deploy.gas` takes every figure, writes the snapshot and docs/gas.md's tables; `--check` compares.

Without options every dispute is played and mined again on anvil: some minutes, and 6 GB of memory for GPT-3's. With
`--check` only what takes seconds is played; it exits 1 if a figure grew by more than 2 % or is over
its limit, or a table is stale.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

import structlog
from rich.console import Console

from deploy.gas import figures, page
from deploy.gas.measure import Measurement
from prover.errors import RefuteError

_console = Console(soft_wrap=True)


def check() -> list[str]:
    """What is wrong with the committed snapshot, one line each."""
    committed = figures.load()
    taken = Measurement(lambda name: None).take(quick=True)
    _console.print(figures.table(committed.figures, taken.figures))
    return [*figures.grown(committed.figures, taken.figures), *figures.over(taken.figures), *page.stale(committed)]


def write() -> list[str]:
    """Take all figures and write them; one line for each that is over its limit."""
    old = figures.load().figures if figures.SNAPSHOT.exists() else {}
    begun = time.monotonic()
    taken = Measurement(lambda name: _console.print(f"{time.monotonic() - begun:6.1f} s  {name}")).take(quick=False)
    taken.save()
    page.write(taken)
    _console.print(figures.table(old, taken.figures))
    return figures.over(taken.figures)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.gas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    checked = parser.parse_args().check
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        wrong = check() if checked else write()
    except RefuteError as error:
        wrong = [str(error)]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
