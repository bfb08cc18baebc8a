"""Question → candidates: passages and their best sentence, by several channels fused into one order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.bundle import Bundle
from indexer.encoder import EncodedQuery
from indexer.lexical import K1, terms
from indexer.passages import Passage, encoding_text
from service.query import Query

CHANNELS = ("dense", "sentence", "lexical", "late", "late_sentence")
"""Cosine of the passage; cosine of its best sentence; BM25 as a share of the most it could be; MaxSim
of the passage; MaxSim of its best sentence."""
SENTENCE_CHANNELS = ("sentence", "late_sentence")
"""What the answering sentence within a passage is chosen by."""
DEPTH = 100
"""How many passages each channel proposes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may answer, with its best sentence (a position in `passage.sentences`).

    `features` are the channels' scores in the order of `CHANNELS`; `score` is their weighted sum.
    """

    passage: Passage
    sentence: int
    score: float
    features: tuple[float, ...]

    @property
    def scores(self) -> dict[str, float]:
        """The raw scores by channel."""
        return dict(zip(CHANNELS, self.features, strict=True))


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found: candidates, best first, and how near the question is to small talk (cosine)."""

    candidates: list[Candidate]
    smalltalk: float


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


class Retriever:
    """Finds candidates in one open bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._passage_vectors = _rows(bundle.passage_index)
        self._sentence_vectors = _rows(bundle.sentence_index)
        self._smalltalk_vectors = _rows(bundle.smalltalk_index)
        self._sentence_passage = np.repeat(np.arange(len(bundle.passages)), np.diff(bundle.sentence_starts))
        self._document = np.array([passage.document_id for passage in bundle.passages])
        calibration = bundle.manifest["calibration"]
        self._passage_weights = np.array([calibration["fusion"][name] for name in CHANNELS])
        self._sentence_weights = np.array([calibration["answer"][name] for name in SENTENCE_CHANNELS])

    def retrieve(self, query: Query, documents: Collection[str] | None = None) -> Retrieval:
        """Rank passages for a query, best first; ties go by passage id.

        Args:
            query: What is searched.
            documents: Ids of the documents to look in; all if None.
        """
        matches = self.match(query, documents)
        scores = matches.passages @ self._passage_weights
        answering = matches.sentences @ self._sentence_weights
        found = [
            Candidate(
                self._bundle.passages[row],
                int(np.argmax(answering[first:last])),
                round(float(score), 6),
                tuple(round(float(value), 6) for value in values),
            )
            for row, first, last, score, values in zip(
                matches.rows, matches.starts, matches.starts[1:], scores, matches.passages, strict=False
            )
        ]
        found.sort(key=lambda candidate: (-candidate.score, candidate.passage.passage_id))
        return Retrieval(found, matches.smalltalk)

    def match(self, query: Query, documents: Collection[str] | None = None) -> Matches:
        """Score a query against the passages that the first-stage channels propose, by every channel."""
        allowed = (
            np.arange(len(self._document))
            if documents is None
            else np.flatnonzero(np.isin(self._document, list(documents)))
        )
        texts = [(query.text, 1.0), *query.context]
        encoded = [self._bundle.encoder.encode(encoding_text(text)) for text, _ in texts]
        lexical = [self._lexical(text) for text, _ in texts]
        rows = self._union(encoded, lexical, allowed)
        starts = self._bundle.sentence_starts
        counts = starts[rows + 1] - starts[rows]
        firsts = np.cumsum([0, *counts])
        inside = np.repeat(starts[rows] - firsts[:-1], counts) + np.arange(counts.sum())
        passages = np.zeros((len(rows), len(CHANNELS)))
        sentences = np.zeros((len(inside), len(SENTENCE_CHANNELS)))
        total = sum(weight for _, weight in texts)
        for (_, weight), vectors, words in zip(texts, encoded, lexical, strict=True):
            cosine = self._sentence_vectors[inside] @ vectors.vector
            similarities = self._bundle.late.similarities(vectors.tokens, inside)
            importance = self._bundle.late.weights(vectors.ids)
            matched = similarities @ importance
            channels = (
                self._passage_vectors[rows] @ vectors.vector,
                np.maximum.reduceat(cosine, firsts[:-1]),
                words[rows],
                np.maximum.reduceat(similarities, firsts[:-1], axis=0) @ importance,
                np.maximum.reduceat(matched, firsts[:-1]),
            )
            passages += weight / total * np.stack(channels, axis=1)
            sentences += weight / total * np.stack([cosine, matched], axis=1)
        smalltalk = round(float((self._smalltalk_vectors @ encoded[0].vector).max()), 6)
        return Matches(rows, firsts, passages, sentences, smalltalk)

    def _lexical(self, text: str) -> NDArray[np.float64]:
        """BM25 of each passage over the most that the text's terms could score: `[passages]`, 0 to 1."""
        query = terms(text)
        most = (K1 + 1) * self._bundle.lexical.idf(query).sum()
        return self._bundle.lexical.scores(query).astype(np.float64) / (most or 1.0)

    def _union(
        self,
        encoded: Sequence[EncodedQuery],
        lexical: Sequence[NDArray[np.float64]],
        allowed: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Rows of the first `DEPTH` passages of each first-stage channel among those allowed, ascending."""
        if len(allowed) <= DEPTH:
            return allowed
        inside = np.flatnonzero(np.isin(self._sentence_passage, allowed))
        found = []
        for query, words in zip(encoded, lexical, strict=True):
            vector = query.vector[None]
            found.append(_search(self._bundle.passage_index, vector, allowed))
            found.append(self._sentence_passage[_search(self._bundle.sentence_index, vector, inside)])
            found.append(allowed[np.argsort(-words[allowed], kind="stable")[:DEPTH]])
        return np.unique(np.concatenate(found))


def _rows(index: Any) -> NDArray[np.float32]:
    """The vectors of a flat index, without copying them: `[ntotal, d]`."""
    flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    rows: NDArray[np.float32] = flat.reshape(index.ntotal, index.d)
    return rows


def _search(index: faiss.Index, query: NDArray[np.float32], allowed: NDArray[np.int64]) -> NDArray[np.int64]:
    parameters: Any = faiss.SearchParameters(  # type: ignore[call-arg]  # its stub leaves sel out
        sel=faiss.IDSelectorBatch(allowed)
    )
    _, found = index.search(query, min(DEPTH, len(allowed)), params=parameters)
    rows: NDArray[np.int64] = found[0][found[0] >= 0]
    return rows
