"""Many questions for long: is every answer the one that a quiet service gives, and does memory stay?"""

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from eval.operations.clients import Client, Reply, post
from eval.operations.running import Running, running
from eval.perturb import PERTURBATIONS
from eval.questions import Question

_CHANGING = ("id", "request_id", "usage")
_JUDGED = 50
"""One judgement is left after so many questions."""
# Nobody is refused here: what is looked for is a wrong answer, not a late one.
_SETTINGS = {"REPORT_QA_QUEUE_MS": "60000", "REPORT_QA_RATE": "0"}


@dataclass(frozen=True)
class Soak:
    """What was measured."""

    asked: int
    distinct: int
    seconds: float
    failures: Mapping[int, int]
    """How often which status came that was not 200."""
    different: int
    """Answers that are not, but for ids and times, those of the quiet run."""
    misquoted: int
    """Citations of the quiet run that are not the text at their place."""
    judged: int
    kept: int
    """Judgements acknowledged, and those in the file."""
    memory: Sequence[tuple[float, float]]
    """Seconds since the start, and MB."""

    @property
    def growth(self) -> float:
        """MB by which memory grew in the second half: the slope of a line through it, times its length."""
        half = [(x, y) for x, y in self.memory if x >= self.seconds / 2]
        return slope(half) * self.seconds / 2

    @property
    def sound(self) -> bool:
        """Whether nothing went wrong; memory apart."""
        return not (self.failures or self.different or self.misquoted or self.judged != self.kept)


def requests(questions: Sequence[Question], seed: int = 0) -> list[bytes]:
    """Each question as it stands and typed in each other way, to answer and, one in four, to search."""
    random = Random(seed)
    made = []
    for question in questions:
        texts = [question.question, *(typed(question.question, random) for typed in PERTURBATIONS.values())]
        for text in texts:
            body: dict[str, Any] = {"query": text}
            if question.history:
                body["history"] = [dict(turn) for turn in question.history]
            made.append(post("/v1/answer", body))
        made.append(post("/v1/search", {"query": question.question, "limit": 20}))
    return made


def measure(
    bundle: Path,
    questions: Sequence[Question],
    texts: Mapping[str, str],
    asked: int,
    clients: int,
    say: Callable[[str], None] = lambda line: None,
) -> Soak:
    """Ask each question quietly, then `asked` in random order from `clients` at once.

    Args:
        bundle: What is served.
        questions: What is asked, also typed otherwise.
        texts: Canonical text of each document.
        asked: How many questions.
        clients: How many at the same time.
        say: Called with a line now and then.
    """
    with running(bundle, _SETTINGS) as service:
        return asyncio.run(_measure(service, requests(questions), texts, asked, clients, say))


async def _measure(
    service: Running,
    requests: list[bytes],
    texts: Mapping[str, str],
    asked: int,
    clients: int,
    say: Callable[[str], None],
) -> Soak:
    quiet: dict[bytes, str] = {}
    misquoted = 0
    client = Client(service.host, service.port)
    for request in requests:
        reply = await client.ask(request)
        quiet[request] = _known(reply)
        misquoted += _misquoted(reply, texts)
    client.close()
    say(f"{len(quiet)} distinct requests asked quietly; now {asked} from {clients} at once")
    random = Random(1)
    order = iter([random.choice(requests) for _ in range(asked)])
    failures: Counter[int] = Counter()
    different = judged = done = 0
    start = time.perf_counter()

    async def one() -> None:
        nonlocal different, judged, done
        client = Client(service.host, service.port)
        for request in order:
            reply = await client.ask(request)
            done += 1
            if reply.status != 200:
                failures[reply.status] += 1
            elif _known(reply) != quiet[request]:
                different += 1
            elif done % _JUDGED == 0:
                judged += (await client.ask(_judgement(reply, done))).status == 201
        client.close()

    memory: list[tuple[float, float]] = []

    async def watch() -> None:
        while True:
            memory.append((time.perf_counter() - start, service.memory()))
            if len(memory) % 60 == 0:
                say(f"{done} of {asked}, {memory[-1][1]:.1f} MB")
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(one() for _ in range(clients)))
    watching.cancel()
    seconds = time.perf_counter() - start
    memory.append((seconds, service.memory()))
    kept = sum(len(file.read_bytes().splitlines()) for file in service.folder.glob("feedback*.jsonl"))
    return Soak(asked, len(quiet), seconds, failures, different, misquoted, judged, kept, memory)


def table(found: Soak) -> str:
    """The figures beside what they should be, in Markdown."""
    failed = ", ".join(f"{number} × {status}" for status, number in sorted(found.failures.items())) or "0"
    rows = [
        ("questions asked", f"{found.asked} ({found.distinct} distinct)", ""),
        ("a second", f"{found.asked / found.seconds:.0f} for {found.seconds:.0f} s", ""),
        ("errors", failed, "0"),
        ("answers unlike the quiet run's", str(found.different), "0"),
        ("citations that are not the text at their place", str(found.misquoted), "0"),
        ("judgements acknowledged, in the file", f"{found.judged}, {found.kept}", "the same"),
        ("memory at first, at last (MB)", f"{found.memory[0][1]:.1f}, {found.memory[-1][1]:.1f}", ""),
        ("memory grown in the second half, by linear fit (MB)", f"{found.growth:.2f}", "≤ 1"),
    ]
    return "\n".join(
        ["| what | found | bar |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the least-squares line through points; 0 for fewer than two."""
    if len(points) < 2:
        return 0.0
    middle_x, middle_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def _known(reply: Reply) -> str:
    """All of a reply that does not change from one call to the next, as a hash."""
    body = json.loads(reply.body)
    for name in _CHANGING:
        body.pop(name, None)
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _misquoted(reply: Reply, texts: Mapping[str, str]) -> int:
    return sum(
        texts[c["document_id"]][c["start_char_index"] : c["end_char_index"]] != c["cited_text"]
        for c in json.loads(reply.body).get("citations", ())
    )


def _judgement(reply: Reply, number: int) -> bytes:
    body = json.loads(reply.body)
    about = {"answer_id": f"ans_{number}", "bundle_id": body["bundle_id"], "query": body["query"]["text"]}
    return post("/v1/feedback", {**about, "answerable": True, "rating": "up"})
