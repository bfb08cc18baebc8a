"""How questions are asked: of the code in this process, or of a service over HTTP.

Either way what comes back is the body of `POST /v1/answer`, and nothing else is known of the service.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import Answerer, Mode
from service.schemas import MAX_LIMIT, AnswerRequest, AnswerResponse

DEPTH = 10
"""How many ranked passages a run asks for."""
DEEPEST = MAX_LIMIT
"""How many a service returns at most."""
_PATIENCE = 30
"""Most seconds to wait when a service says `Retry-After`, and for any of its answers."""
_TRIES = 5

Ask = Callable[[Question], Mapping[str, Any]]
"""Asks one question; returns the body of `POST /v1/answer`."""


class ServiceError(RuntimeError):
    """A service does not answer as the contract says; the message names the address and the answer."""


def in_process(
    bundle: Bundle, depth: int = DEPTH, mode: Mode = "accurate", *, everywhere: bool = False
) -> Ask:
    """Ask the code in this process for `depth` passages, through the response that HTTP would send.

    A question is asked of its own report, or with `everywhere` of all reports that are served.
    """
    answerer = Answerer(bundle)

    def ask(question: Question) -> Mapping[str, Any]:
        body = _body(question, depth, mode)
        if everywhere:
            del body["documents"]
        request = AnswerRequest.model_validate(body)
        history = [turn.model_dump() for turn in request.history]
        start = time.perf_counter()
        answer = answerer.answer(request.query, request.limit, request.documents, history, request.mode)
        took = (time.perf_counter() - start) * 1_000
        return AnswerResponse.of(answer, question.id, bundle.id, took).model_dump()

    return ask


class Service:
    """A running service, by its address. Keeps one connection; waits when it is told to."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ServiceError(f"--url is {url!r}; expected an address such as http://127.0.0.1:8000")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=_PATIENCE)
        self._root = parts.path.rstrip("/")
        self._url = url

    def ask(self, question: Question, depth: int = DEPTH, mode: Mode = "accurate") -> Mapping[str, Any]:
        """Ask one question; see `Ask`."""
        reply: Mapping[str, Any] = self._json("POST", "/v1/answer", _body(question, depth, mode))
        return reply

    def texts(self) -> dict[str, str]:
        """Canonical text of every report that is served, by id."""
        documents = self._json("GET", "/v1/documents")["data"]
        return {
            document["id"]: self._call("GET", f"/v1/documents/{quote(document['id'])}/text").decode()
            for document in documents
        }

    def index(self) -> Mapping[str, Any]:
        """What is served: bundle id, calibration, and more."""
        described: Mapping[str, Any] = self._json("GET", "/v1/index")
        return described

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def _json(self, method: str, route: str, body: Mapping[str, Any] | None = None) -> Any:
        content = self._call(method, route, body)
        try:
            return json.loads(content)
        except ValueError:
            found = content[:80].decode(errors="replace")
            raise ServiceError(f"{self._url}: {method} {route}: found {found!r}, expected JSON") from None

    def _call(self, method: str, route: str, body: Mapping[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        for attempt in range(1, _TRIES + 1):
            try:
                self._connection.request(method, self._root + route, data, headers)
                response = self._connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()  # a kept connection may have been dropped: the next try reconnects
                if attempt < _TRIES and isinstance(error, http.client.RemoteDisconnected):
                    continue
                raise ServiceError(f"{self._url}: {method} {route}: {error}; is the service up?") from None
            if response.status == 200:
                return content
            wait = response.headers.get("Retry-After", "")
            if attempt == _TRIES or response.status not in {429, 503} or not wait.isdecimal():
                raise ServiceError(
                    f"{self._url}: {method} {route}: found status {response.status}, expected 200: "
                    f"{content[:300].decode(errors='replace')}"
                )
            time.sleep(min(int(wait), _PATIENCE))
        raise AssertionError("unreachable")


def _body(question: Question, depth: int, mode: Mode) -> dict[str, Any]:
    body = {"query": question.question, "limit": depth, "documents": [question.document_id], "mode": mode}
    return body | ({"history": [dict(turn) for turn in question.history]} if question.history else {})
