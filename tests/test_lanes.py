import asyncio
import threading
from collections.abc import Iterator

import pytest

from service.errors import ProblemError
from service.lanes import GoneError, Lanes
from service.metrics import Metrics


class Work:
    """A call that lasts until it is let go; how often it was made."""

    def __init__(self) -> None:
        self.calls = 0
        self.begun = threading.Event()
        self._end = threading.Event()

    def __call__(self) -> int:
        self.calls += 1
        self.begun.set()
        self._end.wait()
        return self.calls

    def let_go(self) -> None:
        self._end.set()


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.let_go()


def refusals(metrics: Metrics, cause: str) -> float | None:
    return metrics.registry.get_sample_value("report_qa_refusals_total", {"cause": cause})


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_expected_wait_is_those_before_at_the_time_that_a_question_takes(work: Work) -> None:
    async def ask() -> list[float]:
        lanes = Lanes(2, 1.0, Metrics())
        delays, asked = [lanes.delay()], []
        for _ in range(5):
            asked.append(asyncio.create_task(lanes.run(work)))
            await settle()
            delays.append(lanes.delay())
        work.let_go()
        await asyncio.gather(*asked)
        return [*delays, lanes.delay()]

    # Two lanes, 20 ms a question at first guess: the third question waits for half of that.
    assert asyncio.run(ask()) == pytest.approx([0, 0, 0.01, 0.02, 0.03, 0.04, 0])


def test_who_would_wait_too_long_is_refused_at_once_and_told_when_to_come_back(work: Work) -> None:
    async def ask() -> None:
        lanes = Lanes(1, 0.03, metrics)
        asked = [asyncio.create_task(lanes.run(work)) for _ in range(2)]
        await settle()
        assert lanes.delay() == pytest.approx(0.04)
        with pytest.raises(ProblemError) as refused:
            await lanes.run(work)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        assert lanes.trouble()
        work.let_go()
        await asyncio.gather(*asked)
        assert await lanes.run(work) == 3
        assert lanes.trouble() is None

    metrics = Metrics()
    asyncio.run(ask())
    assert refusals(metrics, "overload") == 1


def test_a_question_whose_asker_has_gone_is_not_computed(work: Work) -> None:
    async def ask() -> None:
        lanes = Lanes(1, 1.0, metrics)
        first = asyncio.create_task(lanes.run(work))
        await settle()
        left = asyncio.Event()
        second = asyncio.create_task(lanes.run(work, left=left.wait))
        await settle()
        left.set()
        with pytest.raises(GoneError):
            await second
        assert lanes.delay() == pytest.approx(0.02)  # the first alone
        work.let_go()
        assert await first == 1

    metrics = Metrics()
    asyncio.run(ask())
    assert (work.calls, refusals(metrics, "gone")) == (1, 1)


def test_a_question_that_is_cancelled_in_the_line_leaves_it(work: Work) -> None:
    async def ask() -> None:
        lanes = Lanes(1, 1.0, Metrics())
        first = asyncio.create_task(lanes.run(work))
        await settle()
        second = asyncio.create_task(lanes.run(work))
        await settle()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert lanes.delay() == pytest.approx(0.02)
        work.let_go()
        await first
        assert lanes.delay() == 0

    asyncio.run(ask())
    assert work.calls == 1


def test_one_that_has_begun_is_finished_and_counted_even_if_nobody_waits(work: Work) -> None:
    async def ask() -> None:
        lanes = Lanes(1, 1.0, Metrics())
        asked = asyncio.create_task(lanes.run(work))
        await asyncio.to_thread(work.begun.wait)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert lanes.delay() > 0  # the lane is busy all the same
        work.let_go()
        await lanes.run(int)
        assert lanes.delay() == 0

    asyncio.run(ask())


def test_a_failure_is_the_askers_and_frees_the_lane() -> None:
    def fail() -> None:
        raise RuntimeError("no")

    async def ask() -> None:
        lanes = Lanes(1, 1.0, Metrics())
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await lanes.run(fail)
        assert lanes.delay() == 0

    asyncio.run(ask())


def test_lanes_are_stuck_when_none_moves_though_questions_wait(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        lanes = Lanes(1, 1.0, Metrics())
        assert not lanes.stuck()
        asked = asyncio.create_task(lanes.run(work))
        await asyncio.to_thread(work.begun.wait)
        assert not lanes.stuck()
        monkeypatch.setattr("service.lanes._STUCK", -1.0)
        assert lanes.stuck()
        work.let_go()
        await asked
        assert not lanes.stuck()

    asyncio.run(ask())
