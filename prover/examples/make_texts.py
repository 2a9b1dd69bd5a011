"""Writes the texts that MiniLM is calibrated and measured on: `python -m prover.examples.make_texts`.

The sentences come from phrases.txt; prose, docstrings and code from the standard library of the Python that runs this.
What it wrote once is shipped, so another Python's library changes no figure.
"""

from __future__ import annotations

import ast
import pydoc_data.topics
import random
import re
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prover.examples.minilm import CALIBRATION_TEXTS, HELD_OUT_TEXTS, LENGTHS, token_counts
from prover.examples.shipped import TEXTS

SEED = 3
CALIBRATION = 720
HELD_OUT = 360
_MODULES = (
    "argparse ast asyncio/tasks bisect calendar cmd codecs collections/__init__ configparser contextlib copy csv "
    "datetime decimal difflib dis email/message enum fractions functools gettext glob gzip heapq hmac html/parser "
    "http/client inspect io ipaddress json/decoder locale logging/__init__ mailbox numbers optparse pathlib pickle "
    "platform plistlib pprint queue random re/_parser sched secrets selectors shelve shlex shutil socket statistics "
    "string subprocess tarfile tempfile textwrap threading tokenize traceback turtle typing unittest/case urllib/parse "
    "uuid wave weakref xml/dom/minidom zipfile"
)


@dataclass(frozen=True)
class Language:
    names: tuple[str, ...]
    cities: tuple[str, ...]
    sentences: tuple[str, ...]


def main() -> None:
    """Write both files; the second holds no sentence, module or topic of the first."""
    seen: set[str] = set()
    for path, part, count in ((CALIBRATION_TEXTS, False, CALIBRATION), (HELD_OUT_TEXTS, True, HELD_OUT)):
        texts = [text for text in _texts(random.Random(SEED + part), held_out=part, count=count) if text not in seen]
        seen.update(texts)
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        print(f"{path.name}: {len(texts)} texts, {max(token_counts(texts))} tokens at most")


def _texts(chance: random.Random, *, held_out: bool, count: int) -> list[str]:
    languages = {code: _part(language, held_out) for code, language in read_phrases().items()}
    words = languages.pop("words").sentences
    codes = [code for code in languages if code != "en"]
    modules = [text for i, text in enumerate(_modules()) if (i % 3 == 2) == held_out]
    docstrings = [text for module in modules for text in _docstrings(module)]
    topics = [text for i, (_, text) in enumerate(sorted(pydoc_data.topics.topics.items())) if (i % 3 == 2) == held_out]

    def sentence(code: str) -> str:
        return _fill(chance.choice(languages[code].sentences), languages[code], chance)

    def paragraph(code: str) -> str:
        return " ".join(sentence(code) for _ in range(chance.randint(2, 6)))

    kinds: tuple[tuple[int, Callable[[], str]], ...] = (
        (18, lambda: sentence("en")),
        (8, lambda: paragraph("en")),
        (22, lambda: sentence(chance.choice(codes))),
        (10, lambda: paragraph(chance.choice(codes))),
        (18, lambda: _excerpt(chance.choice(docstrings), chance)),
        (10, lambda: _excerpt(chance.choice(topics), chance)),
        (14, lambda: _lines(chance.choice(modules), chance)),
    )
    texts = dict.fromkeys(words)
    while len(texts) < count:
        (make,) = chance.choices([make for _, make in kinds], [share for share, _ in kinds])
        text = " ".join(make().split())
        if len(text) > 1 and token_counts([text])[0] <= LENGTHS[-1]:
            texts[text] = None
    listed = list(texts)
    chance.shuffle(listed)
    return listed


def read_phrases() -> dict[str, Language]:
    """The sections of phrases.txt by their code."""
    found: dict[str, Language] = {}
    for section in re.split(r"^\[", (TEXTS / "phrases.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, *sentences = section.strip().split("\n")
        code, lists = heading.split("] ")
        names, cities = (tuple(item.strip() for item in part.split(";")) for part in lists.split(" | "))
        found[code] = Language(names, cities, tuple(sentences))
    return found


def _part(language: Language, held_out: bool) -> Language:
    chosen = tuple(text for i, text in enumerate(language.sentences) if (i % 3 == 2) == held_out)
    return Language(language.names, language.cities, chosen)


def _fill(sentence: str, language: Language, chance: random.Random) -> str:
    values = {
        "name": chance.choice(language.names),
        "city": chance.choice(language.cities),
        "number": str(chance.randint(3, 90)),
        "year": str(chance.randint(1890, 2020)),
        "hour": f"{chance.randint(5, 23)}:{chance.randrange(0, 60, 5):02}",
    }
    for slot, value in values.items():
        sentence = sentence.replace(f"{{{slot}}}", value)
    return sentence


def _modules() -> Iterator[str]:
    library = Path(sysconfig.get_path("stdlib"))
    for name in _MODULES.split():
        yield (library / f"{name}.py").read_text(encoding="utf-8")


def _docstrings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            text = ast.get_docstring(node)
            if text:
                yield text


def _excerpt(text: str, chance: random.Random) -> str:
    """One to four consecutive paragraphs."""
    paragraphs = [part for part in text.split("\n\n") if not set(part.strip()) <= set("*=-~\n ")]
    start = chance.randrange(len(paragraphs))
    return "\n".join(paragraphs[start : start + chance.randint(1, 4)])


def _lines(source: str, chance: random.Random) -> str:
    """One to twelve consecutive lines of code."""
    lines = source.split("\n")
    start = chance.randrange(len(lines))
    return "\n".join(lines[start : start + chance.randint(1, 12)])


if __name__ == "__main__":
    main()
