import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from indexer.bundle import Bundle
from service.admission import Admission
from service.answer import Answerer
from service.app import create_app
from service.connection import MAX_HEAD, MAX_REQUEST, Connection
from service.lanes import Lanes
from service.metrics import Metrics

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b" " * 20_000_000
Connect = Callable[[], socket.socket]


async def small(request: Request) -> Response:
    return Response(b"small")


async def large(request: Request) -> Response:
    return Response(LARGE)


@asynccontextmanager
async def full(app: Starlette) -> AsyncIterator[dict[str, object]]:
    """No lane has room for a question, ever."""
    metrics = Metrics()
    lanes = Lanes(1, -1.0, metrics)
    yield {"admission": Admission(lanes, metrics, origins=("https://a.example.org",))}


@contextmanager
def serving(app: ASGIApp) -> Iterator[tuple[uvicorn.Server, int, socket.socket]]:
    """An application behind real connections: its server, port and listening socket."""
    config = uvicorn.Config(app, http=Connection, ws="none", log_level="critical")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server, port, listening
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[uvicorn.Server, int]]:
    routes = [
        Route("/", small, methods=["GET", "POST"]),
        Route("/large", large),
        Route("/v1/answer", small, methods=["POST", "OPTIONS", "PUT"]),
    ]
    with serving(Starlette(routes=routes, lifespan=full)) as (server, port, _):
        yield server, port


@pytest.fixture
def connect(server: tuple[uvicorn.Server, int]) -> Iterator[Connect]:
    made: list[socket.socket] = []

    def new() -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", server[1]), timeout=20))
        return made[-1]

    yield new
    for connection in made:
        connection.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.connection.HEAD_SECONDS", 0.05)
    monkeypatch.setattr("service.connection.READ_SECONDS", 0.05)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionError:
        pass
    return found


def answer(connection: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"small"):
        found += connection.recv(65_536)
    return found


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
def test_a_connection_that_sends_no_whole_head_is_closed(connect: Connect, sent: bytes) -> None:
    held = [connect() for _ in range(20)]
    for connection in held:
        connection.sendall(sent)
    assert [rest(connection) for connection in held] == [b""] * 20


@pytest.mark.usefixtures("hasty")
def test_a_head_that_trickles_in_is_not_waited_for(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\n")
    with pytest.raises(ConnectionError):
        while True:
            connection.sendall(b"a: b\r\n")


@pytest.mark.usefixtures("hasty")
def test_the_second_request_of_a_connection_has_a_deadline_too(connect: Connect) -> None:
    connection = connect()
    connection.sendall(GET)
    assert answer(connection).startswith(b"HTTP/1.1 200 ")
    connection.sendall(b"GET / HT")
    assert rest(connection) == b""


@pytest.mark.usefixtures("hasty")
def test_who_does_not_read_is_not_waited_for(server: tuple[uvicorn.Server, int], connect: Connect) -> None:
    connection = connect()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.sendall(GET.replace(b"/ ", b"/large ", 1))
    connection.recv(1)
    until = time.monotonic() + 20
    while server[0].server_state.connections and time.monotonic() < until:
        time.sleep(0.01)
    assert not server[0].server_state.connections  # though no kernel takes all of it


def test_many_requests_go_through_one_connection_pipelined_or_not(connect: Connect) -> None:
    connection = connect()
    for _ in range(50):
        connection.sendall(GET)
        answer(connection)
    connection.sendall(GET * 20 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert rest(connection).count(b"HTTP/1.1 200 ") == 21


def test_a_head_that_is_too_large_is_a_problem(connect: Connect) -> None:
    connection = connect()
    connection.sendall((b"GET / HTTP/1.1\r\nHost: x\r\nA: ").ljust(MAX_HEAD + 1, b"a"))
    head, body = rest(connection).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "urn:report-qa:problem:headers-too-large"


def ask(path: str, headers: str = "", method: str = "POST") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 3\r\n\r\n[1]".encode()


def test_a_question_without_room_is_refused_before_it_is_read_and_the_connection_goes_on(
    connect: Connect,
) -> None:
    connection = connect()
    for number in range(3):
        head, _, _ = ask("/v1/answer?a=b", f"X-Number: {number}\r\n").partition(b"[1]")
        connection.sendall(head)
        reply = connection.recv(65_536)
        assert reply.startswith(b"HTTP/1.1 503 ")
        assert json.loads(reply.partition(b"\r\n\r\n")[2])["type"] == "urn:report-qa:problem:unavailable"
        assert b"Retry-After: 1" in reply
        connection.sendall(b"[1]" + GET)
        assert answer(connection).startswith(b"HTTP/1.1 200 ")


def test_each_refusal_has_an_id_of_its_own_the_same_in_head_and_body(connect: Connect) -> None:
    connection = connect()
    ids = []
    for _ in range(2):
        connection.sendall(ask("/v1/answer"))
        head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
        ids.append(json.loads(body)["request_id"])
        assert f"X-Request-Id: {ids[-1]}\r\n".encode() in head
        assert f"Content-Length: {len(body)}\r\n".encode() in head
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("given", "kept"), [("a", True), ("A-b_c.9", True), ("x" * 64, True), ("x" * 65, False), ("a#b", False)]
)
def test_a_refusal_has_the_id_that_the_client_gave_if_it_is_sound(
    connect: Connect, given: str, kept: bool
) -> None:
    connection = connect()
    connection.sendall(ask("/v1/answer", f"X-Request-Id: {given}\r\n"))
    head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
    request_id = json.loads(body)["request_id"]
    assert (request_id == given) is kept
    assert f"X-Request-Id: {request_id}\r\n".encode() in head
    assert f"Content-Length: {len(body)}\r\n".encode() in head


@pytest.mark.parametrize(
    ("origin", "readable"), [("https://a.example.org", True), ("https://b.example.org", False), ("", False)]
)
def test_a_page_of_a_listed_site_can_read_that_there_is_no_room(
    connect: Connect, origin: str, readable: bool
) -> None:
    connection = connect()
    connection.sendall(ask("/v1/answer", f"Origin: {origin}\r\n"))
    reply = connection.recv(65_536)
    assert (f"Access-Control-Allow-Origin: {origin}\r\n".encode() in reply) is readable
    assert (b"Access-Control-Allow-Origin" in reply) is readable
    exposed = b"Access-Control-Expose-Headers: X-Request-Id, Retry-After, ETag\r\n"
    assert (exposed in reply) is readable


@pytest.mark.parametrize(
    "request_",
    [
        ask("/v1/answer", method="OPTIONS"),
        ask("/v1/answer", method="PUT"),
        ask("/v1/answer", "Expect: 100-continue\r\n"),
        ask("/"),
    ],
)
def test_whatever_else_is_for_the_application(connect: Connect, request_: bytes) -> None:
    connection = connect()
    connection.sendall(request_)
    assert b"HTTP/1.1 200 " in answer(connection)


@pytest.mark.usefixtures("hasty")
def test_the_body_of_a_refused_question_is_not_waited_for(connect: Connect) -> None:
    connection = connect()
    connection.sendall(ask("/v1/answer")[:-1])
    assert rest(connection).startswith(b"HTTP/1.1 503 ")


def test_a_client_that_keeps_no_connection_is_closed_after_a_refusal(connect: Connect) -> None:
    connection = connect()
    connection.sendall(ask("/v1/answer", "Connection: close\r\n"))
    assert rest(connection).startswith(b"HTTP/1.1 503 ")


def test_what_is_not_http_is_a_problem(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    head, body = rest(connection).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["status"] == 400


def test_a_request_without_end_is_cut_off(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < 20 * MAX_REQUEST:
            connection.sendall(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
            sent += 0x8000
    assert sent < 20 * MAX_REQUEST


def test_a_request_on_its_way_while_the_service_stops_is_answered() -> None:
    with (
        serving(Starlette(routes=[Route("/", small)])) as (server, port, listening),
        socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
    ):
        connection.sendall(GET)
        answer(connection)
        server.should_exit = True
        while listening.fileno() >= 0:  # closed at the beginning of the end
            pass
        connection.sendall(GET)
        reply = rest(connection)
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in reply


def test_who_hangs_up_before_a_lane_is_free_is_not_answered(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    computed: list[str] = []
    answers = Answerer.search

    def slow(self: Answerer, question: str, *more: Any) -> Any:
        begun.release()
        go_on.wait()
        computed.append(question)
        return answers(self, question, *more)

    monkeypatch.setattr(Answerer, "search", slow)
    with serving(create_app(bundle, queue_limit=60.0)) as (_, port, _), ExitStack() as held:
        connections = {
            word: held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for word in ("first", "second", "third", "watch")
        }

        def metric(name: str) -> float:
            connections["watch"].sendall(GET.replace(b"/ ", b"/metrics ", 1))
            reply = b""
            while f"\n{name} ".encode() not in reply:
                reply += connections["watch"].recv(1_000_000)
            return float(reply.partition(f"\n{name} ".encode())[2].split(b"\n")[0])

        for number, word in enumerate(("first", "second", "third"), start=1):
            connections[word].sendall(GET.replace(b"/ ", f"/v1/search?q={word} ".encode(), 1))
            while metric("report_qa_questions_in_hand") < number:
                pass
        begun.acquire()
        connections["second"].close()
        while metric("report_qa_questions_in_hand") > 2:
            pass
        go_on.set()
        for word in ("first", "third"):
            assert connections[word].recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert computed == ["first", "third"]
