"""Candidates → readings: question and sentences read together, a few sentences at a time.

A window is a run of whole sentences around one that retrieval found, so that "it" and "the group" are
read with what they stand for, and no more is read than that needs. What comes next is read ahead while a core
is idle: on two cores, whoever asks alone waits a sixth less (14.7 → 12.3 ms, 150 dev questions, AMD EPYC).
"""

import math
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from threading import Semaphore

import numpy as np

from indexer.bundle import Bundle
from indexer.cross_encoder import PairLogits
from indexer.passages import encoding_sentences, reading_head
from service.retriever import Candidate

DEPTH = 3
"""So many windows are read for a question at most."""
ENOUGH = 0.95
"""Nothing more is read once what was read holds the answer so probably, by what was known before reading."""
FEATURES = ("found", "sentence", "words")
"""What a read sentence is ranked by: the logarithm of its probability before reading, up to a constant, its
own logit, and that of its window's best words. The window's `answers` adds nothing to them (its fitted
weight was -0.002): it counts in the confidence."""
WINDOW_WORDS = 28
"""A window grows by whole sentences up to so many words. With 48, from which the reader that ships learned,
no more is found, and it takes longer (`eval/results/retrieval.md`)."""
UNREAD = -9.0
"""The logit of what could not be read."""
_LONGEST_ANSWER = 30
"""Tokens of an answer's own words."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in the sentences `[first, first + len(sentences))` of a passage. All are logits.

    `answers`: that they answer the question; `sentences`: that each is the one that does; `words`: of
    the best answer's own words, less that of there being none.
    """

    first: int
    answers: float
    sentences: tuple[float, ...]
    words: float


def window(sentences: Sequence[str], centre: int) -> Span:
    """The sentences `[first, last)` to read around `centre`: one before it first, then one after."""
    words = [len(sentence.split()) for sentence in sentences]
    first, last, used = centre, centre + 1, words[centre]
    grown = True
    while grown:
        grown = False
        if first > 0 and used + words[first - 1] <= WINDOW_WORDS:
            first, grown = first - 1, True
            used += words[first]
        if last < len(words) and used + words[last] <= WINDOW_WORDS:
            used, last, grown = used + words[last], last + 1, True
    return first, last


def window_text(head: str, sentences: Sequence[str]) -> tuple[str, list[Span]]:
    """What is read of a window, and where in it each sentence stands."""
    text, spans = f"{head}. " if head else "", []
    for sentence in sentences:
        spans.append((len(text), len(text) + len(sentence)))
        text += sentence + " "
    return text.rstrip(), spans


def reading(first: int, spans: Sequence[Span], found: PairLogits) -> Reading:
    """A model's logits, sentence by sentence."""
    if not len(found.tokens):
        return Reading(first, found.answers, tuple(found.answers for _ in spans), found.answers)
    starts, ends = found.places[:, 0], found.places[:, 1]
    sentences = []
    for start, end in spans:
        inside = (starts >= start) & (ends <= end) & (ends > starts)
        sentences.append(float(found.tokens[inside, 0].mean()) if inside.any() else UNREAD)
    opening, closing = found.tokens[:, 1], found.tokens[:, 2]
    pairs = opening[:, None] + closing[None, :]
    order = np.arange(len(opening))
    allowed = (order[None, :] >= order[:, None]) & (order[None, :] - order[:, None] < _LONGEST_ANSWER)
    best = float(np.where(allowed, pairs, -np.inf).max()) - found.nothing
    return Reading(first, found.answers, tuple(sentences), best)


@dataclass(frozen=True, slots=True)
class ReadSentence:
    """A sentence that was read: of which candidate, which one of it, and its `FEATURES`."""

    candidate: int
    sentence: int
    features: tuple[float, ...]
    reading: Reading


@dataclass(frozen=True, slots=True)
class _Window:
    """What is read at once: the sentences from `first` on of a candidate, in `text`, each at its span."""

    candidate: int
    first: int
    text: str
    spans: tuple[Span, ...]


class Reader:
    """Reads with the cross-encoder of one open bundle.

    Args:
        bundle: What is read in.
        cores: So many windows are read at the same time, of one question or of several. A window is read
            ahead only on a core that reads nothing else; whether one is changes no answer.

    Raises:
        ValueError: if the bundle has no reader.
    """

    def __init__(self, bundle: Bundle, cores: int = 1) -> None:
        if bundle.reader is None:
            raise ValueError("the bundle has no reader")
        self._encoder = bundle.reader
        self._documents = bundle.documents
        self._cores = Semaphore(cores)
        self._ahead = ThreadPoolExecutor(max(cores - 1, 1), thread_name_prefix="ahead")

    def read(
        self, question: str, candidates: Sequence[Candidate], depth: int = DEPTH, sure: float = math.inf
    ) -> list[ReadSentence]:
        """Read the windows around the likeliest sentences; returns every sentence in them, once.

        Args:
            question: As it can be understood without what was said before it.
            candidates: As retrieved, best first.
            depth: How many windows are read.
            sure: Nothing more is read after a window that answers with this logit.
        """
        seen: set[tuple[int, int]] = set()
        read: list[ReadSentence] = []
        with closing(self._readings(question, self._windows(candidates, depth))) as readings:
            for row, found in readings:
                for sentence, logit in enumerate(found.sentences, start=found.first):
                    if (row, sentence) not in seen:
                        seen.add((row, sentence))
                        before = candidates[row].score + candidates[row].shares[sentence]
                        read.append(ReadSentence(row, sentence, (before, logit, found.words), found))
                if found.answers >= sure:
                    break
        return read

    def _windows(self, candidates: Sequence[Candidate], depth: int) -> list[_Window]:
        """Windows around the likeliest sentences, until enough of what is likely is in them."""
        likely = sorted(
            (-candidate.score - share, row, sentence)
            for row, candidate in enumerate(candidates[: 2 * depth])
            for sentence, share in enumerate(candidate.shares)
        )
        odds = {(row, sentence): math.exp(likely[0][0] - unlikely) for unlikely, row, sentence in likely}
        total = sum(odds.values())
        seen: set[tuple[int, int]] = set()
        windows: list[_Window] = []
        for _, row, centre in likely:
            if (row, centre) in seen:
                continue
            if len(windows) == depth or sum(odds[place] for place in seen) >= ENOUGH * total:
                break
            passage = candidates[row].passage
            document = self._documents[passage.document_id]
            sentences = encoding_sentences(document, passage)
            first, last = window(sentences, centre)
            seen.update((row, sentence) for sentence in range(first, last))
            head = reading_head(document.title, passage.heading_path)
            text, spans = window_text(head, sentences[first:last])
            windows.append(_Window(row, first, text, tuple(spans)))
        return windows

    def _readings(
        self, question: str, windows: Sequence[_Window]
    ) -> Generator[tuple[int, Reading], None, None]:
        """What is found in each window, with its candidate, in order. Later ones are read on free cores."""
        mine = self._cores.acquire(blocking=False)
        ahead = [self._read_ahead(question, where) for where in windows[1:]]
        try:
            for where, begun in zip(windows, [None, *ahead], strict=False):
                yield where.candidate, begun.result() if begun else self._reading(question, where)
        finally:
            for begun in filter(None, ahead):
                if begun.cancel():
                    self._cores.release()
            if mine:
                self._cores.release()

    def _read_ahead(self, question: str, where: _Window) -> "Future[Reading] | None":
        """Begin to read a window, if a core is free."""

        def read() -> Reading:
            try:
                return self._reading(question, where)
            finally:
                self._cores.release()

        return self._ahead.submit(read) if self._cores.acquire(blocking=False) else None

    def _reading(self, question: str, where: _Window) -> Reading:
        return reading(where.first, where.spans, self._encoder.read(question, where.text))


def _shares(scores: Mapping[int, float], sentences: int) -> tuple[float, ...]:
    """The scores of those sentences of a passage that were read, as `Candidate.shares`."""
    best = max(scores.values())
    total = best + math.log(sum(math.exp(score - best) for score in scores.values()))
    return tuple(scores.get(sentence, -math.inf) - total for sentence in range(sentences))


def rank_read(
    candidates: Sequence[Candidate], read: Sequence[ReadSentence], weights: Mapping[str, float]
) -> list[Candidate]:
    """Candidates in the order of their best read sentence; those unread follow as they were."""
    factors = [weights[name] for name in FEATURES]
    best: dict[int, tuple[float, ReadSentence]] = {}
    scores: dict[int, dict[int, float]] = {}
    for item in read:
        score = sum(factor * value for factor, value in zip(factors, item.features, strict=True))
        scores.setdefault(item.candidate, {})[item.sentence] = score
        if item.candidate not in best or score > best[item.candidate][0]:
            best[item.candidate] = score, item
    ranked = [
        replace(
            candidates[row],
            sentence=item.sentence,
            score=round(score, 6),
            shares=_shares(scores[row], len(candidates[row].shares)),
            reading=item.reading,
        )
        for row, (score, item) in best.items()
    ]
    ranked.sort(key=lambda candidate: (-candidate.score, candidate.passage.passage_id))
    lowest = ranked[-1].score if ranked else 0.0
    rest = [candidate for row, candidate in enumerate(candidates) if row not in best]
    behind = [
        replace(candidate, score=round(lowest - 1 + weights["found"] * (candidate.score - rest[0].score), 6))
        for candidate in rest
    ]
    return ranked + behind
