"""What every request passes: it gets an id, its body is bounded and typed, its outcome is counted."""

import logging
import re
import time
import uuid

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ProblemError, problem_response

MAX_BODY = 64 * 1024
"""Bytes of a request body."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("report_qa")


class Metrics:
    """What is counted; one registry for each app, so that two apps in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "report_qa_requests",
            "Requests by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "report_qa_request_seconds",
            "Time from the request's first byte to the response's last.",
            ["route"],
            buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
            registry=self.registry,
        )
        self.answers = Counter(
            "report_qa_answers", "Answers by outcome.", ["outcome"], registry=self.registry
        )


class Door:
    """The outermost ASGI application: every request goes in and out here."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
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
            receive = await _bounded_body(scope["method"], headers, receive)
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
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)


async def _bounded_body(method: str, headers: Headers, receive: Receive) -> Receive:
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
