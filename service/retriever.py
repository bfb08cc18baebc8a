"""Question → candidates: passages and their best sentence, by three channels fused into one order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.bundle import Bundle
from indexer.lexical import K1, terms
from indexer.passages import Passage, encoding_text

CHANNELS = ("dense", "sentence", "lexical")
"""Cosine of the passage, cosine of its best sentence, and BM25 as a share of the most it could be."""
DEPTH = 100
"""How many passages each channel proposes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may answer, with its best sentence (a position in `passage.sentences`).

    `features` are the channels' scores in the order of `CHANNELS`; `score` is their fusion, comparable
    within one question only.
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


class Retriever:
    """Finds candidates in one open bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._passage_vectors = _rows(bundle.passage_index)
        self._sentence_vectors = _rows(bundle.sentence_index)
        self._smalltalk_vectors = _rows(bundle.smalltalk_index)
        self._sentence_passage = np.repeat(np.arange(len(bundle.passages)), np.diff(bundle.sentence_starts))
        self._document = np.array([passage.document_id for passage in bundle.passages])
        self._fusion: Mapping[str, float] = bundle.manifest["calibration"]["fusion"]

    def retrieve(self, question: str, documents: Collection[str] | None = None) -> Retrieval:
        """Rank passages for a question, best first; ties go by passage id.

        Args:
            question: What a person typed.
            documents: Ids of the documents to look in; all if None.
        """
        allowed = (
            np.arange(len(self._document))
            if documents is None
            else np.flatnonzero(np.isin(self._document, list(documents)))
        )
        vector = self._bundle.encoder.encode(encoding_text(question))
        lexical = self._lexical(question)
        rows = self._union(vector, lexical, allowed)
        features, sentences = self._features(rows, vector, lexical)
        fused = fuse(features, np.array([self._fusion[name] for name in CHANNELS]))
        found = [
            Candidate(
                self._bundle.passages[row],
                int(sentence),
                round(float(score), 6),
                tuple(round(float(value), 6) for value in values),
            )
            for row, sentence, score, values in zip(rows, sentences, fused, features, strict=True)
        ]
        found.sort(key=lambda candidate: (-candidate.score, candidate.passage.passage_id))
        return Retrieval(found, round(float((self._smalltalk_vectors @ vector).max()), 6))

    def _lexical(self, question: str) -> NDArray[np.float64]:
        """BM25 of each passage over the most that the question's terms could score: `[passages]`, 0 to 1."""
        query = terms(question)
        most = (K1 + 1) * self._bundle.lexical.idf(query).sum()
        return self._bundle.lexical.scores(query).astype(np.float64) / (most or 1.0)

    def _union(
        self, vector: NDArray[np.float32], lexical: NDArray[np.float64], allowed: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Rows of the first `DEPTH` passages of each channel among those allowed, ascending."""
        if len(allowed) <= DEPTH:
            return allowed
        query = vector[None]
        passages = _search(self._bundle.passage_index, query, allowed)
        inside = np.flatnonzero(np.isin(self._sentence_passage, allowed))
        sentences = self._sentence_passage[_search(self._bundle.sentence_index, query, inside)]
        words = allowed[np.argsort(-lexical[allowed], kind="stable")[:DEPTH]]
        return np.unique(np.concatenate([passages, sentences, words]))

    def _features(
        self, rows: NDArray[np.int64], vector: NDArray[np.float32], lexical: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Every channel's score of every row `[rows, channels]`, and each row's best sentence `[rows]`."""
        starts, ends = self._bundle.sentence_starts[rows], self._bundle.sentence_starts[rows + 1]
        counts = ends - starts
        firsts = np.cumsum(counts) - counts
        inside = np.repeat(starts - firsts, counts) + np.arange(counts.sum())
        cosines = self._sentence_vectors[inside] @ vector
        best = np.maximum.reduceat(cosines, firsts)
        sentences = np.array(
            [int(np.argmax(cosines[f : f + n])) for f, n in zip(firsts, counts, strict=True)],
            dtype=np.int64,
        )
        dense = self._passage_vectors[rows] @ vector
        return np.stack([dense, best, lexical[rows]], axis=1).astype(np.float64), sentences


def fuse(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sum of standard scores, per channel over the candidates: `[n, channels]` → `[n]`.

    Standard scores put a cosine and a BM25 score on one scale without a constant of either.
    """
    spread = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    fused: NDArray[np.float64] = standard @ weights
    return fused


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
