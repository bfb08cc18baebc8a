import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from indexer.bundle import Bundle
from service.answer import Answerer
from service.app import create_app
from service.door import MAX_BODY
from service.keys import Keys
from service.lanes import Lanes
from service.rates import Rates
from service.schemas import MAX_LIMIT, MAX_PLACES, MAX_QUESTION

Json = dict[str, Any]
Request = dict[str, Any]
"""What `TestClient.request` takes beside the method."""
WAGNER = "How much did Wagner cost Mali each month?"
JSON = {"Content-Type": "application/json"}
WRONG_VALUES: list[Any] = [None, "", " ", "nope", -1, 10**30, [], ["nope"], {}, [{}]]


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> Json:
    document: Json = client.get("/openapi.json").json()
    return document


def problem(reply: Any, status: int) -> Json:
    """The body of a problem response, proved to be one."""
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    body: Json = reply.json()
    assert {"type", "title", "status", "detail", "request_id"} <= body.keys()
    assert body["status"] == status
    assert body["type"].startswith("urn:report-qa:problem:")
    assert body["detail"]
    assert "\n" not in body["detail"]
    assert body["request_id"] == reply.headers["X-Request-Id"]
    return body


# --- questions ---


def test_an_answer_has_the_documented_shape(client: TestClient, bundle: Bundle) -> None:
    reply = client.post("/v1/answer", json={"query": WAGNER, "limit": 2})
    body = reply.json()
    assert body["object"] == "answer"
    assert body["request_id"] == reply.headers["X-Request-Id"]
    assert body["id"] == f"ans_{body['request_id']}"
    assert body["bundle_id"] == bundle.id
    assert body["query"]["text"] == WAGNER
    assert (body["answerable"], body["reason"]) == (True, None)
    assert "$10 million per month" in body["answer"]["text"]
    assert body["answer"]["citations"] == [0]
    assert body["citations"][0]["cited_text"] == body["answer"]["text"]
    assert [result["rank"] for result in body["results"]] == [1, 2]
    assert body["usage"]["took_ms"] > 0


def test_an_answer_says_how_a_misspelt_question_was_read(client: TestClient) -> None:
    query = client.post("/v1/answer", json={"query": "wagnr $ per mnth"}).json()["query"]
    assert query == {"text": "wagnr $ per mnth", "corrected": "wagner $ per month", "resolved": None}


def test_an_answer_says_what_a_follow_up_was_taken_to_refer_to(client: TestClient) -> None:
    reply = client.post("/v1/answer", json={"query": WAGNER}).json()
    said = reply["answer"]["text"]
    history = [{"role": "user", "content": WAGNER}, {"role": "assistant", "content": said}]
    query = client.post("/v1/answer", json={"query": "When did it leave?", "history": history}).json()[
        "query"
    ]
    assert query == {
        "text": "When did it leave?",
        "corrected": None,
        "resolved": f"When did it leave? ({said}; {WAGNER})",
    }


def test_silence_is_200(client: TestClient) -> None:
    reply = client.post("/v1/answer", json={"query": "give me a recipe for onion soup"})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["answerable"], body["answer"]) == (False, None)
    assert body["reason"] in {"off_topic", "not_in_report"}
    assert len(body["results"]) == 3


def test_search_is_the_same_by_get_and_by_post(client: TestClient) -> None:
    posted = client.post("/v1/search", json={"query": "gold", "limit": 4, "documents": ["IF10116"]})
    got = client.get("/v1/search", params={"q": "gold", "limit": 4, "documents": "IF10116"})
    assert "max-age" in got.headers["Cache-Control"]
    differ = {"request_id", "usage"}
    forms = [{k: v for k, v in reply.json().items() if k not in differ} for reply in (posted, got)]
    assert forms[0] == forms[1]
    assert len(forms[0]["data"]) == 4


def test_search_returns_ten_and_up_to_fifty(client: TestClient, bundle: Bundle) -> None:
    assert len(client.get("/v1/search", params={"q": "coup"}).json()["data"]) == 10
    most = client.get("/v1/search", params={"q": "coup", "limit": MAX_LIMIT}).json()["data"]
    assert len(most) == min(MAX_LIMIT, len(bundle.passages))


@pytest.mark.parametrize("documents", [["FESTIVAL"], ["IF10116"], ["FESTIVAL", "IF10116"]])
def test_every_question_route_looks_only_in_the_documents_named(
    shelf_client: TestClient, documents: list[str]
) -> None:
    body = {"query": "gold and money", "limit": 50, "documents": documents}
    batch = shelf_client.post("/v1/search/batch", json={"requests": [body]}).json()
    for results in (
        shelf_client.post("/v1/answer", json=body).json()["results"],
        shelf_client.post("/v1/search", json=body).json()["data"],
        shelf_client.get("/v1/search", params={"q": "gold", "limit": 50, "documents": documents}).json()[
            "data"
        ],
        batch["data"][0]["data"],
    ):
        assert {result["document_id"] for result in results} == set(documents)


def test_document_index_counts_cited_documents_in_order(shelf_client: TestClient) -> None:
    citations = shelf_client.post("/v1/search", json={"query": "money"}).json()["citations"]
    order = list(dict.fromkeys(citation["document_id"] for citation in citations))
    assert sorted(order) == ["FESTIVAL", "IF10116"]
    for citation in citations:
        assert order[citation["document_index"]] == citation["document_id"]


def test_a_bad_item_of_a_batch_spoils_no_other(client: TestClient) -> None:
    items = [
        {"query": "coup", "limit": 1},
        {"query": " "},
        {"query": "coup", "documents": ["nope"]},
        {"query": "coup", "lmit": 1},
        {"query": "famine", "limit": 2},
    ]
    reply = client.post("/v1/search/batch", json={"requests": items})
    assert reply.status_code == 200
    body = reply.json()
    assert [item.get("status", item.get("object")) for item in body["data"]] == [
        "list",
        422,
        404,
        422,
        "list",
    ]
    assert [item["request_id"] for item in body["data"]] == [body["request_id"]] * 5
    assert "lmit" in body["data"][3]["detail"]
    alone = client.post("/v1/search", json=items[4]).json()
    assert body["data"][4]["data"] == alone["data"]


# --- documents ---


def test_documents_are_listed_with_what_is_known_of_them(shelf_client: TestClient) -> None:
    body = shelf_client.get("/v1/documents").json()
    assert body["object"] == "list"
    assert [document["id"] for document in body["data"]] == ["FESTIVAL", "IF10116"]
    festival, mali = body["data"]
    assert (mali["author"], mali["date"], mali["number"]) == ("Alexis Arieff", "2024-12-17", "IF10116")
    assert festival["author"] is None
    for document in body["data"]:
        assert shelf_client.get(f"/v1/documents/{document['id']}").json() == document
        text = shelf_client.get(f"/v1/documents/{document['id']}/text")
        assert len(text.content.decode()) == document["characters"]
        assert text.headers["ETag"] == f'"{document["sha256"]}"'
        assert shelf_client.get(document["reader_url"]).status_code == 200


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 1), (2, 30), (0, None), (5, None), (None, 7)])
def test_a_span_of_the_text_counts_code_points(
    shelf_client: TestClient, shelf: Bundle, start: int | None, end: int | None
) -> None:
    span = {name: str(value) for name, value in (("start", start), ("end", end)) if value is not None}
    reply = shelf_client.get("/v1/documents/FESTIVAL/text", params=span)
    assert reply.content.decode() == shelf.documents["FESTIVAL"].text[start or 0 : end]
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"other", {etag}', 304),
        ('"other",W/{etag} , "third"', 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
    ],
)
def test_a_client_that_has_the_text_is_told_so(client: TestClient, known: str, status: int) -> None:
    etag = client.get("/v1/documents/IF10116/text").headers["ETag"]
    reply = client.get("/v1/documents/IF10116/text", headers={"If-None-Match": known.format(etag=etag)})
    assert reply.status_code == status
    assert reply.headers["ETag"] == etag
    assert bool(reply.content) == (status == 200)


def test_a_passage_is_found_by_the_id_that_search_gives(client: TestClient, bundle: Bundle) -> None:
    for passage in bundle.passages:
        body = client.get(f"/v1/passages/{passage.passage_id}").json()
        assert body["text"] == bundle.text(passage)
        assert (body["start_char_index"], body["end_char_index"]) == (passage.start, passage.end)
        assert body["sentences"] == [list(span) for span in passage.sentences]


def test_verification_says_where_a_quotation_stands(client: TestClient, bundle: Bundle) -> None:
    text = bundle.documents["IF10116"].text
    quote = "Gold and cotton exports"
    start = text.index(quote)
    true = {"document_id": "IF10116", "quote": quote, "start": start, "end": start + len(quote)}
    stale = {"document_sha256": "0" * 64}
    for body, verified, places in (
        (true, True, 1),
        (true | {"start": start + 1}, False, 1),
        (true | {"quote": "Gold and silver exports"}, False, 0),
        (true | {"quote": quote.lower()}, False, 0),
        (true | {"start": 10**30, "end": 10**30}, False, 1),
        (true | stale, False, 1),
        (true | {"document_sha256": bundle.documents["IF10116"].sha256}, True, 1),
    ):
        reply = client.post("/v1/citations/verify", json=body).json()
        assert (reply["verified"], len(reply["places"])) == (verified, places), body


def test_of_many_places_the_first_are_told_and_any_is_verified(client: TestClient, bundle: Bundle) -> None:
    text = bundle.documents["IF10116"].text
    assert text.count("e") > MAX_PLACES
    last = text.rindex("e")
    asked = {"document_id": "IF10116", "quote": "e"}
    for start, end, verified in (
        (last, last + 1, True),
        (text.index("M"), text.index("M") + 1, False),
        (last, last + 2, False),
        (0, 0, False),
    ):
        reply = client.post("/v1/citations/verify", json=asked | {"start": start, "end": end}).json()
        assert reply["verified"] == verified
        assert len(reply["places"]) == MAX_PLACES
        assert reply["places"][0]["start"] == text.index("e")
    tail = {"document_id": "IF10116", "quote": text[-5:], "start": len(text) - 5}
    for end, verified in ((len(text), True), (len(text) + 1, False)):
        assert client.post("/v1/citations/verify", json=tail | {"end": end}).json()["verified"] == verified


# --- operations ---


def test_the_index_says_what_is_served(client: TestClient, bundle: Bundle) -> None:
    body = client.get("/v1/index").json()
    assert body["bundle_id"] == bundle.id
    assert body["counts"]["passages"] == len(bundle.passages)
    assert body["encoder"]["weights_sha256"]
    assert [document["id"] for document in body["documents"]] == ["IF10116"]


@pytest.mark.parametrize("route", ["/healthz", "/readyz"])
def test_a_sound_service_says_so(client: TestClient, route: str) -> None:
    assert client.get(route).json() == {"status": "ok"}


def test_metrics_count_requests_and_answers(bundle: Bundle) -> None:
    client = TestClient(create_app(bundle))
    client.post("/v1/answer", json={"query": WAGNER})
    client.post("/v1/answer", json={"query": " "})
    client.get("/v1/documents/nope")
    client.get("/nope")
    lines = client.get("/metrics").text.splitlines()
    assert 'report_qa_answers_total{outcome="answered"} 1.0' in lines
    for route, status in (
        ("/v1/answer", 200),
        ("/v1/answer", 422),
        ("/v1/documents/{document_id}", 404),  # the route, not the path: a visitor cannot make new series
        ("none", 404),
    ):
        assert f'report_qa_requests_total{{route="{route}",status="{status}"}} 1.0' in lines


# --- problems ---


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/documents/", "/v1/answer/x", "/static/"])
def test_an_unknown_route_is_a_problem(client: TestClient, path: str) -> None:
    assert path in problem(client.get(path, follow_redirects=False), 404)["detail"]


def test_a_wrong_method_names_the_right_ones(client: TestClient) -> None:
    for method, path, allowed in (
        ("GET", "/v1/answer", "POST"),
        ("DELETE", "/v1/search", "GET, POST"),
        ("PUT", "/v1/documents", "GET"),
    ):
        reply = client.request(method, path, headers=JSON)
        problem(reply, 405)
        assert reply.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"query": "\xff"}',
        b"[" * 30_000,
        b'{"query": "a", "limit": ' + b"9" * 5_000 + b"}",
        b"\x1f\x8b",
    ],
    ids=["malformed", "not utf-8", "nested too deeply", "endless number", "compressed"],
)
def test_what_is_not_json_is_a_bad_request(client: TestClient, body: bytes) -> None:
    assert "JSON" in problem(client.post("/v1/answer", content=body, headers=JSON), 400)["detail"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", None])
def test_a_body_of_another_type_is_refused(client: TestClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    reply = client.post("/v1/answer", content=json.dumps({"query": "a"}), headers=headers)
    assert "send application/json" in problem(reply, 415)["detail"]


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_called_so_in_any_way(client: TestClient, media_type: str) -> None:
    reply = client.post("/v1/answer", content=b'{"query": "a"}', headers={"Content-Type": media_type})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"q": " "}, "query.q: expected a question, found only white space"),
        ({}, "query.q: Field required"),
        ({"q": "a" * (MAX_QUESTION + 1)}, "query.q"),
        ({"q": "a", "limit": "0"}, "query.limit"),
        ({"q": "a", "limit": str(MAX_LIMIT + 1)}, "query.limit"),
        ({"q": "a", "limit": "many"}, "query.limit"),
    ],
)
def test_a_search_by_get_is_checked_like_one_by_post(client: TestClient, query: Json, detail: str) -> None:
    assert detail in problem(client.get("/v1/search", params=query), 422)["detail"]


def test_a_wrong_field_is_named_in_detail_and_in_errors(client: TestClient) -> None:
    body = problem(client.post("/v1/answer", json={"query": " ", "lmit": 3}), 422)
    assert {error["field"] for error in body["errors"]} == {"body.query", "body.lmit"}
    assert "body.lmit" in body["detail"]


def test_a_longest_question_of_four_byte_characters_fits(client: TestClient) -> None:
    assert client.post("/v1/answer", json={"query": "🏮" * MAX_QUESTION}).status_code == 200


def test_half_a_surrogate_pair_is_refused_wherever_it_stands(client: TestClient) -> None:
    for body in (
        rb'{"query": "\ud83d"}',
        rb'{"query": "a", "\ud83d": 1}',
        rb'{"query": "a", "documents": ["\ud83d"]}',
    ):
        reply = client.post("/v1/answer", content=body, headers=JSON)
        assert reply.status_code in {404, 422}
        problem(reply, reply.status_code)
    bad = rb'{"requests": [{"query": "\ud83d"}, {"query": "a", "\ud83d": 1}]}'
    reply = client.post("/v1/search/batch", content=bad, headers=JSON)
    assert [item["status"] for item in reply.json()["data"]] == [422, 422]


def test_a_failure_tells_the_visitor_its_id_and_the_log_the_rest(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(Answerer, "answer", fail)
    asked = {"query": "asked by nobody before"}
    with caplog.at_level(logging.ERROR):
        reply = client.post("/v1/answer", json=asked, headers={"X-Request-Id": "find-me"})
    assert problem(reply, 500)["request_id"] == "find-me"
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert "find-me" in caplog.text
    assert "the secret cause" in caplog.text


def test_expected_problems_leave_no_trace_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    problem(client.get("/v1/documents/nope"), 404)
    problem(client.get("/v1/documents/IF10116/text?start=2&end=1"), 416)
    problem(client.post("/v1/answer", content=b"{", headers=JSON), 400)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# --- OpenAPI: what it promises is what happens ---


def operations(openapi: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def example(openapi: Json, operation: Json) -> Json:
    """The example of an operation's request body."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    found: Json = resolve(openapi, schema["$ref"])["examples"][0]
    return found


def resolve(openapi: Json, reference: str) -> Json:
    found = openapi
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def good(openapi: Json, method: str, path: str, operation: Json) -> Request:
    """A request that an operation is meant for, made of its own examples as far as it has some."""
    known = {"document_id": "IF10116", "passage_id": "IF10116:00039"}
    request: Request = {"url": path.format(**known), "params": {}}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and (examples := parameter.get("examples") or examples_in(parameter)):
            request["params"][parameter["name"]] = examples[0]
    if "requestBody" in operation:
        request["json"] = example(openapi, operation)
    return request


def examples_in(parameter: Json) -> list[Any]:
    found: list[Any] = parameter["schema"].get("examples", [])
    return found


# What is wrong with a request, by the status that it earns. A route that documents another status, or
# one of these that the request below does not bring about, needs an entry in SPECIAL.
SPECIAL: Mapping[tuple[str, str, int], Request] = {
    ("GET", "/v1/search", 404): {"params": {"q": "coup", "documents": "nope"}},
    ("GET", "/v1/search", 422): {"params": {"q": ""}},
    ("GET", "/v1/documents/{document_id}/text", 304): {"headers": {"If-None-Match": "*"}},
    ("GET", "/v1/documents/{document_id}/text", 416): {"params": {"start": "3", "end": "2"}},
    ("GET", "/v1/documents/{document_id}/text", 422): {"params": {"start": "x"}},
    ("POST", "/v1/citations/verify", 404): {
        "json": {"document_id": "nope", "quote": "a", "start": 0, "end": 1}
    },
}


def bad(openapi: Json, method: str, path: str, operation: Json, status: int) -> Request:
    """A request for which an operation owes the status."""
    request = good(openapi, method, path, operation)
    if (method, path, status) in SPECIAL:
        return request | SPECIAL[method, path, status]
    if method == "GET" and status in {401, 429, 503}:
        return request
    if method == "GET" and status == 404:
        return request | {"url": path.format(document_id="nope", passage_id="nope")}
    body = request.pop("json")
    wrong: dict[int, Request] = {
        400: {"content": b"{", "headers": JSON},
        404: {"json": body | {"documents": ["nope"]}},
        413: {"content": b" " * (MAX_BODY + 1), "headers": JSON},
        415: {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        422: {"json": body | {"unheard-of": 1}},
        **{refused: {"json": body} for refused in (401, 408, 429, 503)},
    }
    return request | wrong[status]


def documented(operation: Json) -> set[int]:
    return {int(status) for status in operation["responses"] if status != "default" and status[0] != "2"}


def test_every_documented_error_happens(
    client: TestClient, openapi: Json, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = create_app(bundle)

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        await stalled(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]

    used_up = Rates(1, clock=lambda: 0.0)
    used_up.take("testclient")
    locked = Keys({"server": "0" * 64})
    services = {  # by what they refuse for
        401: TestClient(create_app(bundle, keys=locked)),
        408: TestClient(never),
        429: TestClient(create_app(bundle, rates=used_up)),
        503: TestClient(create_app(bundle, queue_limit=-1.0)),  # and keeps no feedback
    }
    monkeypatch.setattr("service.door.BODY_SECONDS", 0.0)
    monkeypatch.setattr(Lanes, "stuck", lambda _: True)
    for method, path, operation in operations(openapi):
        for status in documented(operation):
            asked = services.get(status, client)
            reply = asked.request(method, **bad(openapi, method, path, operation, status))
            assert reply.status_code == status, f"{method} {path} documents {status}: {reply.text}"
            if status >= 400:
                problem(reply, status)


def test_every_error_that_happens_is_documented(client: TestClient, openapi: Json) -> None:
    for method, path, operation in operations(openapi):
        unknown = path.format(document_id="nope", passage_id="nope")
        request = good(openapi, method, path, operation)
        for attempt in (
            request | {"url": unknown},
            request | {"params": {"q": "", "start": "-1", "end": "x", "limit": "0"}},
            request | {"params": {"q": "coup", "start": "9", "end": "8", "documents": "nope"}},
            request | {"params": {"q": "coup", "end": str(10**30)}, "headers": {"If-None-Match": "*"}},
        ):
            expect_documented(client.request(method, **attempt), method, path, operation)
        if body := request.pop("json", None):
            for content in (b"", b"{", b"null", b"[]", b"{}", b"\xff", b" " * (MAX_BODY + 1)):
                for headers in (JSON, {"Content-Type": "text/csv"}, {}):
                    reply = client.request(method, **request, content=content, headers=headers)
                    expect_documented(reply, method, path, operation)
            for name in body:
                for value in WRONG_VALUES:
                    reply = client.request(method, **request, json=body | {name: value})
                    expect_documented(reply, method, path, operation)


def expect_documented(reply: Any, method: str, path: str, operation: Json) -> None:
    allowed = {200, 201, *documented(operation)}
    assert reply.status_code in allowed, (
        f"{method} {path} does not document {reply.status_code}: {reply.text}"
    )


def test_every_error_is_documented_as_a_problem(openapi: Json) -> None:
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for method, path, operation in operations(openapi):
        assert "default" in operation["responses"], f"{method} {path}: any route can fail"
        for status, response in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                assert response["content"] == {"application/problem+json": schema}, (
                    f"{method} {path} {status}"
                )
                assert response["description"]


def test_every_example_works(client: TestClient, openapi: Json) -> None:
    for method, path, operation in operations(openapi):
        reply = client.request(method, **good(openapi, method, path, operation))
        assert str(reply.status_code) in operation["responses"], f"{method} {path}: {reply.text}"
        assert reply.is_success
        media_type = reply.headers["Content-Type"].partition(";")[0]
        assert media_type in operation["responses"][str(reply.status_code)]["content"]


def test_the_examples_are_answered_and_verified(client: TestClient, openapi: Json) -> None:
    paths = openapi["paths"]
    asked = client.post("/v1/answer", json=example(openapi, paths["/v1/answer"]["post"])).json()
    assert asked["answerable"]
    verified = example(openapi, paths["/v1/citations/verify"]["post"])
    assert client.post("/v1/citations/verify", json=verified).json()["verified"]


def test_the_description_is_whole_openapi_3_1(openapi: Json) -> None:
    assert openapi["openapi"].startswith("3.1.")
    assert openapi["info"]["title"]
    assert openapi["info"]["version"]
    ids = [operation["operationId"] for _, _, operation in operations(openapi)]
    assert len(set(ids)) == len(ids)
    for method, path, operation in operations(openapi):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        in_path = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert {f"{{{name}}}" for name in in_path} == {part for part in path.split("/") if "{" in part}, where
        assert all(p["required"] for p in operation.get("parameters", ()) if p["in"] == "path"), where
    for reference in references(openapi):
        assert resolve(openapi, reference)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)
