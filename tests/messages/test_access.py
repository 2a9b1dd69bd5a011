"""Getting in: addresses, passwords that nobody sees, and TLS with a CA of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from contracts.errors import WrongSetup
from contracts.messages import broker, connection, kinds
from tests.messages.mosquitto import Mosquitto, password_file
from tests.messages.party import ACCOUNTS, Party

SECRET = "swordfish-and-chips"
MOVED = kinds.Moved(bytes(32), bytes(32), "trace", "challenger", 5, 6)


@contextmanager
def serving(held: Mosquitto) -> Iterator[Mosquitto]:
    held.start()
    try:
        yield held
    finally:
        held.stop()


def test_a_user_gets_in_with_its_password(tmp_path: Path, party: Party) -> None:
    with serving(Mosquitto(tmp_path, password_file(tmp_path, [("ops", SECRET)]), user="ops")) as held:
        secret = tmp_path / "secret"
        secret.write_text(SECRET + "\n")
        found = [broker.read(held.url, secret), broker.read(held.url, environment={broker.PASSWORD: SECRET})]
        speaker, hearer = (party.join(one, number).connected() for number, one in enumerate(found))
        speaker.bus.publish(MOVED, ACCOUNTS[1].address)
        assert hearer.next().message == MOVED
        for wrong in (
            broker.read(held.url, environment={broker.PASSWORD: "guess"}),
            broker.read(held.url, environment={}),
        ):
            lost = party.join(wrong).log.wait("bus_lost")
            assert "Not authorized" in str(lost["reason"])
        shown = [repr(one) for one in found] + [str(e) for ears in (speaker, hearer) for e in ears.log.events]
        assert SECRET not in "".join(shown)


def test_tls_is_for_those_who_trust_the_ca(tmp_path: Path, party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    ca, other = trustme.CA(), trustme.CA()
    certificate = ca.issue_cert("127.0.0.1")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "other", "certificate", "key")}
    ca.cert_pem.write_to_path(files["ca"])
    other.cert_pem.write_to_path(files["other"])
    certificate.cert_chain_pems[0].write_to_path(files["certificate"])
    certificate.private_key_pem.write_to_path(files["key"])
    settings = f"allow_anonymous true\ncertfile {files['certificate']}\nkeyfile {files['key']}"
    with serving(Mosquitto(tmp_path, settings, scheme="mqtts")) as held:
        speaker, hearer = (party.join(broker.read(held.url, ca=files["ca"]), n).connected() for n in range(2))
        speaker.bus.publish(MOVED, ACCOUNTS[1].address)
        assert hearer.next().message == MOVED
        for distrusting in (broker.read(held.url, ca=files["other"]), broker.read(held.url)):
            assert "CERTIFICATE_VERIFY_FAILED" in str(party.join(distrusting).log.wait("bus_lost")["reason"])
        monkeypatch.setattr(connection, "CONFIRMED", 0.3)
        plain = broker.read(held.url.replace("mqtts", "mqtt"))
        party.join(plain).log.wait("bus_lost")


def test_addresses_are_read() -> None:
    held = broker.read("mqtt://broker.example")
    assert (held.host, held.port, held.user, held.tls) == ("broker.example", 1883, None, None)
    held = broker.read("mqtts://some%20one@[::1]:99/", environment={broker.PASSWORD: SECRET})
    assert (held.host, held.port, held.user, held.password) == ("::1", 99, "some one", SECRET)
    assert held.tls is not None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("broker.example", "is not a broker's URL"),
        ("http://broker.example", "is not a broker's URL"),
        ("mqtt://", "is not a broker's URL"),
        ("mqtt://host:port", "is not a broker's URL"),
        ("mqtt://host:70000", "is not a broker's URL"),
        ("mqtt://host/path", "is not a broker's URL"),
        (f"mqtt://ops:{SECRET}@host", "put it into REFUTE_BROKER_PASSWORD or --broker-password-file"),
        (f"mqtt://ops:{SECRET}@host:port", "is not a broker's URL"),
    ],
)
def test_a_wrong_address_is_named_and_shows_no_password(url: str, says: str) -> None:
    with pytest.raises(WrongSetup) as wrong:
        broker.read(url)
    assert says in str(wrong.value)
    assert SECRET not in str(wrong.value)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for url, password, ca, says in (
        ("mqtt://ops@host", tmp_path / "none", None, "cannot be read"),
        ("mqtt://ops@host", empty, None, "is empty"),
        ("mqtt://host", empty, None, "names no user; give mqtt://user@host"),
        ("mqtt://host", None, empty, "only mqtts:// is encrypted"),
        ("mqtts://host", None, empty, "holds no certificates"),
        ("mqtts://host", None, tmp_path / "none", "holds no certificates"),
    ):
        with pytest.raises(WrongSetup, match=says):
            broker.read(url, password, ca)
