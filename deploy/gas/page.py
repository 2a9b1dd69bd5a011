"""docs/gas.md's tables, made from the snapshot: each stands between two marks, and is never written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from contracts.fees import TRANSACTION_GAS
from deploy.gas.figures import FIGURES, Snapshot
from deploy.gas.subjects import LINEAR
from prover.errors import RefuteError

PAGE = Path(__file__).parents[2] / "docs" / "gas.md"

SHOWN = {
    "dispute_digits": "digits",
    "dispute_minilm": "MiniLM",
    "dispute_gpt3": "GPT-3's width",
    "happy_minilm": "MiniLM, no dispute",
}
"""The columns of the tables of parts and prices."""

# Assumptions of the tables of prices, stated on the page.
L1_GWEI = 1.0
ROLLUP_GWEI = 0.01
BLOB_GWEI = 0.1
DOLLARS_PER_ETHER = 3_000
FLOOR_PER_BYTE = 64
"""EIP-7976."""
NEW_SLOT_MORE = 97_920 - 20_000
"""What a new storage slot would cost beyond today's price."""
_GWEI = 1e-9

PARTS = ("transaction", "calldata", "storage", "keccak", "logs", "calls", "memory", "arithmetic", "refunds")


def write(snapshot: Snapshot, page: Path = PAGE) -> None:
    """Put the tables of a snapshot into the page."""
    page.write_text(rendered(snapshot, page.read_text()))


def stale(snapshot: Snapshot, page: Path = PAGE) -> list[str]:
    """One line if the page's tables are not those of the snapshot."""
    text = page.read_text()
    return (
        [] if rendered(snapshot, text) == text else [f"{page.name} has other figures than the snapshot; run `make gas`"]
    )


def rendered(snapshot: Snapshot, text: str) -> str:
    """The page with each marked table made anew; RefuteError if a mark is missing."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise RefuteError(f"the page needs the marks {begin.strip()} and {end.strip()}, once each")
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = before + begin + make(snapshot) + end + after
    return text


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---", *("---:" for _ in heading[1:])], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _figures(snapshot: Snapshot) -> str:
    rows = []
    for figure in FIGURES:
        limit = "" if figure.limit is None else f"{figure.limit:,}"
        checked = "yes" if figure.quick else ""
        rows.append([f"`{figure.name}`", figure.what, f"{snapshot.figures[figure.name]:,}", limit, checked])
    table = _table(["figure", "what", "measured", "limit", "checked"], rows)
    return table.replace("| --- | ---: |", "| --- | --- |", 1)


def _moves(snapshot: Snapshot) -> str:
    """Every move of the dearer dispute at GPT-3's width."""
    rows = [
        [row["move"], f"{row['gas']:,}", f"{row['bytes']:,}"] for row in snapshot.moves[_key(snapshot, "dispute_gpt3")]
    ]
    return _table(["move", "gas", "bytes of calldata"], rows)


def _key(snapshot: Snapshot, name: str) -> str:
    """The dispute that a figure is of."""
    if name != "dispute_gpt3":
        return name
    parts = "dispute_gpt3_projection", "dispute_gpt3_feed_forward"
    return max(parts, key=lambda part: snapshot.figures[part])


def _columns(snapshot: Snapshot, row: Callable[[str], str]) -> list[str]:
    return [row(_key(snapshot, name)) for name in SHOWN]


def _parts(snapshot: Snapshot) -> str:
    def gas_of(part: str) -> Callable[[str], str]:
        return lambda name: f"{snapshot.parts[name].get(part, 0):,}"

    rows = [[part, *_columns(snapshot, gas_of(part))] for part in PARTS]
    rows.append(["**all**", *_columns(snapshot, lambda name: f"**{_gas(snapshot, name):,}**")])

    def blake3(name: str) -> str:
        blocks = snapshot.parts[name].get("blake3 blocks", 0)
        return f"{blocks * snapshot.figures['blake3_block']:,} ({blocks})" if blocks else ""

    rows.append(["of which BLAKE3 (blocks)", *_columns(snapshot, blake3)])
    return _table(["part", *SHOWN.values()], rows)


def _gas(snapshot: Snapshot, name: str) -> int:
    return sum(row["gas"] for row in snapshot.moves[name])


def _naive(snapshot: Snapshot) -> str:
    """One element of a linear layer: by the game, and with every operand in one transaction."""
    naive = snapshot.figures["naive_multiply_add"]
    rows = []
    for terms in LINEAR:
        data = terms * 3 * 16
        computed = terms * naive
        game = snapshot.figures[f"step_dot_{terms}"]
        rows.append([f"{terms:,}", f"{computed:,}", f"{data:,}", f"{data + computed:,}", f"{game:,}"])
    return _table(["terms", "plain Solidity", "calldata of both operands", "together", "step of the game"], rows)


def _prices(snapshot: Snapshot) -> str:
    def ether(name: str) -> float:
        return _gas(snapshot, name) * L1_GWEI * _GWEI

    def rollup(name: str) -> float:
        return (_gas(snapshot, name) * ROLLUP_GWEI + snapshot.parts[name]["bytes"] * BLOB_GWEI) * _GWEI

    rows = [
        ["gas", *_columns(snapshot, lambda name: f"{_gas(snapshot, name):,}")],
        ["bytes of calldata", *_columns(snapshot, lambda name: f"{snapshot.parts[name]['bytes']:,}")],
        ["L1, ether", *_columns(snapshot, lambda name: f"{ether(name):.6f}")],
        ["L1, dollars", *_columns(snapshot, lambda name: f"{ether(name) * DOLLARS_PER_ETHER:.2f}")],
        ["rollup, ether", *_columns(snapshot, lambda name: f"{rollup(name):.8f}")],
        ["rollup, dollars", *_columns(snapshot, lambda name: f"{rollup(name) * DOLLARS_PER_ETHER:.4f}")],
    ]
    return _table(["", *SHOWN.values()], rows)


def _repriced(snapshot: Snapshot) -> str:
    def floored(name: str) -> int:
        return sum(max(row["gas"], TRANSACTION_GAS + FLOOR_PER_BYTE * row["bytes"]) for row in snapshot.moves[name])

    def slots(name: str) -> int:
        return snapshot.parts[name].get("new slots", 0)

    def stored(name: str) -> int:
        return slots(name) * NEW_SLOT_MORE

    rows = [
        ["today", *_columns(snapshot, lambda name: f"{_gas(snapshot, name):,}")],
        ["calldata at 64 gas a byte at least", *_columns(snapshot, lambda name: f"{floored(name):,}")],
        ["new slots", *_columns(snapshot, lambda name: str(slots(name)))],
        ["new slots at 97,920 gas", *_columns(snapshot, lambda name: f"{_gas(snapshot, name) + stored(name):,}")],
        ["both", *_columns(snapshot, lambda name: f"{floored(name) + stored(name):,}")],
    ]
    return _table(["", *SHOWN.values()], rows)


TABLES: Mapping[str, Callable[[Snapshot], str]] = {
    "figures": _figures,
    "moves": _moves,
    "parts": _parts,
    "naive": _naive,
    "prices": _prices,
    "repriced": _repriced,
}
