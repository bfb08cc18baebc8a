"""How much is read, and by which reader, against what it is worth: the frontier that serving is chosen from.

Each way of reading is calibrated anew, on the dev questions and those of held-out reports, and asked the same
questions; what it takes is measured on a few of them, all ways in turn, so that what else the machine does
falls on all alike. The figures of quality are of what was fitted on, and compare the ways, no more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partialmethod
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from unittest import mock

from eval.asking import in_process
from eval.calibrate import Asked, calibrate
from eval.run import run
from eval.summary import Summary, summarize
from indexer.bundle import Bundle
from indexer.cross_encoder import CrossEncoder
from service.answer import Answerer, Mode
from service.reader import DEPTH, WINDOW_WORDS, Reader

TIMED = 60
"""Questions that are timed, each in every way."""
MEASURED = ("Success@1", "Answer@1", "near", "falsepremise")
_COLOURS = ("#2563a8", "#c0392b")
_CROWDED = 100
"""Pixels in which a name has no room beside another."""


@dataclass(frozen=True)
class Way:
    """A way of reading: at most `depth` windows, of `words` words. `reader`: a folder, or what ships."""

    name: str
    depth: int = DEPTH
    words: int = WINDOW_WORDS
    reader: Path | None = None
    mode: Mode = "accurate"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Read in this way for a while."""
        read = partialmethod(Reader.read, depth=self.depth)
        with mock.patch.object(Reader, "read", read), mock.patch("service.reader.WINDOW_WORDS", self.words):
            yield


WAYS = (
    Way("none (`fast`)", mode="fast"),
    *(Way(f"{depth} of {WINDOW_WORDS} words", depth) for depth in (1, 2, 3, 4, 6)),
    *(Way(f"{DEPTH} of {words} words", words=words) for words in (16, 48)),
    Way("4 of 48 words", 4, 48),
)


@dataclass(frozen=True)
class Point:
    """What a way takes, in milliseconds, and what it is worth on each corpus: `MEASURED`."""

    way: Way
    milliseconds: float
    worth: tuple[tuple[float, ...], ...]


def measure(ways: Sequence[Way], asked: Sequence[Asked], progress: Callable[[str], None]) -> list[Point]:
    """Calibrate and ask in each way.

    Args:
        ways: What to compare.
        asked: The report that ships with its questions, and held-out ones with theirs.
        progress: Called with a line for each way.
    """
    answerers, worth = list[Answerer](), list[tuple[tuple[float, ...], ...]]()
    dev = [replace(one, questions=[q for q in one.questions if q.split == "dev"]) for one in asked]
    for way in ways:
        with way.applied():
            bundles = _calibrated(way, dev)
            answerers.append(Answerer(bundles[0]))
            worth.append(tuple(_worth(way, bundle, one) for bundle, one in zip(bundles, dev, strict=True)))
        progress(f"{way.name}: {worth[-1]}")
    questions = [q.question for q in dev[0].questions if not q.history][:TIMED]
    took: list[list[float]] = [[] for _ in ways]
    for question, (number, way) in product(questions, enumerate(ways)):
        with way.applied():
            start = perf_counter()
            answerers[number].answer(question, mode=way.mode)
            took[number].append((perf_counter() - start) * 1_000)
    return [Point(way, median(t), w) for way, t, w in zip(ways, took, worth, strict=True)]


def _calibrated(way: Way, asked: Sequence[Asked]) -> list[Bundle]:
    """The bundles with a reader, and with what is fitted for reading in a way."""
    if way.reader:
        reader = CrossEncoder(way.reader)
        asked = [replace(one, bundle=replace(one.bundle, reader=reader)) for one in asked]
    fitted = calibrate(*asked)
    bundles = [one.bundle for one in asked]
    return [replace(b, manifest={**b.manifest, "calibration": fitted}) for b in bundles]


def _worth(way: Way, bundle: Bundle, asked: Asked) -> tuple[float, ...]:
    texts = {document.id: document.text for document in bundle.documents.values()}
    found: Summary = summarize(run(asked.questions, in_process(bundle, mode=way.mode), texts))
    return tuple(
        found.areas[name] if name in found.areas else found.answerable.measures[name].mean
        for name in MEASURED
    )


def frontier_page(points: Sequence[Point], subjects: Sequence[str], plots: Path) -> str:
    """The table, its plot written beside it."""
    plots.mkdir(parents=True, exist_ok=True)
    (plots / "frontier.svg").write_text(frontier_plot(points, subjects), "utf-8")
    heads = ["windows read at most", "ms", *(f"{s} {name}" for s in subjects for name in MEASURED)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for point in points:
        cells = [f"{value:.3f}" for worth in point.worth for value in worth]
        lines.append(f"| {point.way.name} | {point.milliseconds:.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + (
        "\n\nms: median of a question in process, all ways in turn. near, falsepremise: AUROC of the "
        f"confidence against these questions; as served: {DEPTH} of {WINDOW_WORDS} words."
        "\n\n![frontier](frontier.svg)"
    )


def frontier_plot(points: Sequence[Point], subjects: Sequence[str]) -> str:
    """How well near misses are told, against milliseconds a question."""
    width, height, left, bottom, top, right = 620, 340, 60, 44, 16, 120
    at, near = MEASURED.index("near"), [[worth[MEASURED.index("near")] for worth in p.worth] for p in points]
    slowest = max(point.milliseconds for point in points)
    low = int(min(map(min, near)) * 10) / 10

    def place(milliseconds: float, area: float) -> tuple[float, float]:
        across, up = milliseconds / slowest, (area - low) / (1 - low)
        return (
            round(left + across * (width - left - right), 1),
            round(height - bottom - up * (height - bottom - top), 1),
        )

    parts = []
    for step in range(round((1 - low) * 10) + 1):
        _, y = place(0, low + step / 10)
        parts.append(f'<path stroke="#8884" d="M{left} {y}H{width - right}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{low + step / 10:.1f}</text>')
    for step in range(0, int(slowest) + 1, 5):
        x, _ = place(step, low)
        parts.append(f'<text x="{x}" y="{height - 26}" text-anchor="middle">{step}</text>')
    for number, (subject, colour) in enumerate(zip(subjects, _COLOURS, strict=False)):
        for point in points:
            x, y = place(point.milliseconds, point.worth[number][at])
            about = f"{point.way.name}, {subject}: {point.worth[number][at]:.3f}, {point.milliseconds:.1f} ms"
            parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"><title>{about}</title></circle>')
        key = f'<text x="{width - right + 12}" y="{40 + 18 * number}" style="fill:{colour}">{subject}</text>'
        parts.append(key)
    level, before = 0, -1e9
    for point in sorted(points, key=lambda one: one.milliseconds):
        # Names stand below one another where they would overlap.
        x, y = place(point.milliseconds, min(worth[at] for worth in point.worth))
        level, before = (level + 1 if x - before < _CROWDED else 0), x
        name = point.way.name.replace("`", "")
        parts.append(f'<path stroke="#8886" d="M{x} {y + 5}V{y + 14 + 16 * level}"/>')
        parts.append(f'<text x="{x + 3}" y="{y + 20 + 16 * level}">{name}</text>')
    parts.append(f'<text x="{width / 2 - 60}" y="{height - 8}" text-anchor="middle">ms a question</text>')
    style = "<style>text{font:11px system-ui,sans-serif;fill:#777}</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="AUROC against near misses by milliseconds a question">{style}{"".join(parts)}</svg>\n'
    )
