"""One bundle, asked in a process of its own: `python -m eval.speed.asked BUNDLE QUESTIONS.json` prints JSON.

How long it takes to open and to answer in either mode, what memory it takes, and how many of the first five
passages in `fast` are those that exact search would have found.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from indexer.bundle import Bundle, open_bundle
from indexer.nearest import exact_index
from service.answer import Answer, Answerer, Mode

_TOP = 5
_WARM_UP = 20


def ask(path: Path, questions: Sequence[str]) -> dict[str, float]:
    """Open a bundle and ask it; seconds, milliseconds and MB."""
    start = time.perf_counter()
    bundle = open_bundle(path)
    answerer = Answerer(bundle)
    opened = time.perf_counter() - start
    times, found = _timed(answerer, questions, "fast")
    read, _ = _timed(answerer, questions, "accurate")
    memory = _memory()
    p50, p95 = np.percentile(times, [50, 95])
    recall = _recall(
        bundle,
        questions,
        [[(r.candidate.passage.passage_id, r.candidate.score) for r in answer.results] for answer in found],
    )
    return {
        "open": opened,
        "p50": float(p50),
        "p95": float(p95),
        "accurate": float(np.median(read)),
        "recall": recall,
        **memory,
    }


def _timed(answerer: Answerer, questions: Sequence[str], mode: Mode) -> tuple[list[float], list[Answer]]:
    """Milliseconds of each answer, and the answers."""
    for question in questions[:_WARM_UP]:
        answerer.answer(question, _TOP, mode=mode)
    times, answers = [], []
    for question in questions:
        start = time.perf_counter()
        answers.append(answerer.answer(question, _TOP, mode=mode))
        times.append((time.perf_counter() - start) * 1_000)
    return times, answers


def _recall(bundle: Bundle, questions: Sequence[str], found: Sequence[Sequence[tuple[str, float]]]) -> float:
    """Share of the exact first passages that were found; one of an equal score is as good."""
    exact = Answerer(
        replace(
            bundle,
            passage_index=exact_index(np.ascontiguousarray(bundle.passage_index.rows)),
            sentence_index=exact_index(np.ascontiguousarray(bundle.sentence_index.rows)),
        )
    )
    shares = []
    for question, ours in zip(questions, found, strict=True):
        true = exact.answer(question, _TOP, mode="fast").results
        ids, scores = {id_ for id_, _ in ours}, [score for _, score in ours]
        hits = [r.candidate.passage.passage_id in ids or r.candidate.score in scores for r in true]
        shares.append(float(np.mean(hits)) if hits else 1.0)
    return float(np.mean(shares))


def _memory() -> dict[str, float]:
    """Resident MB: what is this process's own, and what is mapped from files and can be dropped."""
    status = Path("/proc/self/status")
    if not status.is_file():  # no Linux
        return {"own": float("nan"), "mapped": float("nan")}
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    own, mapped = (int(lines[name].split()[0]) / 1_024 for name in ("RssAnon", "RssFile"))
    return {"own": own, "mapped": mapped}


if __name__ == "__main__":
    print(json.dumps(ask(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text("utf-8")))))
