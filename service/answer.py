"""The online line: question → candidates → citations → answer. Here it is decided to be silent."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from indexer.bundle import Bundle
from service.citations import Citation, cite
from service.retriever import Candidate, Retrieval, Retriever

Reason = Literal["off_topic", "not_in_report"]


class UnknownDocumentError(LookupError):
    """A question names a document that the bundle does not hold."""

    def __init__(self, document_id: str, known: Collection[str]) -> None:
        super().__init__(
            f"document {document_id!r} is not served; expected one of: {', '.join(sorted(known))}"
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A ranked passage with its best sentence cited. `score`: probability that it answers."""

    rank: int
    candidate: Candidate
    score: float
    text: str
    citation: Citation

    @property
    def highlight(self) -> tuple[int, int]:
        """The cited sentence as `(start, end)` in `text`."""
        start = self.candidate.passage.start
        return self.citation.start - start, self.citation.end - start


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in the report's words, or the statement that the report does not say.

    `citations` are the places that `text` was taken from; `results` the ranked passages, which are
    merely the nearest ones when `answerable` is false. `confidence` is the calibrated probability that
    the report answers the question.
    """

    question: str
    answerable: bool
    confidence: float
    reason: Reason | None
    text: str | None
    citations: tuple[Citation, ...]
    results: tuple[Result, ...]


class Answerer:
    """Answers questions from one open bundle. Holds no state between questions."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._retriever = Retriever(bundle)
        self._calibration: Mapping[str, Any] = bundle.manifest["calibration"]

    def answer(self, question: str, limit: int = 3, documents: Collection[str] | None = None) -> Answer:
        """Answer a question, or say that the report does not.

        Args:
            question: What a person typed.
            limit: How many ranked passages to return beside the answer.
            documents: Ids of the documents to look in; all if None.

        Raises:
            UnknownDocumentError: if an id is not in the bundle.
        """
        retrieval = self._retrieve(question, documents)
        confidence = self.confidence(question, retrieval)
        results = self._results(retrieval, confidence, limit)
        if not results or confidence < self._calibration["threshold"]:
            # A similarity sees only whether a question is about the report at all.
            reason: Reason = "off_topic" if results else "not_in_report"
            return Answer(question, False, confidence, reason, None, (), results)
        best = results[0].citation
        return Answer(question, True, confidence, None, best.excerpt, (best,), results)

    def search(
        self, question: str, limit: int = 10, documents: Collection[str] | None = None
    ) -> tuple[Result, ...]:
        """Rank passages for a question, best first, without deciding whether one answers it."""
        retrieval = self._retrieve(question, documents)
        return self._results(retrieval, self.confidence(question, retrieval), limit)

    def confidence(self, question: str, retrieval: Retrieval) -> float:
        """Calibrated probability that the report answers, 0 to 1; `eval.calibrate` says what it is."""
        if not retrieval.candidates or not any(char.isalnum() for char in question):
            return 0.0
        weights = self._calibration["confidence"]
        logit = weights["intercept"] + sum(
            weights[name] * value for name, value in confidence_features(retrieval).items()
        )
        return round(float(weights["share"]) / (1 + math.exp(-logit)), 4)

    def _retrieve(self, question: str, documents: Collection[str] | None) -> Retrieval:
        for document_id in documents or ():
            if document_id not in self.bundle.documents:
                raise UnknownDocumentError(document_id, self.bundle.documents)
        return self._retriever.retrieve(question, documents or None)

    def _results(self, retrieval: Retrieval, confidence: float, limit: int) -> tuple[Result, ...]:
        return tuple(
            self._result(rank, candidate, confidence, retrieval.candidates[0].score)
            for rank, candidate in enumerate(retrieval.candidates[:limit], start=1)
        )

    def _result(self, rank: int, candidate: Candidate, confidence: float, best: float) -> Result:
        passage = candidate.passage
        document = self.bundle.documents[passage.document_id]
        return Result(
            rank=rank,
            candidate=candidate,
            # A passage that trails the first by one standard score is about e times less likely to answer.
            score=round(confidence * math.exp(candidate.score - best), 4),
            text=self.bundle.text(passage),
            citation=cite(document, passage, *passage.sentences[candidate.sentence]),
        )


def confidence_features(retrieval: Retrieval) -> dict[str, float]:
    """What the confidence is computed from: the best cosines, and how near the question is to small talk."""
    return {
        "dense": max(candidate.scores["dense"] for candidate in retrieval.candidates),
        "sentence": max(candidate.scores["sentence"] for candidate in retrieval.candidates),
        "smalltalk": retrieval.smalltalk,
    }
