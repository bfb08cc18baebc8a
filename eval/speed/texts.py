"""Real text in quantity: every document of a folder of collections, and a corpus folder made of them."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_FEWEST_WORDS = 50
"""Shorter rows are queries or titles."""
WORDS = 64
"""Words of a passage, roughly; how many passages there really are is read off the bundle."""


def read_texts(folder: Path) -> Iterator[str]:
    """The `text` of every row of every `*.jsonl` and `*.jsonl.gz` below a folder, each text once.

    Raises:
        ValueError: if there is none.
    """
    seen: set[int] = set()
    for row in _rows(folder):
        text = row.get("text")
        if isinstance(text, str) and len(text.split()) >= _FEWEST_WORDS and hash(text) not in seen:
            seen.add(hash(text))
            yield text
    if not seen:
        raise ValueError(f"{folder}: found no row with a text of {_FEWEST_WORDS} words in any *.jsonl[.gz]")


def first_words(texts: Iterable[str], words: int) -> Iterator[str]:
    """Texts until there are so many words."""
    for text in texts:
        yield text
        words -= len(text.split())
        if words <= 0:
            return


def read_questions(folder: Path, count: int) -> list[str]:
    """So many different values of `question` in the rows below a folder, evenly spaced.

    Raises:
        ValueError: if there is none.
    """
    found = [row["question"] for row in _rows(folder) if isinstance(row.get("question"), str)]
    unique = list(dict.fromkeys(found))
    if not unique:
        raise ValueError(f"{folder}: found no row with a question in any *.jsonl[.gz]")
    return unique[:: max(1, len(unique) // count)][:count]


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted([*folder.rglob("*.jsonl"), *folder.rglob("*.jsonl.gz")]):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from (json.loads(line) for line in data.decode().split("\n") if line.strip())


def write_corpus(texts: Iterable[str], corpus: Path) -> None:
    """Write a corpus with one report for each text."""
    for number, text in enumerate(texts):
        id_ = f"T{number:06d}"
        (corpus / id_).mkdir(parents=True)
        (corpus / id_ / "source.txt").write_bytes(text.replace("\0", "").encode())
        (corpus / id_ / "report.toml").write_text(f'id = "{id_}"\ntitle = "{id_}"\n', "utf-8")
