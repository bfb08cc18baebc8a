"""HTTP: routes, nothing else. A route turns a request into one call and the result into a response."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    generate_latest,
)
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route

from indexer.bundle import Bundle, BundledDocument
from service import schemas
from service.answer import Answerer, UnknownDocumentError
from service.citations import find_quote
from service.door import Door, Metrics
from service.errors import PROBLEM_JSON, TITLES, ProblemError, problem, problem_response
from service.feedback import FeedbackLog
from service.origins import cors
from service.stream import EVENT_STREAM, stream, wants_stream
from service.suggestions import suggestions
from service.website import add_website

_T = TypeVar("_T")


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of the problems that a route can return."""
    return {
        status: {
            "description": TITLES[status][1],
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


_POSTED = (400, 413, 415, 422)


def create_app(
    bundle: Bundle, lanes: int = 1, origins: Sequence[str] = (), feedback: FeedbackLog | None = None
) -> FastAPI:
    """The service over one open bundle.

    Args:
        bundle: What is served.
        lanes: Questions answered at the same time.
        origins: Web sites whose pages may use the service, as `origins.parse_origins` returns them.
        feedback: Where visitors' judgements go; without it they are refused.
    """
    answerer = Answerer(bundle)
    executor = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
    metrics = Metrics()
    starters = suggestions(answerer)
    app = FastAPI(
        title="report-qa",
        version="0.1.0",
        summary="Answers questions about a report by quoting it, with the exact place of every quote.",
        docs_url=None,  # service/reference.py has a page that asks no third party
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": _problems(500)[500]},
    )

    async def in_lane(call: Callable[..., _T], *arguments: Any) -> tuple[_T, float]:
        """Run a call on a lane; its result, and the milliseconds since it was asked for."""
        start = time.perf_counter()
        try:
            result = await asyncio.get_running_loop().run_in_executor(executor, call, *arguments)
        except UnknownDocumentError as error:
            raise ProblemError(404, str(error)) from None
        return result, round((time.perf_counter() - start) * 1_000, 3)

    def document(document_id: str) -> BundledDocument:
        if document_id not in bundle.documents:
            raise ProblemError(404, str(UnknownDocumentError(document_id, bundle.documents)))
        return bundle.documents[document_id]

    async def reply(body: schemas.AnswerRequest, request_id: str) -> schemas.AnswerResponse:
        found, took = await in_lane(
            answerer.answer,
            body.query,
            body.limit,
            body.documents,
            [turn.model_dump() for turn in body.history],
        )
        metrics.answers.labels(found.reason or "answered").inc()
        return schemas.AnswerResponse.of(found, request_id, bundle.id, took)

    @app.post(
        "/v1/answer",
        response_model=schemas.AnswerResponse,
        responses={
            200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
            **_problems(404, *_POSTED),
        },
        tags=["questions"],
    )
    async def answer(body: schemas.AnswerRequest, request: Request) -> schemas.AnswerResponse | Response:
        """Answer a question in the report's words, or say that the report does not.

        With `Accept: text/event-stream` the reply is a stream of events: `accepted` at once, then
        `answer` with the same body, or `error` with a problem.
        """
        for document_id in body.documents or ():
            document(document_id)  # a problem while the status can still tell
        request_id = _request_id(request)
        if wants_stream(request.headers.get("Accept", "")):
            return stream(reply(body, request_id), request_id)
        return await reply(body, request_id)

    @app.post("/v1/feedback", status_code=201, responses=_problems(*_POSTED, 503), tags=["questions"])
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

    async def search(body: schemas.SearchRequest, request_id: str) -> schemas.SearchResponse:
        (query, found), took = await in_lane(answerer.search, body.query, body.limit, body.documents)
        return schemas.SearchResponse.of(body.query, query, found, request_id, bundle.id, took)

    @app.post("/v1/search", responses=_problems(404, *_POSTED), tags=["questions"])
    async def search_post(body: schemas.SearchRequest, request: Request) -> schemas.SearchResponse:
        """Rank passages for a question, each with its best sentence cited."""
        return await search(body, _request_id(request))

    @app.get("/v1/search", responses=_problems(404, 422), tags=["questions"])
    async def search_get(
        request: Request,
        response: Response,
        q: Annotated[schemas.Question, Query(examples=["gold and lithium mining"])],
        limit: Annotated[int, Query(ge=1, le=schemas.MAX_LIMIT)] = 10,
        documents: Annotated[list[str] | None, Query(max_length=1_000)] = None,
    ) -> schemas.SearchResponse:
        """The same as a GET: cacheable, and easy to try with curl."""
        response.headers["Cache-Control"] = "public, max-age=60"
        body = schemas.SearchRequest(query=q, limit=limit, documents=documents)
        return await search(body, _request_id(request))

    @app.post("/v1/search/batch", responses=_problems(*_POSTED), tags=["questions"])
    async def search_batch(body: schemas.BatchRequest, request: Request) -> schemas.BatchResponse:
        """Many searches in one call. An item that fails is a problem in its place; the others stand."""
        request_id = _request_id(request)
        data: list[schemas.SearchResponse | schemas.Problem] = []
        for item in body.requests:
            try:
                data.append(await search(schemas.SearchRequest.model_validate(item), request_id))
            except ValidationError as error:
                data.append(schemas.Problem(**problem(_invalid(error.errors()), request_id)))
            except ProblemError as error:
                data.append(schemas.Problem(**problem(error, request_id)))
        return schemas.BatchResponse(request_id=request_id, bundle_id=bundle.id, data=data)

    @app.get("/v1/documents", tags=["documents"])
    async def documents() -> schemas.DocumentList:
        """The reports that are served."""
        return schemas.DocumentList(
            data=[schemas.DocumentBody.of(item) for item in bundle.documents.values()]
        )

    @app.get("/v1/documents/{document_id}", responses=_problems(404), tags=["documents"])
    async def document_by_id(document_id: str) -> schemas.DocumentBody:
        """One report's metadata."""
        return schemas.DocumentBody.of(document(document_id))

    @app.get(
        "/v1/documents/{document_id}/text",
        response_class=PlainTextResponse,
        responses={
            304: {"description": "The text is the one that the client has"},
            **_problems(404, 416, 422),
        },
        tags=["documents"],
    )
    async def text(
        document_id: str,
        request: Request,
        start: Annotated[int, Query(ge=0, description="First code point.")] = 0,
        end: Annotated[int | None, Query(ge=0, description="One past the last code point.")] = None,
    ) -> Response:
        """The canonical text, or a span of it: what every offset counts in. The ETag is its sha256."""
        found = document(document_id)
        stop = len(found.text) if end is None else end
        if not start <= stop <= len(found.text):
            raise ProblemError(
                416,
                f"[{start}, {stop}) is not a span of {document_id}, which has {len(found.text)} code points",
            )
        headers = {"ETag": f'"{found.sha256}"', "Cache-Control": "public, max-age=60"}
        given = request.headers.get("If-None-Match", "").split(",")
        known = {tag.strip().removeprefix("W/") for tag in given}
        if known & {headers["ETag"], "*"}:
            return Response(status_code=304, headers=headers)
        return PlainTextResponse(found.text[start:stop], headers=headers)

    @app.get("/v1/passages/{passage_id}", responses=_problems(404), tags=["documents"])
    async def passage(passage_id: str) -> schemas.PassageBody:
        """One passage by its id."""
        if passage_id not in bundle.positions:
            raise ProblemError(404, f"passage {passage_id!r} is not in the bundle; ids come from /v1/search")
        found = bundle.passages[bundle.positions[passage_id]]
        return schemas.PassageBody(
            passage_id=found.passage_id,
            document_id=found.document_id,
            document_sha256=bundle.documents[found.document_id].sha256,
            start_char_index=found.start,
            end_char_index=found.end,
            heading_path=list(found.heading_path),
            text=bundle.text(found),
            sentences=list(found.sentences),
        )

    @app.post("/v1/citations/verify", responses=_problems(404, *_POSTED), tags=["documents"])
    async def verify(body: schemas.VerifyRequest) -> schemas.VerifyResponse:
        """Check a quotation character by character, and say where it really stands."""
        found = document(body.document_id)
        places = find_quote(found, body.quote)
        if body.document_sha256 not in {None, found.sha256}:
            verified, detail = (
                False,
                "the offsets refer to another text than the one that is served",
            )
        elif (body.start, body.end) in places:
            verified, detail = True, "the quotation stands at these offsets"
        elif places:
            verified, detail = False, "the quotation stands elsewhere in this report"
        else:
            verified, detail = False, "the quotation does not stand in this report"
        return schemas.VerifyResponse(
            verified=verified,
            detail=detail,
            document_id=found.id,
            document_sha256=found.sha256,
            places=[schemas.TextPositionSelector(start=start, end=end) for start, end in places],
        )

    @app.get("/v1/suggestions", tags=["questions"])
    async def suggested() -> schemas.SuggestionList:
        """Starter questions, each of which the service answers."""
        return schemas.SuggestionList(
            data=[schemas.Suggestion(query=query, document_id=id_) for query, id_ in starters]
        )

    @app.get("/v1/index", tags=["operations"])
    async def index() -> schemas.IndexResponse:
        """What is served and what it was built from."""
        manifest = bundle.manifest
        return schemas.IndexResponse(
            bundle_id=bundle.id,
            documents=[schemas.DocumentBody.of(item) for item in bundle.documents.values()],
            counts=manifest["counts"],
            encoder=manifest["encoder"],
            splitter=manifest["splitter"],
            lexical=manifest["lexical"],
            calibration=manifest["calibration"],
            built_from=manifest["inputs"],
        )

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> schemas.Health:
        """The process is alive."""
        return schemas.Health()

    @app.get("/readyz", tags=["operations"])
    async def readyz() -> schemas.Health:
        """Questions are answered: one has just gone through a lane."""
        await in_lane(answerer.search, "ready", 1)
        return schemas.Health()

    @app.get("/metrics", response_class=PlainTextResponse, tags=["operations"])
    async def prometheus() -> Response:
        """Counts and times in the Prometheus text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    add_website(app, bundle, document)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(Door, metrics=metrics)
    if origins:  # outermost, so that a page of another origin can read a problem, too
        app.add_middleware(CORSMiddleware, **cors(origins))
    return app


def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


def _invalid(errors: Iterable[Mapping[str, Any]]) -> ProblemError:
    fields = schemas.violations(errors)
    return ProblemError(422, "; ".join(f"{e['field']}: {e['problem']}" for e in fields[:3]), fields)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error, _request_id(request))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        why = f"the body is not JSON: {first['ctx']['error']} at character {first['loc'][-1]}"
        return problem_response(ProblemError(400, why), _request_id(request))
    return problem_response(_invalid(error.errors()), _request_id(request))


def _methods(request: Request) -> Iterator[str]:
    """The methods that a path has; Starlette names those of one route, and some paths have two."""
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            yield from route.methods or ()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"no route {request.url.path}; /docs lists them"
    elif error.status_code == 405:
        detail = f"{request.method} is not for {request.url.path}"
        error.headers = {"Allow": ", ".join(sorted(_methods(request)))}
    elif error.status_code == 400:
        detail = "the body is not JSON in UTF-8, or is nested too deeply"
    return problem_response(
        ProblemError(error.status_code, detail, headers=error.headers), _request_id(request)
    )
