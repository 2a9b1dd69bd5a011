"""`refute`: a devnet, deployment to a chain, and the demo."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts import calls, deployment
from contracts.chain import Chain
from contracts.command_line import (
    DEVNET,
    ChainOption,
    ConfigOption,
    DeploymentOption,
    KeyOption,
    LogForm,
    ModelsOption,
    NetworkOption,
    PasswordFileOption,
    configure_logs,
    connect,
    new_app,
    read_only,
    run_command,
)
from contracts.devnet_files import DIRECTORY, HOST, PORT, URL, DevnetFiles
from contracts.keys import load_signer
from contracts.shelf import Shelf
from deploy import devnet, doctor, keystores
from prover import model_folder
from prover.progress_bars import drawn

app = new_app(__doc__, "refute")
console = Console(soft_wrap=True)

app.add_typer(keystores.app, name="keys")
app.command(context_settings=doctor.PASSED_ON, epilog="Example: refute doctor watcher --stake 10eth")(doctor.doctor)
app.command(context_settings=doctor.PASSED_ON, epilog="Example: refute config executor")(doctor.config)


@app.callback()
def settings(config: ConfigOption = None, network: NetworkOption = None) -> None:
    """A devnet, deployment to a chain, keys, a check of everything, and the demo."""


PortOption = Annotated[int, typer.Option(help="port of the chain", min=0, max=65_535)]
HostOption = Annotated[
    str, typer.Option(help="address to listen on; on any but loopback others can spend the devnet's public keys")
]
DirectoryOption = Annotated[Path, typer.Option(help="where the devnet's files are written")]


@app.command(name="devnet", epilog="Example: refute devnet --port 8545")
def serve_devnet(
    port: PortOption = PORT,
    host: HostOption = HOST,
    directory: DirectoryOption = DIRECTORY,
    model: Annotated[bool, typer.Option(help="train, compile and register the digits model")] = True,
) -> None:
    """Serve a chain with the contracts and the digits model on it, until interrupted."""
    files = DevnetFiles(directory)
    console.print("deploying the contracts")
    held = devnet.Devnet(files, port, host)
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


def _register_digits(held: devnet.Devnet, files: DevnetFiles) -> None:
    from prover.examples.digits_model import compile_digits

    console.print("training and compiling the digits model")
    compiled = compile_digits()
    folder = held.register(compiled.model)
    devnet.write_samples(files.digits, compiled.images[: devnet.SAMPLES], compiled.labels[: devnet.SAMPLES])
    console.print(compiled.report)
    console.print(f"model {folder.name}; images to ask about in {files.digits}")


@app.command(epilog="Example: refute warp 3700")
def warp(
    seconds: Annotated[int, typer.Argument(help="how much chain time passes", min=1)], chain: ChainOption = URL
) -> None:
    """Let time pass on a devnet."""
    block = Chain.connect(chain).travel(seconds)
    console.print(f"block {block.number}, chain time {block.timestamp}")


@app.command(epilog="Example: refute deploy --file deployment.json --chain http://127.0.0.1:8545 --key keystore.json")
def deploy(
    file: Annotated[Path, typer.Option(help="the deployment file to write")],
    parameters: Annotated[
        Path | None, typer.Option(help="JSON file with the parameters that differ from the devnet's")
    ] = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    chain: ChainOption = URL,
) -> None:
    """Deploy the contracts to a chain."""
    deployment.require_writable(file)
    chosen = deployment.read_parameters(parameters) if parameters is not None else deployment.DEVNET_PARAMETERS
    account = load_signer(key, "deployer", DEVNET.keys, password_file)
    made = deployment.deploy(Chain.connect(chain), account, chosen)
    made.save(file)
    console.print(f"chain {made.chain}: contract {made.refute}, written to {file}")


@app.command(epilog="Example: refute register models/1234... --uri https://example.org/models/1234...")
def register(
    folder: Annotated[Path, typer.Argument(help="a model folder, named by the model's id")],
    uri: Annotated[str | None, typer.Option(help="where others find it; by default its path here")] = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    chain: ChainOption = URL,
    deployed: DeploymentOption = DEVNET.deployment,
) -> None:
    """Register a published model, so that it can be asked for."""
    with drawn():
        model = model_folder.load(folder)
    client = connect(chain, deployed, key, "deployer", password_file=password_file)
    done = client.transact(calls.register_model(model.program, uri or folder.resolve().as_uri()))
    console.print(f"model {folder.name} registered, {done.gas:,} gas")


@app.command(epilog="Example: refute explore --dispute 0x12ab")
def explore(
    http: Annotated[str, typer.Option(help="HOST:PORT to serve the page at")] = "127.0.0.1:8081",
    dispute: Annotated[
        str | None, typer.Option(help="the dispute to begin with, by the first digits of its id", show_default=False)
    ] = None,
    interval: Annotated[float, typer.Option(help="seconds between looks at the chain", min=0.01)] = 1.0,
    chain: ChainOption = URL,
    deployed: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
) -> None:
    """Show claims and disputes on a page, and replay any of them from the chain's events. Needs no key."""
    from deploy.explore import explore as serve

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(read_only(chain, deployed), Shelf(models), http, interval, dispute)


@app.command(epilog="Example: refute demo")
def demo(directory: DirectoryOption = Path("build")) -> None:
    """Play the whole story over a real chain: honest answers, liars caught, one mistaken challenger."""
    from deploy.demo import run

    run(directory)


def main() -> None:
    """Entry point."""
    configure_logs(LogForm.console)
    run_command("refute", app)


if __name__ == "__main__":
    main()
