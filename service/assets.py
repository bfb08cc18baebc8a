"""Static files, read once: compressed, named by their content, and cached as long as that allows."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_WHILE = "public, max-age=300, stale-while-revalidate=86400"
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `version` is the beginning of its sha256: an address with `?v=` of it never changes."""

    name: str
    media_type: str
    plain: bytes
    packed: bytes
    version: str

    @property
    def url(self) -> str:
        """Its address under /static, good for ever."""
        return f"/static/{self.name}?v={self.version}"


def read_assets(folder: Path) -> Mapping[str, Asset]:
    """Every file of a folder that a page may ask for, by name."""
    return {path.name: _asset(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}


def asset_response(asset: Asset, request: Request) -> Response:
    """The file, or 304 if the browser has it. Any page may load it, whatever its origin."""
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    headers = {
        # One entity tag for each representation, as RFC 9110 asks.
        "ETag": f'"{asset.version}{"-gzip" if packed else ""}"',
        "Cache-Control": _FOR_EVER if request.query_params.get("v") == asset.version else _WHILE,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if known & {headers["ETag"], "*"}:
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.packed if packed else asset.plain, headers=headers, media_type=asset.media_type)


def _asset(path: Path) -> Asset:
    plain = path.read_bytes()
    version = hashlib.sha256(plain).hexdigest()[:16]
    return Asset(path.name, _TYPES[path.suffix], plain, gzip.compress(plain, 9, mtime=0), version)
