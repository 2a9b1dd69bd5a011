"""`refute`: a devnet, deployment to a chain, and the demo."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts import deployment
from contracts.chain import Chain
from contracts.keys import load_account
from deploy import devnet
from prover.errors import RefuteError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(soft_wrap=True)

DEVNET_URL = f"http://127.0.0.1:{devnet.PORT}"

PortOption = Annotated[int, typer.Option(help="port on 127.0.0.1", min=0, max=65_535)]
DirectoryOption = Annotated[Path, typer.Option(help="where the devnet's files are written")]
ChainOption = Annotated[str, typer.Option(envvar="REFUTE_CHAIN", help="the chain's URL")]


@app.command(name="devnet")
def serve_devnet(
    port: PortOption = devnet.PORT,
    directory: DirectoryOption = devnet.DIRECTORY,
    model: Annotated[bool, typer.Option(help="train, compile and register the digits model")] = True,
) -> None:
    """Serve a chain with the contracts and the digits model on it, until interrupted."""
    files = devnet.Files(directory)
    console.print("deploying the contracts")
    held = devnet.Devnet(files, port)
    console.print(f"chain {held.deployment.chain}: contract {held.deployment.refute}")
    if model:
        _register_digits(held, files)
    console.print(f"devnet: ready at {held.server.url}, deployment file {files.deployment}, keys {files.keys}")
    # A supervisor ends it with SIGTERM; an operator with Ctrl-C. Both end it cleanly.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        held.serve()
    except KeyboardInterrupt:
        console.print("devnet: stopped")


def _register_digits(held: devnet.Devnet, files: devnet.Files) -> None:
    from deploy.digits_model import compile_digits

    console.print("training and compiling the digits model")
    compiled = compile_digits()
    folder = held.register(compiled.model)
    devnet.write_samples(files.digits, compiled.images[: devnet.SAMPLES], compiled.labels[: devnet.SAMPLES])
    console.print(compiled.report)
    console.print(f"model {folder.name}; images to ask about in {files.digits}")


@app.command()
def warp(
    seconds: Annotated[int, typer.Argument(help="how much chain time passes", min=1)], chain: ChainOption = DEVNET_URL
) -> None:
    """Let time pass on a devnet."""
    block = Chain.connect(chain).travel(seconds)
    console.print(f"block {block.number}, chain time {block.timestamp}")


@app.command()
def deploy(
    file: Annotated[Path, typer.Option(help="the deployment file to write")],
    key: Annotated[str | None, typer.Option(envvar="REFUTE_KEY", help="key file of the deployer")] = None,
    chain: ChainOption = DEVNET_URL,
) -> None:
    """Deploy the contracts to a chain, with the default parameters."""
    if file.exists():
        raise RefuteError(f"deployment file {file} exists; give another name, or move it away to deploy again")
    account = load_account(key, "deployer", devnet.Files(devnet.DIRECTORY).keys)
    made = deployment.deploy(Chain.connect(chain), account)
    made.save(file)
    console.print(f"chain {made.chain}: contract {made.refute}, written to {file}")


@app.command()
def demo(directory: DirectoryOption = Path("build")) -> None:
    """Play the whole story over a real chain: honest answers, five lies caught, one mistaken challenger."""
    from deploy.demo import run

    run(directory)


def main() -> None:
    """Entry point: every expected error is one line and exit status 1."""
    try:
        app()
    except RefuteError as error:
        Console(stderr=True).print(f"refute: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
