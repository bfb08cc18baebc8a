"""A run → its measures: means over questions with intervals, and what is measured over all of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from eval.judging import Outcome
from eval.measures import (
    MEASURES,
    RefusalScores,
    auroc,
    brier,
    expected_calibration_error,
    precision_recall_f1,
)
from eval.questions import KINDS
from eval.statistics import Interval, bootstrap_interval

SAMPLES = 2_000
SILENT = " (silent)"
"""What is added to the name of a kind for its unanswerable questions."""


@dataclass(frozen=True)
class Measure:
    """A number for each question that it concerns; `all` measures concern both sorts of questions."""

    name: str
    of: Callable[[Outcome], float]
    concerns: str
    binary: bool = False
    better: int = 1
    """1 if more is better, -1 if less is."""

    def values(self, outcomes: Iterable[Outcome]) -> dict[str, float]:
        """The number of each question that it concerns, by question id."""
        return {o.id: self.of(o) for o in outcomes if self.concerns in {"all", _sort(o)}}


def _sort(outcome: Outcome) -> str:
    return "answerable" if outcome.answerable else "silent"


def _retrieval(name: str) -> Callable[[Outcome], float]:
    return lambda outcome: MEASURES[name](outcome.judged)


QUESTION_MEASURES = (
    *(
        Measure(name, _retrieval(name), "answerable", True)
        for name in ("Success@1", "Success@3", "Success@5")
    ),
    *(Measure(name, _retrieval(name), "answerable") for name in ("RR@10", "nDCG@10")),
    Measure("Answer@1", lambda o: float(o.cited), "answerable", True),
    Measure("Citation recall", lambda o: o.recall, "answerable"),
    Measure("Answered right", lambda o: float(o.right), "answerable", True),
    Measure("Refused right", lambda o: float(o.right), "silent", True),
    Measure("Brier", lambda o: (o.confidence - o.answerable) ** 2, "all", better=-1),
    Measure("Verbatim", lambda o: float(o.verbatim), "all", True),
    Measure("Whole", lambda o: float(o.whole), "all", True),
    Measure("Words@1", lambda o: float(o.words), "answerable", better=-1),
    Measure("Words cited", lambda o: float(len(o.excerpt.split())), "answerable", better=-1),
)
"""What is measured of each question, in the order of every table."""
BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in QUESTION_MEASURES}


@dataclass(frozen=True)
class Group:
    """A named part of a run with the interval of each measure that concerns it; clusters are facts."""

    name: str
    outcomes: tuple[Outcome, ...]
    measures: Mapping[str, Interval]


@dataclass(frozen=True)
class Summary:
    """A run in numbers. `areas` is the refusal AUROC by unanswerable kind; ms are percentiles."""

    groups: tuple[Group, ...]
    sections: tuple[Group, ...]
    answerable: Group
    silent: Group
    everything: Group
    areas: Mapping[str, float]
    refusal: RefusalScores | None
    precision: float
    """Share of the answers given whose citation holds evidence; an answer to a silent question never does."""
    ece: float
    brier: float
    p50: float
    p95: float

    @property
    def headline(self) -> dict[str, float]:
        """The numbers that are followed over time."""
        numbers: dict[str, float] = {}
        for group in (self.answerable, self.silent, self.everything):
            numbers |= {name: interval.mean for name, interval in group.measures.items()}
        numbers |= {f"AUROC {kind}": area for kind, area in self.areas.items()}
        numbers |= {"Answer precision": self.precision, "ECE": self.ece}
        return {name: round(value, 4) for name, value in numbers.items()}


def summarize(outcomes: Sequence[Outcome]) -> Summary:
    """Measure a run.

    Raises:
        ValueError: if it has no outcome.
    """
    if not outcomes:
        raise ValueError("found no question to measure; expected one or more; check --split and --questions")
    confidence = [outcome.confidence for outcome in outcomes]
    truth = [outcome.answerable for outcome in outcomes]
    given = [outcome for outcome in outcomes if outcome.answered]
    answered = [1.0 if outcome.answered else 0.0 for outcome in outcomes]
    p50, p95 = np.percentile([outcome.took_ms for outcome in outcomes], [50, 95])
    return Summary(
        groups=tuple(_by(outcomes, kind_name)),
        sections=tuple(_by([o for o in outcomes if o.answerable], lambda o: o.section)),
        answerable=_group("answerable", [o for o in outcomes if o.answerable]),
        silent=_group("silent", [o for o in outcomes if not o.answerable]),
        everything=_group("all", outcomes),
        areas=_areas(outcomes),
        refusal=precision_recall_f1(answered, truth, 0.5) if len(set(truth)) == 2 else None,
        precision=sum(o.answerable and o.cited for o in given) / max(len(given), 1),
        ece=expected_calibration_error(confidence, truth),
        brier=brier(confidence, truth),
        p50=float(p50),
        p95=float(p95),
    )


def kind_name(outcome: Outcome) -> str:
    """The kind; of an unanswerable question, said to be so where answerable ones share the kind."""
    return outcome.kind if outcome.answerable else outcome.kind + SILENT


def _by(outcomes: Sequence[Outcome], name: Callable[[Outcome], str]) -> Iterable[Group]:
    parts: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        parts.setdefault(name(outcome), []).append(outcome)
    known = [kind + end for end in ("", SILENT) for kind in KINDS]
    order = sorted(parts, key=lambda part: known.index(part) if part in known else len(known))
    return (_group(part, parts[part]) for part in order)


def _group(name: str, outcomes: Sequence[Outcome]) -> Group:
    fact = {outcome.id: outcome.fact for outcome in outcomes}
    measures = {}
    for measure in QUESTION_MEASURES:
        if values := measure.values(outcomes):
            measures[measure.name] = _interval(
                tuple(values.values()), tuple(fact[question] for question in values)
            )
    return Group(name, tuple(outcomes), measures)


@cache
def _interval(values: tuple[float, ...], facts: tuple[str, ...]) -> Interval:
    return bootstrap_interval(values, samples=SAMPLES, clusters=facts)


def _areas(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """AUROC of each unanswerable kind against all answerable questions."""
    yes = [outcome for outcome in outcomes if outcome.answerable]
    areas = {}
    for kind in KINDS:
        no = [outcome for outcome in outcomes if outcome.kind == kind and not outcome.answerable]
        if yes and no:
            both = [*yes, *no]
            areas[kind] = auroc([o.confidence for o in both], [o.answerable for o in both])
    return areas
