"""The online line: question → candidates → citations → answer. Here it is decided to be silent."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from indexer.bundle import Bundle
from indexer.lexical import fold
from service.citations import Citation, cite, settling
from service.query import Query, Vocabulary, asks_why, make_query, named, parts_of
from service.reader import Reader, ReadSentence, rank_read
from service.retriever import CHANNELS, Candidate, Retrieval, Retriever, fitted

Reason = Literal["off_topic", "not_in_report", "premise_not_supported"]
Mode = Literal["fast", "accurate"]
REPEATS = 0.65
"""From this likeness of words on (`late`), a question repeats the report's own more than a near miss does."""


class UnknownDocumentError(LookupError):
    """A question names a document that the bundle does not hold."""

    def __init__(self, document_id: str, known: Collection[str]) -> None:
        super().__init__(
            f"document {document_id!r} is not served; expected one of: {', '.join(sorted(known))}"
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A ranked passage with what settles the question cited in it. `score`: probability that it answers."""

    rank: int
    candidate: Candidate
    score: float
    text: str
    citation: Citation

    @property
    def highlight(self) -> tuple[int, int]:
        """What is cited as `(start, end)` in `text`."""
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


@dataclass(frozen=True, slots=True)
class _Found:
    """A query, what was found for it and how sure that is. `before`: how sure before any of it was read."""

    query: Query
    retrieval: Retrieval
    before: float
    confidence: float
    threshold: float
    read: bool


class Answerer:
    """Answers questions from one open bundle, `cores` of them at once. Holds no state between questions."""

    def __init__(self, bundle: Bundle, cores: int = 1) -> None:
        self.bundle = bundle
        self._retriever = Retriever(bundle)
        self._vocabulary = Vocabulary([d.text for d in bundle.documents.values()], bundle.english)
        self._names = self._names_of(bundle.documents)
        calibration = bundle.manifest["calibration"]
        self._before = {fast: fitted(calibration, fast=fast) for fast in (False, True)}
        self._reading: Mapping[str, Any] = calibration.get("reading") or {}
        self._reader = Reader(bundle, cores) if self._reading and bundle.reader else None

    def answer(
        self,
        question: str,
        limit: int = 3,
        documents: Collection[str] | None = None,
        history: Sequence[Mapping[str, str]] = (),
        mode: Mode = "accurate",
    ) -> Answer:
        """Answer a question, or say that the report does not.

        A question that asks for several things is answered from as many places, if all are found.

        Args:
            question: What a person typed.
            limit: How many ranked passages to return beside the answer.
            documents: Ids of the documents to look in; all if None.
            history: Earlier turns, oldest first, each with `role` and `content`.
            mode: Whether the best candidates are read together with the question, if there is a reader; in
                `fast` the question is encoded by the smaller network, too, if there is one.

        Raises:
            UnknownDocumentError: if an id is not in the bundle.
        """
        parts = parts_of(question)
        if len(parts) > 1 and (answer := self._of_parts(question, parts, limit, documents, history, mode)):
            return answer
        return self._single(question, limit, documents, history, mode)

    def _of_parts(
        self,
        question: str,
        parts: Sequence[str],
        limit: int,
        documents: Collection[str] | None,
        history: Sequence[Mapping[str, str]],
        mode: Mode,
    ) -> Answer | None:
        """The answers to the parts of a question as one; None if one is missing, or all are one sentence.

        Each part follows upon the one before as in a conversation, so that "it" is understood.
        """
        turns, answers = list(history), []
        for part in parts:
            answer = self._single(part, limit, documents, turns, mode)
            if answer.text is None:
                return None
            answers.append(answer)
            turns += {"role": "user", "content": part}, {"role": "assistant", "content": answer.text}
        citations = tuple(dict.fromkeys(citation for answer in answers for citation in answer.citations))
        if len(citations) == 1:
            return None
        best: dict[str, Result] = {}
        for result in sorted((r for answer in answers for r in answer.results), key=lambda r: -r.score):
            best.setdefault(result.candidate.passage.passage_id, result)
        return Answer(
            self._query(question, documents, history),
            question,
            True,
            min(answer.confidence for answer in answers),
            None,
            "\n".join(citation.excerpt for citation in citations),
            citations,
            tuple(replace(r, rank=rank) for rank, r in enumerate(list(best.values())[:limit], start=1)),
        )

    def _single(
        self,
        question: str,
        limit: int,
        documents: Collection[str] | None,
        history: Sequence[Mapping[str, str]],
        mode: Mode,
    ) -> Answer:
        """Answer a question that asks for one thing."""
        found = self._found(question, documents, history, mode)
        query, confidence = found.query, found.confidence
        results = self._results(found.retrieval, confidence, limit)
        if not results or confidence < found.threshold:
            reason = self._reason(found)
            return Answer(query, question, False, confidence, reason, None, (), results)
        best = results[0].citation
        return Answer(query, question, True, confidence, None, best.excerpt, (best,), results)

    def search(
        self,
        question: str,
        limit: int = 10,
        documents: Collection[str] | None = None,
        mode: Mode = "accurate",
    ) -> tuple[Query, tuple[Result, ...]]:
        """Rank passages for a question, best first, without deciding whether one answers it."""
        found = self._found(question, documents, (), mode)
        return found.query, self._results(found.retrieval, found.confidence, limit)

    def _found(
        self,
        question: str,
        documents: Collection[str] | None,
        history: Sequence[Mapping[str, str]],
        mode: Mode,
    ) -> "_Found":
        fast = mode == "fast"
        query, retrieval = self.retrieve(question, documents, history, fast=fast)
        before = self.confidence(question, retrieval, fast=fast)
        if fast or not self._reader:
            return _Found(query, retrieval, before, before, self._before[fast]["threshold"], read=False)
        threshold, skip = self._reading["threshold"], self._reading["skip"]
        if before < skip:  # about something else: not worth reading, and surely below the threshold
            sure = math.floor(before / skip * threshold * 10_000) / 10_000
            return _Found(query, retrieval, before, sure, threshold, read=False)
        retrieval = self.read(query, retrieval)
        sure = self.confidence(question, retrieval)
        return _Found(query, retrieval, before, sure, threshold, read=True)

    def _reason(self, found: "_Found") -> Reason:
        """Why nothing is said. Before reading it is seen only whether a question is about the report."""
        if not found.retrieval.candidates:
            return "not_in_report"
        if not found.read or found.before < self._before[False]["threshold"]:
            return "off_topic"
        return "premise_not_supported" if asks_why(found.query.asked or found.query.text) else "not_in_report"

    def retrieve(
        self,
        question: str,
        documents: Collection[str] | None = None,
        history: Sequence[Mapping[str, str]] = (),
        *,
        fast: bool = False,
    ) -> tuple[Query, Retrieval]:
        """Understand a question and find candidates; arguments as for `answer` and `Retriever.retrieve`."""
        for document_id in documents or ():
            if document_id not in self.bundle.documents:
                raise UnknownDocumentError(document_id, self.bundle.documents)
        query = self._query(question, documents, history)
        return query, self._retriever.retrieve(query, documents or None, fast=fast)

    def _query(
        self, question: str, documents: Collection[str] | None, history: Sequence[Mapping[str, str]]
    ) -> Query:
        names = self._names_of(documents) if documents else self._names
        return make_query(question, history, self._vocabulary, names)

    def _names_of(self, documents: Collection[str]) -> dict[str, str]:
        """What short names stand for in these documents, but for those that stand for different things."""
        found: dict[str, str] = {}
        different = set()
        for document_id in documents:
            for short, name in self.bundle.documents[document_id].names.items():
                if fold(found.setdefault(short, name)) != fold(name):
                    different.add(short)
        return {short: name for short, name in found.items() if short not in different}

    def read(self, query: Query, retrieval: Retrieval) -> Retrieval:
        """Read the best candidates together with the question, and rank them by what was found."""
        assert self._reader
        sure = self._reading.get("sure", math.inf)
        read = self._reader.read(query.asked or query.text, retrieval.candidates, sure=sure)
        return self.rank(query, retrieval, read, self._reading["ranking"])

    def rank(
        self, query: Query, retrieval: Retrieval, read: Sequence[ReadSentence], weights: Mapping[str, float]
    ) -> Retrieval:
        """Rank candidates by what was read in them."""
        ranked = rank_read(retrieval.candidates, read, weights)
        texts = [fold(self.bundle.text(candidate.passage)) for candidate in ranked if candidate.reading]
        unnamed = any(
            all(fold(name) not in text for text in texts) for name in named(query.asked or query.text)
        )
        return replace(retrieval, candidates=ranked, unnamed=unnamed)

    def confidence(self, question: str, retrieval: Retrieval, *, fast: bool = False) -> float:
        """Calibrated probability that the report answers, 0 to 1; `eval.calibrate` says what it is.

        Before reading it can tell only whether a question is about the report at all. `fast`: whether the
        question was encoded by the smaller network.
        """
        if not retrieval.candidates or not any(char.isalnum() for char in question):
            return 0.0
        weights = self._before[fast]["confidence"]
        about = _probability(weights, confidence_features(retrieval))
        if retrieval.candidates[0].reading is None:
            return round(float(weights["share"]) * about, 4)
        return round(about * _probability(self._reading["confidence"], reading_features(retrieval)), 4)

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
        citation = cite(document, passage, *settling(document, passage, candidate.sentence, candidate.shares))
        return Result(rank, candidate, score, self.bundle.text(passage), citation)


def confidence_features(retrieval: Retrieval) -> dict[str, float]:
    """What tells whether a question is about the report: best similarities, and how near small talk is."""
    best = [max(scores) for scores in zip(*(c.features for c in retrieval.candidates), strict=True)]
    found = dict(zip(CHANNELS, best, strict=True))
    return {name: found[name] for name in ("dense", "sentence", "late")} | {"smalltalk": retrieval.smalltalk}


def reading_features(retrieval: Retrieval) -> dict[str, float]:
    """What tells whether the report answers a question that is about it.

    The best logits of what was read, and how many passages had to be; whether a name or number of the
    question stands nowhere in it; and how much the question repeats the report's own words: what is asked in
    other words or in the very same ones is mostly answered, a near miss is in between.
    """
    read = [(c, c.reading) for c in retrieval.candidates if c.reading]
    likeness = max(candidate.scores["late"] for candidate, _ in read)
    return {
        "answers": max(reading.answers for _, reading in read),
        "evidence": max(reading.sentences[c.sentence - reading.first] for c, reading in read),
        "passages": float(len(read)),
        "unnamed": float(retrieval.unnamed),
        "late": likeness,
        "repeats": max(0.0, likeness - REPEATS),
    }


def _probability(weights: Mapping[str, float], features: Mapping[str, float]) -> float:
    logit = weights["intercept"] + sum(weights[name] * value for name, value in features.items())
    return 1 / (1 + math.exp(-logit))
