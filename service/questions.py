"""Routes that take a question, or a judgement of an answer. What takes time is done on a lane."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from pydantic import ValidationError

from service import schemas
from service.admission import Admission
from service.errors import GUARDED, POSTED, ProblemError, documented, problem
from service.feedback import FeedbackLog
from service.lanes import Lanes, Left
from service.log import about_question
from service.metrics import Metrics
from service.served import Served, Shelf
from service.stream import EVENT_STREAM, stream, wants_stream
from service.traces import tell


def add_questions(
    app: FastAPI,
    shelf: Shelf,
    lanes: Lanes,
    admission: Admission,
    metrics: Metrics,
    feedback: FeedbackLog | None,
    *,
    log_wording: bool,
) -> None:
    """Add the routes for questions. `log_wording` puts the questions' words into the log, redacted."""

    def note(
        request: Request, current: Served, body: schemas.AnswerRequest | schemas.SearchRequest, outcome: str
    ) -> None:
        request.state.log.update(about_question(body.query, wording=log_wording), outcome=outcome)
        tell(outcome=outcome, mode=body.mode, bundle_id=current.bundle.id)

    async def answered(
        current: Served, body: schemas.AnswerRequest, request: Request, left: Left | None = None
    ) -> str:
        work = partial(_answer, current, body, _request_id(request), time.perf_counter())
        outcome, text = await lanes.run(work, left=left)
        metrics.answers.labels(outcome).inc()
        note(request, current, body, outcome)
        return text

    async def searched(body: schemas.SearchRequest, request: Request) -> Response:
        current = shelf.now
        _check_documents(current, body.documents)
        note(request, current, body, "searched")
        work = partial(_search, current, body, _request_id(request), time.perf_counter())
        found = await lanes.run(lambda: work().model_dump_json(), left=partial(_left, request))
        return _json(found)

    @app.post(
        "/v1/answer",
        response_model=schemas.AnswerResponse,
        responses={
            200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
            **documented(*GUARDED, 404, *POSTED, 503),
        },
        tags=["questions"],
    )
    async def answer(body: schemas.AnswerRequest, request: Request) -> Response:
        """Answer a question in the report's words, or say that the report does not.

        With `Accept: text/event-stream` the reply is a stream of events: `accepted` at once, then
        `answer` with the same body, or `error` with a problem.
        """
        current = shelf.now
        _check_documents(current, body.documents)  # a problem while the status can still tell
        if wants_stream(request.headers.get("Accept", "")):
            lanes.check()
            return stream(answered(current, body, request), _request_id(request))
        return _json(await answered(current, body, request, partial(_left, request)))

    @app.post(
        "/v1/feedback",
        status_code=201,
        responses=documented(*GUARDED, *POSTED, 503),
        tags=["questions"],
    )
    async def judge(body: schemas.FeedbackRequest, request: Request) -> schemas.FeedbackResponse:
        """Keep a visitor's judgement of an answer. On disk when this returns; no address is kept."""
        if feedback is None:
            raise ProblemError(
                503, "this service keeps no feedback; REPORT_QA_FEEDBACK names a file to keep it in"
            )
        try:
            await asyncio.to_thread(feedback.append, body.model_dump(exclude_none=True))
        except OSError as error:
            raise ProblemError(503, f"the feedback cannot be kept: {error.strerror or error}") from None
        return schemas.FeedbackResponse(request_id=_request_id(request))

    @app.post(
        "/v1/search",
        response_model=schemas.SearchResponse,
        responses=documented(*GUARDED, 404, *POSTED, 503),
        tags=["questions"],
    )
    async def search_post(body: schemas.SearchRequest, request: Request) -> Response:
        """Rank passages for a question, each with what settles the question in it cited."""
        return await searched(body, request)

    @app.get(
        "/v1/search",
        response_model=schemas.SearchResponse,
        responses=documented(*GUARDED, 404, 422, 503),
        tags=["questions"],
    )
    async def search_get(
        request: Request,
        q: Annotated[schemas.Question, Query(examples=["gold and lithium mining"])],
        limit: Annotated[int, Query(ge=1, le=schemas.MAX_LIMIT)] = 10,
        documents: Annotated[list[str] | None, Query(max_length=1_000)] = None,
        mode: schemas.ReadingMode = "accurate",
    ) -> Response:
        """The same as a GET: cacheable, and easy to try with curl."""
        body = schemas.SearchRequest(query=q, limit=limit, documents=documents, mode=mode)
        reply = await searched(body, request)
        reply.headers["Cache-Control"] = "public, max-age=60"
        return reply

    @app.post("/v1/search/batch", responses=documented(*GUARDED, *POSTED, 503), tags=["questions"])
    async def search_batch(body: schemas.BatchRequest, request: Request) -> schemas.BatchResponse:
        """Many searches in one call. An item that fails is a problem in its place; the others stand."""
        current, request_id = shelf.now, _request_id(request)
        admission.charge(request.scope, len(body.requests) - 1)
        request.state.log.update(outcome="searched", questions=len(body.requests))
        tell(outcome="searched", bundle_id=current.bundle.id)
        data: list[schemas.SearchResponse | schemas.Problem] = []
        for given in body.requests:
            try:
                item = schemas.SearchRequest.model_validate(given)
                _check_documents(current, item.documents)
                work = partial(_search, current, item, request_id, time.perf_counter())
                data.append(await lanes.run(work, left=partial(_left, request)))
            except ValidationError as error:
                data.append(schemas.Problem(**problem(invalid(error.errors()), request_id)))
            except ProblemError as error:
                data.append(schemas.Problem(**problem(error, request_id)))
        return schemas.BatchResponse(request_id=request_id, bundle_id=current.bundle.id, data=data)

    @app.get("/v1/suggestions", responses=documented(*GUARDED), tags=["questions"])
    async def suggested() -> schemas.SuggestionList:
        """Starter questions, each of which the service answers."""
        starters = await asyncio.to_thread(lambda: shelf.now.starters)
        return schemas.SuggestionList(
            data=[schemas.Suggestion(query=query, document_id=id_) for query, id_ in starters]
        )


def invalid(errors: Iterable[Mapping[str, Any]]) -> ProblemError:
    """What pydantic found wrong, as a problem."""
    fields = schemas.violations(errors)
    return ProblemError(422, "; ".join(f"{e['field']}: {e['problem']}" for e in fields[:3]), fields)


def _answer(current: Served, body: schemas.AnswerRequest, request_id: str, asked: float) -> tuple[str, str]:
    """The outcome, and the response as JSON; `usage` counts from when it was asked for."""
    found = current.answer(body)
    reply = schemas.AnswerResponse.of(found, request_id, current.bundle.id, _since(asked))
    return found.reason or "answered", reply.model_dump_json()


def _search(
    current: Served, body: schemas.SearchRequest, request_id: str, asked: float
) -> schemas.SearchResponse:
    query, found = current.answerer.search(body.query, body.limit, body.documents, body.mode)
    took = _since(asked)
    return schemas.SearchResponse.of(body.query, query, found, request_id, current.bundle.id, took)


def _since(start: float) -> float:
    """Milliseconds."""
    return round((time.perf_counter() - start) * 1_000, 3)


def _check_documents(current: Served, ids: Iterable[str] | None) -> None:
    for document_id in ids or ():
        current.document(document_id)


async def _left(request: Request) -> None:
    """Return when whoever asked has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id
