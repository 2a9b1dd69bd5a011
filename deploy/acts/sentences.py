"""A sentence: embedded by all-MiniLM-L6-v2 with its real weights, then by a liar, caught inside an attention layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from deploy.acts.disputes import catch
from deploy.acts.stage import Stage
from prover import model_folder, quality
from prover.errors import RefuteError
from prover.examples import minilm
from prover.publication import Subject, publishable
from prover.quantisation import Quantisation, Reals
from prover.text_input import TOKENIZER_FILE, TextForm

LENGTH = 32
CALIBRATION_TEXTS, HELD_OUT_TEXTS = 128, 64
"""A share of the shipped texts, so that compiling takes seconds; `prover compile minilm` uses all of them."""
SENTENCE = "Whoever posts a wrong answer loses its stake, and whoever proves it is paid."
LIE = "one attention score of a middle block changed, the rest consistent"
MOST_SECONDS = 10.0
"""A dispute over the sentence, from the claim to its fall."""


@dataclass(frozen=True)
class CompiledSentences:
    """A float encoder and its published form."""

    module: minilm.SentenceEncoder
    model: model_folder.Model

    def embed(self, text: str) -> Reals:
        """What the float model gives, [1, 384]."""
        with torch.no_grad():
            return np.asarray(self.module(*minilm.tokenise(text, length=LENGTH)).numpy(), np.float64)


def subject() -> Subject:
    """all-MiniLM-L6-v2 at one length, with fewer texts than `prover compile minilm` has."""
    name = f"minilm-{LENGTH}"

    def tokens(texts: Sequence[str], count: int) -> list[minilm.Tokens]:
        chosen = texts[:: len(texts) // count][:count]
        return [minilm.tokenise(text, truncate=True, length=LENGTH) for text in chosen]

    return Subject.single(
        name,
        minilm.encoder(),
        tokens(minilm.calibration_texts(), CALIBRATION_TEXTS),
        tokens(minilm.held_out_texts(), HELD_OUT_TEXTS),
        quality.embedding,
        details={name: {"text": TextForm(LENGTH, masked=True).as_dict()}},
        files={TOKENIZER_FILE: minilm.tokenizer_file()},
    )


class SentencesAct:
    """Plays on a stage where a watcher is running."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def play(self) -> None:
        story = self.stage.story
        with story.stage("A transformer: all-MiniLM-L6-v2, compiled to integers, measured, registered"):
            self._publish()
        with story.stage("An honest executor embeds a sentence"):
            self._embed()
        with story.stage(f"A lie: {LIE}"):
            self._catch()

    def _publish(self) -> None:
        story = self.stage.story
        given = subject()
        ((model, report),) = publishable(given, say=story.say).values()
        story.say(report)
        story.figures["embedding"] = dict(report.figures)
        folder = model_folder.publish(model, self.stage.files.models)
        self.model = self.stage.register(folder)
        self.compiled = CompiledSentences(given.module, self.model)  # type: ignore[arg-type]
        story.say(f"model {folder.name}")

    def _embed(self) -> None:
        stage, story = self.stage, self.stage.story
        executor = stage.start_honest("executor")
        story.say(f"the sentence: {SENTENCE}")
        request = stage.ask(self.model, SENTENCE)
        stage.settle([request])
        (output,) = stage.outputs(request, self.model)
        found = Quantisation.from_dict(self.model.report["outputs"][0]).dequantise(output)
        cosine = _cosine(found, self.compiled.embed(SENTENCE))
        story.figures["embedding"]["sentence_cosine"] = cosine
        story.check(
            f"the requester read the embedding from the chain; its cosine to the float model's is {cosine:.6f}",
            cosine >= quality.LEAST_COSINE,
        )
        story.check("nobody disputed it", not stage.disputes_of(request))
        stage.agents.stop(executor)

    def _catch(self) -> None:
        stage = self.stage
        liar = stage.start_dishonest("attention")
        first_block = stage.next_block()
        request = stage.ask(self.model, SENTENCE)
        walk = catch(stage, "attention", LIE, liar, self.model, request, first_block)
        stage.story.check("the walk ended inside the attention", walk.levels[-1] == "step")
        seconds = stage.story.figures["disputes"][-1]["seconds"]
        stage.story.check(f"it took {seconds} s, at most {MOST_SECONDS:.0f}", seconds <= MOST_SECONDS)


def require_weights() -> None:
    """RefuteError, in one line and with the remedy, if the package that holds the weights is absent or altered."""
    minilm.tokenizer_file()


def _cosine(a: Reals, b: Reals) -> float:
    a, b = a.reshape(-1), b.reshape(-1)
    if not (norms := float(np.linalg.norm(a) * np.linalg.norm(b))):
        raise RefuteError("an embedding is zero; the model is damaged, compile it anew")
    return float(a @ b) / norms
