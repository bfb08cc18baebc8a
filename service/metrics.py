"""What is counted and timed, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """One registry for each app, so that two apps in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "report_qa_requests",
            "Requests by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "report_qa_request_seconds",
            "Time from the request's first byte to the response's last.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stages = Histogram(
            "report_qa_stage_seconds",
            "Time of a question by stage: queue, until a lane took it; answer, in the lane.",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "report_qa_answers", "Answers by outcome.", ["outcome"], registry=self.registry
        )
        self.keys = Counter(
            "report_qa_key_requests", "Requests by name of their API key.", ["key"], registry=self.registry
        )
        self.refusals = Counter(
            "report_qa_refusals",
            "Requests refused at the door, by cause: key, rate, origin_rate, overload, late, gone.",
            ["cause"],
            registry=self.registry,
        )
        self.in_hand = Gauge(
            "report_qa_questions_in_hand", "Questions on a lane or waiting for one.", registry=self.registry
        )
        self.delay = Gauge(
            "report_qa_queue_delay_seconds",
            "How long a question asked now would wait for a lane.",
            registry=self.registry,
        )
        self.remembered = Gauge(
            "report_qa_answers_remembered",
            "Answers given from memory since this bundle is served: the very same was asked before.",
            registry=self.registry,
        )
        self.bundle = Info("report_qa_bundle", "The bundle that is served.", registry=self.registry)
        self.degraded = Gauge(
            "report_qa_degraded", "1 while /readyz says degraded, else 0.", registry=self.registry
        )
