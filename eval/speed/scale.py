"""How building, answering and memory grow with the corpus: real text, a few sizes, end to end.

A run that was broken off goes on: a size is measured once, and what was encoded is not encoded again, be it
by the same size or by a smaller one, whose texts are the first of the larger.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from eval.speed.parts import SpeedError
from eval.speed.texts import WORDS, first_words, read_questions, read_texts, write_corpus
from indexer.bundle import Bundle
from indexer.nearest import build_index
from indexer.store import EmbeddingStore

SLOWER, RECALL = 1.3, 0.99
"""Bars: p50 of the largest over that of the smallest, at most; recall of the largest, at least."""
_STEPS = 3
"""Sizes, each four times the one before."""
_QUESTIONS = 300

_COLUMNS = (
    *("passages", "sentences", "index", "encoded", "build s", "encoded/s", "bundle MB", "open s"),
    *("p50 ms", "p95 ms", "accurate p50 ms", "own MB", "mapped MB", "recall@5"),
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """One size of corpus, and what was measured of it. `encoded`: texts that its build had to encode."""

    bundle: str
    passages: int
    sentences: int
    encoded: int
    build: float
    disk: float
    kind: str
    asked: dict[str, float]


@dataclass(frozen=True)
class IndexAlone:
    """An index of vectors without text: seconds to build, MB, milliseconds a search, and its description."""

    vectors: int
    build: float
    megabytes: float
    search: float
    about: dict[str, Any]


def measure_sizes(collections: Path, passages: int, work: Path, say: Say) -> Iterator[Size]:
    """Build and ask corpora of a sixteenth, a quarter and all of so many passages.

    Raises:
        SpeedError: if a build or a process that asks fails.
    """
    texts = list(first_words(read_texts(collections), passages * WORDS))
    words = list(accumulate(len(text.split()) for text in texts))
    questions = work / "questions.json"
    questions.parent.mkdir(parents=True, exist_ok=True)
    questions.write_text(json.dumps(read_questions(collections, _QUESTIONS)), "utf-8")
    before: Path | None = None
    for step in reversed(range(_STEPS)):
        share = 4**-step
        count = next((n for n, sum_ in enumerate(words, 1) if sum_ >= share * words[-1]), len(texts))
        folder = work / hashlib.sha256(repr(texts[:count]).encode()).hexdigest()[:16]
        measured = folder / f"size-{_code()}.json"
        if measured.is_file():
            say(f"{count} of {len(texts)} texts were measured before: {measured}")
        else:
            say(f"building {count} of {len(texts)} texts")
            size = _measure(folder, texts[:count], before, questions, say)
            measured.write_text(json.dumps(asdict(size)), "utf-8")
        before = folder
        yield Size(**json.loads(measured.read_bytes()))


def _measure(folder: Path, texts: Sequence[str], before: Path | None, questions: Path, say: Say) -> Size:
    """Build and ask one size in its folder. `before`: the folder of the size before."""
    corpus, bundle, store = (folder / name for name in ("corpus", "bundle", "bundle.embeddings"))
    shutil.rmtree(corpus, ignore_errors=True)
    write_corpus(texts, corpus)
    if before and before != folder and not store.exists():
        shutil.copyfile(before / store.name, copy := folder / "copy")
        copy.rename(store)
    known = _kept(store)
    start = time.perf_counter()
    where = ("--corpus", str(corpus), "--bundle", str(bundle), "--store", str(store))
    _run("-m", "indexer", "build", "--force", *where, show=True)
    took = time.perf_counter() - start
    say(f"asking {bundle}")
    asked = json.loads(_run("-m", "eval.speed.asked", str(bundle), str(questions)))
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    disk = sum(file["bytes"] for file in manifest["files"].values()) / 1e6
    counts, kind = manifest["counts"], manifest["indexes"]["sentences"]["kind"]
    encoded = _kept(store) - known
    return Size(str(bundle), counts["passages"], counts["sentences"], encoded, took, disk, kind, asked)


def measure_index(bundle: Bundle, count: int, say: Say) -> IndexAlone:
    """Build and search an index of so many vectors: a bundle's, each again and again beside itself."""
    random = np.random.default_rng(0)
    rows = bundle.sentence_index.rows
    vectors = _unit(np.resize(rows, (count, rows.shape[1])), random)
    queries = _unit(np.array(bundle.passage_index.rows[:1_000]), random)
    say(f"indexing {count:,} vectors")
    start = time.perf_counter()
    index, about = build_index(vectors, queries)
    took = time.perf_counter() - start
    start = time.perf_counter()
    for query in queries[:200]:
        index.search(query)
    search = (time.perf_counter() - start) / len(queries[:200]) * 1_000
    megabytes = len(faiss.serialize_index(index.index)) / 1e6
    return IndexAlone(count, took, megabytes, search, about)


def scale_page(sizes: Sequence[Size], alone: Sequence[IndexAlone], made: str, plots: Path) -> str:
    """The page of a run, its plot written beside it."""
    (plots / "scale.svg").write_text(growth_plot(sizes), "utf-8")
    lines = [
        f"| {size.passages:,} | {size.sentences:,} | {size.kind} | {size.encoded:,} | {size.build:.0f} | "
        f"{size.encoded / size.build:.0f} | {size.disk:,.0f} | {size.asked['open']:.1f} | "
        f"{size.asked['p50']:.1f} | {size.asked['p95']:.1f} | {size.asked['accurate']:.1f} | "
        f"{size.asked['own']:,.0f} | {size.asked['mapped']:,.0f} | {size.asked['recall']:.4f} |"
        for size in sizes
    ]
    parts = [
        "# Scale on one machine",
        made,
        _bars(sizes[0], sizes[-1]),
        "## All that was measured",
        f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}\n" + "\n".join(lines),
        "Answers in process, one at a time, in `fast`, and in one column in `accurate`; memory is that of "
        "the process that answered: its own, and what it mapped of the bundle's files and can give back. "
        "encoded: texts that the build had to encode, since no smaller size had, nor a run that was broken "
        "off. recall@5: share of the five passages that the same pipeline finds with exact search.",
        "![growth](scale.svg)",
    ]
    if alone:
        rows = [
            f"| {one.vectors:,} | {one.about['kind']} | {one.build:.0f} | {one.megabytes:,.0f} | "
            f"{one.search:.2f} | {', '.join(f'{k} {v}' for k, v in one.about.items() if k != 'kind')} |"
            for one in alone
        ]
        parts.append(
            "## The index alone\n\nSentence vectors of the largest bundle, repeated with noise.\n\n"
            "| vectors | kind | build s | MB | search ms | about |\n|---|---|---|---|---|---|\n"
            + "\n".join(rows)
        )
    return "\n\n".join(parts) + "\n"


def _bars(small: Size, large: Size) -> str:
    """What was to be reached, and whether it was."""
    growth, recall = large.asked["p50"] / small.asked["p50"], large.asked["recall"]
    met = ["yes" if reached else "no" for reached in (growth <= SLOWER, recall >= RECALL)]
    what = f"{large.passages:,} passages"
    return (
        "| what | found | bar | reached |\n|---|---|---|---|\n"
        f"| p50 in `fast`, {what} over {small.passages:,} | {growth:.2f} | at most {SLOWER:g} | {met[0]} |\n"
        f"| recall@5 of exact search, {what} | {recall:.4f} | at least {RECALL:g} | {met[1]} |"
    )


_LINES = {"p50 ms": "p50", "own MB": "own", "mapped MB": "mapped"}
_COLOURS = ("#2563a8", "#c0392b", "#2e8b57")


def growth_plot(sizes: Sequence[Size]) -> str:
    """Latency and memory against passages, both axes logarithmic."""
    width, height, left, bottom, top = 520, 300, 60, 40, 16
    xs = np.log10([size.passages for size in sizes])
    values = {name: [size.asked[key] for size in sizes] for name, key in _LINES.items()}
    ys = np.log10([value for found in values.values() for value in found if value > 0])
    low, high = np.floor(ys.min()), np.ceil(ys.max() + 1e-9)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - xs[0]) / max(xs[-1] - xs[0], 1e-9)
        up = (y - low) / max(high - low, 1)
        return (
            round(float(left + across * (width - left - 110)), 1),
            round(float(height - bottom - up * (height - bottom - top)), 1),
        )

    parts = []
    for power in range(int(low), int(high) + 1):
        y = at(xs[0], power)[1]
        parts.append(f'<path stroke="#8884" d="M{left} {y}H{width - 110}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{10.0**power:g}</text>')
    for size, x in zip(sizes, xs, strict=True):
        place = at(x, low)[0]
        parts.append(f'<text x="{place}" y="{height - 22}" text-anchor="middle">{size.passages:,}</text>')
    for colour, (name, found) in zip(_COLOURS, values.items(), strict=True):
        points = [at(x, np.log10(max(y, 1e-3))) for x, y in zip(xs, found, strict=True)]
        path = "M" + "L".join(f"{x} {y}" for x, y in points)
        parts.append(f'<path fill="none" stroke="{colour}" stroke-width="2" d="{path}"/>')
        x, y = points[-1]
        parts.append(f'<text x="{x + 6}" y="{y + 4}" style="fill:{colour}">{name}</text>')
    parts.append(f'<text x="{width / 2 - 40}" y="{height - 5}" text-anchor="middle">passages</text>')
    style = "<style>text{font:12px system-ui,sans-serif;fill:#777}</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Latency and memory by number of passages">{style}{"".join(parts)}</svg>\n'
    )


def _unit(vectors: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Rows moved a little, so that none is like another; in place, since there may be millions."""
    for first in range(0, len(vectors), 10_000):
        part = vectors[first : first + 10_000]
        part += random.normal(scale=0.02, size=part.shape).astype(np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def _run(*arguments: str, show: bool = False) -> str:
    done = subprocess.run(
        (sys.executable, *arguments),
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        last = (done.stderr or "see above").strip().splitlines()[-1:]
        raise SpeedError(f"{' '.join(arguments[:3])}: exit status {done.returncode}: {' '.join(last)}")
    return done.stdout


def _kept(store: Path) -> int:
    """How many embeddings a store holds."""
    with EmbeddingStore(store) as kept:
        return len(kept)


def _code() -> str:
    """What decides the figures beside the texts: this project's code and models, in short."""
    digest = hashlib.sha256()
    for pattern in ("indexer/**/*", "service/*.py", "eval/speed/*.py"):
        for path in sorted(Path.cwd().glob(pattern)):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
