"""Made-up outcomes and questions for tests of the gate and its reports: no service is asked."""

from collections.abc import Sequence
from dataclasses import replace

from eval.gate import Baseline, accept
from eval.judging import Outcome
from eval.questions import Question
from eval.run import Run

MADE = {"bundle_id": "sha256:0", "command": "test", "date": "2026-01-01", "machine": "none"}


def outcome(number: int, right: bool = True, *, answerable: bool = True, kind: str = "fact") -> Outcome:
    """An outcome of a confident service: right ones rank the evidence first, wrong ones not at all."""
    return Outcome(
        id=f"q{number}",
        fingerprint="0",
        kind=kind,
        split="dev",
        fact=f"f{number}",
        answerable=answerable,
        section="Coups",
        answered=right if not answerable else True,
        confidence=0.75,
        ranking=("p1", "p2"),
        relevant=(right, False) if answerable else (False, False),
        holding=("p1",) if answerable else (),
        words=9,
        cited=right and answerable,
        recall=float(right and answerable),
        verbatim=True,
        whole=True,
        excerpt="The coup came in 2020.",
        took_ms=2.0,
    )


def silent(number: int, right: bool = True) -> Outcome:
    return replace(outcome(number, right, answerable=False, kind="near"), answered=not right)


def baseline(outcomes: Sequence[Outcome]) -> Baseline:
    accepted, _ = accept(Run(MADE, tuple(outcomes)), "the first one", None, set_floors=False)
    return accepted


MIXED = [*(outcome(n, n % 3 > 0) for n in range(60)), *(silent(n, n % 2 > 0) for n in range(60, 100))]


def changed(count: int, right: bool) -> list[Outcome]:
    """MIXED with the first `count` answerable questions that can flip, flipped."""
    flips = [o.id for o in MIXED if o.answerable and o.right != right][:count]
    return [outcome(int(o.id[1:]), right) if o.id in flips else o for o in MIXED]


TEXTS = {"R": "The coup came in 2020. Gold is dug."}
QUESTIONS = {
    o.id: Question(
        *(o.id, "R", f"What of <{o.id}> & \x00?", o.kind, "dev", o.fact, o.answerable, None),
        evidence=((0, 22),) if o.answerable else (),
        also=(),
        why=None if o.answerable else "It is not said",
    )
    for o in MIXED
}
