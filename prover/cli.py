"""`prover`: compile a model, look at it, and run it, without a chain."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
from rich.console import Console
from rich.table import Column, Table

from prover import model_folder
from prover.errors import NotEnoughMemory, RefuteError, lacks_memory
from prover.input_files import read_inputs
from prover.operators import row_of
from prover.program import Program
from prover.progress_bars import drawn
from prover.quantisation import Quantisation
from prover.report import AccuracyReport
from prover.sources import EXAMPLES, models_of

app = typer.Typer(
    help=__doc__,
    epilog="""\b
Examples:
prover compile digits                                    writes models/ID
prover compile minilm --length 32 --calibrate texts.txt
prover report models/ID
prover run models/ID --input 0.npy --trace
""",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

FolderArgument = Annotated[
    Path, typer.Argument(help="a model folder, named by the model's id", callback=lambda folder: folder.absolute())
]


@app.command(epilog="Example: prover compile minilm --length 32")
def compile(
    source: Annotated[str, typer.Argument(help=f"an example ({', '.join(EXAMPLES)}) or module:function")],
    models: Annotated[Path, typer.Option(help="where the models' folders are written")] = Path("models"),
    length: Annotated[
        int | None, typer.Option(help="tokens of a text model; by default every published length")
    ] = None,
    calibrate: Annotated[Path | None, typer.Option(help="texts to calibrate with, one a line")] = None,
) -> None:
    """Compile a torch model to integer programs, measure them against float, and write their folders.

    A module:function of your own returns a prover.publication.Subject, or a prover.model_folder.Model that is made
    already. A model that is not close enough to its float original is not written.
    """
    options = {"length": length, "calibrate": calibrate}
    with drawn():
        made = models_of(source, {name: value for name, value in options.items() if value is not None}, say=print)
        try:
            folders = model_folder.publish_all(made, models)
        except OSError as error:
            raise RefuteError(
                f"the model cannot be written under {models}: {error}; choose another --models"
            ) from error
    for model, folder in zip(made, folders, strict=True):
        if "accuracy" in model.report:
            console.print(AccuracyReport.from_dict(model.report["accuracy"]))
        _print_line(f"model {folder.name}\nwritten to {folder}")


def _print_line(text: str) -> None:
    """Print as it is: unbroken whatever the terminal's width, for whoever copies or parses it."""
    console.print(text, soft_wrap=True, markup=False)


@app.command(epilog="Example: prover report models/1234...")
def report(
    folder: FolderArgument,
    json: Annotated[bool, typer.Option("--json", help="everything, as JSON")] = False,
) -> None:
    """Print the publisher's report: accuracy against float, errors and clamp rates per layer."""
    held = model_folder.load(folder).report
    if json or "accuracy" not in held:
        console.print_json(data=dict(held))
    else:
        console.print(AccuracyReport.from_dict(held["accuracy"]))


@app.command(epilog="Example: prover inspect models/1234...")
def inspect(folder: FolderArgument) -> None:
    """List the layers, their operators and shapes, and the bytes committed per layer."""
    model = model_folder.load(folder)
    _print_line(f"model {model.id.hex()}")
    console.print(_layers_table(model.program))
    weights = sum(model.weights[root].nbytes for root in model.program.weight_roots())
    console.print(f"{model.program.operator_count} operators, {weights:,} bytes of weights")


def _layers_table(program: Program) -> Table:
    table = Table("layer", Column("name", overflow="fold"), "operator", "shape (reduced)", "dtype", "committed bytes")
    for number, layer in enumerate(program.layers):
        name = program.names[number] if number < len(program.names) else ""
        for index, operator in enumerate(layer.operators):
            shape = " x ".join(map(str, operator.out_shape)) or "1"
            reduced = f" ({' x '.join(map(str, operator.term_shape))})" if operator.reduced else ""
            committed = f"{operator.nbytes:,}" if index in layer.outputs else ""
            first = (str(number), name) if index == 0 else ("", "")
            table.add_row(*first, row_of(operator).name, shape + reduced, operator.dtype.name.lower(), committed)
    return table


@app.command(epilog="Example: prover run models/1234... --input 0.npy --trace")
def run(
    folder: FolderArgument,
    input: Annotated[list[str], typer.Option(help="one file per input (.npy, or raw little-endian bytes), or a text")],
    backend: Annotated[str | None, typer.Option(help="matmul backend; by default the fastest exact one")] = None,
    device: Annotated[str, typer.Option(help="torch device, such as cuda")] = "cpu",
    trace: Annotated[bool, typer.Option(help="print the root of every checkpoint")] = False,
) -> None:
    """Run a model on inputs; print the outputs and the trace root."""
    from prover.runtime import Runtime

    with drawn():
        model = model_folder.load(folder)
        inputs = read_inputs(model, input)
        execution = Runtime(model.program, model.weights, backend=backend, device=device).run(inputs)
        root = execution.trace.root.hex()
    forms = model.report.get("outputs", ())
    for number, output in enumerate(execution.outputs):
        _print_line(f"output {number}: {output.reshape(-1).tolist()}")
        if number < len(forms):
            reals = Quantisation.from_dict(forms[number]).dequantise(output).reshape(-1)
            _print_line(f"  as reals: {' '.join(f'{x:.4g}' for x in reals)}")
    if trace:
        for number, roots in enumerate(execution.trace.roots):
            _print_line(f"layer {number}: {' '.join(root.hex() for root in roots)}")
    _print_line(f"trace root {root}")


def main() -> None:
    """Entry point: every expected error is one line and exit status 1."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    try:
        app()
    except RefuteError as error:
        _fail(error)
    except BaseException as error:  # safetensors' is no Exception
        if not lacks_memory(error):
            raise
        _fail(NotEnoughMemory(f"not enough memory ({error}); free some, or take a machine with more"))


def _fail(error: RefuteError) -> NoReturn:
    line = " ".join(f"prover: {error}".split())
    Console(stderr=True).print(line, style="red", markup=False, soft_wrap=True, highlight=False)
    sys.exit(1)
