import asyncio
import json
from collections.abc import AsyncIterable
from typing import Any

import pytest
from starlette.testclient import TestClient

from service import stream as streaming
from service.errors import ProblemError
from service.stream import stream, wants_stream

ASKED = {"query": "How much did Wagner cost Mali each month?"}


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.split("\n\n"):
        if block and not block.startswith(":"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream;q=1, application/json;q=0.9", True),
        ("application/json, text/event-stream", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_stream_is_sent_to_who_asks_for_it_first(accept: str, wanted: bool) -> None:
    assert wants_stream(accept) is wanted


def test_the_streamed_answer_is_the_plain_one(client: TestClient) -> None:
    plain = client.post("/v1/answer", json=ASKED).json()
    reply = client.post("/v1/answer", json=ASKED, headers={"Accept": "text/event-stream"})
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    (accepted, first), (name, streamed) = events(reply.text)
    assert (accepted, name) == ("accepted", "answer")
    assert first["request_id"] == streamed["request_id"] == reply.headers["X-Request-Id"]
    for changing in ("id", "request_id", "usage"):
        del plain[changing], streamed[changing]
    assert streamed == plain


def test_a_question_that_is_none_is_refused_before_any_stream(client: TestClient) -> None:
    for body, status in (({"query": ""}, 422), (ASKED | {"documents": ["nope"]}, 404)):
        reply = client.post("/v1/answer", json=body, headers={"Accept": "text/event-stream"})
        assert (reply.status_code, reply.headers["Content-Type"]) == (status, "application/problem+json")


def test_a_problem_on_the_way_is_the_last_event() -> None:
    async def fail() -> str:
        raise ProblemError(503, "not now")

    (_, _), (name, body) = events(asyncio.run(_text(stream(fail(), "r1").body_iterator)))
    assert (name, body["status"], body["detail"], body["request_id"]) == ("error", 503, "not now", "r1")


def test_comments_keep_a_long_wait_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_STILL_HERE", 0.01)

    async def slow() -> str:
        await asyncio.sleep(0.1)
        return '{"text":"é"}'

    text = asyncio.run(_text(stream(slow(), "r1").body_iterator))
    assert ": still reading\n\n" in text
    assert events(text)[-1] == ("answer", {"text": "é"})


def test_a_visitor_who_leaves_ends_the_work() -> None:
    ended = []

    async def endless() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
        return "{}"

    async def leave() -> None:
        parts: Any = stream(endless(), "r1").body_iterator
        await anext(parts)
        await asyncio.sleep(0)
        await parts.aclose()
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert ended


async def _text(parts: AsyncIterable[Any]) -> str:
    return "".join([part async for part in parts])
