"""Compiles the Solidity sources to the committed artifacts, or checks that the artifacts match the sources.

`python -m contracts.compile` writes `contracts/artifacts/*.json`; with `--check` it exits 1 if they differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import solcx
from solcx.exceptions import SolcError

SOLC_VERSION = "0.8.37"
_HERE = Path(__file__).resolve().parent
SOURCES = _HERE / "src"
ARTIFACTS = _HERE / "artifacts"
_BUILD = _HERE.parent / "build"
_NODE_MODULES = _BUILD / "node" / "node_modules"

SETTINGS: dict[str, Any] = {
    "evmVersion": "prague",
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
UNROLLED: dict[str, Any] = {
    **SETTINGS,
    "viaIR": False,
    "optimizer": {"enabled": True, "runs": 200, "details": {"yul": False, "constantOptimizer": False}},
}
"""For the contracts that hash with BLAKE3: assembly stays as it is written, constants are not computed."""
CONTRACTS = {
    "Refute": SETTINGS,
    "Walk": SETTINGS,
    "Referee": UNROLLED,
    "Commitments": UNROLLED,
    "Harness": UNROLLED,
    "Plain": SETTINGS,
    "Naive": SETTINGS,
    "Participant": SETTINGS,
    "Commission": SETTINGS,
}
"""What is kept, and how it is compiled. `Harness`, `Plain`, `Naive` and `Participant` are for the tests only, and
`Commission` is an example of a contract that relies on an answer."""

Artifacts = dict[str, str]
"""File name to content."""


class NoCompiler(Exception):
    """Neither a native solc of the right version nor npm's is installed."""


def find_compiler() -> Path:
    """A native solc of the exact version if there is one, else a shim over npm's."""
    for version in solcx.get_installed_solc_versions():
        if str(version) == SOLC_VERSION:
            return Path(solcx.install.get_executable(version))
    package = _NODE_MODULES / "solc" / "package.json"
    if not package.exists() or shutil.which("node") is None:
        raise NoCompiler(f"no solc {SOLC_VERSION}: run `npm install --prefix build/node solc@{SOLC_VERSION}`")
    version = json.loads(package.read_text())["version"]
    if version != SOLC_VERSION:
        raise NoCompiler(f"build/node has solc {version}, not {SOLC_VERSION}")
    return _write_shim()


def _write_shim() -> Path:
    """An executable that takes the options of a native solc and runs npm's."""
    shim = _BUILD / f"solc-{SOLC_VERSION}"
    shim.write_text(f'#!/bin/sh\nexec node "{_HERE / "solc-wrapper.js"}" "{_NODE_MODULES}" "$@"\n')
    shim.chmod(0o755)
    return shim


def read_sources() -> dict[str, str]:
    """Path below `src/` to content."""
    return {path.relative_to(SOURCES).as_posix(): path.read_text() for path in sorted(SOURCES.rglob("*.sol"))}


def source_hash(sources: dict[str, str]) -> str:
    """sha256 of compiler version, settings and all sources."""
    content = json.dumps([SOLC_VERSION, CONTRACTS, sources], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def compile_sources(compiler: Path) -> Artifacts:
    """The artifacts of the present sources."""
    sources = read_sources()
    digest = source_hash(sources)
    artifacts: Artifacts = {}
    for settings in (SETTINGS, UNROLLED):
        names = [name for name, chosen in CONTRACTS.items() if chosen is settings]
        for name, compiled in _compile(sources, settings, names, compiler).items():
            artifacts[f"{name}.json"] = _artifact(name, compiled, digest)
    return artifacts


def _compile(
    sources: dict[str, str], settings: dict[str, Any], names: list[str], compiler: Path
) -> dict[str, dict[str, Any]]:
    """The compiler's output for some of the contracts."""
    outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
    request = {
        "language": "Solidity",
        "sources": {name: {"content": content} for name, content in sources.items()},
        "settings": {**settings, "outputSelection": {"*": dict.fromkeys(names, outputs)}},
    }
    answer = solcx.compile_standard(request, solc_binary=compiler)
    for problem in answer.get("errors", []):
        print(problem["formattedMessage"], file=sys.stderr)
    compiled = {name: item for file in answer["contracts"].values() for name, item in file.items()}
    return {name: compiled[name] for name in names}


def _artifact(name: str, compiled: dict[str, Any], digest: str) -> str:
    content = {
        "contract": name,
        "compiler": SOLC_VERSION,
        "sourceHash": digest,
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + compiled["evm"]["deployedBytecode"]["object"],
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def read_artifacts() -> Artifacts:
    """The committed artifacts."""
    return {path.name: path.read_text() for path in sorted(ARTIFACTS.glob("*.json"))}


def stale_by_hash() -> list[str]:
    """Artifacts that name other sources than the present ones; needs no compiler."""
    digest = source_hash(read_sources())
    committed = read_artifacts()
    names = [f"{name}.json" for name in CONTRACTS]
    return [n for n in names if n not in committed or json.loads(committed[n])["sourceHash"] != digest]


def _check() -> int:
    try:
        compiler = find_compiler()
    except NoCompiler as missing:
        stale = stale_by_hash()
        if stale:
            print(f"artifacts are stale: {', '.join(stale)}; run `make contracts`", file=sys.stderr)
            return 1
        print(f"artifacts name the present sources; bytecode not compared ({missing})")
        return 0
    fresh, committed = compile_sources(compiler), read_artifacts()
    stale = sorted(n for n in fresh.keys() | committed.keys() if fresh.get(n) != committed.get(n))
    if stale:
        print(f"artifacts do not match the sources: {', '.join(stale)}; run `make contracts`", file=sys.stderr)
        return 1
    return 0


def _write() -> int:
    try:
        fresh = compile_sources(find_compiler())
    except NoCompiler as missing:
        print(missing, file=sys.stderr)
        return 1
    except SolcError as failure:
        print(failure, file=sys.stderr)
        return 1
    ARTIFACTS.mkdir(exist_ok=True)
    for old in ARTIFACTS.glob("*.json"):
        old.unlink()
    for name, content in fresh.items():
        (ARTIFACTS / name).write_text(content)
        size = (len(json.loads(content)["deployedBytecode"]) - 2) // 2
        print(f"{name.removesuffix('.json'):10} {size:6} bytes")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m contracts.compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    return _check() if parser.parse_args().check else _write()


if __name__ == "__main__":
    sys.exit(main())
