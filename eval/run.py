"""Questions → a run: what the service returned for each, judged against the evidence."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.questions import Question, Span
from indexer.bundle import Bundle
from service.answer import Answerer
from service.schemas import AnswerResponse

DEPTH = 10
"""How many ranked passages a run keeps."""

Ask = Callable[[Question], Mapping[str, Any]]
"""Asks one question; returns the body of `POST /v1/answer`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back for one question.

    `relevant` says of each ranked passage whether it holds evidence; `words` how many words the first
    one shows; `cited` whether the first result's cited sentence is evidence; `verbatim` whether every
    citation is exactly what stands at its offsets.
    """

    question: Question
    answerable: bool
    confidence: float
    relevant: tuple[bool, ...]
    words: int
    cited: bool
    verbatim: bool
    excerpt: str
    excerpt_words: int
    took_ms: float

    def success(self, k: int) -> bool:
        """Whether one of the first k passages holds evidence (Success@k)."""
        return any(self.relevant[:k])


def in_process(bundle: Bundle) -> Ask:
    """Ask the code in this process, through the response that HTTP would send."""
    answerer = Answerer(bundle)

    def ask(question: Question) -> Mapping[str, Any]:
        start = time.perf_counter()
        answer = answerer.answer(question.question, DEPTH, [question.document_id])
        took = (time.perf_counter() - start) * 1_000
        return AnswerResponse.of(answer, question.id, bundle.id, took).model_dump()

    return ask


def run(
    questions: Sequence[Question],
    ask: Ask,
    texts: Mapping[str, str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Outcome]:
    """Ask every question in order and judge what comes back.

    Args:
        questions: What to ask.
        ask: Whom to ask.
        texts: Canonical text of each document, to prove citations against.
        progress: Called after each question with how many are done, of how many.
    """
    outcomes = []
    for number, question in enumerate(questions, start=1):
        outcomes.append(_judge(question, ask(question), texts))
        progress(number, len(questions))
    return outcomes


def _judge(question: Question, reply: Mapping[str, Any], texts: Mapping[str, str]) -> Outcome:
    citations, results = reply["citations"], reply["results"]
    spans = [_passage_span(result, citations) for result in results]
    first = citations[results[0]["citation"]] if results else None
    cited = (first["start_char_index"], first["end_char_index"]) if first else (0, 0)
    return Outcome(
        question=question,
        answerable=reply["answerable"],
        confidence=reply["confidence"],
        relevant=tuple(holds(span, question.settling) for span in spans),
        words=len(results[0]["text"].split()) if results else 0,
        cited=holds(cited, question.settling),
        verbatim=all(_is_verbatim(citation, texts) for citation in citations),
        excerpt=first["cited_text"] if first else "",
        excerpt_words=len(first["cited_text"].split()) if first else 0,
        took_ms=reply["usage"]["took_ms"],
    )


def holds(span: Span, settling: Iterable[Span]) -> bool:
    """Whether a span shares with some evidence more than half of the shorter of the two."""
    return any(
        min(span[1], end) - max(span[0], start) > min(span[1] - span[0], end - start) / 2
        for start, end in settling
    )


def _passage_span(result: Mapping[str, Any], citations: Sequence[Mapping[str, Any]]) -> Span:
    start = citations[result["citation"]]["start_char_index"] - result["highlights"][0][0]
    return start, start + len(result["text"])


def _is_verbatim(citation: Mapping[str, Any], texts: Mapping[str, str]) -> bool:
    text = texts[citation["document_id"]]
    cited: str = citation["cited_text"]
    return text[citation["start_char_index"] : citation["end_char_index"]] == cited
