import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from eval.asking import Service, ServiceError
from eval.questions import Question

HISTORY = ({"role": "user", "content": "Who asked?"},)
QUESTION = Question("q", "R 1", "Why?", "fact", "dev", "why", True, None, ((0, 1),), (), HISTORY)


class Fake(HTTPServer):
    """A service that says what it is told to say, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: dict[str, list[tuple[int, dict[str, str], str]]] = {}
        self.asked: list[tuple[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Fake)
        length = int(self.headers.get("Content-Length", "0"))
        self.server.asked.append((self.path, json.loads(self.rfile.read(length) or "null")))
        replies = self.server.replies[self.path]
        status, headers, text = replies.pop(0) if len(replies) > 1 else replies[0]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def fake() -> Iterator[Fake]:
    server = Fake()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def service(fake: Fake) -> Service:
    return Service(f"http://127.0.0.1:{fake.server_port}/")


def test_a_question_is_asked_with_its_history_and_report(fake: Fake) -> None:
    fake.replies["/v1/answer"] = [(200, {}, '{"answerable": true}')] * 2
    live = service(fake)
    assert live.ask(QUESTION) == {"answerable": True}
    assert live.ask(QUESTION, 3, "fast") == {"answerable": True}
    asked = {"query": "Why?", "documents": ["R 1"], "history": list(HISTORY)}
    plain, fast = asked | {"limit": 10, "mode": "accurate"}, asked | {"limit": 3, "mode": "fast"}
    assert fake.asked == [("/v1/answer", plain), ("/v1/answer", fast)]
    live.close()


def test_texts_and_bundle_come_from_the_service(fake: Fake) -> None:
    fake.replies["/v1/documents"] = [(200, {}, '{"data": [{"id": "R 1"}]}')]
    fake.replies["/v1/documents/R%201/text"] = [(200, {}, "Goïta")]
    fake.replies["/v1/index"] = [(200, {}, '{"bundle_id": "sha256:1"}')]
    live = service(fake)
    assert live.texts() == {"R 1": "Goïta"}
    assert live.index() == {"bundle_id": "sha256:1"}
    live.close()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says_so(fake: Fake, status: int) -> None:
    fake.replies["/v1/answer"] = [(status, {"Retry-After": "0"}, "later"), (200, {}, "{}")]
    live = service(fake)
    assert live.ask(QUESTION) == {}
    assert len(fake.asked) == 2
    live.close()


def test_a_service_that_stays_busy_is_given_up(fake: Fake) -> None:
    fake.replies["/v1/answer"] = [(429, {"Retry-After": "0"}, "later")]
    live = service(fake)
    with pytest.raises(ServiceError, match="found status 429, expected 200: later"):
        live.ask(QUESTION)
    assert len(fake.asked) == 5
    live.close()


def test_an_error_is_told_with_what_the_service_said(fake: Fake) -> None:
    fake.replies["/v1/answer"] = [(422, {}, '{"detail": "too long"}')]
    live = service(fake)
    with pytest.raises(ServiceError, match=r"POST /v1/answer: found status 422, expected 200: .*too long"):
        live.ask(QUESTION)
    live.close()


def test_what_is_no_json_is_no_service(fake: Fake) -> None:
    fake.replies["/v1/index"] = [(200, {}, "<html>")]
    live = service(fake)
    with pytest.raises(ServiceError, match="GET /v1/index: found '<html>', expected JSON"):
        live.index()
    live.close()


def test_nobody_at_the_address() -> None:
    with pytest.raises(ServiceError, match="is the service up"):
        Service("http://127.0.0.1:9").index()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(ServiceError, match="expected an address such as"):
        Service(url)
