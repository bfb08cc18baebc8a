"""Every error that a route can return, as RFC 9457 problem details.

Problem
├── bad-request           400  not HTTP that a route understands
├── unauthorized          401  no good key, and no page of a listed site
├── not-found             404  no such route, document or passage
├── method-not-allowed    405  the route exists, not with this method
├── late                  408  the body did not arrive in time
├── too-large             413  a body above 64 KiB
├── wrong-type            415  a body that is not JSON
├── range-not-satisfiable 416  start and end are not a span of the document
├── invalid               422  a field is missing, wrong or unknown
├── too-many              429  more than a client or a site may ask
├── headers-too-large     431  a request line and headers above 32 KiB
├── internal              500  our fault; the request id finds it in the log
└── unavailable           503  too much at once, or not here
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

PROBLEM_JSON = "application/problem+json"
GUARDED = (401, 429)
"""What every route under /v1 can return."""
POSTED = (400, 408, 413, 415, 422)
"""What every route that takes a body can return."""

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "The request cannot be understood"),
    401: ("unauthorized", "A key is needed"),
    404: ("not-found", "There is no such thing here"),
    405: ("method-not-allowed", "This method is not for this route"),
    408: ("late", "The request did not arrive in time"),
    413: ("too-large", "The request body is too large"),
    415: ("wrong-type", "The request body is not JSON"),
    416: ("range-not-satisfiable", "This is not a span of the document"),
    422: ("invalid", "The request is not valid"),
    429: ("too-many", "Too many requests"),
    431: ("headers-too-large", "The headers are too large"),
    500: ("internal", "Something went wrong in the service"),
    503: ("unavailable", "The service cannot do this now"),
}


@dataclass(eq=False)  # not frozen: whoever handles an exception may write its __traceback__
class ProblemError(Exception):
    """Raised by a route to answer with a problem. `errors` lists single fields, where there are any."""

    status: int
    detail: str
    errors: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] | None = None


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of the problems that a route can return."""
    return {
        status: {
            "description": TITLES[status][1],
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def problem(error: ProblemError, request_id: str) -> dict[str, Any]:
    """The body of a problem response."""
    kind, title = TITLES.get(error.status, TITLES[500 if error.status >= 500 else 400])
    body: dict[str, Any] = {
        "type": f"urn:report-qa:problem:{kind}",
        "title": title,
        "status": error.status,
        "detail": error.detail,
        "request_id": request_id,
    }
    if error.errors:
        body["errors"] = list(error.errors)
    return body


def problem_response(error: ProblemError, request_id: str) -> JSONResponse:
    """The problem as a response."""
    return JSONResponse(
        problem(error, request_id),
        error.status,
        headers=dict(error.headers or {}),
        media_type=PROBLEM_JSON,
    )
