"""`refute`: a devnet, deployment to a chain, and the demo."""

from __future__ import annotations

import signal
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts import calls, deployment
from contracts.chain import Chain
from contracts.command_line import DEVNET, address, configure_logs, connect, new_app, read_only, run_command
from contracts.devnet_files import DIRECTORY, HOST, PORT, URL, DevnetFiles
from contracts.errors import WrongSetup
from contracts.keys import load_signer
from contracts.messages.command_line import BrokerCaOption, BrokerOption, BrokerPasswordFileOption, find_broker
from contracts.messages.embedded import EmbeddedBroker
from contracts.messages.envelope import Domain
from contracts.options import (
    ChainOption,
    ConfigOption,
    DeploymentOption,
    KeyOption,
    LogForm,
    LogOption,
    ModelsOption,
    NetworkOption,
    PasswordFileOption,
)
from contracts.shelf import Shelf
from contracts.verification import require_own_code
from deploy import devnet, doctor, keystores, listening
from deploy.economics.command import economics
from prover import model_folder
from prover.progress_bars import drawn

app = new_app("refute")
console = Console(soft_wrap=True, highlight=False)

EXAMPLES = """\b
The first steps, each in a terminal of its own:
refute devnet                  a chain with the contracts and a model
executor                       answers requests
watcher --stake 10eth          checks the answers
refute doctor                  says what is missing
"""

app.add_typer(keystores.app, name="keys")
app.command(context_settings=doctor.PASSED_ON, epilog="Example: refute doctor watcher --stake 10eth")(doctor.doctor)
app.command(context_settings=doctor.PASSED_ON, epilog="Example: refute config executor")(doctor.config)
app.command(epilog="Example: refute economics --value 100eth --watchers 5 --sample 0.2")(economics)


@app.callback(epilog=EXAMPLES)
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
    messages: Annotated[bool, typer.Option(help="serve a message broker, too")] = True,
    broker_port: Annotated[
        int, typer.Option(help="port of the message broker; 0: any that is free", min=0, max=65_535)
    ] = 0,
) -> None:
    """Serve a chain with the contracts and the digits model on it, until interrupted."""
    files = DevnetFiles(directory)
    with EmbeddedBroker(broker_port, host) if messages else nullcontext() as broker:
        with drawn():
            console.print("deploying the contracts")
            held = devnet.Devnet(files, port, host)
            console.print(f"chain {held.deployment.chain}: contract {held.deployment.refute}")
            if model:
                _register_digits(held, files)
        talk = f", messages at {broker.url}" if broker is not None else ""
        console.print(
            f"devnet: ready at {held.server.url}{talk}, deployment file {files.deployment}, keys {files.keys}"
        )
        # A supervisor ends it with SIGTERM; an operator with Ctrl-C. Both end it cleanly.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            held.serve(broker)
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
    """Deploy the contracts to a chain, and check that what stands there is what was compiled."""
    deployment.require_writable(file)
    chosen = deployment.read_parameters(parameters) if parameters is not None else deployment.DEVNET_PARAMETERS
    account = load_signer(key, "deployer", DEVNET.keys, password_file)
    connected = Chain.connect(chain)
    with drawn():
        made = deployment.deploy(connected, account, chosen)
    made.save(file)
    console.print(f"chain {made.chain}: contract {made.refute}, written to {file}")
    require_own_code(connected, made)
    console.print("its code is that of the artifacts")


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


@app.command(name="listen", epilog="Example: refute listen alerts --account 0x1234...")
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
    broker_password_file: BrokerPasswordFileOption = None,
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
    listening.listen(found, domain, channel or [], stop, [address(text, "--account") for text in account or ()])


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
