"""Starter questions for a visitor who does not know yet what to ask."""

from service.answer import Answerer

_FROM_HEADING = "What does the report say about {}?"


def suggestions(answerer: Answerer) -> list[tuple[str, str]]:
    """Questions that the service answers, with the document each is about, in the corpus's order.

    A report's own list comes from its `report.toml`; a report without one gets a question for each
    heading. Either way only those stay that are in fact answered.
    """
    found = []
    for entry in answerer.bundle.manifest["documents"]:
        document_id = entry["id"]
        for question in entry["suggestions"] or _from_headings(answerer, document_id):
            if answerer.answer(question, 1, [document_id]).answerable:
                found.append((question, document_id))
    return found


def _from_headings(answerer: Answerer, document_id: str) -> list[str]:
    headings = {
        passage.heading_path[0]: None
        for passage in answerer.bundle.passages
        if passage.document_id == document_id and passage.heading_path
    }
    return [_FROM_HEADING.format(heading) for heading in headings][:5]
