"""The options of messages, and joining a bus as they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer

from contracts.client import Client
from contracts.devnet_files import DevnetFiles
from contracts.messages import broker, kinds
from contracts.messages.alerts import alerting
from contracts.messages.broker import Broker
from contracts.messages.bus import Bus, NoBus
from contracts.messages.envelope import Domain
from contracts.messages.metrics import measured
from contracts.messages.mqtt import MqttBus

MESSAGES = "Messages"
"""Panel of `--help`."""

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        envvar="REFUTE_BROKER",
        help="message broker: mqtt://host:1883, mqtts://user@host:8883, or none; by default the devnet's, if there is "
        "one beside the deployment file",
        show_default=False,
        rich_help_panel=MESSAGES,
    ),
]
BrokerPasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--broker-password-file",
        envvar="REFUTE_BROKER_PASSWORD_FILE",
        help=f"file whose first line is the broker user's password; or {broker.PASSWORD} holds it",
        show_default=False,
        rich_help_panel=MESSAGES,
    ),
]
BrokerCaOption = Annotated[
    Path | None,
    typer.Option(
        "--broker-ca",
        envvar="REFUTE_BROKER_CA",
        help="certificates (PEM) to trust for mqtts:// instead of the system's",
        show_default=False,
        rich_help_panel=MESSAGES,
    ),
]


def find_broker(url: str | None, password_file: Path | None, ca: Path | None, deployment: Path) -> Broker | None:
    """The broker that the options name, or the devnet's; None if there is none."""
    if url is None:
        url = DevnetFiles(deployment.parent).read_broker()
    return None if url is None or url == broker.NONE else broker.read(url, password_file, ca)


@contextmanager
def joined(
    found: Broker | None,
    client: Client,
    agent: str,
    *,
    hears: Sequence[type[kinds.Message]] = (),
    group: str | None = None,
) -> Iterator[Bus]:
    """The bus of an account, while an agent runs; its alerts go there, too, and its metrics are shown.

    Args:
        agent: what it is called in the log.
        hears: kinds of messages to hear all of.
        group: the group of workers it belongs to.
    """
    if found is None:
        yield NoBus()
        return
    domain = Domain(client.chain.id, client.deployment.refute)
    filters = [domain.topics.every(kind) for kind in hears]
    if group is not None:
        filters.append(domain.topics.group(group))
    log = structlog.get_logger().bind(agent=agent)
    bus = MqttBus(found, domain, client.signer, log, filters=filters, group=group)
    bus.start()
    try:
        with alerting(bus), measured(bus):
            yield bus
    finally:
        bus.close()
