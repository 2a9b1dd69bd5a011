"""`refute economics` as people and programs call it, and the page that quotes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from contracts.deployment import DEVNET_PARAMETERS, read_parameters
from deploy import cli
from deploy.economics import page, plots, report
from deploy.economics.__main__ import said
from deploy.economics.gas import GasOfGame
from deploy.gas import figures
from prover.errors import RefuteError
from tests.economics.scenarios import scenario

Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """What is wrong with a call, as the command's only line."""

    def call(*flags: str) -> str:
        monkeypatch.setattr(sys, "argv", ["refute", "economics", *flags])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1
        out, error = capsys.readouterr()
        assert out == ""
        (line,) = error.splitlines()
        return line

    return call


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (["--sample", "1.5"], "--sample is 1.5, not a share; give 0 to 1"),
        (["--sample", "nan"], "--sample is nan, not a share"),
        (["--availability", "-0.1"], "--availability is -0.1, not a share"),
        (["--watchers", "-1"], "--watchers is -1; give 0 or more"),
        (["--check-time", "inf"], "--check-time is inf; give 0 or more, and less than 2^128"),
        (["--block-gas", "0"], "--block-gas is 0; give the gas limit of a block"),
        (["--fee", "much"], "'much' is not an amount"),
        (["--value", "-1eth"], "'-1eth' is not an amount"),
        (["--game", "chess"], "there is no game 'chess'; those that were measured are digits,"),
        (["--stake", "1eth"], "no such deployment: a stake of 1 eth; it is at least 2 eth"),
        (["--bond", "0.1eth"], "no such deployment: a bond of 0.1 eth; it is at least 0.625 eth"),
        (["--window", "3"], "no such deployment: a window of 3 s; a move and a layer take 360 s"),
        (["--burn-share", "4999"], "no such deployment: a burn_share of 4999"),
        (["--parameters", "nowhere.json"], "parameter file nowhere.json cannot be read"),
    ],
)
def test_bad_input_is_refused_in_one_line(refused: Refused, flags: list[str], wrong: str) -> None:
    assert wrong in refused(*flags)


def test_a_snapshot_without_the_game_is_refused_by_name() -> None:
    snapshot = figures.load()
    for name in ("dispute_minilm", "happy_minilm"):
        without = figures.Snapshot(snapshot.figures, {**snapshot.moves, name: []}, snapshot.parts)
        with pytest.raises(RefuteError, match=name):
            GasOfGame.read(without)


def test_the_gas_is_the_snapshots() -> None:
    moves = json.loads(figures.SNAPSHOT.read_text())["moves"]
    gas = scenario().gas
    assert gas.openings + gas.challenge == sum(move["gas"] for move in moves["dispute_minilm"])
    assert gas.moves[0] == "challengeAt"
    assert gas.moves[-1] == "step"
    answer = {move["move"]: move["gas"] for move in moves["happy_minilm"]}
    assert gas.answer == answer["accept"] + answer["claim"] + answer["finalise"] == gas.lie + answer["finalise"]


def test_programs_get_the_same_figures_and_what_is_recommended_is_a_deployment(tmp_path: Path) -> None:
    held = json.loads(said(["--json", "--claims", "100", "--watchers", "5"]))
    assert held["parameters"] == asdict(DEVNET_PARAMETERS)
    assert held["holds"]["cheating_is_a_loss"] is True
    assert held["holds"]["censoring_is_a_loss"] is False
    assert report.eth(held["figures"]["lie"]) in said(["--claims", "100", "--watchers", "5"])
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps(held["recommended"]))
    then = json.loads(said(["--json", "--claims", "100", "--watchers", "5", "--parameters", str(file)]))
    assert then["parameters"] == asdict(read_parameters(file))
    assert then["holds"]["cheating_is_a_loss"]
    assert then["holds"]["censoring_is_a_loss"]


def test_nobody_watching_is_said() -> None:
    text = said(["--watchers", "0"])
    assert "NO   cheating is a loss" in text
    assert "without watchers no stake helps" in text
    assert "no stake does" in text
    assert json.loads(said(["--watchers", "0", "--json"]))["recommended"] is None


@pytest.mark.parametrize(("wei", "shown"), [(0, "0 eth"), (1, "0.000000000000000001 eth"), (10**18, "1 eth")])
def test_amounts_are_shown_to_four_digits(wei: int, shown: str) -> None:
    assert report.eth(wei) == shown
    assert report.eth(1_234_567 * 10**15) == "1,235 eth"
    assert report.eth(-12_345 * 10**12) == "-0.01235 eth"


def test_the_page_shows_what_the_commands_print() -> None:
    text = page.PAGE.read_text()
    assert page.commands(text)[0] == "refute economics"
    assert page.rendered(text, said) == text, "run `make economics`"


def test_the_plots_are_of_the_present_figures_and_can_be_drawn(tmp_path: Path) -> None:
    drawn = plots.figures(figures.load())
    for fresh in plots.draw(drawn, tmp_path):
        committed = page.PLOTS / fresh.name
        for path in (fresh, committed):
            named = f"{plots.DRAWN_FROM}\0{plots.digest(drawn[path.stem])}"
            assert named.encode() in path.read_bytes(), "run `make economics`"
        assert f"economics/{fresh.name}" in page.PAGE.read_text()
        assert committed.stat().st_size < 120_000
