"""The load generator: clients that each keep a connection, and ask as soon as they are answered.

Bytes are made before the clock starts and nothing of an answer is read but its status and length, so that
the generator takes as little as it can of the machine that it measures; `python -m eval.speed.load PORT`
serves a trivial route, and what the generator gets from it is the most that it could measure.
"""

import asyncio
import itertools
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import uvloop

from eval.speed.parts import SpeedError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BACK_OFF = 0.1
"""Seconds that a client stays away after it was refused (429, 503)."""
_PATIENCE = 120
"""Seconds after which a request that is not answered ends the run."""


class LoadError(SpeedError):
    """A service broke off or answered with something else than an answer or a refusal."""


@dataclass
class Load:
    """What a block of requests met: milliseconds of each accepted one, refusals, and seconds in all."""

    milliseconds: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """A percentile of the accepted requests' latency, in milliseconds."""
        return float(np.percentile(self.milliseconds, share))

    @property
    def share_refused(self) -> float:
        """Refusals among all that was asked."""
        return self.refused / (self.refused + len(self.milliseconds))

    @property
    def rate(self) -> float:
        """Accepted requests per second."""
        return len(self.milliseconds) / self.seconds


def distinct(questions: Sequence[str], first: int = 0) -> Iterator[str]:
    """Questions of which no two are alike: the given ones, then each again with a remark of its own."""
    for number in itertools.count(first):
        turn, place = divmod(number, len(questions))
        yield f"{questions[place]} (note {turn})" if turn else questions[place]


def request(question: str, limit: int = 3, mode: str | None = None) -> bytes:
    """The bytes that ask a question."""
    body = json.dumps({"query": question, "limit": limit} | ({"mode": mode} if mode else {})).encode()
    head = (
        "POST /v1/answer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(port: int, requests: Iterator[bytes], clients: int = 1, seconds: float | None = None) -> Load:
    """Ask with so many clients at once until the requests, or the seconds, are used up.

    Raises:
        LoadError: if a connection breaks, an answer takes too long, or is no answer and no refusal.
    """
    return uvloop.run(_drive(port, requests, clients, seconds))


async def _drive(port: int, requests: Iterator[bytes], clients: int, seconds: float | None) -> Load:
    load = Load()
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    until = start + seconds if seconds else float("inf")
    crew = [_Client(loop, requests, until, load) for _ in range(clients)]
    try:
        for client in crew:
            await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.wait_for(
            asyncio.gather(*(client.done for client in crew)), _PATIENCE + (seconds or 3_600)
        )
    except TimeoutError:
        raise LoadError(f"port {port}: no answer within {_PATIENCE} s; is the service stuck?") from None
    finally:
        for client in crew:  # an open connection would keep the loop from closing
            client.leave()
    load.seconds = time.perf_counter() - start
    return load


class _Client(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, requests: Iterator[bytes], until: float, load: Load
    ) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self._loop, self._requests, self._until, self._load = loop, requests, until, load
        self._received, self._whole, self._asked = b"", 0, 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._ask()

    def leave(self) -> None:
        """Drop the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        assert self._transport is not None
        data = next(self._requests, None) if time.perf_counter() < self._until else None
        if data is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._received, self._whole = b"", 0
        self._asked = time.perf_counter()
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole and (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            if length is None:
                self._fail(f"found {self._received[:80]!r}, expected an answer with its length")
                return
            self._whole = end + 4 + int(length.group(1))
        if self._whole and len(self._received) >= self._whole:
            self._answered(int(self._received[9:12]))

    def _answered(self, status: int) -> None:
        if status == 200:
            self._load.milliseconds.append((time.perf_counter() - self._asked) * 1_000)
            self._ask()
        elif status in {429, 503}:
            self._load.refused += 1
            self._loop.call_later(_BACK_OFF, self._ask)
        else:
            self._fail(f"found status {status}: {self._received[-200:]!r}, expected 200")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection broke: {exc}")

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(LoadError(why))


class _Trivial(asyncio.Protocol):
    """Answers every request with the same bytes, as long as an answer of ours."""

    _ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n" + b"x" * 4_000

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._ANSWER)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Trivial, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
