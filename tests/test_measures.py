from collections.abc import Callable
from itertools import permutations
from math import log2
from random import Random
from typing import Any

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from eval.measures import (
    MEASURES,
    auroc,
    brier,
    expected_calibration_error,
    judge_ranking,
    judge_run,
    ndcg_at,
    precision_at,
    precision_recall_f1,
    rank_scores,
    recall_at,
    reciprocal_rank,
    reliability_curve,
    risk_coverage,
    success_at,
    trec_ranking,
)

PASSAGES = ["a", "B", "b", "b1", "é", "z", "\uffee", "😀", "IF10116:02024", "IF10116:00310"]
passages = st.sampled_from(PASSAGES)
questions = st.sampled_from(["q1", "q2", "q3"])
# Few values, so that scores tie; the last two tie in single precision only.
scores = st.sampled_from([-1.0, 0.0, 0.5, 3.0, 0.1, 0.1 + 1e-12]) | st.floats(-1e300, 1e300)
grades = st.integers(-1, 3)
all_qrels = st.dictionaries(questions, st.dictionaries(passages, grades, min_size=1, max_size=8), min_size=1)
all_runs = st.dictionaries(questions, st.dictionaries(passages, scores))
cutoffs = st.sampled_from([1, 2, 3, 5, 10])

# --- retrieval ---


@given(all_qrels, all_runs, cutoffs)
def test_measures_equal_trec_eval(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]], k: int
) -> None:
    """On ties, missing and unjudged passages, and grades of -1 to 3, with nothing relevant too."""
    names = {f"success_{k}", "recip_rank", f"ndcg_cut_{k}", f"recall_{k}", f"P_{k}"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)
    for question, ranking in judge_run(qrels, run).items():
        expected = theirs.get(question, dict.fromkeys(names, 0.0))  # it skips what the run lacks
        ours = {
            f"success_{k}": success_at(ranking, k),
            "recip_rank": reciprocal_rank(ranking, len(PASSAGES)),
            f"ndcg_cut_{k}": ndcg_at(ranking, k),
            f"recall_{k}": recall_at(ranking, k),
            f"P_{k}": precision_at(ranking, k),
        }
        assert ours == pytest.approx(expected, abs=1e-9)


@given(all_qrels, st.dictionaries(questions, st.permutations(PASSAGES)))
def test_reported_measures_equal_ir_measures_under_their_names(
    qrels: dict[str, dict[str, int]], rankings: dict[str, list[str]]
) -> None:
    """Without ties: RR@10 of ir_measures (MS MARCO's) breaks ties the other way than trec_eval."""
    run = {question: rank_scores(ranking) for question, ranking in rankings.items()}
    assert reported(qrels, run) == pytest.approx(oracle(qrels, run), abs=1e-9)


def reported(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> dict[tuple[str, str], float]:
    judged = judge_run(qrels, run)
    return {(m, q): measure(judged[q]) for m, measure in MEASURES.items() for q in judged}


def oracle(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> dict[tuple[str, str], float]:
    measures = [ir_measures.parse_measure(name) for name in MEASURES]
    found = ir_measures.iter_calc(measures, qrels, run)
    return {(str(metric.measure), metric.query_id): metric.value for metric in found}


def test_a_table_checked_by_hand() -> None:
    """Grades 0 2 0 1 by rank; one more relevant passage (grade 1) was not retrieved."""
    ranking = judge_ranking(["w", "x", "y", "z"], {"x": 2, "z": 1, "lost": 1, "w": 0})
    assert ranking.grades == (0, 2, 0, 1)
    assert ranking.relevant == (2, 1, 1)
    assert [success_at(ranking, k) for k in (1, 2, 5)] == [0, 1, 1]
    assert reciprocal_rank(ranking) == 1 / 2
    assert reciprocal_rank(ranking, k=1) == 0
    assert [recall_at(ranking, k) for k in (1, 2, 4)] == [0, 1 / 3, 2 / 3]
    assert [precision_at(ranking, k) for k in (2, 4, 8)] == [1 / 2, 2 / 4, 2 / 8]
    ideal = 2 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert ndcg_at(ranking) == pytest.approx((2 / log2(3) + 1 / log2(5)) / ideal)


def test_a_question_that_the_run_lacks_scores_nothing() -> None:
    (ranking,) = judge_run({"q": {"a": 1}}, {"other": {"a": 1.0}}).values()
    assert [measure(ranking) for measure in MEASURES.values()] == [0.0] * len(MEASURES)


def test_ties_go_to_the_later_id_and_scores_are_single_precision() -> None:
    assert trec_ranking({"a": 1.0, "b": 1.0, "c": 2.0}) == ["c", "b", "a"]
    assert trec_ranking({"a": 1.0 + 1e-12, "b": 1.0}) == ["b", "a"]


@given(st.lists(passages, unique=True))
def test_rank_scores_keep_the_order(ranking: list[str]) -> None:
    assert trec_ranking(rank_scores(ranking)) == ranking


# --- refusal ---

# Confidence, and whether the report answers: three answerable questions, two that are not.
SURE = [0.9, 0.6, 0.3, 0.6, 0.1]
YES = [True, True, True, False, False]
judged = st.lists(
    st.tuples(st.integers(0, 8).map(lambda n: n / 8) | st.floats(0, 1), st.booleans()), min_size=1
)
both_classes = judged.filter(lambda rows: len({yes for _, yes in rows}) == 2)


def test_auroc_counts_pairs_won_and_ties_as_half() -> None:
    """.9 beats both, .6 ties one and beats one, .3 loses one and beats one: 2 + 1½ + 1 of 6."""
    assert auroc(SURE, YES) == 4.5 / 6


def test_refusal_is_the_positive_class() -> None:
    """Below .5 are .3 (answerable, wrongly refused) and .1: one of two is due, of two to refuse."""
    half = precision_recall_f1(SURE, YES, threshold=0.5)
    assert (half.precision, half.recall, half.f1) == (1 / 2, 1 / 2, 1 / 2)
    higher = precision_recall_f1(SURE, YES, threshold=0.7)
    assert (higher.precision, higher.recall, higher.f1) == (2 / 4, 2 / 2, 2 * 2 / (4 + 2))


def test_a_confidence_at_the_threshold_is_answered() -> None:
    assert precision_recall_f1(SURE, YES, threshold=0.6).recall == 1 / 2


def test_refusing_nothing_has_no_precision_and_no_recall() -> None:
    none = precision_recall_f1(SURE, YES, threshold=0.0)
    assert (none.precision, none.recall, none.f1) == (0, 0, 0)


def test_brier_is_the_mean_squared_error() -> None:
    assert brier(SURE, YES) == pytest.approx((0.01 + 0.16 + 0.49 + 0.36 + 0.01) / 5)


def test_reliability_bins_have_equal_width_and_the_last_is_closed() -> None:
    first, last = reliability_curve([0.0, 0.25, 0.5, 1.0], [False, True, True, False], bins=2)
    assert (first.lower, first.upper, first.count) == (0.0, 0.5, 2)
    assert (first.confidence, first.answerable) == (0.125, 0.5)
    assert (last.lower, last.upper, last.count) == (0.5, 1.0, 2)
    assert (last.confidence, last.answerable) == (0.75, 0.5)


def test_calibration_error_weighs_bins_by_their_questions() -> None:
    """Bins .1 (0 of 1), .3 (1 of 1), .6 twice (1 of 2), .9 (1 of 1)."""
    expected = (0.1 + 0.7 + 2 * 0.1 + 0.1) / 5
    assert expected_calibration_error(SURE, YES) == pytest.approx(expected)
    assert expected_calibration_error([0.0, 1.0], [False, True]) == 0


def test_risk_coverage_answers_the_surest_first() -> None:
    curve = risk_coverage([0.9, 0.2, 0.7, 0.4], [True, False, False, True])
    assert curve.coverage.tolist() == [1 / 4, 2 / 4, 3 / 4, 1]
    assert curve.risk == pytest.approx([0, 1 / 2, 1 / 3, 2 / 4])
    assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)


def test_tied_risk_is_the_mean_over_all_orders() -> None:
    rows = list(zip(SURE, YES, strict=True))
    curves = []
    for order in permutations(rows):
        wrong = [not yes for _, yes in sorted(order, key=lambda row: -row[0])]
        curves.append(np.cumsum(wrong) / np.arange(1, 6))
    assert risk_coverage(SURE, YES).risk == pytest.approx(np.mean(curves, axis=0))


@pytest.fixture(scope="module")
def sklearn_metrics() -> Any:
    return pytest.importorskip("sklearn.metrics")


@given(rows=both_classes)
def test_refusal_measures_equal_scikit_learn(sklearn_metrics: Any, rows: list[tuple[float, bool]]) -> None:
    sure, yes = zip(*rows, strict=True)
    assert auroc(sure, yes) == pytest.approx(sklearn_metrics.roc_auc_score(yes, sure), abs=1e-9)
    assert brier(sure, yes) == pytest.approx(sklearn_metrics.brier_score_loss(yes, sure), abs=1e-9)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        np.logical_not(yes), np.array(sure) < 0.5, average="binary", zero_division=0
    )
    ours = precision_recall_f1(sure, yes, 0.5)
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx((precision, recall, f1))


def test_reliability_curve_equals_scikit_learn() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    rng = np.random.default_rng(0)
    sure = rng.random(500)
    yes = rng.random(500) < sure**2
    answerable, confidence = calibration.calibration_curve(yes, sure, n_bins=10)
    ours = reliability_curve(sure, yes)
    assert [part.answerable for part in ours] == pytest.approx(answerable)
    assert [part.confidence for part in ours] == pytest.approx(confidence)


@given(judged, st.randoms())
def test_refusal_measures_are_bounded_and_blind_to_order(
    rows: list[tuple[float, bool]], random: Random
) -> None:
    shuffled = random.sample(rows, len(rows))
    for measure in (brier, expected_calibration_error, lambda c, y: risk_coverage(c, y).aurc):
        value = measure(*zip(*rows, strict=True))
        assert -1e-12 <= value <= 1 + 1e-12
        assert value == pytest.approx(measure(*zip(*shuffled, strict=True)), abs=1e-12)


# --- wrong input ---


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: judge_ranking(["a", "b", "a"], {}), "passage 'a' has 2 ranks"),
        (lambda: success_at(judge_ranking([], {}), 0), "cutoff k is 0"),
        (lambda: trec_ranking({"a": float("nan")}), "score of passage 'a' is nan"),
        (lambda: auroc([0.5, 0.6], [True, True]), "found 2 answerable and 0 unanswerable"),
        (lambda: precision_recall_f1([0.5], [False], 0.5), "found 0 answerable and 1 unanswer"),
        (lambda: brier([], []), r"confidence has shape \(0,\)"),
        (lambda: brier([0.5], [True, False]), r"confidence has shape \(1,\), truth \(2,\)"),
        (lambda: brier([0.5], [1]), "truth has dtype int64"),
        (lambda: brier([0.5, 7.3], [True, True]), "confidence spans 0.5 to 7.3"),
        (lambda: brier([float("nan")], [True]), "confidence spans nan"),
        (lambda: reliability_curve([0.5], [True], bins=0), "bins is 0"),
    ],
)
def test_wrong_input_is_refused_by_name(call: Callable[[], object], found: str) -> None:
    with pytest.raises(ValueError, match=f"{found}.*; expected .*;"):
        call()
