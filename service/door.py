"""What every request passes: it gets an id, is admitted, its body bounded, its outcome counted and logged."""

import asyncio
import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.admission import Admission
from service.errors import ProblemError, problem_response
from service.log import REQUESTS
from service.metrics import Metrics
from service.traces import tell_request

MAX_BODY = 64 * 1024
"""Bytes of a request body."""
BODY_SECONDS = 10.0
"""In which a request body must have arrived."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("report_qa")


class Door:
    """The outermost ASGI application: every request goes in and out here.

    Routes find in the request's state its `request_id`, and a dictionary `log` to put into what the log
    should tell beside what Door knows.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, admission: Admission) -> None:
        self._app = app
        self._metrics = metrics
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = id_for(headers)
        log: dict[str, Any] = {}
        scope.setdefault("state", {}).update(request_id=request_id, log=log)
        tell_request(request_id)
        bodiless = scope["method"] == "HEAD"
        if bodiless:  # is answered as its GET is; a copy, since the server looks at its own scope later
            scope = {**scope, "method": "GET"}
        start = time.perf_counter()
        status = 0

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = MutableHeaders(scope=message)
                sent["X-Request-Id"] = request_id
                sent["X-Content-Type-Options"] = "nosniff"
            elif bodiless and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            self._admission.admit(scope, headers)
            receive = await self._bounded_body(scope["method"], headers, receive)
            await self._app(scope, receive, reply)
        except ProblemError as error:
            await problem_response(error, request_id)(scope, receive, reply)
        except Exception:
            _log.exception("request %s failed", request_id)
            if status:  # half a response is out: only the server can end it, by closing the connection
                raise
            failure = ProblemError(500, f"the request failed; the log tells why, under {request_id}")
            await problem_response(failure, request_id)(scope, receive, reply)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            took = time.perf_counter() - start
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(took)
            line = {
                "request_id": request_id,
                "method": scope["method"],
                "route": route,
                "status": status,
                "took_ms": round(took * 1_000, 3),
                "key": scope["state"].get("key"),
                **log,
            }
            REQUESTS.info("", extra={"fields": line})

    async def _bounded_body(self, method: str, headers: Headers, receive: Receive) -> Receive:
        """Read the body; see `_read_body`.

        Raises:
            ProblemError: 408 if it does not arrive in time, or what `_read_body` raises.
        """
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await _read_body(method, headers, receive)
        except TimeoutError:
            self._metrics.refusals.labels("late").inc()
            detail = f"the body has not arrived in {BODY_SECONDS:.0f} s; send it at once"
            raise ProblemError(408, detail, headers={"Connection": "close"}) from None


def id_for(headers: Headers) -> str:
    """The id of a request: what the client calls it, if that is sound; else a new one."""
    given = headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


async def _read_body(method: str, headers: Headers, receive: Receive) -> Receive:
    """Read the body before anything parses it, at most MAX_BODY bytes; hand it on as one message."""
    if method not in {"POST", "PUT", "PATCH"}:
        return receive
    too_large = ProblemError(
        413, f"the body is larger than {MAX_BODY} bytes; ask shorter or in several calls"
    )
    length = headers.get("Content-Length", "0")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise too_large
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(415, f"the body's type is {media_type or 'not given'}; send application/json")
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return receive
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise too_large
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
