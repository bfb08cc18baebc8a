"""Starter questions for a visitor who does not know yet what to ask."""

from collections.abc import Iterator
from itertools import islice

from service.answer import Answerer

MOST = 20
"""Starter questions of all reports together: nobody reads more, and each is answered before it is shown."""
_FROM_HEADING = "What does the report say about {}?"


def suggestions(answerer: Answerer) -> list[tuple[str, str]]:
    """Up to `MOST` questions that the service answers, each with its document, in the corpus's order.

    A report's own list comes from its `report.toml`; a report without one gets a question for each
    heading. Either way only those stay that are in fact answered.
    """
    answered = (
        (question, document_id)
        for question, document_id in _offered(answerer)
        if answerer.answer(question, 1, [document_id]).answerable
    )
    return list(islice(answered, MOST))


def _offered(answerer: Answerer) -> Iterator[tuple[str, str]]:
    for entry in answerer.bundle.manifest["documents"]:
        for question in entry["suggestions"] or _from_headings(answerer, entry["id"]):
            yield question, entry["id"]


def _from_headings(answerer: Answerer, document_id: str) -> list[str]:
    headings = {
        passage.heading_path[0]: None
        for passage in answerer.bundle.passages
        if passage.document_id == document_id and passage.heading_path
    }
    return [_FROM_HEADING.format(heading) for heading in headings][:5]
