"""One connection: where uvicorn's own protocol sets no limit of time or size, this one does.

A head must arrive within some seconds, from the first connection on, whether anything is sent or not; a
request has a size beyond which it is cut off, headers and all; and whoever does not read what it asked
for is not waited for. (The time for a body is Door's, which can still answer.)
"""

import asyncio
import json
import uuid

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.errors import PROBLEM_JSON, ProblemError, problem

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


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with deadlines."""

    _head: asyncio.TimerHandle
    _reading: asyncio.TimerHandle | None = None
    _taken = _chunk = 0
    _in_head = True
    _stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_head()

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
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False

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

    def _await_head(self) -> None:
        wait = READ_SECONDS if self.transport.get_write_buffer_size() else HEAD_SECONDS
        self._head = self.loop.call_later(wait, self.transport.abort)

    def _refuse(self, status: int, detail: str) -> None:
        request_id = uuid.uuid4().hex
        body = json.dumps(problem(ProblemError(status, detail), request_id)).encode()
        head = (
            f"content-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()
