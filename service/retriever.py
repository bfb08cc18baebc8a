"""Question → candidates: passages and their best sentence, by several channels fused into one order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexer.bundle import Bundle
from indexer.encoder import EncodedQuery
from indexer.lexical import K1, terms
from indexer.passages import Passage, encoding_text
from service.query import Query

if TYPE_CHECKING:
    from service.reader import Reading

CHANNELS = ("dense", "sentence", "lexical", "late", "late_sentence")
"""Cosine of the passage; cosine of its best sentence; BM25 as a share of the most it could be; MaxSim
of the passage; MaxSim of its best sentence."""
SENTENCE_CHANNELS = ("sentence", "late_sentence")
"""What the answering sentence within a passage is chosen by."""
DEPTH = 100
"""How many passages each channel proposes."""
LATE_DEPTH = 100
"""How many of those, by the channels that propose, are matched token by token: it costs most, and a corpus
of any size then costs what a small one does."""
_FIRST = tuple(CHANNELS.index(name) for name in ("dense", "sentence", "lexical"))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may answer, with its best sentence (a position in `passage.sentences`).

    `features` are the channels' scores in the order of `CHANNELS`; `score` is their weighted sum, until
    a reader has read. `shares`: logarithm of the probability that each of the passage's sentences is
    the one that answers, given that one does. `reading`: what a reader found around `sentence`.
    """

    passage: Passage
    sentence: int
    score: float
    features: tuple[float, ...]
    shares: tuple[float, ...] = ()
    reading: "Reading | None" = None

    @property
    def scores(self) -> dict[str, float]:
        """The raw scores by channel, and the reader's if it has read."""
        channels = dict(zip(CHANNELS, self.features, strict=True))
        return channels | ({"reader": round(self.reading.answers, 6)} if self.reading else {})


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found: candidates, best first, and how near the question is to small talk (cosine).

    `unnamed`: whether a name or number of the question stands nowhere in what a reader has read.
    """

    candidates: list[Candidate]
    smalltalk: float
    unnamed: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """Scores of a query against passages and their sentences, before they are fused.

    `passages` `[len(rows), CHANNELS]`; the sentences of `rows[i]` are rows `starts[i]` up to
    `starts[i + 1]` of `sentences` `[n, SENTENCE_CHANNELS]`.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    passages: NDArray[np.float64]
    sentences: NDArray[np.float64]
    smalltalk: float


@dataclass(frozen=True, slots=True)
class _Words:
    """BM25 of each passage for a text, float32 `[passages]`, and the most that its terms could score."""

    scores: NDArray[np.float32]
    most: float

    def shares(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The scores of some passages as shares of the most they could be, 0 to 1."""
        return self.scores[rows].astype(np.float64) / self.most


class Retriever:
    """Finds candidates in one open bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._passage_vectors = bundle.passage_index.rows
        self._sentence_vectors = bundle.sentence_index.rows
        self._smalltalk_vectors = bundle.smalltalk_index.rows
        self._sentence_passage = np.repeat(np.arange(len(bundle.passages)), np.diff(bundle.sentence_starts))
        self._document = np.array([passage.document_id for passage in bundle.passages])
        calibration = bundle.manifest["calibration"]
        self._weights = {fast: _weights(fitted(calibration, fast=fast)) for fast in (False, True)}

    def retrieve(
        self, query: Query, documents: Collection[str] | None = None, *, fast: bool = False
    ) -> Retrieval:
        """Rank passages for a query, best first; ties go by passage id.

        Args:
            query: What is searched.
            documents: Ids of the documents to look in; all if None.
            fast: Whether the query is encoded by the smaller network.
        """
        matches = self.match(query, documents, fast=fast)
        passage_weights, sentence_weights = self._weights[fast]
        scores = fuse(matches.passages, passage_weights)
        answering = matches.sentences @ sentence_weights
        odds = np.exp(answering - answering.max(initial=0.0))
        total = np.add.reduceat(odds, matches.starts[:-1])
        shares = _rounded(np.log(odds / np.repeat(total, np.diff(matches.starts)) + 1e-12))
        starts = matches.starts.tolist()
        found = []
        for row, first, last, score, values in zip(
            matches.rows, starts, starts[1:], _rounded(scores), _rounded(matches.passages), strict=False
        ):
            mine = tuple(shares[first:last])
            best = mine.index(max(mine))
            found.append(Candidate(self._bundle.passages[row], best, score, tuple(values), mine))
        found.sort(key=lambda candidate: (-candidate.score, candidate.passage.passage_id))
        return Retrieval(found, matches.smalltalk)

    @np.errstate(invalid="ignore")  # what is invalid is looked for at the end, by its value
    def match(self, query: Query, documents: Collection[str] | None = None, *, fast: bool = False) -> Matches:
        """Score a query against the passages that the first-stage channels propose, by every channel."""
        allowed = None
        if documents is not None:
            allowed = np.flatnonzero(np.isin(self._document, list(documents)))
        texts = [(query.text, 1.0), *query.context]
        total = sum(weight for _, weight in texts)
        shares = [weight / total for _, weight in texts]
        encoded = [self._bundle.encoder.encode(encoding_text(text), fast=fast) for text, _ in texts]
        lexical = [self._lexical(text) for text, _ in texts]
        rows = self._union(encoded, lexical, allowed)
        if len(rows) > LATE_DEPTH:
            rows = self._likeliest(rows, shares, encoded, lexical, self._weights[fast][0])
        firsts, inside = self._inside(rows)
        passages = np.zeros((len(rows), len(CHANNELS)))
        sentences = np.zeros((len(inside), len(SENTENCE_CHANNELS)))
        for share, vectors, words in zip(shares, encoded, lexical, strict=True):
            dense, cosine = self._cosines(rows, inside, vectors)
            similarities = self._bundle.late.similarities(vectors.tokens, inside)
            importance = self._bundle.late.weights(vectors.ids)
            matched = importance @ similarities
            channels = (
                dense,
                np.maximum.reduceat(cosine, firsts[:-1]),
                words.shares(rows),
                importance @ np.maximum.reduceat(similarities, firsts[:-1], axis=1),
                np.maximum.reduceat(matched, firsts[:-1]),
            )
            passages += share * np.stack(channels, axis=1)
            sentences += share * np.stack([cosine, matched], axis=1)
        smalltalk = round(float((self._smalltalk_vectors @ encoded[0].vector).max()), 6)
        # A product of small matrices warned of an invalid value once in some thirty runs of all tests; why
        # is not known, nor could it be made again. A flag alone does no harm; what is no number would.
        if not (np.isfinite(passages).all() and np.isfinite(sentences).all()):
            raise FloatingPointError("the scores of a question are not finite; is the bundle sound?")
        return Matches(rows, firsts, passages, sentences, smalltalk)

    def _inside(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the sentences of each passage begin among those of all, and the rows of these."""
        starts = self._bundle.sentence_starts
        counts = starts[rows + 1] - starts[rows]
        firsts = np.cumsum([0, *counts])
        return firsts, np.repeat(starts[rows] - firsts[:-1], counts) + np.arange(counts.sum())

    def _cosines(
        self, rows: NDArray[np.int64], inside: NDArray[np.int64], query: EncodedQuery
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._passage_vectors[rows] @ query.vector, self._sentence_vectors[inside] @ query.vector

    def _likeliest(
        self,
        rows: NDArray[np.int64],
        shares: Sequence[float],
        encoded: Sequence[EncodedQuery],
        lexical: Sequence["_Words"],
        weights: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """The `LATE_DEPTH` of `rows` that are best by the channels that propose, ascending."""
        firsts, inside = self._inside(rows)
        scores = np.zeros(len(rows))
        for share, query, words in zip(shares, encoded, lexical, strict=True):
            dense, cosine = self._cosines(rows, inside, query)
            channels = (dense, np.maximum.reduceat(cosine, firsts[:-1]), words.shares(rows))
            scores += share * (np.stack(channels, axis=1) @ weights[list(_FIRST)])
        return np.sort(rows[np.argsort(-scores, kind="stable")[:LATE_DEPTH]])

    def _lexical(self, text: str) -> "_Words":
        query = terms(text)
        most = float((K1 + 1) * self._bundle.lexical.idf(query).sum())
        return _Words(self._bundle.lexical.scores(query), most or 1.0)

    def _union(
        self,
        encoded: Sequence[EncodedQuery],
        lexical: Sequence["_Words"],
        allowed: NDArray[np.int64] | None,
    ) -> NDArray[np.int64]:
        """Rows of the first `DEPTH` passages of each first-stage channel among those allowed, ascending."""
        if allowed is None and len(self._document) <= DEPTH:
            return np.arange(len(self._document))
        if allowed is not None and len(allowed) <= DEPTH:
            return allowed
        found = []
        for query, words in zip(encoded, lexical, strict=True):
            if allowed is None:
                found.append(self._bundle.passage_index.search(query.vector, DEPTH))
                near = self._bundle.sentence_index.search(query.vector, DEPTH)
                found.append(self._sentence_passage[near])
            else:  # what few documents hold may be far from what is nearest of all
                _, inside = self._inside(allowed)
                dense, cosine = self._cosines(allowed, inside, query)
                found.append(allowed[_best(dense)])
                found.append(self._sentence_passage[inside[_best(cosine)]])
            among = np.flatnonzero(words.scores) if allowed is None else allowed
            found.append(among[_best(words.scores[among])])
        return np.unique(np.concatenate(found))


def fitted(calibration: Mapping[str, Any], *, fast: bool) -> Mapping[str, Any]:
    """What was fitted for the network that encodes a question: weights of channels, confidence, threshold."""
    found: Mapping[str, Any] = calibration.get("fast", calibration) if fast else calibration
    return found


def fuse(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """One score a passage `[n]` from those of its channels `[n, CHANNELS]`: their weighted sum."""
    fused: NDArray[np.float64] = scores @ weights
    return fused


def _weights(calibration: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the channels, for passages and for the sentences in them."""
    passages = np.array([calibration["fusion"][name] for name in CHANNELS])
    return passages, np.array([calibration["answer"][name] for name in SENTENCE_CHANNELS])


def _rounded(values: NDArray[np.float64]) -> list[Any]:
    """As numbers that are read without noise, and equal where they differ by noise."""
    rounded: list[Any] = np.round(values, 6).tolist()
    return rounded


def _best(scores: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of the `DEPTH` best scores; of equal ones, the first."""
    if len(scores) <= DEPTH:
        return np.arange(len(scores))
    least = np.partition(scores, -DEPTH)[-DEPTH]
    above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
    return np.concatenate([above, equal[: DEPTH - len(above)]])
