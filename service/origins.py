"""Which web sites may use the service from their visitors' browsers: an allow-list of origins.

An origin is `https://example.org`: scheme, host and, if unusual, port. There is no secret in a page, so
this is all there is to admit a widget by. No cookie is ever read, so `*` opens no one's session.
"""

import re
from collections.abc import Sequence
from typing import Any

ANY = "*"
_ORIGIN = re.compile(r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_A_DAY = 86_400
EXPOSED = ("X-Request-Id", "Retry-After", "ETag")
"""Headers of a reply that a page of another origin may read."""


def parse_origins(text: str) -> tuple[str, ...]:
    """Origins, separated by spaces or commas; `*` alone for any.

    Raises:
        ValueError: for what is not an origin; the message says which and what one looks like.
    """
    origins = tuple(dict.fromkeys(re.split(r"[\s,]+", text.strip().lower()))) if text.strip() else ()
    if ANY in origins and len(origins) > 1:
        raise ValueError("'*' stands beside other origins; expected '*' alone, or origins without it")
    for origin in origins:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is not an origin; expected one like https://example.org, no path")
    return origins


def cors(origins: Sequence[str]) -> dict[str, Any]:
    """What Starlette's CORSMiddleware is told, for pages of these origins."""
    return {
        "allow_origins": origins,
        "allow_methods": ["GET", "POST"],
        "allow_headers": ["Content-Type", "X-Request-Id"],
        "expose_headers": EXPOSED,
        "max_age": _A_DAY,
    }
