"""Routes of the reports themselves: metadata, text, passages, and whether a quotation stands in one."""

from itertools import islice
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import PlainTextResponse

from service import schemas
from service.citations import find_quote
from service.errors import GUARDED, POSTED, ProblemError, documented
from service.served import Shelf


def add_documents(app: FastAPI, shelf: Shelf) -> None:
    """Add the routes that read the reports that are served."""

    @app.get("/v1/documents", responses=documented(*GUARDED), tags=["documents"])
    async def documents() -> schemas.DocumentList:
        """The reports that are served."""
        return schemas.DocumentList(
            data=[schemas.DocumentBody.of(item) for item in shelf.now.bundle.documents.values()]
        )

    @app.get("/v1/documents/{document_id}", responses=documented(*GUARDED, 404), tags=["documents"])
    async def document_by_id(document_id: str) -> schemas.DocumentBody:
        """One report's metadata."""
        return schemas.DocumentBody.of(shelf.now.document(document_id))

    @app.get(
        "/v1/documents/{document_id}/text",
        response_class=PlainTextResponse,
        responses={
            304: {"description": "The text is the one that the client has"},
            **documented(*GUARDED, 404, 416, 422),
        },
        tags=["documents"],
    )
    async def text(
        document_id: str,
        request: Request,
        start: Annotated[int, Query(ge=0, description="First code point.")] = 0,
        end: Annotated[int | None, Query(ge=0, description="One past the last code point.")] = None,
    ) -> Response:
        """The canonical text, or a span of it: what every offset counts in. The ETag is its sha256."""
        found = shelf.now.document(document_id)
        stop = len(found.text) if end is None else end
        if not start <= stop <= len(found.text):
            raise ProblemError(
                416,
                f"[{start}, {stop}) is not a span of {document_id}, which has {len(found.text)} code points",
            )
        headers = {"ETag": f'"{found.sha256}"', "Cache-Control": "public, max-age=60"}
        given = request.headers.get("If-None-Match", "").split(",")
        known = {tag.strip().removeprefix("W/") for tag in given}
        if known & {headers["ETag"], "*"}:
            return Response(status_code=304, headers=headers)
        return PlainTextResponse(found.text[start:stop], headers=headers)

    @app.get("/v1/passages/{passage_id}", responses=documented(*GUARDED, 404), tags=["documents"])
    async def passage(passage_id: str) -> schemas.PassageBody:
        """One passage by its id."""
        bundle = shelf.now.bundle
        if passage_id not in bundle.positions:
            raise ProblemError(404, f"passage {passage_id!r} is not in the bundle; ids come from /v1/search")
        found = bundle.passages[bundle.positions[passage_id]]
        return schemas.PassageBody(
            passage_id=found.passage_id,
            document_id=found.document_id,
            document_sha256=bundle.documents[found.document_id].sha256,
            start_char_index=found.start,
            end_char_index=found.end,
            heading_path=list(found.heading_path),
            text=bundle.text(found),
            sentences=list(found.sentences),
        )

    @app.post("/v1/citations/verify", responses=documented(*GUARDED, 404, *POSTED), tags=["documents"])
    async def verify(body: schemas.VerifyRequest) -> schemas.VerifyResponse:
        """Check a quotation character by character, and say where it really stands."""
        found = shelf.now.document(body.document_id)
        places = list(islice(find_quote(found, body.quote), schemas.MAX_PLACES))
        as_long = body.end - body.start == len(body.quote)  # else a slice that the text's end cuts would do
        if body.document_sha256 not in {None, found.sha256}:
            verified, detail = (
                False,
                "the offsets refer to another text than the one that is served",
            )
        elif as_long and found.text[body.start : body.end] == body.quote:
            verified, detail = True, "the quotation stands at these offsets"
        elif places:
            verified, detail = False, "the quotation stands elsewhere in this report"
        else:
            verified, detail = False, "the quotation does not stand in this report"
        return schemas.VerifyResponse(
            verified=verified,
            detail=detail,
            document_id=found.id,
            document_sha256=found.sha256,
            places=[schemas.TextPositionSelector(start=start, end=end) for start, end in places],
        )
