"""What is served now: an open bundle with what answers from it; and how another takes its place.

A question takes `shelf.now` once and is answered from that to its end, so that no answer is of two bundles.
"""

import logging
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from indexer.bundle import SEAL, Bundle, BundledDocument, BundleError, open_bundle
from service.answer import Answer, Answerer, Mode, UnknownDocumentError
from service.errors import ProblemError
from service.schemas import AnswerRequest
from service.suggestions import suggestions

EVERY = 1.0
"""Seconds between two looks at the bundle's path."""
REMEMBERED = 1_024
"""Answers that are kept for whoever asks the very same thing again; some 10 KB each."""
_AGAIN = 30
"""Looks after which a bundle that was refused is tried once more."""
_SAID = 4_000
"""Characters of a history with which an answer is kept: longer ones would fill the memory."""
Names = tuple[str, ...]
_log = logging.getLogger("report_qa")


@dataclass(frozen=True)
class Served:
    """One bundle, ready to answer.

    `remembered` answers as `Answerer.answer` does, from all its arguments in hashable form, and knows what
    was asked last.
    """

    bundle: Bundle
    answerer: Answerer
    remembered: Any

    @classmethod
    def of(cls, bundle: Bundle, lanes: int) -> "Served":
        """Get a bundle ready, for so many questions at once."""
        answerer = Answerer(bundle, lanes)

        @lru_cache(REMEMBERED)
        def remembered(
            query: str, limit: int, documents: Names | None, history: tuple[Names, ...], mode: Mode
        ) -> Answer:
            turns = [{"role": role, "content": content} for role, content in history]
            return answerer.answer(query, limit, documents, turns, mode)

        return cls(bundle, answerer, remembered)

    @cached_property
    def starters(self) -> tuple[tuple[str, str], ...]:
        """Starter questions with the document each is about. To see that each is answered takes a while."""
        return tuple(suggestions(self.answerer))

    def answer(self, body: AnswerRequest) -> Answer:
        """Answer a question, at once if it is one of the last ones."""
        history = tuple((turn.role, turn.content) for turn in body.history)
        documents = None if body.documents is None else tuple(body.documents)
        short = sum(len(turn.content) for turn in body.history) <= _SAID
        answer = self.remembered if short else self.remembered.__wrapped__
        found: Answer = answer(body.query, body.limit, documents, history, body.mode)
        return found

    def document(self, document_id: str) -> BundledDocument:
        """A report by its id.

        Raises:
            ProblemError: 404 if it is not served.
        """
        if document_id not in self.bundle.documents:
            raise ProblemError(404, str(UnknownDocumentError(document_id, self.bundle.documents)))
        return self.bundle.documents[document_id]


class Shelf:
    """Holds what is served, and exchanges it when the path that it came from leads to another bundle.

    Args:
        bundle: What is served first.
        path: The link to look at; without it nothing is ever exchanged.
        lanes: Questions answered at the same time.
    """

    def __init__(self, bundle: Bundle, path: Path | None = None, lanes: int = 1) -> None:
        self.now = Served.of(bundle, lanes)
        self.trouble: str | None = None
        """Why the bundle at the path is not the one that is served, in a line; None if it is."""
        self._path, self._lanes = path, lanes
        self._refused: str | None = None
        self._looks = 0
        self._stop = threading.Event()
        # Whoever asks first need not wait for them, nor they for it: what is asked at once comes first.
        self._soon = threading.Timer(EVERY, lambda: self.now.starters)
        self._soon.name = "starters"
        self._soon.start()
        if path:
            threading.Thread(target=self._watch, name="shelf", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._soon.cancel()
        self._stop.set()

    def look(self) -> None:
        """Look at the path once: serve what is there, if it is another bundle, and sound."""
        assert self._path
        try:
            wanted = _id_at(self._path)
            if wanted == self.now.bundle.id:
                self._refused = self.trouble = None
                return
            self._looks += 1
            if wanted == self._refused and self._looks % _AGAIN:
                return
            self._refused = wanted
            found = Served.of(open_bundle(self._path), self._lanes)
            starters = len(found.starters)  # worked out before it is served, which warms it, too
        except Exception as error:  # whatever is wrong with it: what is served goes on
            trouble = str(error) if isinstance(error, BundleError) else f"{type(error).__name__}: {error}"
            if trouble != self.trouble:
                _log.error("%s is not served, %s goes on: %s", self._path, self.now.bundle.id, trouble)
            self.trouble = trouble
            return
        self.now = found
        self._refused = self.trouble = None
        _log.warning("%s is served from now on, with %d starter questions", found.bundle.id, starters)

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()


def _id_at(path: Path) -> str:
    """The id that the bundle at a path claims to have."""
    try:
        seal = (path / SEAL).read_text("ascii")
    except FileNotFoundError:
        raise BundleError(path, "no bundle", f"a folder with {SEAL}") from None
    return f"sha256:{seal.partition(' ')[0]}"
