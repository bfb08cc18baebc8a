"""Routes for whoever runs the service: what is served, whether it is well, what it counts.

None of them waits behind a question: they touch no lane.
"""

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service import schemas
from service.errors import GUARDED, ProblemError, documented
from service.keys import Keys
from service.lanes import Lanes
from service.metrics import Metrics
from service.served import Shelf


def add_operations(app: FastAPI, shelf: Shelf, lanes: Lanes, metrics: Metrics, keys: Keys | None) -> None:
    """Add the routes that operators and their machines ask."""

    def troubles() -> list[str]:
        """What an operator should know, a line each."""
        return [*filter(None, (shelf.trouble, lanes.trouble(), keys.trouble() if keys else None))]

    @app.get("/v1/index", responses=documented(*GUARDED), tags=["operations"])
    async def index() -> schemas.IndexResponse:
        """What is served and what it was built from."""
        bundle = shelf.now.bundle
        manifest = bundle.manifest
        return schemas.IndexResponse(
            bundle_id=bundle.id,
            documents=[schemas.DocumentBody.of(item) for item in bundle.documents.values()],
            counts=manifest["counts"],
            encoder=manifest["encoder"],
            reader=manifest["reader"],
            splitter=manifest["splitter"],
            lexical=manifest["lexical"],
            calibration=manifest["calibration"],
            built_from=manifest["inputs"],
        )

    @app.get("/healthz", response_model_exclude_none=True, tags=["operations"])
    async def healthz() -> schemas.Health:
        """The process is alive."""
        return schemas.Health()

    @app.get("/readyz", response_model_exclude_none=True, responses=documented(503), tags=["operations"])
    async def readyz() -> schemas.Health:
        """Questions are answered; `degraded` and why, if not all, or not by the newest bundle and keys."""
        if lanes.stuck():
            raise ProblemError(503, "questions wait, and no lane has moved for long; restart the service")
        if found := troubles():
            return schemas.Health(status="degraded", detail="; ".join(found))
        return schemas.Health()

    @app.get("/metrics", response_class=PlainTextResponse, tags=["operations"])
    async def prometheus() -> Response:
        """Counts and times in the Prometheus text format."""
        metrics.bundle.info({"bundle_id": shelf.now.bundle.id})
        metrics.remembered.set(shelf.now.remembered.cache_info().hits)
        metrics.in_hand.set(lanes.in_hand)
        metrics.delay.set(lanes.delay())
        metrics.degraded.set(bool(lanes.stuck() or troubles()))
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
