"""The shapes of requests and responses: what OpenAPI shows and what `ask --json` prints."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from indexer.bundle import BundledDocument
from service.answer import Answer, Mode, Reason, Result
from service.citations import Citation
from service.query import Query

MAX_QUESTION = 2_000
MAX_LIMIT = 50
MAX_BATCH = 64
MAX_HISTORY = 50
MAX_PLACES = 100


class Body(BaseModel):
    """A request body: unknown fields are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a question, found only white space")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("expected text, found half of a surrogate pair")
    return text


Question = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_QUESTION,
        description="What a person typed.",
        json_schema_extra={"pattern": r"[^\s\x1c-\x1f\x85]"},  # what _not_blank sees, for any engine
    ),
    AfterValidator(_not_blank),
]


def _whole(number: Any) -> Any:
    """JSON has one kind of number: 3.0 is as whole as 3."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Limit = Annotated[
    int,
    Field(ge=1, le=MAX_LIMIT, description="How many ranked passages to return."),
    BeforeValidator(_whole),
]
Offset = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
DocumentIds = Annotated[
    list[str] | None,
    Field(min_length=1, max_length=1_000, description="Look only in these documents."),
]


def violations(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What pydantic found wrong, for people: one `field` and its `problem` an entry."""
    return [
        {
            "field": ".".join(str(part) for part in error["loc"]) or "body",
            "problem": str(error["msg"]).removeprefix("Value error, "),
        }
        for error in errors
    ]


ReadingMode = Annotated[
    Mode,
    Field(
        description="`accurate` reads the best candidates together with the question; `fast` does not, and "
        "cannot tell a question that the report comes near from one that it answers."
    ),
]


class Turn(Body):
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=8_000)]


class AnswerRequest(Body):
    """A question."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How much did Wagner cost Mali each month?", "limit": 3}]}
    )
    query: Question
    limit: Limit = 3
    history: Annotated[
        list[Turn], Field(max_length=MAX_HISTORY, description="Earlier turns, oldest first.")
    ] = []
    documents: DocumentIds = None
    mode: ReadingMode = "accurate"


class SearchRequest(Body):
    """A search for passages."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "gold and lithium mining", "limit": 5}]}
    )
    query: Question
    limit: Limit = 10
    documents: DocumentIds = None
    mode: ReadingMode = "accurate"


class BatchRequest(Body):
    """Several searches in one call; each is judged on its own, so one bad item spoils no other."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"requests": [{"query": "coup"}, {"query": "famine in Menaka", "limit": 1}]}]
        }
    )
    requests: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]


class JudgedSpan(Body):
    """The span that a judged answer quoted, or that was nearest where it did not answer."""

    document_id: Annotated[str, Field(max_length=64)]
    document_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    start_char_index: Offset
    end_char_index: Offset


class FeedbackRequest(Body):
    """A visitor's judgement of one answer. Nothing in it says who the visitor is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answer_id": "ans_5a0d",
                    "bundle_id": "sha256:" + "0" * 64,
                    "query": "How much did Wagner cost Mali each month?",
                    "answerable": True,
                    "rating": "down",
                    "reason": "incomplete",
                }
            ]
        }
    )
    answer_id: Annotated[str, Field(pattern=r"^ans_[A-Za-z0-9._-]{1,64}$")]
    bundle_id: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    query: Question
    history: Annotated[list[Turn], Field(max_length=MAX_HISTORY)] = []
    answerable: Annotated[bool, Field(description="Whether the service gave an answer.")]
    citation: JudgedSpan | None = None
    rating: Literal["up", "down"]
    reason: Literal["wrong", "incomplete", "wrong_place", "should_answer", "other"] | None = None
    comment: Annotated[str | None, Field(max_length=1_000)] = None


class VerifyRequest(Body):
    """A quotation to be checked against a document."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document_id": "IF10116",
                    "quote": "Gold and cotton exports",
                    "start": 8076,
                    "end": 8099,
                }
            ]
        }
    )
    document_id: str
    quote: Annotated[str, Field(min_length=1, max_length=20_000)]
    start: Offset
    end: Offset
    document_sha256: Annotated[
        str | None, Field(description="The canonical text that the offsets refer to.")
    ] = None


class TextQuoteSelector(BaseModel):
    """W3C Web Annotation: the excerpt with what stands around it."""

    type: Literal["TextQuoteSelector"] = "TextQuoteSelector"
    exact: str
    prefix: str
    suffix: str


class TextPositionSelector(BaseModel):
    """W3C Web Annotation: the excerpt by its place, in code points of the canonical text."""

    type: Literal["TextPositionSelector"] = "TextPositionSelector"
    start: int
    end: int


class CitationBody(BaseModel):
    """A verbatim excerpt and its place. Offsets count Unicode code points of the canonical text."""

    type: Literal["char_location"] = "char_location"
    cited_text: str
    document_index: int
    document_id: str
    document_title: str
    start_char_index: int
    end_char_index: int
    document_sha256: str
    passage_id: str
    heading_path: list[str]
    url: str
    text_fragment: str
    selectors: list[TextQuoteSelector | TextPositionSelector]

    @classmethod
    def of(cls, citation: Citation, document_index: int) -> "CitationBody":
        """Write out a citation; `document_index` counts the cited documents in order of appearance."""
        return cls(
            cited_text=citation.excerpt,
            document_index=document_index,
            document_id=citation.document_id,
            document_title=citation.document_title,
            start_char_index=citation.start,
            end_char_index=citation.end,
            document_sha256=citation.document_sha256,
            passage_id=citation.passage_id,
            heading_path=list(citation.heading_path),
            url=citation.url,
            text_fragment=citation.text_fragment,
            selectors=[
                TextQuoteSelector(exact=citation.excerpt, prefix=citation.prefix, suffix=citation.suffix),
                TextPositionSelector(start=citation.start, end=citation.end),
            ],
        )


class ResultBody(BaseModel):
    """A ranked passage.

    `score` is a probability; `scores` are the channels' raw scores, not comparable across questions.
    `highlights` are spans of `text`; `citation` is a position in the response's `citations`.
    """

    object: Literal["passage"] = "passage"
    rank: int
    passage_id: str
    document_id: str
    score: Annotated[float, Field(ge=0, le=1)]
    scores: dict[str, float]
    text: str
    heading_path: list[str]
    highlights: list[tuple[int, int]]
    citation: int


class QueryBody(BaseModel):
    """The question as understood: with its spelling corrected, and with what a follow-up refers to."""

    text: str
    corrected: str | None = None
    resolved: str | None = None

    @classmethod
    def of(cls, question: str, query: Query) -> "QueryBody":
        """Write out what was asked and what was made of it."""
        return cls(text=question, corrected=query.corrected, resolved=query.resolved)


class AnswerText(BaseModel):
    """The answer, in the report's own words; `citations` are positions in the response's `citations`."""

    text: str
    citations: list[int]


class Usage(BaseModel):
    """What the answer cost."""

    took_ms: float


class AnswerResponse(BaseModel):
    """The answer; with `answerable` false, that the report does not say (`results` are merely near)."""

    object: Literal["answer"] = "answer"
    id: str
    request_id: str
    bundle_id: str
    query: QueryBody
    answerable: bool
    confidence: Annotated[float, Field(ge=0, le=1, description="Probability that the report answers.")]
    reason: Annotated[
        Reason | None,
        Field(
            description="Why there is no answer: the question is about something else, the report does not "
            "say, or it does not support what the question takes for granted."
        ),
    ]
    answer: AnswerText | None
    citations: list[CitationBody]
    results: list[ResultBody]
    usage: Usage

    @classmethod
    def of(cls, answer: Answer, request_id: str, bundle_id: str, took_ms: float) -> "AnswerResponse":
        """Write out an answer."""
        citations, numbers = _citations([*answer.citations, *(r.citation for r in answer.results)])
        text = None
        if answer.text is not None:
            text = AnswerText(text=answer.text, citations=[numbers[c] for c in answer.citations])
        return cls(
            id=f"ans_{request_id}",
            request_id=request_id,
            bundle_id=bundle_id,
            query=QueryBody.of(answer.question, answer.query),
            answerable=answer.answerable,
            confidence=answer.confidence,
            reason=answer.reason,
            answer=text,
            citations=citations,
            results=[_result(result, numbers) for result in answer.results],
            usage=Usage(took_ms=took_ms),
        )


class SearchResponse(BaseModel):
    """Ranked passages, best first."""

    object: Literal["list"] = "list"
    request_id: str
    bundle_id: str
    query: QueryBody
    data: list[ResultBody]
    citations: list[CitationBody]
    usage: Usage

    @classmethod
    def of(
        cls,
        question: str,
        query: Query,
        results: Sequence[Result],
        request_id: str,
        bundle_id: str,
        took_ms: float,
    ) -> "SearchResponse":
        """Write out the results of a search."""
        citations, numbers = _citations([result.citation for result in results])
        return cls(
            request_id=request_id,
            bundle_id=bundle_id,
            query=QueryBody.of(question, query),
            data=[_result(result, numbers) for result in results],
            citations=citations,
            usage=Usage(took_ms=took_ms),
        )


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, Any]] | None = None


class BatchResponse(BaseModel):
    """One entry for each request, in their order: a list of results, or a problem."""

    object: Literal["list"] = "list"
    request_id: str
    bundle_id: str
    data: list[SearchResponse | Problem]


class DocumentBody(BaseModel):
    """A report that is served. `sha256` is that of its canonical text, which all offsets refer to."""

    object: Literal["document"] = "document"
    id: str
    title: str
    publisher: str | None
    author: str | None
    author_role: str | None
    date: str | None
    number: str | None
    url: str | None
    rights: str | None
    language: str | None
    sha256: str
    source_sha256: str
    characters: int
    reader_url: str

    @classmethod
    def of(cls, document: BundledDocument) -> "DocumentBody":
        """Write out a document."""
        return cls.model_validate(
            {
                **document.metadata,
                "sha256": document.sha256,
                "source_sha256": document.source_sha256,
                "characters": len(document.text),
                "reader_url": f"/reports/{document.id}",
            }
        )


class DocumentList(BaseModel):
    """The reports that are served, by id."""

    object: Literal["list"] = "list"
    data: list[DocumentBody]


class PassageBody(BaseModel):
    """One passage: a verbatim run of a report. `sentences` are spans of the document, not of `text`."""

    object: Literal["passage"] = "passage"
    passage_id: str
    document_id: str
    document_sha256: str
    start_char_index: int
    end_char_index: int
    heading_path: list[str]
    text: str
    sentences: list[tuple[int, int]]


class VerifyResponse(BaseModel):
    """Whether the quotation stands at the offsets, and where it does stand."""

    object: Literal["verification"] = "verification"
    verified: bool
    detail: str
    document_id: str
    document_sha256: str
    places: Annotated[
        list[TextPositionSelector],
        Field(max_length=MAX_PLACES, description=f"In order; of more than {MAX_PLACES}, the first ones."),
    ]


class Suggestion(BaseModel):
    """A starter question that the service answers."""

    object: Literal["suggestion"] = "suggestion"
    query: str
    document_id: str


class SuggestionList(BaseModel):
    """Starter questions."""

    object: Literal["list"] = "list"
    data: list[Suggestion]


class FeedbackResponse(BaseModel):
    """The judgement is on disk."""

    object: Literal["feedback"] = "feedback"
    request_id: str


class IndexResponse(BaseModel):
    """What is served: the bundle's manifest, in words."""

    object: Literal["index"] = "index"
    bundle_id: str
    documents: list[DocumentBody]
    counts: dict[str, int]
    encoder: dict[str, Any]
    reader: dict[str, Any] | None
    splitter: dict[str, Any]
    lexical: dict[str, Any]
    calibration: dict[str, Any]
    built_from: dict[str, Any]


class Health(BaseModel):
    """The state of the service."""

    status: Literal["ok", "degraded"] = "ok"
    detail: Annotated[str | None, Field(description="What is degraded.")] = None


def _citations(citations: Sequence[Citation]) -> tuple[list[CitationBody], Mapping[Citation, int]]:
    """Write each citation once; the numbers say where."""
    unique = list(dict.fromkeys(citations))
    documents = list(dict.fromkeys(citation.document_id for citation in unique))
    bodies = [CitationBody.of(c, documents.index(c.document_id)) for c in unique]
    return bodies, {citation: number for number, citation in enumerate(unique)}


def _result(result: Result, numbers: Mapping[Citation, int]) -> ResultBody:
    passage = result.candidate.passage
    return ResultBody(
        rank=result.rank,
        passage_id=passage.passage_id,
        document_id=passage.document_id,
        score=result.score,
        scores=result.candidate.scores,
        text=result.text,
        heading_path=list(passage.heading_path),
        highlights=[result.highlight],
        citation=numbers[result.citation],
    )
