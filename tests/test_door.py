import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Scope

from service.admission import Admission
from service.door import MAX_BODY, Door
from service.lanes import Lanes
from service.metrics import Metrics

JSON = {"Content-Type": "application/json"}


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {len(await request.body())} {request.state.request_id}")


async def broken(request: Request) -> StreamingResponse:
    async def half() -> AsyncIterator[str]:
        yield "half of"
        raise RuntimeError("the other half is gone")

    return StreamingResponse(half())


ROUTES = [Route("/echo", echo, methods=["GET", "POST"]), Route("/broken", broken)]


def door(metrics: Metrics) -> Door:
    return Door(Starlette(routes=ROUTES), metrics, Admission(Lanes(1, 1.0, metrics), metrics))


@pytest.fixture
def client() -> TestClient:
    return TestClient(door(Metrics()))


# --- request id ---


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
def test_a_sound_request_id_is_kept(client: TestClient, given: str) -> None:
    reply = client.get("/echo", headers={"X-Request-Id": given})
    assert reply.headers["X-Request-Id"] == given
    assert reply.text.split()[2] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "<script>", "a\tb", "é"])
def test_any_other_is_replaced(client: TestClient, given: str) -> None:
    reply = client.get("/echo", headers={b"X-Request-Id": given.encode()})
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["X-Request-Id"])


def test_each_request_gets_an_id_of_its_own(client: TestClient) -> None:
    ids = {client.get("/echo").headers["X-Request-Id"] for _ in range(20)}
    assert len(ids) == 20


def test_no_browser_guesses_a_type(client: TestClient) -> None:
    assert client.get("/echo").headers["X-Content-Type-Options"] == "nosniff"


# --- body ---


def chunks(size: int) -> Callable[[], Iterator[bytes]]:
    def body() -> Iterator[bytes]:
        for start in range(0, size, 1_000):
            yield b" " * min(1_000, size - start)

    return body


@pytest.mark.parametrize("size", [0, 1, MAX_BODY - 1, MAX_BODY])
def test_a_body_up_to_the_limit_goes_through_whole(client: TestClient, size: int) -> None:
    for content in (b" " * size, chunks(size)()):
        assert client.post("/echo", content=content, headers=JSON).text.split()[:2] == ["POST", str(size)]


def test_a_larger_body_is_refused_whether_its_length_is_told_or_not(client: TestClient) -> None:
    for content in (b" " * (MAX_BODY + 1), chunks(MAX_BODY + 1)()):
        reply = client.post("/echo", content=content, headers=JSON)
        assert (reply.status_code, reply.headers["Content-Type"]) == (413, "application/problem+json")
        assert str(MAX_BODY) in reply.json()["detail"]


def scope(method: str, headers: dict[str, str]) -> Scope:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/echo", "query_string": b"", "headers": pairs}


def served(scope: Scope, incoming: Iterator[Message]) -> list[Message]:
    """The messages that the door sends for those that come in."""
    sent: list[Message] = []

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(door(Metrics())(scope, receive, send))
    return sent


def test_an_endless_body_is_not_read_to_its_end() -> None:
    read = 0

    def endless() -> Iterator[Message]:
        nonlocal read
        while True:
            read += 1
            yield {"type": "http.request", "body": b" " * 4_096, "more_body": True}

    assert served(scope("POST", JSON), endless())[0]["status"] == 413
    assert read == MAX_BODY // 4_096 + 1


def test_a_body_announced_as_too_large_is_not_read_at_all() -> None:
    def untouched() -> Iterator[Message]:
        raise AssertionError("read")
        yield {}

    headers = {**JSON, "Content-Length": str(MAX_BODY + 1)}
    assert served(scope("POST", headers), untouched())[0]["status"] == 413


def test_a_body_that_does_not_arrive_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait() -> list[Message]:
        sent: list[Message] = []
        first: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive() -> Message:
            return first.pop() if first else await asyncio.Future()

        async def send(message: Message) -> None:
            sent.append(message)

        await door(Metrics())(scope("POST", JSON), receive, send)
        return sent

    monkeypatch.setattr("service.door.BODY_SECONDS", 0.0)
    start, body = asyncio.run(wait())
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert b"urn:report-qa:problem:late" in body["body"]


# --- HEAD ---


def test_head_is_get_without_a_body(client: TestClient) -> None:
    got, head = client.get("/echo"), client.head("/echo")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_head_leaves_the_scope_of_the_server_as_it_was() -> None:
    given = scope("HEAD", {})
    sent = served(given, iter([{"type": "http.request", "body": b"", "more_body": False}]))
    assert given["method"] == "HEAD"
    assert b"".join(message.get("body", b"") for message in sent) == b""


# --- failure ---


def test_a_failure_in_mid_response_is_not_followed_by_a_second_response(client: TestClient) -> None:
    with pytest.raises(RuntimeError, match="the other half is gone"):
        client.get("/broken")
