"""One connection: where uvicorn's own protocol sets no limit of time or size, this one does.

A head must arrive within some seconds, from the first connection on, whether anything is sent or not; a
request has a size beyond which it is cut off, headers and all; and whoever does not read what it asked
for is not waited for. (The time for a body is Door's, which can still answer.) And where there is no room for
a question, it is refused here, before a task or anything else is made of it: under a load of many times what
can be answered, the refusals must not take the time that the answers need.
"""

import asyncio
import json
import uuid
from functools import lru_cache

from starlette.datastructures import Headers
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.admission import Admission
from service.door import id_for
from service.errors import PROBLEM_JSON, ProblemError, problem
from service.lanes import full
from service.origins import EXPOSED

HEAD_SECONDS = 10.0
"""For a request's line and headers, from when the connection is free for them."""
READ_SECONDS = 30.0
"""In which a client has to make room for more of an answer."""
LAST_SECONDS = 0.25
"""In which a request that is on its way while the service is told to stop can still arrive."""
MAX_HEAD = 32 * 1024
"""Bytes of a request's line and headers."""
MAX_REQUEST = 1024 * 1024
"""Bytes of a whole request: what is sent although its body was refused is not read for ever."""
_NO_ID = "#"
"""For each character of the id in a reply that is written before: in no id, and in no origin."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with deadlines."""

    _head: asyncio.TimerHandle
    _reading: asyncio.TimerHandle | None = None
    _taken = _chunk = 0
    _in_head = True
    _stopping = False
    _shedding = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._head = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._head.cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, if it is not too much."""
        self._chunk = len(data)
        self._taken += self._chunk
        super().data_received(data)
        if self._in_head and self._taken > MAX_HEAD and not self.transport.is_closing():
            self._refuse(431, f"the request line and headers are larger than {MAX_HEAD} bytes")
        elif self._taken > MAX_REQUEST:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin to count, with the whole of what it came in."""
        self._taken, self._in_head = self._chunk, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        self._in_head = False
        self._head.cancel()
        if self._shed():
            return
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, unless the request was refused."""
        if not self._shedding:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Know that the body is whole; after a refusal, begin to wait for the next request."""
        if self._shedding:
            self._await_head()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, or for the client to take the rest of this answer."""
        super().on_response_complete()
        if not self.pipeline:
            self._await_head()

    def shutdown(self) -> None:
        """Close when what was asked is answered, what is on its way included."""
        self._stopping = True
        idle = self.cycle is None or self.cycle.response_complete
        self.loop.call_later(LAST_SECONDS if idle else 0, super().shutdown)

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._reading = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._reading:
            self._reading.cancel()
            self._reading = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, as every other error is."""
        self._refuse(400, msg.rstrip("."))

    def _shed(self) -> bool:
        """Refuse a question for which there is no room; whether that was done."""
        admission: Admission | None = self.app_state.get("admission")
        answering = self.cycle is not None and not self.cycle.response_complete
        asked = self.parser.get_method() in {b"GET", b"POST"}  # not HEAD, nor a browser's preflight
        self._shedding = False
        if admission is None or answering or not asked or self.expect_100_continue or self._stopping:
            return False
        seconds = admission.shed(self.url.partition(b"?")[0], self.scope["state"])
        if seconds is not None:
            self._shedding = True
            headers = Headers(raw=self.headers)
            request_id = id_for(headers)
            no_id = _NO_ID * len(request_id)
            reply = _no_room(seconds, admission.reader(headers.get("Origin", "")), no_id)
            self.transport.write(reply.replace(no_id.encode(), request_id.encode()))
            self._await_head()  # and for the body, which nobody reads
            if not self.parser.should_keep_alive():
                self.transport.close()
        return self._shedding

    def _await_head(self) -> None:
        self._head.cancel()
        wait = READ_SECONDS if self.transport.get_write_buffer_size() else HEAD_SECONDS
        self._head = self.loop.call_later(wait, self.transport.abort)

    def _refuse(self, status: int, detail: str) -> None:
        refusal = ProblemError(status, detail, headers={"Connection": "close"})
        self.transport.write(_reply(refusal, uuid.uuid4().hex))
        self.transport.close()


@lru_cache(1_024)
def _no_room(seconds: int, reader: str | None, no_id: str) -> bytes:
    """The reply to a question that is refused, without its id: written once, sent thousands of times."""
    refusal = full(seconds)
    if reader:
        refusal.headers = {
            **(refusal.headers or {}),
            "Access-Control-Allow-Origin": reader,
            "Access-Control-Expose-Headers": ", ".join(EXPOSED),
            "Vary": "Origin",
        }
    return _reply(refusal, no_id)


def _reply(refusal: ProblemError, request_id: str) -> bytes:
    """A problem as a whole response."""
    body = json.dumps(problem(refusal, request_id))
    headers = {
        "Content-Type": PROBLEM_JSON,
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request_id,
        **(refusal.headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[refusal.status] + f"{lines}\r\n{body}".encode()
