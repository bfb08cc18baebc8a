import gzip
import re

import pytest
from starlette.testclient import TestClient


@pytest.mark.parametrize("path", ["/widget.js", "/static/page.css", "/static/reader.js", "/static/icon.svg"])
def test_a_file_is_known_by_its_content_and_not_sent_twice(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    other = client.get(path, headers={"If-None-Match": '"something-else"'})
    assert (first.status_code, again.status_code, other.status_code) == (200, 304, 200)
    assert again.content == b""
    assert "max-age" in again.headers["Cache-Control"]


def test_a_file_is_compressed_for_who_can_read_it(client: TestClient) -> None:
    packed = client.get("/widget.js", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/widget.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) == len(gzip.compress(plain.content, 9, mtime=0)) <= 25_000


def test_the_pages_name_files_by_content_which_are_kept_for_ever(client: TestClient) -> None:
    page = client.get("/reports/IF10116").text
    links = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]*)"', page)
    assert len(links) == 4
    for link in links:
        assert "immutable" in client.get(link).headers["Cache-Control"]
        assert "immutable" not in client.get(link.split("?")[0] + "?v=0").headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/reports/IF10116"])
def test_a_page_is_asked_for_again_and_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    assert first.headers["Cache-Control"] == "no-cache"
    assert client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert "trusted-types lit-html" in first.headers["Content-Security-Policy"]


def test_nothing_but_the_files_is_served(client: TestClient) -> None:
    for path in ("/static/..%2fapp.py", "/static/nope.js", "/static/%2e%2e/app.py"):
        assert client.get(path).status_code == 404


def test_the_demo_page_shows_the_line_that_embeds_the_widget(client: TestClient) -> None:
    page = client.get("/", headers={"Host": 'evil"><b>'}).text
    assert "<b>" not in page
    assert "&lt;script type=&quot;module&quot;" in page


@pytest.mark.parametrize("path", ["/", "/reports/IF10116", "/docs"])
def test_a_page_runs_only_our_own_files_and_is_framed_by_nobody_else(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(rule.partition(" ")[::2] for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["frame-ancestors"] == "'self'"
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "Set-Cookie" not in headers
