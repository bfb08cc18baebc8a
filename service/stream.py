"""Server-sent events: an answer as a stream of `accepted`, then `answer` or `error`.

The first event leaves at once, so that a client knows that its question has arrived; while the answer
is under way a comment every few seconds keeps proxies from closing the connection.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from service.errors import ProblemError, problem

EVENT_STREAM = "text/event-stream"
_STILL_HERE = 10.0
"""Seconds between comments."""


def wants_stream(accept: str) -> bool:
    """Whether an Accept header asks for a stream in the first place."""
    return accept.split(",")[0].partition(";")[0].strip().lower() == EVENT_STREAM


def stream(answer: Awaitable[str], request_id: str) -> StreamingResponse:
    """The response that streams an answer, one line of JSON; a problem on the way is its last event."""
    return StreamingResponse(
        _events(answer, request_id),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(answer: Awaitable[str], request_id: str) -> AsyncIterator[str]:
    task = asyncio.ensure_future(answer)
    try:
        yield _event("accepted", _line({"request_id": request_id}))
        while not (await asyncio.wait({task}, timeout=_STILL_HERE))[0]:
            yield ": still reading\n\n"
        try:
            yield _event("answer", await task)
        except ProblemError as error:
            yield _event("error", _line(problem(error, request_id)))
        except Exception:
            failure = ProblemError(500, f"the request failed; the log tells why, under {request_id}")
            yield _event("error", _line(problem(failure, request_id)))
            raise
    finally:
        task.cancel()  # the visitor has stopped, or left


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
