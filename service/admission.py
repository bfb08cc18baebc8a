"""Who may ask, and whether now: by key or origin, within an allowance, while there is room."""

import math
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from service.errors import ProblemError
from service.keys import Keys
from service.lanes import Lanes
from service.metrics import Metrics
from service.origins import ANY
from service.rates import Rates, network
from service.traces import QUESTIONS


class Admission:
    """Judges a request by its head alone: what is refused costs neither parsing nor a lane.

    Only the interface under /v1 is guarded; pages, files and what operators ask for are open.

    Args:
        lanes: Where questions are answered.
        metrics: Where refusals are counted.
        keys: What servers are admitted by; None admits anybody.
        origins: Sites whose pages are admitted without a key.
        rates: Allowance of a client.
        origin_rates: Allowance of all visitors of a site together.
    """

    def __init__(
        self,
        lanes: Lanes,
        metrics: Metrics,
        keys: Keys | None = None,
        origins: Sequence[str] = (),
        rates: Rates | None = None,
        origin_rates: Rates | None = None,
    ) -> None:
        self._lanes = lanes
        self._metrics = metrics
        self._keys = keys
        self._origins = frozenset(origins)
        self._rates = rates
        self._origin_rates = origin_rates
        self._shed = {path.encode(): metrics.requests.labels(path, "503") for path in QUESTIONS}

    def admit(self, scope: Scope, headers: Headers) -> None:
        """Let a request in, or not. Whose it is stands in the scope's state afterwards.

        Raises:
            ProblemError: 401 without a good key or origin, 429 beyond the allowance, 503 without room.
        """
        if scope["state"].pop("coming", False):
            self._lanes.coming -= 1
        path = scope["path"]
        if not path.startswith("/v1/"):
            return
        key = self._key(headers)
        origin = _origin(scope, headers)
        listed = origin is not None and bool(self._origins & {origin, ANY})
        if self._keys and not key and not listed:
            self._metrics.refusals.labels("key").inc()
            raise ProblemError(
                401,
                "no good key; send 'Authorization: Bearer KEY', or ask from a page of a site that is listed",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if key:
            self._metrics.keys.labels(key).inc()
        client = f"key {key}" if key else network(scope["client"][0] if scope.get("client") else "")
        scope["state"] |= {"key": key, "payers": (client, None if key else origin)}
        self.charge(scope, 1)
        if path in QUESTIONS:
            self._lanes.check()

    def shed(self, path: bytes, state: dict[str, Any]) -> int | None:
        """Seconds after which a question that there is no room for may come again; None for anything else.

        A question that is let in takes its place at once, noted in its `state`, until `admit` sees it:
        else all that arrive in one moment would pass for the last place, to be refused at more cost.
        """
        if path not in self._shed:
            return None
        if (seconds := self._lanes.refusal()) is not None:
            self._shed[path].inc()
            return seconds
        self._lanes.coming += 1
        state["coming"] = True
        return None

    def reader(self, origin: str) -> str | None:
        """What `Access-Control-Allow-Origin` says to a page of an origin, if anything."""
        return ANY if origin and ANY in self._origins else origin if origin in self._origins else None

    def charge(self, scope: Scope, requests: int) -> None:
        """Take from the allowances of whoever sent a request that was admitted.

        Raises:
            ProblemError: 429 with `Retry-After`, if one is used up.
        """
        client, origin = scope["state"]["payers"]
        for rates, payer, cause, whose in (
            (self._rates, client, "rate", "this client"),
            (self._origin_rates, origin, "origin_rate", "this site"),
        ):
            if rates and payer and (wait := rates.take(payer, requests)):
                self._metrics.refusals.labels(cause).inc()
                seconds = math.ceil(wait)
                raise ProblemError(
                    429,
                    f"{whose} has used up what it may ask for now; ask again in {seconds} s",
                    headers={"Retry-After": str(seconds)},
                )

    def _key(self, headers: Headers) -> str | None:
        """Name of the key that a request carries, if it is good."""
        kind, _, key = headers.get("Authorization", "").partition(" ")
        return self._keys.name(key.strip()) if self._keys and kind.lower() == "bearer" else None


def _origin(scope: Scope, headers: Headers) -> str | None:
    """The site whose page sends a request; where it is our own and only reads, no header names it."""
    if not (origin := headers.get("Origin")) and headers.get("Sec-Fetch-Site") == "same-origin":
        origin = f"{scope['scheme']}://{headers.get('Host', '')}"
    return origin.lower() if origin else None
