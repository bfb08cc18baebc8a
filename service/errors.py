"""Every error that a route can return, as RFC 9457 problem details.

Problem
├── bad-request           400  not HTTP that a route understands
├── not-found             404  no such route, document or passage
├── method-not-allowed    405  the route exists, not with this method
├── too-large             413  a body above 64 KiB
├── wrong-type            415  a body that is not JSON
├── range-not-satisfiable 416  start and end are not a span of the document
├── invalid               422  a field is missing, wrong or unknown
├── internal              500  our fault; the request id finds it in the log
└── unavailable           503  not now, or not here
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

PROBLEM_JSON = "application/problem+json"

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "The request cannot be understood"),
    404: ("not-found", "There is no such thing here"),
    405: ("method-not-allowed", "This method is not for this route"),
    413: ("too-large", "The request body is too large"),
    415: ("wrong-type", "The request body is not JSON"),
    416: ("range-not-satisfiable", "This is not a span of the document"),
    422: ("invalid", "The request is not valid"),
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
