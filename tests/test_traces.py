import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from service.app import create_app
from service.settings import SettingsError
from service.traces import provider_from_environment

QUESTION = {"query": "When did France withdraw its troops?"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SDK = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
VARIABLES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_TRACES_ENDPOINT OTEL_TRACES_EXPORTER OTEL_SDK_DISABLED "
    "OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_SERVICE_NAME "
    "OTEL_RESOURCE_ATTRIBUTES"
).split()


@pytest.fixture
def sent() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(sent: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(sent))
    yield provider
    provider.shutdown()


@pytest.fixture
def client(bundle: Bundle, traces: TracerProvider) -> TestClient:
    return TestClient(create_app(bundle, traces=traces))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_question_is_a_span_of_its_caller_with_one_for_each_stage(
    client: TestClient, sent: InMemorySpanExporter, bundle: Bundle, accept: str
) -> None:
    headers = {"traceparent": PARENT, "X-Request-Id": "r1", "Accept": accept}
    assert client.post("/v1/answer", json=QUESTION, headers=headers).status_code == 200
    queue, answer, whole = sent.get_finished_spans()
    assert [span.name for span in (queue, answer, whole)] == ["queue", "answer", "POST /v1/answer"]
    assert whole.parent and whole.context
    assert f"00-{whole.parent.trace_id:032x}-{whole.parent.span_id:016x}-01" == PARENT
    for stage in (queue, answer):
        assert stage.parent and stage.parent.span_id == whole.context.span_id
        assert stage.start_time and stage.end_time and stage.start_time <= stage.end_time
    assert queue.end_time == answer.start_time
    told = whole.attributes or {}
    assert told["http.response.status_code"] == 200
    assert {name: value for name, value in told.items() if name.startswith("report_qa.")} == {
        "report_qa.request_id": "r1",
        "report_qa.outcome": "answered",
        "report_qa.mode": "accurate",
        "report_qa.bundle_id": bundle.id,
    }


def test_no_span_has_a_word_of_a_question_or_an_answer(
    client: TestClient, sent: InMemorySpanExporter
) -> None:
    client.post("/v1/answer", json=QUESTION)
    client.get("/v1/search", params={"q": QUESTION["query"]})
    client.post("/v1/search", json=QUESTION | {"wrong": "troops"})
    client.post("/v1/search/batch", json={"requests": [QUESTION]})
    spans = sent.get_finished_spans()
    assert sum(span.name.startswith(("GET", "POST")) for span in spans) == 4
    told = "".join(span.to_json() for span in spans).lower()
    assert not [word for word in ("troops", "france", "withdr", "bilateral") if word in told]


def test_a_question_that_is_refused_is_a_span_too(
    bundle: Bundle, traces: TracerProvider, sent: InMemorySpanExporter
) -> None:
    client = TestClient(create_app(bundle, queue_limit=-1.0, traces=traces))
    assert client.post("/v1/answer", json=QUESTION).status_code == 503
    (span,) = sent.get_finished_spans()
    assert (span.attributes or {})["http.response.status_code"] == 503


def test_only_questions_are_traced(client: TestClient, sent: InMemorySpanExporter) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/v1/index", "/widget.js"):
        assert client.get(path).status_code == 200
    client.options("/v1/answer")
    assert not sent.get_finished_spans()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_nothing_is_imported_unless_traces_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name in SDK:
        monkeypatch.setitem(sys.modules, name, None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert provider_from_environment() is None


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_endpoint_without_what_sends_to_it_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, SDK[1], None)
    monkeypatch.setenv(name, "http://127.0.0.1:4318")
    with pytest.raises(SettingsError, match=rf"^{name} asks for .* {SDK[1]} is not .* lock/traces\.txt: .*$"):
        provider_from_environment()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER is 'zipkin'; expected otlp or none"),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; expected http/protobuf",
        ),
    ],
)
def test_what_cannot_be_done_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        provider_from_environment()
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("variables", "service"), [({}, "report-qa"), ({"OTEL_SERVICE_NAME": "mali"}, "mali")]
)
def test_spans_come_from_a_service_with_a_name(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], service: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    provider = provider_from_environment()
    assert isinstance(provider, TracerProvider)
    assert provider.resource.attributes["service.name"] == service
    provider.shutdown()
