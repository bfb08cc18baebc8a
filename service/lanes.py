"""The lanes: threads that answer, and the line before them, which is short or refuses.

Whoever would wait longer than the limit is told so at once: a late answer helps nobody, and a long line
would make every answer late. How long a question would wait is known from those before it and from the
time that questions have taken lately.
"""

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from opentelemetry.trace import Span, TracerProvider, get_current_span

from service.errors import ProblemError
from service.metrics import Metrics
from service.traces import tell_stages

_T = TypeVar("_T")
Left = Callable[[], Awaitable[object]]
"""Returns when whoever asked has hung up."""

QUEUE_LIMIT = 0.25
"""Seconds that a question may have to wait for a lane."""
_FIRST_GUESS = 0.02
"""Seconds that a question takes, as long as none has been measured."""
_WEIGHT = 0.05
"""Of the last question in the moving average: about the last forty count."""
_STUCK = 10.0
"""Seconds in which a lane that answers at all has taken a question on."""


class GoneError(Exception):
    """Whoever asked has hung up before a lane was free; nothing was computed."""


def full(seconds: int) -> ProblemError:
    """What a question is refused with, to come again in some seconds."""
    detail = f"too many questions at once; ask again in {seconds} s"
    return ProblemError(503, detail, headers={"Retry-After": str(seconds)})


class Lanes:
    """Threads that answer questions, and those that wait for one."""

    def __init__(
        self, lanes: int, limit: float, metrics: Metrics, traces: TracerProvider | None = None
    ) -> None:
        self._executor = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
        self._lanes = lanes
        self._limit = limit
        self._metrics = metrics
        self._traces = traces
        self._overload = metrics.refusals.labels("overload")
        self._lock = threading.Lock()  # for what the lanes count, too; held for additions only
        self.in_hand = 0
        """Questions on a lane or waiting for one."""
        self.coming = 0
        """Questions that were let in and are on their way here; touched by the event loop only."""
        self._mean = _FIRST_GUESS
        self._moved = time.monotonic()

    def delay(self) -> float:
        """Seconds that a question asked now would wait for a lane."""
        before = self.in_hand + self.coming - self._lanes + 1
        return max(before, 0) / self._lanes * self._mean

    def stuck(self) -> bool:
        """Whether questions wait, and for long no lane has begun or finished one."""
        return self.in_hand > 0 and time.monotonic() - self._moved > _STUCK

    def trouble(self) -> str | None:
        """What an operator should know, in a line; None if there is nothing."""
        return "questions are refused: too many at once" if self.delay() > self._limit else None

    def refusal(self) -> int | None:
        """None if there is room; else a question is refused, and may come again in so many seconds."""
        delay = self.delay()
        if delay <= self._limit:
            return None
        self._overload.inc()
        return max(math.ceil(delay), 1)

    def check(self) -> None:
        """Pass if there is room.

        Raises:
            ProblemError: 503 with `Retry-After`, if a question would wait longer than the limit.
        """
        if (seconds := self.refusal()) is not None:
            raise full(seconds)

    async def run(self, call: Callable[..., _T], *arguments: Any, left: Left | None = None) -> _T:
        """Run a call on a lane.

        Args:
            call: What to run.
            arguments: Its arguments.
            left: Returns when whoever asked has hung up.

        Raises:
            ProblemError: 503, if there is no room.
            GoneError: if `left` returned before a lane was free.
        """
        self.check()
        with self._lock:
            waits = self.in_hand >= self._lanes
            if not self.in_hand:
                self._moved = time.monotonic()
            self.in_hand += 1
        asked = time.perf_counter()
        job = self._executor.submit(self._work, asked, get_current_span(), call, arguments)
        try:
            if waits and left:
                await self._unless_gone(job, left)
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            self._withdraw(job)
            raise

    async def _unless_gone(self, job: Future[_T], left: Left) -> None:
        watch: asyncio.Future[object] = asyncio.ensure_future(left())
        done: asyncio.Future[Any] = asyncio.wrap_future(job)
        try:
            await asyncio.wait({done, watch}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and self._withdraw(job):
                self._metrics.refusals.labels("gone").inc()
                raise GoneError
        finally:
            watch.cancel()

    def _withdraw(self, job: Future[Any]) -> bool:
        """Take a call out of the line, if no lane has begun it."""
        if withdrawn := job.cancel():
            with self._lock:
                self.in_hand -= 1
        return withdrawn

    def _work(self, asked: float, span: Span, call: Callable[..., _T], arguments: tuple[Any, ...]) -> _T:
        begun = time.perf_counter()
        self._moved = time.monotonic()
        try:
            return call(*arguments)
        finally:
            took = time.perf_counter() - begun
            with self._lock:
                self.in_hand -= 1
                self._mean += _WEIGHT * (took - self._mean)
                self._moved = time.monotonic()
            self._metrics.stages.labels("queue").observe(begun - asked)
            self._metrics.stages.labels("answer").observe(took)
            tell_stages(self._traces, span, queue=(asked, begun), answer=(begun, begun + took))
