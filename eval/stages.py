"""Each stage of the pipeline beside what it adds to: a stage that does not earn its place goes.

A response carries the raw score of every channel for each passage. So one answer a question, with as
many passages as a service returns, shows how each channel alone would have ranked them, and how all but
one would have. Whatever channels there are take part, over HTTP too. In a corpus of more passages than
that, it is the passages found by all channels together that each one ranks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from eval.asking import Ask
from eval.judging import is_relevant, passage_of
from eval.measures import MEASURES, judge_ranking
from eval.questions import Question

MEASURED = ("Success@1", "Success@3", "Success@5", "RR@10", "nDCG@10")
AS_SERVED = "as served"


@dataclass(frozen=True, slots=True)
class Scored:
    """A returned passage: its rank, its channels' scores, and whether it holds evidence."""

    passage_id: str
    rank: int
    scores: Mapping[str, float]
    relevant: bool


def stages_of(weights: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Named weights: each channel alone, and all but one of them."""
    channels = [channel for channel, weight in weights.items() if weight]
    stages = {f"{channel} alone": {channel: 1.0} for channel in channels}
    if len(channels) > 2:
        stages |= {f"all but {c}": {o: weights[o] for o in channels if o != c} for c in channels}
    return stages


def measure_stages(
    weights: Mapping[str, float],
    questions: Sequence[Question],
    ask: Ask,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict[str, float]]:
    """Stage → measure → mean over the answerable questions that no history precedes.

    Args:
        weights: The channels' weights, as `/v1/index` tells them.
        questions: What to ask.
        ask: Whom to ask, for as many passages as there are.
        progress: Called after each question with how many are done, of how many.
    """
    plain = [question for question in questions if question.answerable and not question.history]
    scored = []
    for number, question in enumerate(plain, start=1):
        scored.append(_scored(question, ask(question)))
        progress(number, len(plain))
    if not scored:
        return {}
    rankings = {
        stage: [rank_by(passages, some) for passages in scored] for stage, some in stages_of(weights).items()
    }
    rankings[AS_SERVED] = [[p.passage_id for p in sorted(some, key=lambda p: p.rank)] for some in scored]
    table: dict[str, dict[str, float]] = {}
    for stage, ranked in rankings.items():
        judged = [
            judge_ranking(ids, {p.passage_id: int(p.relevant) for p in passages})
            for ids, passages in zip(ranked, scored, strict=True)
        ]
        table[stage] = {name: round(mean(map(MEASURES[name], judged)), 4) for name in MEASURED}
    return table


def rank_by(passages: Sequence[Scored], weights: Mapping[str, float]) -> list[str]:
    """Ids by the weighted sum of their channels' scores, best first; ties go by id."""

    def key(passage: Scored) -> tuple[float, str]:
        return -sum(w * passage.scores[channel] for channel, w in weights.items()), passage.passage_id

    return [passage.passage_id for passage in sorted(passages, key=key)]


def _scored(question: Question, reply: Mapping[str, Any]) -> list[Scored]:
    return [
        Scored(
            result["passage_id"],
            result["rank"],
            result["scores"],
            is_relevant(question, passage_of(result, reply["citations"])),
        )
        for result in reply["results"]
    ]
