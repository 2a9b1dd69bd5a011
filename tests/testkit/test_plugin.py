"""What `pip install` gives a protocol developer's own tests, as docs/testing.md tells it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.testkit import adversaries

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_documents_examples_pass_in_a_folder_of_their_own(tmp_path: Path) -> None:
    assert EXAMPLES
    (tmp_path / "test_example.py").write_text("\n\n".join(EXAMPLES))
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_chain_that_there_is_not_is_refused_by_pytest(tmp_path: Path) -> None:
    done = run(tmp_path, "--refute-chain", "mainnet")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "choose from" in done.stderr


def test_the_plugin_loads_nothing_that_no_test_asks_for(tmp_path: Path) -> None:
    (tmp_path / "test_light.py").write_text(
        "import sys\n\n\ndef test_it():\n    assert not {'torch', 'web3', 'eth_tester'} & set(sys.modules)\n"
    )
    assert run(tmp_path).returncode == 0


def test_the_documents_list_is_the_kits() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert rows == [(a.name, a.summary) for a in adversaries().values()]
