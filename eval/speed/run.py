"""The line of the benchmarks: build every system, ask them in alternating blocks, and tabulate the ratios."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from eval.questions import QUESTIONS, load_questions
from eval.speed.encoding import MANY, encoding_row
from eval.speed.fleet import (
    ACCURATE,
    CONTROL,
    MODES,
    OURS,
    SAME,
    System,
    built,
    busy_neighbour,
    environment,
    installed,
    ours,
    peer,
    resident,
    running,
    write_passages,
)
from eval.speed.load import Load, LoadError, distinct, drive, request
from eval.speed.parts import SpeedError
from eval.speed.rows import BEST_PEER, Bar, Row, order
from eval.speed.texts import WORDS, first_words, read_texts, write_corpus
from indexer.bundle import Bundle, open_bundle
from indexer.embedding import BASE_ENCODER, find_encoder

CLIENTS = (8, 32)
_WARM_UP = 30
_REPEATED = 20
_FEW = 3
"""Rounds at most of what takes long and varies little: starting, building, encoding."""
_STRIDE = 1_000_000
"""Questions are numbered; each block begins this far past the last, so that none is ever asked twice."""


@dataclass(frozen=True)
class Plan:
    """What a run does. `rounds` blocks of every system; a block is `asked` questions or `seconds`."""

    parts: Sequence[str]
    peers: Sequence[str]
    rounds: int
    asked: int
    seconds: float
    port: int
    work: Path
    lock: Path
    corpus: Path
    collections: Path | None
    passages: int


@dataclass(frozen=True)
class Result:
    """The rows of a run, and how many requests per second the load generator itself can make."""

    rows: tuple[Row, ...]
    generator: float
    passages: int


class _Field:
    """The systems of a run and the questions that they are asked."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan, self.say = plan, say
        self.model = find_encoder(BASE_ENCODER).folder
        plan.work.mkdir(parents=True, exist_ok=True)
        say("making the environment of the peers")
        self.python = environment(plan.lock, plan.work / "env")
        self.served = self._built("served", plan.corpus)
        bundle = open_bundle(self.served[OURS].store / "bundle")
        self.passages = len(bundle.passages)
        self.questions = _questions(bundle)
        self._blocks = 0

    def _built(self, name: str, corpus: Path) -> dict[str, System]:
        folder = self.plan.work / f"{name}-{time.time_ns():x}"
        mine = {key: ours(key, corpus, folder) for key in MODES}
        folder.mkdir()
        for system in mine.values():
            self.say(f"building {system.name}")
            built(system)
        bundle = open_bundle(mine[OURS].store / "bundle")
        passages = folder / "passages.json"
        write_passages(passages, [bundle.text(passage) for passage in bundle.passages])
        theirs = {key: peer(key, self.python, self.model, passages, folder) for key in self.plan.peers}
        for system in theirs.values():
            self.say(f"building {system.name}")
            built(system)
        return mine | theirs

    def rounds(self, names: Sequence[str], most: int | None = None) -> Iterator[tuple[str, int]]:
        """Systems in the order of their turns, each with the number of the first question of its block."""
        for turn in range(min(self.plan.rounds, most or self.plan.rounds)):
            self._blocks += 1
            for name in order(names, turn):
                yield name, self._blocks * _STRIDE

    def fresh(self, name: str, first: int) -> Iterator[bytes]:
        """Requests to a system, of which none is like another, in this block or any other."""
        return map(self.served[name].request, distinct(self.questions, first))


def run_speed(plan: Plan, say: Callable[[str], None]) -> Result:
    """Measure what a plan asks for."""
    rows: list[Row] = []
    field = _Field(plan, say)
    generator = _generator(plan.port)
    say(f"the load generator makes {generator:,.0f} requests per second of a trivial route")
    serving = {"latency", "repeats", "throughput", "neighbour", "memory"} & set(plan.parts)
    if serving:
        with ExitStack() as stack:
            ports, groups = {}, {}
            for number, (name, system) in enumerate(field.served.items()):
                say(f"starting {name}")
                port = plan.port + number
                groups[name], _ = stack.enter_context(running(system, port, field.questions[0]))
                ports[name] = port
                drive(port, islice(field.fresh(name, 0), _WARM_UP))
            rows += _served(field, ports, groups)
    if "cold" in plan.parts:
        rows.append(_cold(field))
    if "install" in plan.parts:
        rows.append(_install(field))
    if "build" in plan.parts:
        rows.append(_build(field))
    if "encoding" in plan.parts:
        texts = _texts(plan, field)
        say(f"encoding {len(texts)} passages")
        rows.append(encoding_row(texts, min(plan.rounds, _FEW), say))
    return Result(tuple(rows), generator, field.passages)


def _served(field: _Field, ports: dict[str, int], groups: dict[str, int]) -> list[Row]:
    plan, rows = field.plan, []

    def blocks(what: str, ask: Callable[[str, int], Load]) -> dict[str, list[Load]]:
        found: dict[str, list[Load]] = {name: [] for name in ports}
        for name, first in field.rounds(list(ports)):
            try:
                load = ask(name, first)
            except LoadError as error:
                raise SpeedError(f"{name}: {what}: {error}") from None
            if not load.milliseconds:
                raise SpeedError(f"{name}: {what}: found {load.refused} refusals, expected an answer")
            found[name].append(load)
        field.say(f"{what}: {', '.join(f'{k} {v[-1].percentile(50):.1f} ms' for k, v in found.items())}")
        return found

    def measured(found: dict[str, list[Load]], share: float) -> dict[str, list[float]]:
        return {name: [load.percentile(share) for load in loads] for name, loads in found.items()}

    def refused(found: dict[str, list[Load]]) -> dict[str, float]:
        shares = {
            name: float(np.mean([load.share_refused for load in loads])) for name, loads in found.items()
        }
        return {name: share for name, share in shares.items() if share}

    def for_seconds(clients: int) -> Callable[[str, int], Load]:
        return lambda name, first: drive(ports[name], field.fresh(name, first), clients, plan.seconds)

    if "latency" in plan.parts:
        found = blocks(
            "1 client",
            lambda name, first: drive(ports[name], islice(field.fresh(name, first), plan.asked)),
        )
        bars = (Bar(8.0), Bar(6.0, BEST_PEER), Bar(1.0, of=ACCURATE), Bar(1.0, BEST_PEER, ACCURATE))
        rows.append(Row("p50, 1 client", "ms", "lower", measured(found, 50), bars))
        rows.append(Row("p95, 1 client", "ms", "lower", measured(found, 95)))
    if "repeats" in plan.parts:
        few = field.questions[:_REPEATED]
        again = {name: [system.request(text) for text in few] for name, system in field.served.items()}
        found = blocks("repeats", lambda name, _: drive(ports[name], islice(cycle(again[name]), plan.asked)))
        rows.append(
            Row(f"p50, {_REPEATED} questions asked again and again", "ms", "lower", measured(found, 50))
        )
    if "throughput" in plan.parts:
        for clients, bar in zip(CLIENTS, (6.0, 8.0), strict=True):
            found = blocks(f"{clients} clients", for_seconds(clients))
            rates = {name: [load.rate for load in loads] for name, loads in found.items()}
            away = refused(found)
            rows.append(Row(f"answers, {clients} clients", "1/s", "higher", rates, (Bar(bar),), away))
            rows.append(
                Row(f"p99 of accepted, {clients} clients", "ms", "lower", measured(found, 99), (), away)
            )
    if "neighbour" in plan.parts:
        with busy_neighbour():
            found = blocks("busy neighbour", for_seconds(CLIENTS[0]))
        name = f"p99 of accepted, {CLIENTS[0]} clients and a busy neighbour"
        rows.append(Row(name, "ms", "lower", measured(found, 99), (Bar(5.0),), refused(found)))
    if "memory" in plan.parts:
        sizes = {name: [resident(group)] for name, group in groups.items()}
        rows.append(Row("resident memory", "MB", "lower", sizes, (Bar(5.0),)))
    return rows


def _cold(field: _Field) -> Row:
    seconds: dict[str, list[float]] = {name: [] for name in field.served}
    for name, _ in field.rounds(list(field.served), _FEW):
        with running(field.served[name], field.plan.port, field.questions[0]) as (_, took):
            seconds[name].append(took)
    return Row("start to first answer", "s", "lower", seconds, (Bar(10.0),))


def _install(field: _Field) -> Row:
    field.say("measuring what is installed")
    sizes = {
        name: [installed(system, field.python, field.model)]
        for name, system in field.served.items()
        if name not in {CONTROL, ACCURATE, SAME}  # the same files, or nearly
    }
    return Row("installed, with encoder and store", "MB", "lower", sizes)


def _build(field: _Field) -> Row:
    """Passages per second of the whole command that builds a store, each time into a new folder."""
    plan = field.plan
    if plan.collections:
        corpus = plan.work / f"corpus-{time.time_ns():x}"
        write_corpus(first_words(read_texts(plan.collections), plan.passages * WORDS), corpus)
    else:
        corpus = plan.corpus
    names = [name for name in field.served if name not in {ACCURATE, SAME}]  # the same work
    rates: dict[str, list[float]] = {name: [] for name in names}
    first = ours(OURS, corpus, plan.work / f"measured-{time.time_ns():x}")
    built(first)
    bundle = open_bundle(first.store / "bundle")
    texts = [bundle.text(passage) for passage in bundle.passages]
    for name, _ in field.rounds(names, _FEW):
        folder = plan.work / f"build-{time.time_ns():x}"
        write_passages(folder / "passages.json", texts)
        if name in MODES:
            system = ours(name, corpus, folder)
        else:
            system = peer(name, field.python, field.model, folder / "passages.json", folder)
        rates[name].append(len(texts) / built(system))
        field.say(f"build: {name} {rates[name][-1]:.1f} passages per second")
    return Row(f"built, {len(texts)} passages", "1/s", "higher", rates)


def _texts(plan: Plan, field: _Field) -> list[str]:
    """Passages to encode: of the collections, if there are any, else those served."""
    if plan.collections is None:
        bundle = open_bundle(field.served[OURS].store / "bundle")
        return [bundle.text(passage) for passage in bundle.passages]
    found: list[str] = []
    for text in read_texts(plan.collections):
        found += [part for part in text.split("\n\n") if 10 <= len(part.split()) <= 160]
        if len(found) >= MANY:
            break
    return found[:MANY]


def _questions(bundle: Bundle) -> list[str]:
    """The evaluation's questions that need no history, each once, in an order that mixes their kinds."""
    documents = {document.id: document.text for document in bundle.documents.values()}
    asked = [q.question for q in load_questions(QUESTIONS, documents) if not q.history]
    unique = list(dict.fromkeys(asked))
    return [unique[place] for place in np.random.default_rng(0).permutation(len(unique))]


def _generator(port: int) -> float:
    """Requests per second that the load generator gets from a route that does nothing."""
    trivial = subprocess.Popen((sys.executable, "-m", "eval.speed.load", str(port)), cwd=os.getcwd())
    try:
        for _ in range(200):
            try:
                drive(port, iter([request("?")]))
                break
            except (OSError, LoadError):
                time.sleep(0.05)
        return drive(port, map(request, distinct(["?"])), CLIENTS[-1], 2.0).rate
    finally:
        trivial.kill()
        trivial.wait()
