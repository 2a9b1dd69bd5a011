"""docs/economics.md: what stands below a command in it is what the command prints."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "economics.md"
PLOTS = PAGE.parent / "economics"

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The commands of a page, in order."""
    return [line[2:] for block in _BLOCK.findall(text) for line in block.splitlines() if line.startswith("$ ")]


def rendered(text: str, said: Callable[[list[str]], str]) -> str:
    """The page with the output of every command made anew; `said`: what `refute economics` prints, from its flags."""

    def block(match: re.Match[str]) -> str:
        made = [f"$ {line}\n{_output(line, said)}" for line in commands(match.group())]
        return "```console\n" + "\n\n".join(made) + "\n```"

    return _BLOCK.sub(block, text)


def _output(line: str, said: Callable[[list[str]], str]) -> str:
    """What a command prints: all of it, or the lines that `grep -A` keeps."""
    command, _, grep = line.partition(" | ")
    lines = said(shlex.split(command)[2:]).strip().splitlines()
    if grep:
        _, _, after, wanted = shlex.split(grep)
        first = next(number for number, text in enumerate(lines) if wanted in text)
        lines = lines[first : first + int(after) + 1]
    return "\n".join(lines)
