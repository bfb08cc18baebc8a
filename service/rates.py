"""How often someone may ask: a token bucket each, for as many as fit."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

BURST = 30.0
"""Seconds of allowance that may be used at once."""
MOST = 10_000
"""Buckets kept. One that is full again is as good as none, so the least used may go."""


class Rates:
    """Allowances of so many requests a minute for each name.

    A bucket is one number, the time at which it is full again (the generic cell rate algorithm): a
    request puts it off by a request's share of a minute, and is refused if that is too far ahead.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._share = 60 / a_minute
        self._burst = max(BURST, self._share)
        self._clock = clock
        self._most = most
        self._full: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str, requests: int = 1) -> float:
        """Take from someone's bucket: 0 if it held enough, else seconds until it does (nothing is taken)."""
        now = self._clock()
        full = max(self._full.get(name, now), now) + requests * self._share
        wait = full - now - max(self._burst, requests * self._share)
        if wait > 1e-9:  # less is rounding
            return wait
        self._full[name] = full
        self._full.move_to_end(name)
        if len(self._full) > self._most:
            self._full.popitem(last=False)
        return 0.0


def network(address: str) -> str:
    """Whom an address stands for: itself, or for IPv6 its /64, of which one visitor has every address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)
