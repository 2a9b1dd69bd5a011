"""Runs the Solidity tests of contracts/test: `python -m contracts.forge [options of forge test]`.

With `FOUNDRY_PROFILE=ci` every fuzz test makes 10,000 runs (`foundry.toml`). One process, one thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.compile import NoCompiler, find_compiler

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = _ROOT / "build" / "node" / "node_modules" / "@foundry-rs"


_INSTALLED_BY = {"forge": "make forge", "anvil": "make gas"}


class NoForge(Exception):
    """Forge or anvil, or the compiler that forge needs, is not installed."""


def binary(tool: str = "forge") -> Path:
    """Forge itself, or anvil; NoForge if it is not installed."""
    # Not the script in node_modules/.bin, which ends with 0 when tests fail.
    binaries = sorted(_PACKAGES.glob(f"{tool}-*/bin/{tool}*"))
    if not binaries:
        raise NoForge(f"no {tool}: run `{_INSTALLED_BY[tool]}`, which needs npm, to install @foundry-rs/{tool}")
    return binaries[0]


def environment(sources: Path, build: Path, *tools: Path) -> dict[str, str]:
    """For a tool that compiles `sources` through forge, into `build`, with the project's compiler.

    `tools` are folders that it finds programs in besides forge's. NoForge or NoCompiler says what to install.
    """
    return {
        **os.environ,
        "PATH": os.pathsep.join(map(str, (binary().parent, *tools, os.environ["PATH"]))),
        "FOUNDRY_SRC": str(sources),
        "FOUNDRY_OUT": str(build / "out"),
        "FOUNDRY_CACHE_PATH": str(build / "cache"),
        "FOUNDRY_SOLC": str(find_compiler()),
        "FOUNDRY_OFFLINE": "true",
    }


def command(options: Sequence[str] = ()) -> list[str]:
    """The command line of forge, to be run in the repository's root; NoForge says what to install."""
    forge = binary()
    try:
        compiler = find_compiler()
    except NoCompiler as missing:
        raise NoForge(str(missing)) from missing
    return [str(forge), "test", "--use", str(compiler), "--offline", "--threads", "1", *options]


def run(options: Sequence[str] = (), capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the tests; the finished process, with its output if it is captured."""
    return subprocess.run(command(options), cwd=_ROOT, text=True, capture_output=capture, check=False)


def main() -> int:
    try:
        return run(sys.argv[1:]).returncode
    except NoForge as missing:
        print(missing, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
