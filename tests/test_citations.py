import hashlib
import math
import re
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from eval.questions import Question
from indexer.bundle import BundledDocument
from indexer.passages import Passage
from service.citations import cite, find_quote, settling

Json = dict[str, Any]

# What people type, and what they do not: any Unicode text that is not blank.
anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120).filter(str.strip)
about_the_festival = st.sampled_from(
    [
        "What did tickets cost?",
        "astronaut 👩🏽\u200d🚀",
        "When were the fireworks put off until?",
        "x\u0302",
        "rain",
    ]
)


@pytest.fixture(scope="module")
def asked(questions: list[Question]) -> list[str]:
    return [question.question for question in questions]


def check(client: TestClient, reply: Json) -> int:
    """Prove every citation and highlight of a reply against the text that the service itself gives out."""
    for citation in reply["citations"]:
        check_citation(citation, *canonical(client, citation["document_id"]))
        check_verification(client, citation)
    for result in reply["results"] if "results" in reply else reply["data"]:
        check_result(client, result, reply["citations"])
    return len(reply["citations"])


@cache
def canonical(client: TestClient, document_id: str) -> tuple[str, str]:
    """A document's text, whole, and its sha256, as the service states it."""
    reply = client.get(f"/v1/documents/{document_id}/text")
    sha256 = hashlib.sha256(reply.content).hexdigest()
    assert reply.headers["ETag"] == f'"{sha256}"'
    return reply.content.decode(), sha256


def check_citation(citation: Json, text: str, sha256: str) -> None:
    start, end = citation["start_char_index"], citation["end_char_index"]
    excerpt = citation["cited_text"]
    assert citation["document_sha256"] == sha256
    assert text[start:end] == excerpt != ""
    assert excerpt == excerpt.strip()
    quoted, position = citation["selectors"]
    assert quoted["exact"] == excerpt
    assert text[:start].endswith(quoted["prefix"])
    assert text[end:].startswith(quoted["suffix"])
    assert bool(quoted["prefix"]) == (start > 0)
    assert bool(quoted["suffix"]) == (end < len(text))
    assert (position["start"], position["end"]) == (start, end)
    assert citation["url"] == f"/reports/{citation['document_id']}#char={start},{end}"
    check_fragment(citation["text_fragment"], excerpt)


def check_fragment(fragment: str, excerpt: str) -> None:
    """A fragment names the excerpt by all of its words, or by its first and its last."""
    directive = fragment.removeprefix("#:~:text=")
    assert directive != fragment
    assert re.fullmatch(r"[\w.~%,]+", directive, re.ASCII)  # '-' and '&' would end or split a directive
    words = excerpt.split()
    named = [unquote(part).split() for part in directive.split(",")]
    if len(named) == 1:
        assert named == [words]
    else:
        first, last = named
        assert first == words[: len(first)]
        assert last == words[-len(last) :]
        assert 0 < len(first) + len(last) <= len(words)


def check_verification(client: TestClient, citation: Json) -> None:
    start, end = citation["start_char_index"], citation["end_char_index"]
    text, _ = canonical(client, citation["document_id"])
    for shift in (0, 1, -1):
        if start + shift < 0:
            continue
        place = {"start": start + shift, "end": end + shift}
        reply = client.post(
            "/v1/citations/verify",
            json={
                "document_id": citation["document_id"],
                "quote": citation["cited_text"],
                "document_sha256": citation["document_sha256"],
                **place,
            },
        ).json()
        assert reply["verified"] == (text[place["start"] : place["end"]] == citation["cited_text"])
        assert reply["verified"] == (shift == 0)
        assert {"type": "TextPositionSelector", "start": start, "end": end} in reply["places"]


def check_result(client: TestClient, result: Json, citations: list[Json]) -> None:
    citation = citations[result["citation"]]
    assert citation["passage_id"] == result["passage_id"]
    assert citation["document_id"] == result["document_id"]
    assert citation["heading_path"] == result["heading_path"]
    passage = client.get(f"/v1/passages/{result['passage_id']}").json()
    text, _ = canonical(client, result["document_id"])
    assert result["text"] == passage["text"]
    assert result["text"] == text[passage["start_char_index"] : passage["end_char_index"]]
    assert [result["text"][start:end] for start, end in result["highlights"]] == [citation["cited_text"]]
    assert result["highlights"][0][0] == citation["start_char_index"] - passage["start_char_index"]


@given(question=anything | about_the_festival)
@settings(max_examples=40)
def test_whatever_is_asked_every_citation_is_verbatim(shelf_client: TestClient, question: str) -> None:
    for route in ("/v1/answer", "/v1/search"):
        reply = shelf_client.post(route, json={"query": question, "limit": 4})
        assert reply.status_code == 200
        assert reply.json()["query"]["text"] == question
        check(shelf_client, reply.json())


@given(data=st.data())
@settings(max_examples=60)
def test_every_citation_for_a_known_question_is_verbatim(
    shelf_client: TestClient, asked: list[str], data: st.DataObject
) -> None:
    question = data.draw(st.sampled_from(asked))
    reply = shelf_client.post("/v1/answer", json={"query": question, "limit": 3}).json()
    assert check(shelf_client, reply) > 0
    if reply["answerable"]:
        cited = [reply["citations"][number]["cited_text"] for number in reply["answer"]["citations"]]
        assert cited
        assert all(excerpt in reply["answer"]["text"] for excerpt in cited)
        assert "".join(reply["answer"]["text"].split()) == "".join("".join(cited).split())


def test_offsets_count_code_points_where_utf_16_would_differ(shelf_client: TestClient) -> None:
    question = {"query": "What did tickets cost?", "documents": ["FESTIVAL"]}
    reply = shelf_client.post("/v1/answer", json=question).json()
    assert check(shelf_client, reply) > 0
    text, _ = canonical(shelf_client, "FESTIVAL")
    first = reply["citations"][0]
    start = first["start_char_index"]
    assert first["cited_text"].startswith("Tickets cost 7 euros")
    assert text.find("Tickets") == start
    assert len(text[:start].encode("utf-16-le")) // 2 > start
    assert len(text[:start].encode()) > start


# --- cite and find_quote, on a text that one can count ---

TEXT = "One two. A, b-c & 50 %; d?\ne f g h i j k. End."
DOCUMENT = BundledDocument({"id": "D", "title": "Title"}, TEXT, "0" * 64, "1" * 64, ())
PASSAGE = Passage("D:00009", "D", 9, 41, ("Part",), ((9, 41),))


def test_a_citation_is_the_slice_with_what_stands_around_it() -> None:
    citation = cite(DOCUMENT, PASSAGE, 9, 26)
    assert citation.excerpt == "A, b-c & 50 %; d?"
    assert citation.prefix == "One two. "
    assert citation.suffix == "\ne f g h i j k. End."
    assert citation.url == "/reports/D#char=9,26"
    assert citation.text_fragment == "#:~:text=A%2C%20b%2Dc%20%26%2050%20%25%3B%20d%3F"


def test_a_long_excerpt_is_named_by_its_first_and_last_words() -> None:
    citation = cite(DOCUMENT, PASSAGE, 9, 41)
    assert citation.text_fragment == "#:~:text=A%2C%20b%2Dc%20%26%2050%20%25%3B,g%20h%20i%20j%20k."


@pytest.mark.parametrize(("start", "end"), [(8, 26), (9, 42), (20, 20), (26, 9), (-1, 12)])
def test_nothing_outside_the_passage_is_cited(start: int, end: int) -> None:
    with pytest.raises(ValueError, match=r"is not in D:00009 \[9, 41\)"):
        cite(DOCUMENT, PASSAGE, start, end)


def test_nothing_of_another_document_is_cited() -> None:
    other = BundledDocument({"id": "E", "title": "Other"}, TEXT, "0" * 64, "1" * 64, ())
    with pytest.raises(ValueError, match="is not in D:00009"):
        cite(other, PASSAGE, 9, 26)


@given(st.text("ab", max_size=12), st.text("ab", min_size=1, max_size=3))
def test_every_place_of_a_quotation_is_found(text: str, quotation: str) -> None:
    document = BundledDocument({"id": "D", "title": "T"}, text, "0" * 64, "1" * 64, ())
    places = [
        (start, start + len(quotation)) for start in range(len(text)) if text[start:].startswith(quotation)
    ]
    assert list(find_quote(document, quotation)) == places


STANDS = ["The mission came in 2013.", "It left in 2023.", "France stayed.", "Gold is dug."]
MISSION = BundledDocument({"id": "R", "title": "River"}, " ".join(STANDS), "", "", ())


def quoted(best: int, *probable: float) -> str:
    spans = tuple((MISSION.text.index(s), MISSION.text.index(s) + len(s)) for s in STANDS)
    passage = Passage("R:00000", "R", 0, len(MISSION.text), (), spans)
    start, end = settling(MISSION, passage, best, [math.log(p) if p else -math.inf for p in probable])
    return MISSION.text[start:end]


@pytest.mark.parametrize(
    ("best", "probable", "expected"),
    [
        (2, [0, 0, 1, 0], STANDS[2]),
        (2, [0, 0, 0.91, 0.09], STANDS[2]),
        (2, [0, 0, 0.89, 0.11], f"{STANDS[2]} {STANDS[3]}"),  # one does not settle it
        (3, [0, 0, 0.11, 0.89], f"{STANDS[2]} {STANDS[3]}"),
        (3, [0.3, 0, 0, 0.7], STANDS[3]),  # too far away to be quoted with it
        (2, [0, 0.2, 0.5, 0.3], f"{STANDS[2]} {STANDS[3]}"),  # the likelier neighbour
        (1, [0, 1, 0, 0], f"{STANDS[0]} {STANDS[1]}"),  # what does "it" mean?
        (2, [0, 0.3, 0.7, 0], " ".join(STANDS[:3])),
        (0, [1, 0, 0, 0], STANDS[0]),
    ],
)
def test_what_is_quoted_is_the_least_that_settles_it(best: int, probable: list[float], expected: str) -> None:
    assert quoted(best, *probable) == expected


def test_a_line_is_not_quoted_with_another() -> None:
    lines = BundledDocument({"id": "R", "title": "River"}, "Ann Lee\n\nIt is 2024", "", "", ())
    passage = Passage("R:00000", "R", 0, 19, (), ((0, 7), (9, 19)))
    for best in (0, 1):
        assert settling(lines, passage, best, [math.log(0.5)] * 2) == passage.sentences[best]


def test_a_passage_whose_sentences_nothing_is_known_of_is_quoted_by_one() -> None:
    assert quoted(2) == STANDS[2]
