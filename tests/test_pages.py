import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from service.pages import reader_page


class Runs(HTMLParser):
    """The text of every element with `data-start`, by that offset, and the ids of all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[int, str] = {}
        self.ids: list[str] = []
        self.targets: list[str] = []
        self._open: tuple[str, int] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if name := named.get("id"):
            self.ids.append(name)
        if (target := named.get("href") or "").startswith("#"):
            self.targets.append(target[1:])
        if start := named.get("data-start"):
            self._open = (tag, int(start))
            self.found[int(start)] = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[self._open[1]] += data

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[0]:
            self._open = None


@pytest.fixture(scope="module")
def pages(shelf: Bundle, shelf_client: TestClient) -> dict[str, Runs]:
    return {name: Runs(shelf_client.get(f"/reports/{name}").text) for name in shelf.documents}


def test_every_run_of_the_page_is_a_slice_of_the_canonical_text(
    shelf: Bundle, pages: dict[str, Runs]
) -> None:
    """So that a script can mark a cited span by counting."""
    for name, runs in pages.items():
        text = shelf.documents[name].text
        for start, shown in runs.found.items():
            assert shown
            assert text[start : start + len(shown)] == shown


def test_the_page_shows_the_whole_report(shelf: Bundle, pages: dict[str, Runs]) -> None:
    for name, runs in pages.items():
        text = shelf.documents[name].text
        missing = set(range(len(text)))
        for start, shown in runs.found.items():
            missing -= set(range(start, start + len(shown)))
        assert not any(text[at].isalnum() for at in missing)  # heading marks may be left out


def test_the_page_speaks_english_and_the_report_its_own_language(shelf: Bundle) -> None:
    report = shelf.documents["IF10116"]
    report = replace(report, metadata={**report.metadata, "language": "fr"})
    links = dict.fromkeys(("icon.svg", "page.css", "reader.js", "widget.js"), "/")
    page = reader_page(report, [item for item in shelf.passages if item.document_id == report.id], links)
    for opening in ('<html lang="en">', '<h1 lang="fr">', '<ol lang="fr">', '<article lang="fr">'):
        assert page.count(opening) == 1, opening
    for link in re.findall(r"<a[^>]* aria-label=[^>]*>", page):
        assert ' lang="en"' in link


def test_links_in_the_page_lead_to_an_element_of_it(pages: dict[str, Runs]) -> None:
    for runs in pages.values():
        assert runs.targets
        assert set(runs.targets) <= set(runs.ids)
        assert len(set(runs.ids)) == len(runs.ids)


def test_a_report_cannot_put_markup_into_its_page(shelf_client: TestClient) -> None:
    page = shelf_client.get("/reports/FESTIVAL").text
    assert "&lt;b&gt;loud&lt;/b&gt; &amp; &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>" not in page
    assert "alert(1)</script>" not in page


@pytest.mark.parametrize("path", ["/", "/reports/IF10116"])
def test_pages_run_no_foreign_or_inline_code(shelf_client: TestClient, path: str) -> None:
    reply = shelf_client.get(path)
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<(script|style)(?![^>]*\bsrc=)[^>]*>|\son\w+=|\sstyle=", reply.text)
    loaded = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]*)"', reply.text)
    assert loaded
    for address in loaded:
        assert address.startswith("/"), address
        assert shelf_client.get(address).status_code == 200, address


def test_an_unknown_report_is_a_problem(shelf_client: TestClient) -> None:
    reply = shelf_client.get("/reports/nope")
    assert (reply.status_code, reply.headers["Content-Type"]) == (404, "application/problem+json")
