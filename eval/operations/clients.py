"""Clients that ask as fast as they are told to: HTTP over kept connections, with little work of their own.

A general client would take more of the machine than the service; this one knows POST, GET and
`Content-Length`, all that the service speaks.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TICK = 0.005
"""Seconds between two moments at which an open loop sends: as often as it must, as seldom as it can."""
LOST = 0
"""Status of a request whose connection was closed instead of an answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, when it was sent (`perf_counter` seconds) and how long that took."""

    status: int
    body: bytes
    sent: float
    seconds: float


def post(path: str, body: Mapping[str, Any]) -> bytes:
    """A request as bytes."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    return head.encode() + b"\r\n\r\n" + data


def get(path: str) -> bytes:
    """A request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


class Client(asyncio.Protocol):
    """One connection, one request at a time; opened again when it was closed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._transport: asyncio.Transport | None = None
        self._read = bytearray()
        self._reply: asyncio.Future[tuple[int, bytes]] | None = None

    async def ask(self, request: bytes) -> Reply:
        """Send a request and wait for all of its reply."""
        sent = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            if self._transport is None:
                await loop.create_connection(lambda: self, *self._address)
            assert self._transport
            self._reply = loop.create_future()
            self._transport.write(request)
            status, body = await self._reply
        except OSError:
            status, body = LOST, b""
        return Reply(status, body, sent, time.perf_counter() - sent)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Be connected."""
        self._transport = transport
        self._read.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way."""
        self._transport = None
        if self._reply and not self._reply.done():
            self._reply.set_result((LOST, b""))

    def data_received(self, data: bytes) -> None:
        """Take a part of a reply."""
        self._read += data
        head_end = self._read.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._read[:head_end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        end = head_end + 4 + length
        if len(self._read) >= end and self._reply and not self._reply.done():
            body = bytes(self._read[head_end + 4 : end])
            self._read.clear()
            self._reply.set_result((int(head[9:12]), body))


async def closed_loop(
    host: str, port: int, requests: list[bytes], clients: int, seconds: float
) -> list[Reply]:
    """As many clients, each asking again as soon as it was answered, for some seconds."""
    until = time.perf_counter() + seconds
    following = iter(range(10**12))
    replies: list[Reply] = []

    async def one() -> None:
        client = Client(host, port)
        while time.perf_counter() < until:
            replies.append(await client.ask(requests[next(following) % len(requests)]))
        client.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return replies


async def open_loop(
    host: str, port: int, requests: list[bytes], rate: float, clients: int, seconds: float
) -> tuple[list[Reply], int]:
    """So many requests a second whatever comes back, over at most so many connections.

    Returns:
        The replies, and how many requests could not be sent because every connection was waiting.
    """
    free = deque(Client(host, port) for _ in range(clients))
    replies: list[Reply] = []
    tasks: set[asyncio.Task[None]] = set()

    async def one(client: Client, request: bytes) -> None:
        replies.append(await client.ask(request))
        free.append(client)

    start, sent, unsent = time.perf_counter(), 0, 0
    while (now := time.perf_counter() - start) < seconds:
        while sent + unsent < now * rate:
            if free:
                task = asyncio.create_task(one(free.popleft(), requests[sent % len(requests)]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            else:
                unsent += 1
        await asyncio.sleep(TICK)
    await asyncio.gather(*tasks)
    for client in free:
        client.close()
    return replies, unsent
