"""Ten times as many questions as the service can answer: does it still answer as many as it can?"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from eval.operations.clients import Client, Reply, closed_loop, get, open_loop, post
from eval.operations.running import Running, running

_HEALTH = ("/healthz", "/readyz", "/metrics", "/widget.js")
_CLIENTS = 256
_LOADS = (1, 2, 4, 8, 16)
"""Clients at once, to find the most that is answered."""
_SHARE = 10_000
"""Requests of each of the loads; none comes twice."""
_DIFFERENT = 140_000
"""Requests that differ. What the loads leave is for the overload: of so many, more are answered than a
service remembers, before one comes again."""


@dataclass(frozen=True)
class Overload:
    """What was measured. Times in milliseconds, rates a second, memory in MB."""

    peak: float
    offered: float
    goodput: float
    accepted: Sequence[float]
    refused: Sequence[float]
    lost: int
    unsent: int
    clients: float
    """What the clients themselves took of the machine, in cores."""
    health: Sequence[float]
    memory: tuple[float, float, float]
    """Before, at most meanwhile, after."""


def measure(
    bundle: Path,
    questions: Sequence[str],
    seconds: float,
    times: float,
    say: Callable[[str], None] = lambda line: None,
    lanes: int | None = None,
) -> Overload:
    """Find the most that the service answers, then offer `times` as much for `seconds`."""
    requests = [
        post("/v1/answer", {"query": f"{question} ({number})"})
        for number in range(-(-_DIFFERENT // len(questions)))
        for question in questions
    ]
    settings = {"REPORT_QA_LANES": str(lanes or os.cpu_count() or 1)}
    # The clients share the machine with the service: what they take, it lacks. uvloop's loop takes half.
    loop = uvloop.new_event_loop
    with running(bundle, settings) as service, asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(_measure(service, requests, seconds, times, say))


async def _measure(
    service: Running, requests: list[bytes], seconds: float, times: float, say: Callable[[str], None]
) -> Overload:
    where = (service.host, service.port)
    await closed_loop(*where, requests[:_SHARE], 4, min(seconds, 5))  # warm
    peak = 0.0
    for number, clients in enumerate(_LOADS, start=1):
        share = requests[number * _SHARE : (number + 1) * _SHARE]
        replies = await closed_loop(*where, share, clients, max(seconds / 6, 1))
        found = _goodput(replies, max(seconds / 6, 1))
        say(f"{clients} clients at once: {found:.0f} answers a second")
        peak = max(peak, found)
    before = most = service.memory()
    health: list[float] = []
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal most
        client, number = Client(*where), 0
        while not done.is_set():
            reply = await client.ask(get(_HEALTH[number % len(_HEALTH)]))
            health.append(reply.seconds * 1_000 if reply.status == 200 else float("inf"))
            most = max(most, service.memory())
            number += 1
            await asyncio.sleep(0.1)
        client.close()

    watching = asyncio.create_task(watch())
    say(f"offering {times * peak:.0f} questions a second for {seconds:.0f} s")
    start, busy = time.perf_counter(), time.process_time()
    rest = requests[(len(_LOADS) + 1) * _SHARE :]
    replies, unsent = await open_loop(*where, rest, times * peak, _CLIENTS, seconds)
    took = time.perf_counter() - start
    done.set()
    await watching
    return Overload(
        peak=peak,
        offered=(len(replies) + unsent) / seconds,
        goodput=_goodput(replies, took),
        accepted=_times(replies, 200),
        refused=_times(replies, 503),
        lost=sum(reply.status not in {200, 503} for reply in replies),
        unsent=unsent,
        clients=(time.process_time() - busy) / took,
        health=sorted(health),
        memory=(before, most, service.memory()),
    )


def table(found: Overload) -> str:
    """The figures beside what they should be, in Markdown."""
    before, most, after = found.memory
    rows = [
        ("most answers a second, before", f"{found.peak:.0f}", ""),
        ("questions offered a second", f"{found.offered:.0f} ({found.offered / found.peak:.1f}×)", ""),
        ("answers a second meanwhile", f"{found.goodput:.0f}", ""),
        ("… as a share of the most", f"{found.goodput / found.peak:.3f}", "≥ .95"),
        ("accepted: median, 99 % (ms)", _two(found.accepted), ""),
        ("refused: median, 99 % (ms)", _two(found.refused), "median < 10"),
        ("neither answered nor refused", str(found.lost), "0"),
        ("not sent, every connection waiting", str(found.unsent), ""),
        ("taken from the machine by the clients themselves (cores)", f"{found.clients:.2f}", ""),
        ("health, metrics, files: median, worst (ms)", _two(found.health, 1.0), "worst < 50"),
        ("memory before, at most, after (MB)", f"{before:.1f}, {most:.1f}, {after:.1f}", "flat"),
    ]
    lines = ["| what | found | bar |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    return "\n".join(lines)


def share(times: Sequence[float], part: float) -> float:
    """The time, among sorted ones, that a part of them does not exceed; 0 if there is none."""
    return times[min(int(part * len(times)), len(times) - 1)] if times else 0.0


def _two(times: Sequence[float], part: float = 0.99) -> str:
    return f"{share(times, 0.5):.1f}, {share(times, part):.1f} (n = {len(times)})"


def _goodput(replies: Sequence[Reply], seconds: float) -> float:
    return sum(reply.status == 200 for reply in replies) / seconds


def _times(replies: Sequence[Reply], status: int) -> list[float]:
    return sorted(reply.seconds * 1_000 for reply in replies if reply.status == status)
