from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.statistics import bootstrap_interval, mcnemar_exact, paired_randomization

values = st.floats(-1, 1).map(lambda value: round(value, 3))
pairs = st.lists(st.tuples(values, values), min_size=1, max_size=30)
verdicts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def scipy_stats() -> Any:
    return pytest.importorskip("scipy.stats")


# --- bootstrap_interval ---


def test_interval_of_a_constant_is_the_constant() -> None:
    interval = bootstrap_interval([0.5] * 7)
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_interval_of_two_values_spans_them() -> None:
    """Resample means of (0, 1) are 0, ½, 1 with chance ¼, ½, ¼: 2.5 % lies in the outer ones."""
    interval = bootstrap_interval([0.0, 1.0])
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)
    half = bootstrap_interval([0.0, 1.0], level=0.4)
    assert (half.low, half.high) == (0.5, 0.5)


def test_interval_of_a_share_is_that_of_the_binomial(scipy_stats: Any) -> None:
    """Resamples of 70 ones in 100 are Binomial(100, .7) / 100, whose quantiles are known."""
    binom = scipy_stats.binom(100, 0.7)
    interval = bootstrap_interval([1.0] * 70 + [0.0] * 30)
    assert interval.low == pytest.approx(binom.ppf(0.025) / 100, abs=0.011)
    assert interval.high == pytest.approx(binom.ppf(0.975) / 100, abs=0.011)


def test_interval_agrees_with_scipy(scipy_stats: Any) -> None:
    data = np.random.default_rng(1).beta(2, 5, size=80)
    theirs = scipy_stats.bootstrap((data,), np.mean, method="percentile", n_resamples=20_000, rng=2)
    ours = bootstrap_interval(data, samples=20_000)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.003)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.003)


def test_questions_of_one_fact_are_drawn_together() -> None:
    """Ten copies of two facts tell no more than the two facts do."""
    facts = ["coup"] * 10 + ["gold"] * 10
    interval = bootstrap_interval([0.0] * 10 + [1.0] * 10, clusters=facts)
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)
    apart = bootstrap_interval([0.0] * 10 + [1.0] * 10)
    assert 0.2 < apart.low < apart.high < 0.8


def test_a_resample_mean_is_over_questions_where_facts_differ_in_size() -> None:
    """Facts of 1 and 3 questions: means 0, ¾ and 1 with chance ¼, ½, ¼; never ½."""
    interval = bootstrap_interval([0.0, 1.0, 1.0, 1.0], level=0.4, clusters=[7, 9, 9, 9])
    assert (interval.mean, interval.low, interval.high) == (0.75, 0.75, 0.75)


def test_clusters_of_one_change_nothing() -> None:
    data = [0.1, 0.9, 0.4, 0.4]
    assert bootstrap_interval(data, clusters=[0, 1, 2, 3]) == bootstrap_interval(data)


@given(st.lists(values, min_size=1, max_size=30), st.integers(0, 9))
def test_interval_contains_the_mean_and_repeats_with_its_seed(data: list[float], seed: int) -> None:
    interval = bootstrap_interval(data, samples=2000, seed=seed)
    assert interval.low - 1e-12 <= interval.mean <= interval.high + 1e-12
    assert interval == bootstrap_interval(data, samples=2000, seed=seed)


def test_a_higher_level_gives_a_wider_interval() -> None:
    data = np.random.default_rng(0).random(50)
    narrow, wide = bootstrap_interval(data, level=0.5), bootstrap_interval(data, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_many_questions_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).random(40)
    whole = bootstrap_interval(data, samples=500), paired_randomization(data, data[::-1], 500)
    monkeypatch.setattr("eval.statistics._BLOCK", 1000)
    assert whole == (
        bootstrap_interval(data, samples=500),
        paired_randomization(data, data[::-1], 500),
    )


# --- paired_randomization ---


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [
        ([1, 1, 1], [0, 0, 0], 2 / 8),  # of 8 sign flips, +++ and --- are as large
        ([1, 1, 1, 1], [0, 0, 0, 1], 2 / 8),  # a question without difference adds nothing
        ([1, 1, 0], [0, 0, 1], 1.0),  # sum 1: every odd sum is as large
        ([3, 1], [0, 0], 2 / 4),  # sums 4, 2, -2, -4
        ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], 1.0),  # sum 0, but for rounding
    ],
)
def test_few_differences_are_enumerated(a: list[float], b: list[float], p: float) -> None:
    assert paired_randomization(a, b).p == p


@given(st.lists(st.tuples(values, values), min_size=1, max_size=8))
def test_enumeration_counts_every_swap(rows: list[tuple[float, float]]) -> None:
    observed = abs(sum(a - b for a, b in rows))
    swaps = [
        abs(sum(sign * (a - b) for sign, (a, b) in zip(signs, rows, strict=True)))
        for signs in product((1, -1), repeat=len(rows))
    ]
    expected = sum(swap >= observed - 1e-9 for swap in swaps) / len(swaps)
    a, b = zip(*rows, strict=True)
    assert paired_randomization(a, b).p == pytest.approx(expected)


def test_sampled_p_agrees_with_scipy(scipy_stats: Any) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(40), rng.random(40) - 0.08
    theirs = scipy_stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=4,
    )
    ours = paired_randomization(a, b, samples=20_000)
    assert ours.difference == pytest.approx(theirs.statistic)
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.015)


def test_sampled_p_is_never_zero() -> None:
    assert paired_randomization([1] * 60, [0] * 60, samples=99).p == 1 / 100


@given(pairs, st.integers(0, 9))
def test_randomization_is_symmetric_bounded_and_repeats(rows: list[tuple[float, float]], seed: int) -> None:
    a, b = zip(*rows, strict=True)
    forth, back = (paired_randomization(x, y, 500, seed) for x, y in ((a, b), (b, a)))
    assert forth.p == back.p
    assert forth.difference == -back.difference == pytest.approx(np.mean(a) - np.mean(b))
    assert 0 < forth.p <= 1
    assert forth == paired_randomization(a, b, 500, seed)


@given(st.lists(values, min_size=1, max_size=30))
def test_identical_systems_have_p_1(data: list[float]) -> None:
    test = paired_randomization(data, data)
    assert (test.difference, test.p) == (0, 1)


# --- mcnemar_exact ---


def test_mcnemar_counts_who_alone_was_right() -> None:
    a = [True, True, False, False, False, False]
    b = [True, False, True, True, True, False]
    test = mcnemar_exact(a, b)
    assert (test.b01, test.b10) == (3, 1)
    assert test.p == 2 * (1 + 4) / 16


@pytest.mark.parametrize(
    ("b01", "b10", "p"), [(0, 0, 1.0), (1, 0, 1.0), (5, 5, 1.0), (6, 0, 2 / 64), (0, 10, 2 / 1024)]
)
def test_mcnemar_of_known_flips(b01: int, b10: int, p: float) -> None:
    a = [False] * b01 + [True] * b10 + [True, False]
    b = [True] * b01 + [False] * b10 + [True, False]
    assert mcnemar_exact(a, b).p == p


@given(rows=verdicts)
def test_mcnemar_agrees_with_scipy_and_is_symmetric(scipy_stats: Any, rows: list[tuple[bool, bool]]) -> None:
    a, b = zip(*rows, strict=True)
    forth, back = mcnemar_exact(a, b), mcnemar_exact(b, a)
    assert (forth.b01, forth.b10, forth.p) == (back.b10, back.b01, back.p)
    assert 0 < forth.p <= 1
    if flips := forth.b01 + forth.b10:
        assert forth.p == pytest.approx(scipy_stats.binomtest(forth.b01, flips).pvalue, rel=1e-9)
    assert mcnemar_exact(a, a).p == 1


# --- refusals ---


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: bootstrap_interval([]), r"values has shape \(0,\)"),
        (lambda: bootstrap_interval([[1.0]]), r"values has shape \(1, 1\)"),
        (lambda: bootstrap_interval([float("nan")]), "values holds NaN"),
        (lambda: bootstrap_interval([1.0], level=95), "level is 95"),
        (lambda: bootstrap_interval([1.0], samples=0), "samples is 0"),
        (lambda: bootstrap_interval([1.0], clusters=[1, 2]), r"clusters has shape \(2,\)"),
        (lambda: paired_randomization([1.0], [1.0, 2.0]), r"a has shape \(1,\), b \(2,\)"),
        (lambda: paired_randomization([1.0] * 20, [0.0] * 20, samples=0), "samples is 0"),
        (lambda: mcnemar_exact([1, 0], [True, False]), "a has dtype int64"),
        (lambda: mcnemar_exact([True], [True, False]), "a has shape"),
    ],
)
def test_wrong_input_is_refused_by_name(call: Callable[[], object], found: str) -> None:
    with pytest.raises(ValueError, match=f"{found}.*; expected .*;"):
        call()
