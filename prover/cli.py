"""`prover`: compile a model, look at it, and run it, without a chain."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from prover import model_folder
from prover.errors import InvalidInput, RefuteError
from prover.operators import row_of
from prover.program import Program, TensorSpec
from prover.trace import NUMPY_DTYPES, Array, tensor_bytes

if TYPE_CHECKING:
    from prover.compiler import CompiledModel

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()

EXAMPLES = {"digits": "prover.examples.digits:compiled"}
"""Named examples: module:function that returns a CompiledModel."""

FolderArgument = Annotated[Path, typer.Argument(help="a model folder, named by the model's id")]


@app.command()
def compile(
    source: Annotated[str, typer.Argument(help=f"an example ({', '.join(EXAMPLES)}) or module:function")],
    models: Annotated[Path, typer.Option(help="where the model's folder is written")] = Path("models"),
) -> None:
    """Compile a torch model to an integer program and write its folder."""
    compiled = _compiled(source)
    folder = model_folder.publish(model_folder.Model(compiled.program, compiled.weights, compiled.report), models)
    console.print(f"model {folder.name}\nwritten to {folder}")


def _compiled(source: str) -> CompiledModel:
    module_name, _, function = EXAMPLES.get(source, source).partition(":")
    if not function:
        raise RefuteError(f"{source!r} is neither an example ({', '.join(EXAMPLES)}) nor module:function")
    sys.path.insert(0, "")
    try:
        make = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise RefuteError(f"{source} cannot be imported: {error}; give module:function") from error
    compiled: CompiledModel = make()
    return compiled


@app.command()
def report(folder: FolderArgument) -> None:
    """Print the publisher's report: accuracy against float, errors, clamp rates."""
    console.print_json(data=dict(model_folder.load(folder).report))


@app.command()
def inspect(folder: FolderArgument) -> None:
    """List the layers, their operators and shapes, and the bytes committed per layer."""
    model = model_folder.load(folder)
    console.print(f"model {model.id.hex()}")
    console.print(_layers_table(model.program))
    weights = sum(model.weights[root].nbytes for root in model.program.weight_roots())
    console.print(f"{model.program.operator_count} operators, {weights:,} bytes of weights")


def _layers_table(program: Program) -> Table:
    table = Table("layer", "name", "operator", "shape (reduced)", "dtype", "committed bytes")
    for number, layer in enumerate(program.layers):
        name = program.names[number] if number < len(program.names) else ""
        for index, operator in enumerate(layer.operators):
            shape = " x ".join(map(str, operator.out_shape)) or "1"
            reduced = f" ({' x '.join(map(str, operator.term_shape))})" if operator.reduced else ""
            committed = f"{operator.nbytes:,}" if index in layer.outputs else ""
            first = (str(number), name) if index == 0 else ("", "")
            table.add_row(*first, row_of(operator).name, shape + reduced, operator.dtype.name.lower(), committed)
    return table


@app.command()
def run(
    folder: FolderArgument,
    input: Annotated[list[Path], typer.Option(help="one file per input: .npy, or raw little-endian bytes")],
    backend: Annotated[str | None, typer.Option(help="matmul backend; by default the fastest exact one")] = None,
    trace: Annotated[bool, typer.Option(help="print the root of every checkpoint")] = False,
) -> None:
    """Run a model on inputs; print the outputs and the trace root."""
    from prover.runtime import Runtime

    model = model_folder.load(folder)
    inputs = read_inputs(model.program, input)
    execution = Runtime(model.program, model.weights, backend=backend).run(inputs)
    for number, output in enumerate(execution.outputs):
        console.print(f"output {number}: {output.reshape(-1).tolist()}")
    if trace:
        for number, roots in enumerate(execution.trace.roots):
            console.print(f"layer {number}: {' '.join(root.hex() for root in roots)}")
    console.print(f"trace root {execution.trace.root.hex()}")


def read_inputs(program: Program, paths: list[Path]) -> list[Array]:
    """The program's inputs from files; InvalidInput says which file is wrong and what it should hold."""
    if len(paths) != len(program.inputs):
        raise InvalidInput(f"the model has {len(program.inputs)} inputs, {len(paths)} files were given")
    return [_read_input(path, spec) for path, spec in zip(paths, program.inputs, strict=True)]


def _read_input(path: Path, spec: TensorSpec) -> Array:
    wanted = f"{spec.nbytes} bytes: {' x '.join(map(str, spec.shape))} of {spec.dtype.name.lower()}"
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            same = array.dtype == NUMPY_DTYPES[spec.dtype] and array.size * array.dtype.itemsize == spec.nbytes
            data = tensor_bytes(array) if same else b""
        else:
            data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidInput(f"input {path} cannot be read: {error}; give {wanted}") from error
    if len(data) != spec.nbytes:
        raise InvalidInput(f"input {path} does not fit; the model takes {wanted}")
    return np.frombuffer(data, NUMPY_DTYPES[spec.dtype]).reshape(spec.shape)


def main() -> None:
    """Entry point: every expected error is one line and exit status 1."""
    try:
        app()
    except RefuteError as error:
        Console(stderr=True).print(f"prover: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
