"""The whole story over a real chain: honest answers, liars caught and slashed, one mistaken challenger."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from contracts.devnet_files import DevnetFiles
from deploy.acts import digits, sentences
from deploy.acts.stage import Stage
from deploy.processes import Agents
from deploy.story import Story
from prover.errors import RefuteError


def run(directory: Path) -> None:
    """Play the demo; write `demo.json` under `directory`; RefuteError if any part of it does not happen."""
    story = Story(Console(soft_wrap=True))
    figures = directory / "demo.json"
    figures.unlink(missing_ok=True)
    place = directory / "demo"
    try:
        sentences.require_weights()
        with Agents(place / "logs") as agents:
            _play(story, agents, place)
    except RefuteError:
        story.finish(figures, ok=False)
        raise
    story.finish(figures, ok=True)
    story.say(f"figures in {figures}, the agents' logs in {place / 'logs'}; {story.figures['seconds']} s")
    story.say("demo: ok")


def _play(story: Story, agents: Agents, place: Path) -> None:
    files = DevnetFiles(place / "devnet")
    files.url.unlink(missing_ok=True)
    agents.start("devnet", "deploy.cli", "devnet", "--no-model", "--port", "0", "--directory", str(files.directory))
    with story.stage("A model: trained, compiled to integers, measured"):
        models = digits.made(story)
    with story.stage("A chain: contracts deployed, a watcher started"):
        url = story.wait("the devnet", files.read_url, agents.require_running)
        stage = Stage(story, agents, files, url)
        stage.start_honest("watcher", "--stake", "10eth")
        story.say(f"chain {stage.deployment.chain} at {url}, contract {stage.deployment.refute}")
    digits.DigitsAct(stage, *models, place).play()
    sentences.SentencesAct(stage).play()
