"""The digits: honest answers, five lies caught and slashed, one mistaken challenger."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contracts.amounts import format_amount
from contracts.snapshot import ClaimStatus, DisputeStatus
from deploy import devnet
from deploy.acts.disputes import catch, tell
from deploy.acts.stage import FEE, Stage
from deploy.story import Story
from prover import model_folder
from prover.examples.digits_model import CompiledDigits, compile_digits

HONEST_REQUESTS = 3

LIES = {
    "activation": "one activation of a middle layer changed by one, the rest consistent",
    "output": "the posted output replaced, the trace honest",
    "smaller": "a smaller model run in place of the one asked for",
    "silence": "a trace committed, then nothing opened",
    "sums": "partial sums that add up, but lie",
}


def made(story: Story) -> tuple[CompiledDigits, CompiledDigits]:
    """The model, and a smaller one for an executor that cheats; both trained and compiled now."""
    digits, smaller = compile_digits(), compile_digits(smaller=True)
    story.say(digits.report)
    story.figures["accuracy"] = {"float": digits.report.float_accuracy, "integer": digits.report.integer_accuracy}
    story.check("the integer model is within 0.5 points of float", digits.report.lost_points <= 0.5)
    return digits, smaller


@dataclass
class DigitsAct:
    """Plays on a stage with the models of `made`; `place` is where files of its own go."""

    stage: Stage
    digits: CompiledDigits
    smaller: CompiledDigits
    place: Path
    image_of: dict[bytes, int] = field(default_factory=dict)

    def play(self) -> None:
        stage, story = self.stage, self.stage.story
        with story.stage("The digits model is published and registered"):
            self._publish()
        with story.stage("An honest executor answers; a watcher agrees"):
            executor = stage.start_honest("executor")
            requests = [self._ask() for _ in range(HONEST_REQUESTS)]
            self._settle(requests)
            story.check("nobody disputed them", not any(stage.disputes_of(request) for request in requests))
            stage.agents.stop(executor)
        open_again = []
        for lie, what in LIES.items():
            with story.stage(f"A lie: {what}"):
                open_again.append(self._catch(lie, LIES))
        with story.stage("The honest executor completes what the liars left"):
            executor = stage.start_honest("executor")
            self._settle(open_again)
        with story.stage("A mistaken challenger disputes an honest claim"):
            self._mistaken()
            stage.agents.stop(executor)

    def _publish(self) -> None:
        files = self.stage.files
        folder = model_folder.publish(self.digits.model, files.models)
        self.hidden = model_folder.publish(self.smaller.model, self.place / "smaller")
        devnet.write_samples(files.digits, self.digits.images[: devnet.SAMPLES], self.digits.labels[: devnet.SAMPLES])
        self.model = self.stage.register(folder)
        self.stage.story.say(f"model {folder.name}")

    def _ask(self) -> bytes:
        """Request the class of the next held-out image."""
        number = len(self.image_of)
        request = self.stage.ask(self.model, self.stage.files.digits / f"{number}.npy")
        self.image_of[request] = number
        return request

    def _settle(self, requests: list[bytes]) -> None:
        self.stage.settle(requests)
        true = [self.digits.labels[self.image_of[request]] for request in requests]
        read = [int(self.stage.outputs(request, self.model)[0].argmax()) for request in requests]
        right = sum(a == b for a, b in zip(true, read, strict=True))
        self.stage.story.check(
            f"the requester read {len(requests)} final results from the chain, {right} of them the true digit",
            right >= len(requests) - 1,
        )

    def _catch(self, lie: str, lies: Mapping[str, str]) -> bytes:
        """A dishonest executor answers and is caught; the request, which is open again."""
        liar = self.stage.start_dishonest(lie, "--smaller", str(self.hidden))
        first_block = self.stage.next_block()
        request = self._ask()
        catch(self.stage, lie, lies[lie], liar, self.model, request, first_block)
        return request

    def _mistaken(self) -> None:
        """A challenger that computes wrongly disputes an honest claim, cannot make the step, and loses its bond."""
        stage, story = self.stage, self.stage.story
        challenger = stage.start_dishonest("mistaken")
        first_block = stage.next_block()
        request = self._ask()
        claim = stage.claim_of(request)
        begun = time.monotonic()
        stage.dispute_of(request, DisputeStatus.ACTIVE)

        def stuck() -> bool | None:
            (current,) = stage.disputes_of(request)
            return current.position.phase.level == "step" or None

        story.wait("the walk", stuck, stage.agents.require_running)
        stage.pass_time(stage.deployment.parameters.clock)
        dispute = stage.dispute_of(request, DisputeStatus.LOST, DisputeStatus.WON)
        kind = "mistaken challenger"
        walk = tell(stage, kind, kind, self.model, dispute, first_block, time.monotonic() - begun)
        story.check(
            "the executor won: the step agrees with it, and the challenger's clock ran out", not walk.challenger_won
        )
        stage.pass_time(stage.deployment.parameters.window)
        stage.wait_final(request)
        bond = stage.deployment.parameters.challenger_bond
        paid = stage.credited("executor", first_block)
        story.check(f"the executor received the fee and the bond, {format_amount(paid)}", paid == FEE + bond)
        story.check("the claim is final", stage.observer.observe().claims[claim.id].status is ClaimStatus.FINAL)
        stage.agents.stop(challenger)
