"""One question and one reply → an outcome: what came back, and whether it was right."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.measures import JudgedRanking
from eval.questions import Question, Span
from eval.wholeness import is_whole

TOP = "(before the first heading)"
NOWHERE = "(none)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back for one question, and whether it was right.

    Attributes:
        id: The question's id; `fingerprint`, `kind`, `split`, `fact` and `answerable` are the question's.
        section: Heading path of the passage that holds its (first) evidence.
        answered: Whether the service answered it; else it said that the report does not say.
        confidence: Probability that the report answers, as the service saw it.
        ranking: Ids of the passages returned, best first.
        relevant: Whether each of them holds evidence.
        holding: Ids of the passages that hold evidence, of all that were returned for any question.
        words: Words that the first passage shows.
        cited: Whether the answer's first citation is evidence; without an answer, the first passage's is
            taken.
        recall: Share of the question's evidence, two places for some, that the answer's citations hold.
        verbatim: Whether every citation is exactly what stands at its offsets.
        whole: Whether every citation begins and ends where a sentence or a line does.
        excerpt: The words cited.
        took_ms: Milliseconds in the service.
    """

    id: str
    fingerprint: str
    kind: str
    split: str
    fact: str
    answerable: bool
    section: str
    answered: bool
    confidence: float
    ranking: tuple[str, ...]
    relevant: tuple[bool, ...]
    holding: tuple[str, ...]
    words: int
    cited: bool
    recall: float
    verbatim: bool
    whole: bool
    excerpt: str
    took_ms: float = 0.0

    @property
    def right(self) -> bool:
        """What a person is after: the evidence as the answer, or silence where the report is silent."""
        return self.answered and self.cited if self.answerable else not self.answered

    @property
    def judged(self) -> JudgedRanking:
        """The ranking as relevance grades."""
        return JudgedRanking(tuple(map(int, self.relevant)), (1,) * len(self.holding))


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage as the service returned it."""

    document_id: str
    span: Span
    section: str


def judge(
    question: Question, reply: Mapping[str, Any], texts: Mapping[str, str], pool: Mapping[str, Passage]
) -> Outcome:
    """Judge a reply by the question's evidence.

    Args:
        question: What was asked.
        reply: The body of the response.
        texts: Canonical text of each document, to prove citations against.
        pool: Every passage that is known, by id.
    """
    citations, results = reply["citations"], reply["results"]
    shown = [passage_of(result, citations) for result in results]
    answer = reply["answer"] if reply["answerable"] else None
    chosen = answer["citations"] if answer else [result["citation"] for result in results[:1]]
    cited = [citations[number] for number in chosen]
    spans = [
        _cited_span(citation) if citation["document_id"] == question.document_id else (0, 0)
        for citation in cited
    ]
    return Outcome(
        id=question.id,
        fingerprint=question.fingerprint,
        kind=question.kind,
        split=question.split,
        fact=question.fact,
        answerable=question.answerable,
        section=_section(question, pool),
        answered=reply["answerable"],
        confidence=reply["confidence"],
        ranking=tuple(result["passage_id"] for result in results),
        relevant=tuple(is_relevant(question, passage) for passage in shown),
        holding=tuple(id_ for id_, passage in pool.items() if is_relevant(question, passage)),
        words=len(results[0]["text"].split()) if results else 0,
        cited=any(holds(span, question.settling) for span in spans[:1]),
        recall=sum(holds(span, spans) for span in question.evidence) / max(len(question.evidence), 1),
        verbatim=all(_is_verbatim(citation, texts) for citation in citations),
        whole=all(is_whole(texts.get(c["document_id"], ""), *_cited_span(c)) for c in citations),
        excerpt=" ".join(citation["cited_text"] for citation in cited),
        took_ms=reply["usage"]["took_ms"],
    )


def passage_of(result: Mapping[str, Any], citations: Sequence[Mapping[str, Any]]) -> Passage:
    """The passage of a result; its place follows from that of the sentence cited in it."""
    start = citations[result["citation"]]["start_char_index"] - result["highlights"][0][0]
    section = " > ".join(result["heading_path"])
    return Passage(result["document_id"], (start, start + len(result["text"])), section)


def is_relevant(question: Question, passage: Passage) -> bool:
    """Whether a passage holds evidence of a question."""
    return passage.document_id == question.document_id and holds(passage.span, question.settling)


def holds(span: Span, settling: Iterable[Span]) -> bool:
    """Whether a span shares with some evidence more than half of the shorter of the two."""
    return any(
        min(span[1], end) - max(span[0], start) > min(span[1] - span[0], end - start) / 2
        for start, end in settling
    )


def _section(question: Question, pool: Mapping[str, Passage]) -> str:
    spans = (question.evidence or question.near)[:1]
    for passage in pool.values():
        if passage.document_id == question.document_id and holds(passage.span, spans):
            return passage.section or TOP
    return NOWHERE


def _cited_span(citation: Mapping[str, Any]) -> Span:
    return citation["start_char_index"], citation["end_char_index"]


def _is_verbatim(citation: Mapping[str, Any], texts: Mapping[str, str]) -> bool:
    start, end = _cited_span(citation)
    quoted: str = citation["cited_text"]
    return texts.get(citation["document_id"], "")[start:end] == quoted
