"""Retrieval and refusal measures.

A retrieval measure reads one question's ranking as relevance grades and equals ``trec_eval``. A
refusal measure reads two arrays, one entry a question: how sure the system was that the report
answers it, and whether the report does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_float
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

Qrels = Mapping[str, Mapping[str, int]]
"""Question → passage → grade. Relevant means 1 or more; unjudged counts as 0."""
Run = Mapping[str, Mapping[str, float]]
"""Question → passage → score."""
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# --- from a run to grades in rank order ---


@dataclass(frozen=True)
class JudgedRanking:
    """What a retrieval measure reads of one question.

    Attributes:
        grades: Grade of each retrieved passage, best rank first; an unjudged passage is 0.
        relevant: Every grade of 1 or more given for the question, retrieved or not, descending.
    """

    grades: tuple[int, ...]
    relevant: tuple[int, ...]

    def top(self, k: int) -> tuple[int, ...]:
        """Grades of the first ``k`` ranks, fewer if fewer were retrieved; ValueError if k < 1."""
        if k < 1:
            raise ValueError(f"cutoff k is {k}; expected 1 or more; ask for at least one rank")
        return self.grades[:k]


def judge_ranking(ranking: Sequence[str], judgements: Mapping[str, int]) -> JudgedRanking:
    """Passage ids, best first, as relevance grades: the order given is the ranking.

    Raises:
        ValueError: A passage is ranked twice, which would count its relevance twice.
    """
    if len(set(ranking)) < len(ranking):
        twice = next(passage for passage in ranking if ranking.count(passage) > 1)
        raise ValueError(
            f"passage {twice!r} has {ranking.count(twice)} ranks; expected one; keep its best rank"
        )
    relevant = (grade for grade in judgements.values() if grade > 0)
    return JudgedRanking(
        grades=tuple(judgements.get(passage, 0) for passage in ranking),
        relevant=tuple(sorted(relevant, reverse=True)),
    )


def judge_run(qrels: Qrels, run: Run) -> dict[str, JudgedRanking]:
    """Every question of ``qrels`` in ``trec_ranking`` order; one that ``run`` lacks has no ranks.

    So a question the run lacks scores 0 (``trec_eval -c``), and one without judgements is left out.
    """
    return {
        question: judge_ranking(trec_ranking(run.get(question, {})), judgements)
        for question, judgements in qrels.items()
    }


def trec_ranking(scores: Mapping[str, float]) -> list[str]:
    """Passage ids as ``trec_eval`` sorts them: by score as a C float, then by id, both descending.

    That is not our own order, ``(-score, passage_id)``: where scores tie, or differ only beyond
    single precision, export ``rank_scores(ranking)`` for other tools to see the same ranking.

    Raises:
        ValueError: A score is not finite.
    """
    for passage, score in scores.items():
        if not math.isfinite(score):
            raise ValueError(
                f"score of passage {passage!r} is {score}; expected a finite number; "
                "mend the scorer, or leave the passage out of the run"
            )
    return sorted(scores, key=lambda passage: (c_float(scores[passage]).value, passage))[::-1]


def rank_scores(ranking: Sequence[str]) -> dict[str, float]:
    """Scores n … 1, without ties, from which every tool recovers the order of ``ranking``."""
    return {passage: float(len(ranking) - index) for index, passage in enumerate(ranking)}


# --- retrieval: one question ---


def success_at(ranking: JudgedRanking, k: int) -> float:
    """1 if a relevant passage is in the first ``k``, else 0 (``trec_eval`` success)."""
    return float(any(grade > 0 for grade in ranking.top(k)))


def reciprocal_rank(ranking: JudgedRanking, k: int = 10) -> float:
    """1 / rank of the first relevant passage, 0 if not in the first ``k`` (``recip_rank``)."""
    return next((1 / rank for rank, grade in enumerate(ranking.top(k), 1) if grade > 0), 0.0)


def ndcg_at(ranking: JudgedRanking, k: int = 10) -> float:
    """Discounted gain over that of the ideal ranking, 0 if nothing is relevant (``ndcg_cut``).

    Järvelin & Kekäläinen 2002, with gain = grade, discount log2(rank + 1) as ``trec_eval`` has it.
    """
    ideal = _discounted_gain(ranking.relevant[:k])
    return _discounted_gain(ranking.top(k)) / ideal if ideal else 0.0


def recall_at(ranking: JudgedRanking, k: int) -> float:
    """Share of the relevant passages in the first ``k``, 0 if there are none (``recall``)."""
    return sum(grade > 0 for grade in ranking.top(k)) / max(len(ranking.relevant), 1)


def precision_at(ranking: JudgedRanking, k: int) -> float:
    """Relevant passages in the first ``k`` over ``k``, even if fewer were retrieved (``P``)."""
    return sum(grade > 0 for grade in ranking.top(k)) / k


def _discounted_gain(grades: Sequence[int]) -> float:
    return sum(max(grade, 0) / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


MEASURES: Mapping[str, Callable[[JudgedRanking], float]] = {
    "Success@1": partial(success_at, k=1),
    "Success@3": partial(success_at, k=3),
    "Success@5": partial(success_at, k=5),
    "RR@10": partial(reciprocal_rank, k=10),
    "nDCG@10": partial(ndcg_at, k=10),
    "R@100": partial(recall_at, k=100),
}
"""The reported retrieval measures by their ``ir_measures`` names."""

# --- refusal: confidence float[n] in [0, 1] that the report answers, and answerable bool[n] ---
# Each raises ValueError if shape, dtype or range differ, or if there is no question.


def auroc(confidence: ArrayLike, answerable: ArrayLike) -> float:
    """Chance that an answerable question has more confidence than an unanswerable; a tie is half.

    The Mann–Whitney statistic by midranks (Hanley & McNeil 1982).

    Raises:
        ValueError: Also if either class is empty.
    """
    sure, yes = _both_classes(confidence, answerable)
    _, level, count = np.unique(sure, return_inverse=True, return_counts=True)
    midrank = np.cumsum(count) - (count - 1) / 2
    wins = midrank[level][yes].sum() - yes.sum() * (yes.sum() + 1) / 2
    return float(wins / (yes.sum() * (~yes).sum()))


@dataclass(frozen=True)
class RefusalScores:
    """Precision, recall and F1 where the positive class is refusal."""

    precision: float
    recall: float
    f1: float


def precision_recall_f1(confidence: ArrayLike, answerable: ArrayLike, threshold: float) -> RefusalScores:
    """Scores of refusing below ``threshold``; a confidence equal to it is answered.

    The positive class is refusal: precision is the share of refusals that were due, recall the
    share of unanswerable questions refused. Where nothing is refused, precision and F1 are 0.

    Raises:
        ValueError: Also if either class is empty.
    """
    sure, yes = _both_classes(confidence, answerable)
    refused, unanswerable = int((sure < threshold).sum()), int((~yes).sum())
    due = int(((sure < threshold) & ~yes).sum())
    return RefusalScores(due / max(refused, 1), due / unanswerable, 2 * due / (refused + unanswerable))


def brier(confidence: ArrayLike, answerable: ArrayLike) -> float:
    """Mean squared distance of confidence to the truth, 0 the best (Brier 1950)."""
    sure, yes = _checked(confidence, answerable)
    return float(np.mean((sure - yes) ** 2))


@dataclass(frozen=True)
class ReliabilityBin:
    """The questions with a confidence in [lower, upper); the last bin holds 1 as well.

    Attributes:
        lower: Lowest confidence of the bin.
        upper: Where the next bin begins.
        count: Number of questions, 1 or more.
        confidence: Their mean confidence.
        answerable: The share of them that is answerable.
    """

    lower: float
    upper: float
    count: int
    confidence: float
    answerable: float


def reliability_curve(
    confidence: ArrayLike, answerable: ArrayLike, bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """The non-empty ones of ``bins`` equal-width bins over [0, 1], ascending.

    Equal width, since bins of equal mass could part questions of one and the same confidence.
    """
    sure, yes = _checked(confidence, answerable)
    if bins < 1:
        raise ValueError(f"bins is {bins}; expected 1 or more; 10 is usual")
    bin_of = np.minimum((sure * bins).astype(np.intp), bins - 1)
    curve = []
    for index in np.unique(bin_of).tolist():
        inside = bin_of == index
        means = float(sure[inside].mean()), float(yes[inside].mean())
        curve.append(ReliabilityBin(index / bins, (index + 1) / bins, int(inside.sum()), *means))
    return tuple(curve)


def expected_calibration_error(confidence: ArrayLike, answerable: ArrayLike, bins: int = 10) -> float:
    """Mean gap between confidence and share answerable, over equal-width bins (Naeini 2015)."""
    curve = reliability_curve(confidence, answerable, bins)
    gap = sum(part.count * abs(part.confidence - part.answerable) for part in curve)
    return gap / sum(part.count for part in curve)


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """``risk`` float64[n], the share of wrong answers, where the share ``coverage`` is answered."""

    coverage: Floats
    risk: Floats

    @property
    def aurc(self) -> float:
        """Mean risk over all coverages, 0 the best (Geifman, Uziel & El-Yaniv 2019)."""
        return float(self.risk.mean())


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """Risk as coverage grows from 1/n to 1, surest first (El-Yaniv & Wiener 2010).

    ``correct`` bool[n] says whether answering was right: the question is answerable, or, more
    strictly, the answer was judged correct. Questions of one confidence share their mean error,
    which is the expectation over all orders of the tie.
    """
    sure, right = _checked(confidence, correct)
    _, level, count = np.unique(-sure, return_inverse=True, return_counts=True)
    error = np.repeat(np.bincount(level, weights=~right) / count, count)
    answered = np.arange(1, len(sure) + 1)
    return RiskCoverage(answered / len(sure), np.cumsum(error) / answered)


def _checked(confidence: ArrayLike, truth: ArrayLike) -> tuple[Floats, Bools]:
    sure, true = np.asarray(confidence, dtype=np.float64), np.asarray(truth)
    if sure.ndim != 1 or sure.shape != true.shape or not sure.size:
        raise ValueError(
            f"confidence has shape {sure.shape}, truth {true.shape}; expected both [n], n ≥ 1; "
            "pass one entry of each for every question"
        )
    if true.dtype != np.bool_:
        raise ValueError(f"truth has dtype {true.dtype}; expected bool; compare explicitly first")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(
            f"confidence spans {sure.min()} to {sure.max()}; expected [0, 1]; calibrate it first"
        )
    return sure, true


def _both_classes(confidence: ArrayLike, answerable: ArrayLike) -> tuple[Floats, Bools]:
    sure, yes = _checked(confidence, answerable)
    if yes.all() or not yes.any():
        raise ValueError(
            f"found {yes.sum()} answerable and {(~yes).sum()} unanswerable questions; "
            "expected at least one of each; add questions of the missing class"
        )
    return sure, yes
