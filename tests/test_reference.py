"""The page at /docs."""

import re
from html.parser import HTMLParser

from starlette.testclient import TestClient

from service.reference import reference_page


class Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


def test_it_shows_every_route_and_every_field_of_a_body(client: TestClient) -> None:
    page = client.get("/docs").text
    api = client.get("/openapi.json").json()
    for path, methods in api["paths"].items():
        for method in methods:
            if method != "head":
                assert f"<code>{method.upper()} {path}</code>" in page
    for name in api["components"]["schemas"]["AnswerRequest"]["properties"]:
        assert f"<td><code>{name}</code></td>" in page


def test_it_asks_nobody_but_this_service(client: TestClient) -> None:
    reply = client.get("/docs")
    addresses = Addresses()
    addresses.feed(reply.text)
    assert addresses.found
    assert all(re.match(r"[#/](?!/)", address) for address in addresses.found)
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


def test_its_links_lead_to_its_headings(client: TestClient) -> None:
    page = client.get("/docs").text
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{anchor}"' in page


def test_what_the_document_says_is_text_not_markup() -> None:
    api = {
        "info": {"title": "<b>", "version": "1", "summary": "a & b"},
        "paths": {"/x": {"get": {"description": "<script> of `a<b`", "responses": {}}}},
    }
    page = reference_page(api, "/s.css")
    assert "<script" not in page
    assert "&lt;b&gt; 1" in page
    assert "of <code>a&lt;b</code>" in page
