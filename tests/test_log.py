import io
import json
import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from service.log import REQUESTS, about_question, logging_to

QUESTION = "Did jane@example.org pay $10 million?"


def logged(write: Callable[[], None]) -> list[dict[str, object]]:
    stream = io.StringIO()
    with logging_to(stream):
        write()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_its_fields() -> None:
    (line,) = logged(lambda: REQUESTS.info("", extra={"fields": {"route": "/", "key": None}}))
    assert line.pop("time")
    assert line == {"level": "info", "route": "/", "key": None}


def test_a_failure_is_one_line_with_its_traceback() -> None:
    def fail() -> None:
        try:
            raise RuntimeError("two\nlines")
        except RuntimeError:
            logging.getLogger("report_qa").exception("request %s failed", "r1")

    (line,) = logged(fail)
    assert (line["level"], line["message"]) == ("error", "request r1 failed")
    assert "RuntimeError: two\nlines" in str(line["exception"])


def test_what_libraries_say_in_passing_is_left_out() -> None:
    assert logged(lambda: logging.getLogger("library").info("hello")) == []


def test_a_log_that_nobody_takes_stops_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("the pipe is broken")

    with logging_to(Stuck()):
        REQUESTS.info("", extra={"fields": {}})


def test_what_comes_while_a_line_waits_is_written_with_it_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    slept, all_there = list[float](), threading.Event()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        all_there.wait()

    def write() -> None:
        monkeypatch.setattr("service.log.time", SimpleNamespace(sleep=sleep))
        for number in range(200):
            REQUESTS.info("", extra={"fields": {"number": number}})
        all_there.set()

    assert [line["number"] for line in logged(write)] == list(range(200))
    assert len(slept) <= 2  # for the first line, and for the end


def test_of_a_question_only_length_and_a_hash_are_told() -> None:
    told = about_question(QUESTION, wording=False)
    assert told.keys() == {"question_length", "question_hash"}
    assert told["question_length"] == len(QUESTION)


def test_the_hash_tells_repetitions_and_depends_on_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, other = (
        about_question(question, wording=False)["question_hash"] for question in (QUESTION, QUESTION, "a")
    )
    assert first == again != other
    monkeypatch.setattr("service.log._SECRET", b"of another process")
    assert about_question(QUESTION, wording=False)["question_hash"] != first


def test_wording_is_redacted() -> None:
    assert about_question(QUESTION, wording=True)["question"] == "Did [address] pay $10 million?"
