"""Traces: a span for each question, sent where OpenTelemetry's own environment variables say, else nowhere.

FastAPI makes the span and takes `traceparent` from the request; what is added here says how the question
ended and how long it waited and took. Nothing of what a question or an answer says is in any of it.
A question that service/connection.py refuses for want of room is counted, not traced.
"""

import os
import time
from collections.abc import MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import Span, TracerProvider, get_current_span, set_span_in_context

from service.settings import SettingsError

QUESTIONS = frozenset({"/v1/answer", "/v1/search", "/v1/search/batch"})
"""What is traced."""
_ASKED_BY = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def provider_from_environment() -> TracerProvider | None:
    """What sends spans, in a thread of its own; None, and nothing imported, unless it is asked for.

    Raises:
        SettingsError: if a variable asks for what cannot be done.
    """
    name = next((name for name in _ASKED_BY if os.environ.get(name)), None)
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if not name or exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter != "otlp":
        raise SettingsError(f"OTEL_TRACES_EXPORTER is {exporter!r}; expected otlp or none")
    protocol_name = next((name for name in _PROTOCOLS if os.environ.get(name)), "")
    protocol = os.environ.get(protocol_name, "http/protobuf")
    if protocol != "http/protobuf":
        raise SettingsError(f"{protocol_name} is {protocol!r}; expected http/protobuf")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            f"{name} asks for traces, but {error.name} is not installed; expected the packages of "
            "lock/traces.txt: install them, or unset the variable"
        ) from None
    named = {"service.name": "report-qa"} | dict(OTELResourceDetector().detect().attributes)
    provider = SdkProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def telemetry(provider: TracerProvider | None) -> TelemetryConfig:
    """What FastAPI is told: spans of questions or none, and nothing of its own accord.

    Its metrics would be second ones, and its logs carry messages of exceptions.
    """
    return {
        "tracer_provider": provider,
        "tracing": provider is not None,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": _is_no_question,
    }


def tell_request(request_id: str) -> None:
    """Name the request in its span, and take out what FastAPI puts in of `GET /v1/search?q=…`: its words."""
    get_current_span().set_attributes({"report_qa.request_id": request_id, "url.query": ""})


def tell(**attributes: str) -> None:
    """Add to the span of the question that is being answered, if there is one."""
    get_current_span().set_attributes({f"report_qa.{name}": value for name, value in attributes.items()})


def tell_stages(provider: TracerProvider | None, of: Span, **stages: tuple[float, float]) -> None:
    """Add spans of stages that are over; each from and to, in seconds of `time.perf_counter`."""
    if not provider or not of.is_recording():
        return
    tracer, since = provider.get_tracer("report_qa"), time.time_ns() - time.perf_counter_ns()
    for name, (start, end) in stages.items():
        span = tracer.start_span(name, set_span_in_context(of), start_time=since + round(start * 1e9))
        span.end(since + round(end * 1e9))


def _is_no_question(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] not in QUESTIONS or scope.get("method") == "OPTIONS"
