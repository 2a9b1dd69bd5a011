"""The events that agents log are a stable list: docs/observing.md has each, with its level, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("prover", "contracts", "executor", "watcher")
LEVELS = ("info", "warning", "error")
ROW = re.compile(r"^\| `([a-z_.]+)` \| (info|warning|error)(?: or (info|warning|error))? \|", re.MULTILINE)


def logged(source: str) -> Iterator[tuple[str, str | None]]:
    """Every event of a module with its level, None where the level is not in the call.

    An event is a literal, an item of a mapping named ..._EVENTS, or comes from a variable named `event`, which may be
    assigned together with the logger's method.
    """
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    named = False
    for call in calls:
        method = call.func.attr if isinstance(call.func, ast.Attribute) else None
        name = call.func.id if isinstance(call.func, ast.Name) else None
        # `say` and `level` stand for a logger's method that was chosen before; an event has details.
        if method not in LEVELS and not (name in ("say", "level") and call.keywords):
            continue
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value, method
        elif isinstance(first, ast.Name) and first.id == "event":
            named = True
        else:
            assert isinstance(first, ast.Subscript), ast.unparse(call)
            assert ast.unparse(first.value).endswith("_EVENTS"), ast.unparse(call)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        if isinstance(node.targets[0], ast.Tuple):
            yield from chosen(node)
        if not isinstance(node.targets[0], ast.Name):
            continue
        target, value = node.targets[0].id, node.value
        if target.endswith("_EVENTS") and isinstance(value, ast.Dict):
            yield from ((constant.value, None) for constant in value.values if isinstance(constant, ast.Constant))
        elif target == "event" and named and isinstance(value, ast.IfExp):
            for constant in (value.body, value.orelse):
                assert isinstance(constant, ast.Constant)
                yield constant.value, None


def chosen(node: ast.Assign) -> Iterator[tuple[str, str | None]]:
    """The event of `event, say = "name", self._log.error`."""
    target, value = node.targets[0], node.value
    if not isinstance(target, ast.Tuple) or "event" not in [ast.unparse(name) for name in target.elts]:
        return
    assert isinstance(value, ast.Tuple), ast.unparse(node)
    name, method = value.elts
    assert isinstance(name, ast.Constant)
    assert isinstance(method, ast.Attribute)
    yield name.value, method.attr


def all_logged() -> dict[str, set[str | None]]:
    files = [file for folder in SOURCES for file in (ROOT / folder).rglob("*.py")]
    found: dict[str, set[str | None]] = {}
    for file in [*files, ROOT / "deploy" / "explore.py"]:
        for event, level in logged(file.read_text()):
            found.setdefault(event, set()).add(level)
    return found


def documented() -> dict[str, set[str]]:
    rows = ROW.findall((ROOT / "docs" / "observing.md").read_text())
    assert len({name for name, *_ in rows}) == len(rows)
    return {name: {level for level in levels if level} for name, *levels in rows}


def test_every_event_that_is_logged_is_documented_and_no_other() -> None:
    assert sorted(all_logged()) == sorted(documented())


def test_levels_are_the_documented_ones() -> None:
    listed = documented()
    wrong = {name: levels for name, levels in all_logged().items() if not levels - {None} <= listed[name]}
    assert wrong == {}


def test_each_error_says_what_to_do() -> None:
    """An ERROR line means that a person must act: the runbook says how."""
    runbook = (ROOT / "docs" / "operating.md").read_text()
    assert [name for name, levels in documented().items() if "error" in levels and f"`{name}`" not in runbook] == []
