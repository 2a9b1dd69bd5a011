"""`refute`: a devnet, deployment to a chain, and the demo."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts import calls, deployment
from contracts.chain import Chain
from contracts.command_line import (
    DEVNET,
    ChainOption,
    DeploymentOption,
    KeyOption,
    LogForm,
    LogOption,
    configure_logs,
    connect,
    new_app,
    read_only,
    run_command,
)
from contracts.devnet_files import DIRECTORY, PORT, URL, DevnetFiles
from contracts.errors import WrongSetup
from contracts.keys import load_account
from contracts.messages.command_line import BrokerCaOption, BrokerOption, BrokerPasswordOption, find_broker
from contracts.messages.embedded import EmbeddedBroker
from contracts.messages.envelope import Domain
from deploy import devnet, listening
from prover import model_folder

app = new_app(__doc__)
console = Console(soft_wrap=True)

PortOption = Annotated[int, typer.Option(help="port on 127.0.0.1", min=0, max=65_535)]
DirectoryOption = Annotated[Path, typer.Option(help="where the devnet's files are written")]


@app.command(name="devnet")
def serve_devnet(
    port: PortOption = PORT,
    directory: DirectoryOption = DIRECTORY,
    model: Annotated[bool, typer.Option(help="train, compile and register the digits model")] = True,
    broker: Annotated[bool, typer.Option(help="serve a message broker, too, on a free port of 127.0.0.1")] = True,
) -> None:
    """Serve a chain with the contracts and the digits model on it, until interrupted."""
    files = DevnetFiles(directory)
    console.print("deploying the contracts")
    held = devnet.Devnet(files, port)
    console.print(f"chain {held.deployment.chain}: contract {held.deployment.refute}")
    if model:
        _register_digits(held, files)
    console.print(f"devnet: ready at {held.server.url}, deployment file {files.deployment}, keys {files.keys}")
    # A supervisor ends it with SIGTERM; an operator with Ctrl-C. Both end it cleanly.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        held.serve(EmbeddedBroker() if broker else None)
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


@app.command()
def warp(
    seconds: Annotated[int, typer.Argument(help="how much chain time passes", min=1)], chain: ChainOption = URL
) -> None:
    """Let time pass on a devnet."""
    block = Chain.connect(chain).travel(seconds)
    console.print(f"block {block.number}, chain time {block.timestamp}")


@app.command()
def deploy(
    file: Annotated[Path, typer.Option(help="the deployment file to write")],
    parameters: Annotated[
        Path | None, typer.Option(help="JSON file with the parameters that differ from the devnet's")
    ] = None,
    key: KeyOption = None,
    chain: ChainOption = URL,
) -> None:
    """Deploy the contracts to a chain."""
    deployment.require_writable(file)
    chosen = deployment.read_parameters(parameters) if parameters is not None else deployment.DEVNET_PARAMETERS
    account = load_account(key, "deployer", DEVNET.keys)
    made = deployment.deploy(Chain.connect(chain), account, chosen)
    made.save(file)
    console.print(f"chain {made.chain}: contract {made.refute}, written to {file}")


@app.command()
def register(
    folder: Annotated[Path, typer.Argument(help="a model folder, named by the model's id")],
    uri: Annotated[str | None, typer.Option(help="where others find it; by default its path here")] = None,
    key: KeyOption = None,
    chain: ChainOption = URL,
    deployed: DeploymentOption = DEVNET.deployment,
) -> None:
    """Register a published model, so that it can be asked for."""
    model = model_folder.load(folder)
    client = connect(chain, deployed, key, "deployer")
    done = client.transact(calls.register_model(model.program, uri or folder.resolve().as_uri()))
    console.print(f"model {folder.name} registered, {done.gas:,} gas")


@app.command(name="listen")
def listen_to(
    channel: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(listening.CHANNELS)}; by default all", show_default=False)
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="only what this address says; give one for each", show_default=False)
    ] = None,
    chain: ChainOption = URL,
    deployed: DeploymentOption = DEVNET.deployment,
    broker: BrokerOption = None,
    broker_password_file: BrokerPasswordOption = None,
    broker_ca: BrokerCaOption = None,
    log: LogOption = LogForm.console,
) -> None:
    """Show what agents tell each other over a message broker, such as alerts, until interrupted."""
    configure_logs(log)
    found = find_broker(broker, broker_password_file, broker_ca, deployed)
    if found is None:
        raise WrongSetup("there is no broker to listen to; give --broker, or start one with `refute devnet`")
    client, stop = read_only(chain, deployed), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    domain = Domain(client.chain.id, client.deployment.refute)
    listening.listen(found, domain, channel or [], stop, account or [])


@app.command()
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
