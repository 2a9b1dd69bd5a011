"""A dispute as a table: level by level who moved, what was opened or picked, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.table import Table

from contracts.client import Client
from contracts.service.walk import read_stages
from contracts.snapshot import Reason
from prover.game.position import Phase, Position
from prover.operators import row_of
from prover.program import Program


@dataclass(frozen=True)
class Row:
    """One event of a dispute; `gas` is its transaction's, 0 where the row above has counted it."""

    level: str
    mover: str
    what: str
    gas: int


@dataclass
class WalkTable:
    """Every transaction of one dispute, in order, and how it ended."""

    rows: list[Row] = field(default_factory=list)
    challenger_won: bool = False
    reason: Reason = Reason.TIMEOUT

    @property
    def gas_total(self) -> int:
        return sum(row.gas for row in self.rows)

    @property
    def gas_step(self) -> int:
        """Gas of the step; 0 if the dispute ended otherwise."""
        return next((row.gas for row in self.rows if row.level == "step"), 0)

    @property
    def levels(self) -> list[str]:
        """The levels it went through, each once, in order."""
        return list(dict.fromkeys(row.level for row in self.rows))

    def render(self, title: str) -> Table:
        table = Table("level", "who", "what", title=title, title_justify="left")
        table.add_column("gas", justify="right")
        table.add_column("total", justify="right")
        total = 0
        for row in self.rows:
            total += row.gas
            gas = f"{row.gas:,}" if row.gas else "same"
            table.add_row(row.level, row.mover, row.what, gas, f"{total:,}")
        return table


def read_walk(
    reader: Client, dispute: bytes, program: Program, names: Mapping[str, str], first_block: int
) -> WalkTable:
    """The walk of a dispute from the chain's events and receipts; `names` says who an address is."""
    table = WalkTable()
    for stage in read_stages(reader, dispute, first_block):
        who = names.get(stage.mover, stage.mover)
        if stage.event == "Challenged":
            table.rows.append(Row("claim", who, "challenges, locks its bond", stage.gas))
        elif stage.event == "Moved" and stage.before is not None and stage.after is not None:
            phase = stage.before.phase
            what = _described(phase, len(stage.opened), stage.after, program)
            table.rows.append(Row(phase.level, who, what, stage.gas))
        elif stage.reason is not None:
            table.challenger_won, table.reason = stage.challenger_won, stage.reason
            table.rows.append(_ending(table, stage.before, program, stage.gas))
    return table


def _described(phase: Phase, opened: int, after: Position, program: Program) -> str:
    match phase:
        case Phase.TRACE_OPEN | Phase.TENSOR_OPEN:
            return f"opens {opened // 32} nodes"
        case Phase.LAYER_OPEN:
            return f"opens the roots of {opened // 32} operators"
        case Phase.CHUNK_OPEN:
            return f"opens {opened} bytes"
        case Phase.TERMS_OPEN:
            return f"opens {opened // 8} partial values"
        case Phase.TRACE_PICK if after.count == 1:
            return f"picks layer {after.layer} ({_layer_name(program, after.layer)})"
        case Phase.OPERATOR_PICK:
            operator = program.operator(after.layer, after.operator)
            return f"picks operator {after.operator} ({row_of(operator).name})"
        case Phase.TRACE_PICK | Phase.TENSOR_PICK:
            return f"picks {after.start} to {after.start + after.count - 1}"
        case Phase.ELEMENT_PICK:
            return f"picks element {after.element}, committed as {after.value}"
    return f"picks terms {after.start} to {after.start + after.count - 1}, claimed as {after.value}"


def _layer_name(program: Program, layer: int) -> str:
    return program.names[layer] if layer < len(program.names) else f"layer {layer}"


def _ending(table: WalkTable, position: Position | None, program: Program, gas: int) -> Row:
    if table.reason is Reason.STEP and position is not None:
        operator = row_of(program.operator(position.layer, position.operator)).name
        return Row("step", "contract", f"computes the {operator}: it is not {position.value}", gas)
    endings = {
        Reason.OUTPUT: ("output", "the posted output is not the committed checkpoint"),
        Reason.PROGRAM: ("layer", "a record of the model breaks a rule"),
        Reason.OPENING: ("opening", "what was opened is not what was committed"),
        Reason.TIMEOUT: ("clock", "the side to move ran out of time"),
    }
    level, what = endings.get(table.reason, ("claim", "another dispute won first"))
    return Row(level, "contract", what, gas)
