"""What a visitor's browser fetches: the demo page, the reader pages, the widget and what they are made of."""

import hashlib
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from service.assets import asset_response, read_assets
from service.errors import ProblemError
from service.pages import home_page, reader_page
from service.reference import reference_page
from service.served import Shelf

_STATIC = Path(__file__).parent / "static"
# No script or style but our own files; and no string becomes HTML but by the widget's own template library.
_POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
        "require-trusted-types-for 'script'; trusted-types lit-html"
    ),
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


def add_website(app: FastAPI, shelf: Shelf) -> None:
    """Add the routes for browsers."""
    assets = read_assets(_STATIC)
    links = {name: asset.url for name, asset in assets.items()}
    links["widget.js"] = (
        f"/widget.js?v={assets['widget.js'].version}"  # it looks for the service beside itself
    )

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        bundle = shelf.now.bundle
        return _page(home_page(list(bundle.documents.values()), str(request.base_url), links), request)

    @app.get("/reports/{document_id}", include_in_schema=False)
    async def report(document_id: str, request: Request) -> Response:
        current = shelf.now
        found = current.document(document_id)
        passages = [item for item in current.bundle.passages if item.document_id == document_id]
        return _page(reader_page(found, passages, links), request)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return _page(reference_page(app.openapi(), links["page.css"]), request)

    @app.get("/widget.js", include_in_schema=False)
    async def widget(request: Request) -> Response:
        return asset_response(assets["widget.js"], request)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str, request: Request) -> Response:
        if name not in assets:
            raise ProblemError(404, f"no file {name!r} here")
        return asset_response(assets[name], request)


def _page(html: str, request: Request) -> Response:
    tag = f'"{hashlib.sha256(html.encode()).hexdigest()[:16]}"'
    headers = {**_POLICY, "ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(html, headers=headers)
