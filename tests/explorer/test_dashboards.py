"""Metrics, alerts and dashboard name the same things as the documents, and the tools that read them accept them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import structlog
import yaml
from prometheus_client.parser import text_string_to_metric_families

from contracts.messages import broker
from contracts.messages.envelope import Domain, Reason
from contracts.messages.metrics import measured
from contracts.messages.mqtt import MqttBus
from contracts.service import metrics
from tests.explorer.conftest import Scene
from tests.tools import tool

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "refute.yaml"
DASHBOARD = DEPLOY / "grafana" / "refute.json"
METRIC = re.compile(r"\brefute_[a-z_]+")


def samples(scene: Scene) -> set[str]:
    """The names of what an agent with a broker shows."""
    domain = Domain(scene.stage.chain.id, scene.stage.deployment.refute)
    with measured(MqttBus(broker.read("mqtt://127.0.0.1"), domain, scene.stage.other.signer, structlog.get_logger())):
        text = metrics.exposition(scene.feed).decode()
    gauges = (family.name for family in text_string_to_metric_families(text) if family.type == "gauge")
    return {*gauges, *(sample.name for family in text_string_to_metric_families(text) for sample in family.samples)}


def alerts() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def section(document: str, title: str) -> str:
    return (ROOT / "docs" / document).read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_metric_is_documented_and_no_other(scene: Scene) -> None:
    rows = [row for row in section("observing.md", "Metrics").splitlines() if row.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(refute_[a-z_]+)`", row.split("|")[1])}
    assert documented == samples(scene)


def test_every_reason_to_refuse_a_message_is_documented() -> None:
    (row,) = [row for row in section("observing.md", "Metrics").splitlines() if "refute_bus_refused_total" in row]
    assert row.partition(" did not: ")[2].rstrip(" |").split(", ") == list(Reason)


def test_alerts_and_dashboard_ask_for_metrics_that_exist(scene: Scene) -> None:
    asked = {name for rule in alerts() for name in METRIC.findall(rule["expr"])}
    drawn = set(METRIC.findall(json.dumps([p["targets"] for p in json.loads(DASHBOARD.read_text())["panels"]])))
    assert asked | drawn <= samples(scene)
    assert len(asked) > 5
    assert len(drawn) > 10


def test_what_an_alert_counts_begins_at_zero() -> None:
    """A counter that begins with its first event shows no increase at it."""
    exposed = metrics.generate_latest(metrics.REGISTRY).decode()
    for rule in alerts():
        for event in re.findall(r'event="([a-z_]+)"', rule["expr"]):
            assert f'refute_events_total{{event="{event}"' in exposed


def test_the_runbook_has_every_alert_and_no_other() -> None:
    rows = re.findall(r"^\| `(Refute[A-Za-z]+)` \|", section("operating.md", "What each alert means"), re.MULTILINE)
    assert rows == [rule["alert"] for rule in alerts()]


def test_prometheus_takes_the_rules_and_the_configuration(tmp_path: Path) -> None:
    promtool = tool("promtool")
    text = (DEPLOY / "compose" / "prometheus.yaml").read_text()
    assert "/etc/prometheus/rules/*.yaml" in text
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(text.replace("/etc/prometheus/rules", str(RULES.parent)))
    done = accepted(promtool, "check", "config", str(configuration))
    assert f"{len(alerts())} rules found" in done


def test_an_alert_fires(tmp_path: Path) -> None:
    """What the expressions say on numbers: a lost dispute, an urgent move, an agent that stands, a broker that is gone,
    one that floods."""
    case = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": 'refute_events_total{event="dispute_lost",instance="w"}', "values": "0x9 1x10"},
                    {"series": 'refute_move_seconds_left{instance="w"}', "values": "1200-100x20"},
                    {"series": 'refute_rounds{instance="w"}', "values": "0+50x10 500x10"},
                    {"series": 'refute_bus_connected{instance="w"}', "values": "1x3 0x20"},
                    {"series": 'refute_bus_refused_total{reason="garbage",instance="w"}', "values": "0+120x20"},
                    {"series": 'refute_bus_refused_total{reason="stale",instance="w"}', "values": "0+30x20"},
                ],
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": fired}
                    for minute, name, fired in (
                        (8, "RefuteDisputeLost", []),
                        (12, "RefuteDisputeLost", [FIRED | {"exp_labels": {**LABELS, "event": "dispute_lost"}}]),
                        (8, "RefuteMoveUrgent", []),
                        (10, "RefuteMoveUrgent", [{"exp_labels": LABELS, "exp_annotations": URGENT}]),
                        (9, "RefuteAgentStands", []),
                        (18, "RefuteAgentStands", [{"exp_labels": LABELS, "exp_annotations": STANDS}]),
                        (12, "RefuteBusLost", []),
                        (15, "RefuteBusLost", [{"exp_labels": WARNING, "exp_annotations": BUS_LOST}]),
                        (9, "RefuteMessagesRefused", []),
                        (15, "RefuteMessagesRefused", [{"exp_labels": REFUSED, "exp_annotations": FLOODED}]),
                    )
                ],
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(case))
    accepted(tool("promtool"), "test", "rules", str(file))


LABELS = {"instance": "w", "severity": "critical"}
FIRED = {"exp_annotations": {"summary": "w lost a dispute"}}
URGENT = {"summary": "w has 200 s left for a move that is due"}
WARNING = {"instance": "w", "severity": "warning"}
BUS_LOST = {"summary": "w has had no message broker for ten minutes"}
REFUSED = WARNING | {"reason": "garbage"}
FLOODED = {"summary": "w refuses 2 messages a second: garbage"}
STANDS = {"summary": "w answers, but has made no round for five minutes"}


def test_compose_takes_its_file_and_what_it_mounts_is_there() -> None:
    compose = DEPLOY / "compose" / "compose.yaml"
    shown = yaml.safe_load(accepted(tool("docker-compose"), "-f", str(compose), "config"))
    assert set(shown["services"]) == {
        "chain", "broker", "executor", "watcher", "second-watcher", "prometheus", "grafana",
    }  # fmt: skip
    volumes = [volume for service in shown["services"].values() for volume in service.get("volumes", ())]
    sources = [volume["source"] if isinstance(volume, dict) else volume.split(":")[0] for volume in volumes]
    mounted = [source for source in sources if source.startswith("/")]
    assert mounted
    assert [source for source in mounted if not Path(source).exists()] == []
    assert any(list(Path(source).glob("refute.json")) for source in mounted if Path(source).is_dir())


@pytest.mark.parametrize("agent", ["executor", "watcher"])
def test_systemd_takes_the_units(agent: str, tmp_path: Path) -> None:
    unit = tmp_path / f"refute-{agent}.service"
    program = f"/opt/refute/.venv/bin/{agent}"
    text = (DEPLOY / "systemd" / unit.name).read_text()
    assert program in text
    unit.write_text(text.replace(program, "/bin/true"))  # what is started must be there
    accepted(tool("systemd-analyze"), "verify", str(unit))


def accepted(*command: str) -> str:
    """What a tool says that finds nothing wrong."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
