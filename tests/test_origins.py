import pytest
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from service.app import create_app
from service.origins import parse_origins

SITE = "https://news.example.org"
PREFLIGHT = {
    "Origin": SITE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://a.org", ("https://a.org",)),
        (" https://A.org, http://localhost:8080 https://a.org ", ("https://a.org", "http://localhost:8080")),
    ],
)
def test_origins_are_read(text: str, origins: tuple[str, ...]) -> None:
    assert parse_origins(text) == origins


@pytest.mark.parametrize(
    "text", ["a.org", "https://a.org/", "https://a.org/page", "https://*.org", "* https://a.org"]
)
def test_what_is_no_origin_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_origins(text)


def test_a_listed_site_may_ask_and_read_problems(bundle: Bundle) -> None:
    client = TestClient(create_app(bundle, origins=(SITE,)))
    preflight = client.options("/v1/answer", headers=PREFLIGHT)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, SITE)
    refused = client.post("/v1/answer", content="x", headers={"Origin": SITE})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (415, SITE)
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in refused.headers


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, None),
        ({"Origin": "https://other.example.org"}, "origin"),
        ({"Access-Control-Request-Method": "PUT"}, "method"),
        ({"Access-Control-Request-Headers": "x-other"}, "headers"),
    ],
)
def test_a_preflight_has_an_id_and_is_a_problem_if_it_is_refused(
    bundle: Bundle, change: dict[str, str], refused: str | None
) -> None:
    client = TestClient(create_app(bundle, origins=(SITE,)))
    reply = client.options("/v1/answer", headers=PREFLIGHT | change | {"X-Request-Id": "mine"})
    assert reply.headers["X-Request-Id"] == "mine"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.status_code == (400 if refused else 200)
    if refused:
        assert reply.headers["Content-Type"] == "application/problem+json"
        body = reply.json()
        assert (body["status"], body["request_id"]) == (400, "mine")
        assert f"Disallowed CORS {refused};" in body["detail"]


@pytest.mark.parametrize("origins", [(), ("https://other.example.org",)])
def test_any_other_site_may_not(bundle: Bundle, origins: tuple[str, ...]) -> None:
    client = TestClient(create_app(bundle, origins=origins))
    assert "Access-Control-Allow-Origin" not in client.options("/v1/answer", headers=PREFLIGHT).headers
    assert (
        "Access-Control-Allow-Origin" not in client.get("/v1/suggestions", headers={"Origin": SITE}).headers
    )


def test_every_site_may_load_the_widget_itself(client: TestClient) -> None:
    assert client.get("/widget.js", headers={"Origin": SITE}).headers["Access-Control-Allow-Origin"] == "*"
