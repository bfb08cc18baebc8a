"""The log: one JSON object a line on stdout, for each request and for whatever goes wrong.

A request's line says what was asked for, how it ended and how long it took, and nothing of what the
question says: its length, and a hash by which repetitions within one run of the service are seen. The
hash is keyed with random bits that die with the process, so that no list of likely questions can undo it.
A question that service/connection.py refuses for want of room is counted, not logged.
"""

import hashlib
import json
import logging
import queue
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Any, TextIO

from service.redaction import redact

REQUESTS = logging.getLogger("report_qa.requests")
"""Where Door puts a line for each request, as `extra={"fields": …}`."""
_SECRET = secrets.token_bytes(32)
_AHEAD = 10_000
"""Lines that may wait to be written. More are lost: a stuck reader must stop no answer."""
_TOGETHER = 0.05
"""Seconds after which a line is written, with all that came meanwhile."""


def about_question(question: str, *, wording: bool) -> dict[str, Any]:
    """What the log may know of a question; with `wording` also its words, redacted."""
    digest = hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=8, key=_SECRET)
    found = {"question_length": len(question), "question_hash": digest.hexdigest()}
    return found | ({"question": redact(question)} if wording else {})


class JsonLines(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level and message or fields; a traceback is a string in `exception`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        fields: Mapping[str, Any] | None = getattr(record, "fields", None)
        line |= fields if fields is not None else {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Lines(QueueHandler):
    """Hands records over as they are: the thread that writes them also formats them."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class _Writer(QueueListener):
    """Writes what has come together: waking for each line would take a request's time."""

    def dequeue(self, block: bool) -> logging.LogRecord:
        """The next record; if it has to be waited for, so is what comes soon after it."""
        with suppress(queue.Empty):
            return super().dequeue(block=False)
        record = super().dequeue(block)
        time.sleep(_TOGETHER)
        return record


@contextmanager
def logging_to(stream: TextIO) -> Iterator[None]:
    """Write what is logged as JSON lines, in a thread of its own; all of it is out on leaving."""
    logging.raiseExceptions = False  # a log that cannot be written is not worth a failed answer
    writer = logging.StreamHandler(stream)
    writer.setFormatter(JsonLines())
    handler = _Lines(queue.Queue(_AHEAD))
    listener = _Writer(handler.queue, writer)
    root = logging.getLogger()
    root.addHandler(handler)
    REQUESTS.setLevel(logging.INFO)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        REQUESTS.setLevel(logging.NOTSET)
        listener.stop()
