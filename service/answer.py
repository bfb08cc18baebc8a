"""The online line: question → candidates → citations → answer. Here it is decided to be silent."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from indexer.bundle import Bundle
from service.citations import Citation, cite
from service.query import Query, Vocabulary, make_query
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

    query: Query
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
        self._vocabulary = Vocabulary([d.text for d in bundle.documents.values()], bundle.english)
        self._names = {k: v for document in bundle.documents.values() for k, v in document.names.items()}
        self._calibration: Mapping[str, Any] = bundle.manifest["calibration"]

    def answer(
        self,
        question: str,
        limit: int = 3,
        documents: Collection[str] | None = None,
        history: Sequence[Mapping[str, str]] = (),
    ) -> Answer:
        """Answer a question, or say that the report does not.

        Args:
            question: What a person typed.
            limit: How many ranked passages to return beside the answer.
            documents: Ids of the documents to look in; all if None.
            history: Earlier turns, oldest first, each with `role` and `content`.

        Raises:
            UnknownDocumentError: if an id is not in the bundle.
        """
        query, retrieval = self.retrieve(question, documents, history)
        confidence = self.confidence(question, retrieval)
        results = self._results(retrieval, confidence, limit)
        if not results or confidence < self._calibration["threshold"]:
            # A similarity sees only whether a question is about the report at all.
            reason: Reason = "off_topic" if results else "not_in_report"
            return Answer(query, question, False, confidence, reason, None, (), results)
        best = results[0].citation
        return Answer(query, question, True, confidence, None, best.excerpt, (best,), results)

    def search(
        self, question: str, limit: int = 10, documents: Collection[str] | None = None
    ) -> tuple[Query, tuple[Result, ...]]:
        """Rank passages for a question, best first, without deciding whether one answers it."""
        query, retrieval = self.retrieve(question, documents)
        return query, self._results(retrieval, self.confidence(question, retrieval), limit)

    def retrieve(
        self,
        question: str,
        documents: Collection[str] | None = None,
        history: Sequence[Mapping[str, str]] = (),
    ) -> tuple[Query, Retrieval]:
        """Understand a question and find candidates; arguments as for `answer`."""
        for document_id in documents or ():
            if document_id not in self.bundle.documents:
                raise UnknownDocumentError(document_id, self.bundle.documents)
        query = make_query(question, history, self._vocabulary, self._names)
        return query, self._retriever.retrieve(query, documents or None)

    def confidence(self, question: str, retrieval: Retrieval) -> float:
        """Calibrated probability that the report answers, 0 to 1; `eval.calibrate` says what it is."""
        if not retrieval.candidates or not any(char.isalnum() for char in question):
            return 0.0
        weights = self._calibration["confidence"]
        logit = weights["intercept"] + sum(
            weights[name] * value for name, value in confidence_features(retrieval).items()
        )
        return round(float(weights["share"]) / (1 + math.exp(-logit)), 4)

    def _results(self, retrieval: Retrieval, confidence: float, limit: int) -> tuple[Result, ...]:
        """The first candidates as results.

        The fusion is fitted so that exp(score), as a share of the sum over the candidates, is the
        probability that a passage is the one that answers, given that one does.
        """
        if not retrieval.candidates:
            return ()
        best = retrieval.candidates[0].score
        odds = [math.exp(candidate.score - best) for candidate in retrieval.candidates]
        total = sum(odds)
        return tuple(
            self._result(rank, candidate, round(confidence * share / total, 4))
            for rank, (candidate, share) in enumerate(
                zip(retrieval.candidates[:limit], odds, strict=False), start=1
            )
        )

    def _result(self, rank: int, candidate: Candidate, score: float) -> Result:
        passage = candidate.passage
        document = self.bundle.documents[passage.document_id]
        citation = cite(document, passage, *passage.sentences[candidate.sentence])
        return Result(rank, candidate, score, self.bundle.text(passage), citation)


def confidence_features(retrieval: Retrieval) -> dict[str, float]:
    """What the confidence is computed from: the best similarities, and how near to small talk it is."""
    best = {
        name: max(candidate.scores[name] for candidate in retrieval.candidates)
        for name in ("dense", "sentence", "late")
    }
    return {**best, "smalltalk": retrieval.smalltalk}
