from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from service.admission import Admission
from service.app import create_app
from service.keys import Keys, new_key
from service.lanes import Lanes
from service.metrics import Metrics
from service.rates import Rates

SITE = "https://news.example.org"
ASKED = {"query": "coup", "limit": 1}
KEY, LINE = new_key("archive")
KEYS = Keys(dict([LINE.split(" ")]))
BEARER = {"Authorization": f"Bearer {KEY}"}


def still(rate: int) -> Rates:
    """An allowance that does not grow back."""
    return Rates(rate, clock=lambda: 0.0)


@pytest.fixture(scope="module")
def locked(bundle: Bundle) -> TestClient:
    return TestClient(create_app(bundle, origins=(SITE,), keys=KEYS))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (BEARER, 200),
        ({"Authorization": f"bearer  {KEY}"}, 200),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": f"Bearer {KEY}x"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Origin": SITE}, 200),
        ({"Origin": SITE.upper()}, 200),
        ({"Origin": "https://other.example.org"}, 401),
        ({"Origin": "null"}, 401),
        ({"Origin": "https://other.example.org", **BEARER}, 200),
    ],
)
def test_a_request_is_admitted_by_key_or_by_site(
    locked: TestClient, headers: dict[str, str], status: int
) -> None:
    for reply in (
        locked.post("/v1/answer", json=ASKED, headers=headers),
        locked.get("/v1/documents", headers=headers),
    ):
        assert reply.status_code == status
        if status == 401:
            assert reply.headers["WWW-Authenticate"] == "Bearer"
            assert reply.headers["Content-Type"] == "application/problem+json"


def test_a_page_of_the_service_itself_is_a_site_like_any_other(bundle: Bundle) -> None:
    read = {"Sec-Fetch-Site": "same-origin", "Host": "ask.example.org"}
    for origins, status in (((), 401), (("http://ask.example.org",), 200), (("*",), 200)):
        client = TestClient(create_app(bundle, origins=origins, keys=KEYS))
        assert client.get("/v1/suggestions", headers=read).status_code == status
        assert client.get("/v1/suggestions").status_code == 401


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/", "/widget.js", "/docs", "/reports/IF10116"]
)
def test_health_and_pages_need_no_key(locked: TestClient, path: str) -> None:
    assert locked.get(path).status_code == 200


def test_the_key_is_nowhere_but_in_the_request(locked: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        reply = locked.post("/v1/answer", json=ASKED, headers=BEARER)
        metrics = locked.get("/metrics").text
        assert KEY not in reply.text + str(reply.headers) + metrics
        assert 'report_qa_key_requests_total{key="archive"}' in metrics
    (line,) = (fields(record) for record in caplog.records if fields(record).get("route") == "/v1/answer")
    assert line["key"] == "archive"
    assert KEY not in caplog.text + str(line)


def fields(record: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(record, "fields", {})
    return found


def test_a_client_that_has_used_up_its_allowance_is_told_when_to_come_back(bundle: Bundle) -> None:
    app = create_app(bundle, rates=still(4))  # two at once
    first, second = (TestClient(app, client=(host, 1)) for host in ("192.0.2.1", "192.0.2.2"))
    assert [first.get("/v1/documents").status_code for _ in range(3)] == [200, 200, 429]
    refused = first.post("/v1/answer", json=ASKED)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "15")
    assert "ask again in 15 s" in refused.json()["detail"]
    assert second.get("/v1/documents").status_code == 200
    assert first.get("/healthz").status_code == 200
    assert 'report_qa_refusals_total{cause="rate"} 2.0' in first.get("/metrics").text


def test_a_batch_costs_as_much_as_its_questions(bundle: Bundle) -> None:
    client = TestClient(create_app(bundle, rates=still(20)))  # ten at once
    assert client.post("/v1/search/batch", json={"requests": [ASKED] * 9}).status_code == 200
    assert client.post("/v1/search/batch", json={"requests": [ASKED] * 2}).status_code == 429


def test_a_server_pays_by_its_key_wherever_it_asks_from(bundle: Bundle) -> None:
    app = create_app(bundle, keys=KEYS, rates=still(2))
    status = [
        TestClient(app, client=(host, 1)).get("/v1/documents", headers=BEARER).status_code
        for host in ("192.0.2.1", "192.0.2.2")
    ]
    assert status == [200, 429]


def test_a_site_has_a_budget_that_its_visitors_share(bundle: Bundle) -> None:
    app = create_app(bundle, origins=("*",), origin_rates=still(2))
    one, other = ({"Origin": f"https://{name}.example.org"} for name in "ab")
    visitors = [TestClient(app, client=(f"192.0.2.{number}", 1)) for number in range(3)]
    asked = [
        visitors[0].get("/v1/documents", headers=one),
        visitors[1].get("/v1/documents", headers=one),
        visitors[2].get("/v1/documents", headers=other),
        visitors[2].get("/v1/documents"),
    ]
    assert [reply.status_code for reply in asked] == [200, 429, 200, 200]
    assert asked[1].headers["Access-Control-Allow-Origin"] == "*"


def test_overload_is_refused_before_anything_is_parsed_and_never_hides_health(bundle: Bundle) -> None:
    client = TestClient(create_app(bundle, queue_limit=-1.0))
    for reply in (
        client.post("/v1/answer", content=b"not JSON", headers={"Content-Type": "application/json"}),
        client.post("/v1/answer", json=ASKED, headers={"Accept": "text/event-stream"}),
        client.get("/v1/search", params={"q": ""}),
    ):
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
    for path in ("/healthz", "/metrics", "/widget.js", "/v1/documents", "/reports/IF10116"):
        assert client.get(path).status_code == 200
    assert client.get("/readyz").json()["status"] == "degraded"


def test_a_question_that_is_let_in_holds_its_place_until_it_arrives() -> None:
    metrics = Metrics()
    lanes = Lanes(1, 0.03, metrics)  # at 20 ms a question: one on the lane, one that waits
    admission = Admission(lanes, metrics)
    states: list[dict[str, Any]] = [{} for _ in range(3)]
    refusals = [admission.shed(b"/v1/answer", state) for state in states]
    assert [refusal is None for refusal in refusals] == [True, True, False]
    assert admission.shed(b"/healthz", {}) is None
    for state in states[:2]:
        admission.admit({"type": "http", "path": "/v1/answer", "state": state}, Headers())
    assert lanes.delay() == 0
    assert admission.shed(b"/v1/answer", {}) is None
