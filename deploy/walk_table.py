"""A dispute as a table: level by level who moved, what was opened or picked, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.table import Table

from contracts.abi import Event
from contracts.client import Client
from contracts.ledger import first_position, position_after
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
    position: Position | None = None
    counted: set[bytes] = set()
    logs = reader.chain.logs(reader.deployment.refute, first_block, reader.chain.block().number)
    for log in logs:
        event = reader.decode(log)
        if event is None or event.arguments.get("dispute") != dispute:
            continue
        transaction = bytes(log["transactionHash"])
        # A proof of the output may open the dispute and end it in one transaction, which is paid for once.
        gas = 0 if transaction in counted else reader.chain.wait(transaction).gas
        counted.add(transaction)
        if event.name == "Challenged":
            position = first_position(event.arguments)
            who = names.get(event.arguments["challenger"], event.arguments["challenger"])
            table.rows.append(Row("claim", who, "challenges, locks its bond", gas))
        elif event.name == "Moved" and position is not None:
            after = position_after(position, event.arguments)
            mover = names.get(event.arguments["mover"], event.arguments["mover"])
            phase = position.phase
            table.rows.append(Row(phase.level, mover, _described(phase, event, after, program), gas))
            position = after
        elif event.name == "Resolved":
            table.challenger_won = event.arguments["challengerWon"]
            table.reason = Reason(event.arguments["reason"])
            table.rows.append(_ending(table, position, program, gas))
    return table


def _described(phase: Phase, event: Event, after: Position, program: Program) -> str:
    opened = len(event.arguments["opened"])
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
