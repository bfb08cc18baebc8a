"""The HTTP application: its parts put together, and every error made a problem."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from opentelemetry.trace import TracerProvider
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route

from indexer.bundle import Bundle
from service.admission import Admission
from service.documents import add_documents
from service.door import Door, id_for
from service.errors import ProblemError, documented, problem_response
from service.feedback import FeedbackLog
from service.keys import Keys
from service.lanes import QUEUE_LIMIT, GoneError, Lanes
from service.metrics import Metrics
from service.operations import add_operations
from service.origins import cors
from service.questions import add_questions, invalid
from service.rates import Rates
from service.served import Shelf
from service.traces import telemetry
from service.website import add_website


def create_app(
    bundle: Bundle,
    lanes: int = 1,
    origins: Sequence[str] = (),
    feedback: FeedbackLog | None = None,
    *,
    queue_limit: float = QUEUE_LIMIT,
    keys: Keys | None = None,
    rates: Rates | None = None,
    origin_rates: Rates | None = None,
    log_questions: bool = False,
    follow: Path | None = None,
    traces: TracerProvider | None = None,
) -> FastAPI:
    """The service over one open bundle.

    Args:
        bundle: What is served.
        lanes: Questions answered at the same time.
        origins: Web sites whose pages may use the service, as `origins.parse_origins` returns them.
        feedback: Where visitors' judgements go; without it they are refused.
        queue_limit: Seconds that a question may have to wait for a lane; one that would wait longer is
            refused.
        keys: What admits servers; without them anybody is admitted.
        rates: Allowance of each client; without it only the lanes limit them.
        origin_rates: Allowance of all visitors of a web site together.
        log_questions: Whether the log has the questions' words, redacted.
        follow: The link that `bundle` was opened from; when it leads to another, that one is served.
        traces: Where the spans of questions go; without it none are made.
    """
    metrics = Metrics()
    shelf = Shelf(bundle, follow, lanes)
    line = Lanes(lanes, queue_limit, metrics, traces)
    admission = Admission(line, metrics, keys, origins, rates, origin_rates)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        yield {"admission": admission}  # for service/connection.py
        shelf.close()

    app = FastAPI(
        title="report-qa",
        version="0.1.0",
        summary="Answers questions about a report by quoting it, with the exact place of every quote.",
        description=(
            "Where the service has keys, a server sends `Authorization: Bearer KEY` to the routes under /v1; "
            "a page of a listed site is admitted by its `Origin`. 429 and 503 come with `Retry-After`."
        ),
        docs_url=None,  # service/reference.py has a page that asks no third party
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": documented(500)[500]},
        lifespan=lifespan,
        telemetry=telemetry(traces),
    )
    add_questions(app, shelf, line, admission, metrics, feedback, log_wording=log_questions)
    add_documents(app, shelf)
    add_operations(app, shelf, line, metrics, keys)
    add_website(app, shelf)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(GoneError, _on_gone)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(Door, metrics=metrics, admission=admission)
    if origins:  # outermost, so that a page of another origin can read a problem, too
        app.add_middleware(_Cors, **cors(origins))
    return app


class _Cors(CORSMiddleware):
    """Answers a browser's preflight, which never comes to Door, as Door would."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Say whether a page may ask; with an id, and a problem if it may not."""
        reply = super().preflight_response(request_headers)
        request_id = id_for(request_headers)
        if reply.status_code != 200:
            why = f"{bytes(reply.body).decode()}; a page of a listed site may send GET and POST"
            refusal = ProblemError(reply.status_code, why, headers={"Vary": reply.headers["Vary"]})
            reply = problem_response(refusal, request_id)
        reply.headers["X-Request-Id"] = request_id
        reply.headers["X-Content-Type-Options"] = "nosniff"
        return reply


def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error, _request_id(request))


async def _on_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; the log and the metrics know the number


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        why = f"the body is not JSON: {first['ctx']['error']} at character {first['loc'][-1]}"
        return problem_response(ProblemError(400, why), _request_id(request))
    return problem_response(invalid(error.errors()), _request_id(request))


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
