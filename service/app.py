"""HTTP: routes, nothing else. A route turns a request into one call and the result into a response."""

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    generate_latest,
)
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from indexer.bundle import Bundle, BundledDocument
from service import schemas
from service.answer import Answerer, UnknownDocumentError
from service.citations import find_quote
from service.door import Door, Metrics
from service.errors import PROBLEM_JSON, TITLES, ProblemError, problem, problem_response
from service.pages import reader_page
from service.suggestions import suggestions

_STATIC = Path(__file__).parent / "static"
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_T = TypeVar("_T")


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of the problems that a route can return."""
    return {
        status: {
            "model": schemas.Problem,
            "description": TITLES[status][1],
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


_POSTED = (400, 413, 415, 422)


def create_app(bundle: Bundle, lanes: int = 1) -> FastAPI:
    """The service over one open bundle; `lanes` questions are answered at the same time."""
    answerer = Answerer(bundle)
    executor = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
    metrics = Metrics()
    starters = suggestions(answerer)
    app = FastAPI(
        title="report-qa",
        version="0.1.0",
        summary="Answers questions about a report by quoting it, with the exact place of every quote.",
        docs_url="/docs",
        redoc_url=None,
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

    @app.post("/v1/answer", responses=_problems(404, *_POSTED), tags=["questions"])
    async def answer(body: schemas.AnswerRequest, request: Request) -> schemas.AnswerResponse:
        """Answer a question in the report's words, or say that the report does not."""
        found, took = await in_lane(answerer.answer, body.query, body.limit, body.documents)
        metrics.answers.labels(found.reason or "answered").inc()
        return schemas.AnswerResponse.of(found, _request_id(request), bundle.id, took)

    async def search(body: schemas.SearchRequest, request_id: str) -> schemas.SearchResponse:
        found, took = await in_lane(answerer.search, body.query, body.limit, body.documents)
        return schemas.SearchResponse.of(body.query, found, request_id, bundle.id, took)

    @app.post("/v1/search", responses=_problems(404, *_POSTED), tags=["questions"])
    async def search_post(body: schemas.SearchRequest, request: Request) -> schemas.SearchResponse:
        """Rank passages for a question, each with its best sentence cited."""
        return await search(body, _request_id(request))

    @app.get("/v1/search", responses=_problems(400, 404, 422), tags=["questions"])
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
                invalid = _invalid([dict(e) for e in error.errors(include_url=False)])
                data.append(schemas.Problem(**problem(invalid, request_id)))
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
        if headers["ETag"] in re.split(r"\s*,\s*", request.headers.get("If-None-Match", "")):
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

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return FileResponse(_STATIC / "index.html", headers={"Content-Security-Policy": _CONTENT_POLICY})

    @app.get("/reports/{document_id}", include_in_schema=False)
    async def report(document_id: str) -> Response:
        found = document(document_id)
        passages = [item for item in bundle.passages if item.document_id == document_id]
        return HTMLResponse(
            reader_page(found, passages), headers={"Content-Security-Policy": _CONTENT_POLICY}
        )

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(Door, metrics=metrics)
    return app


def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


def _invalid(errors: list[dict[str, Any]]) -> ProblemError:
    fields = [
        {"field": ".".join(str(part) for part in error["loc"]), "problem": error["msg"]} for error in errors
    ]
    return ProblemError(422, "; ".join(f"{e['field']}: {e['problem']}" for e in fields[:3]), fields)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error, _request_id(request))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(_invalid(list(error.errors())), _request_id(request))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"no route {request.url.path}; /docs lists them"
    elif error.status_code == 405:
        detail = f"{request.method} is not for {request.url.path}"
    return problem_response(
        ProblemError(error.status_code, detail, headers=error.headers), _request_id(request)
    )
