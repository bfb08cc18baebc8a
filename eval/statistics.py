"""How sure a measured difference is: intervals and paired tests over questions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_EXACT_UP_TO = 12  # differing questions: 2**12 = 4,096 sign flips are fewer than a sample would draw
_BLOCK = 2**22  # numbers drawn at once, so that memory stays near 32 MB whatever n is


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: ArrayLike,
    level: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
    clusters: ArrayLike | None = None,
) -> Interval:
    """Percentile bootstrap interval of the mean (Efron & Tibshirani 1993, §13.3).

    Args:
        values: float[n], one a question.
        level: Confidence level in (0, 1).
        samples: Number of resamples.
        seed: Same seed, same interval.
        clusters: A label a question, [n]. Questions of one label, such as those about one fact,
            rise and fall together and so are drawn together (Davison & Hinkley 1997, §3.8); a
            resample's mean is still over its questions.

    Raises:
        ValueError: ``values`` is empty, not finite or not [n], ``clusters`` is not [n], or
            ``level`` or ``samples`` is out of range.
    """
    data = _checked("values", values)
    labels = np.arange(data.size) if clusters is None else np.asarray(clusters)
    if labels.shape != data.shape:
        raise ValueError(
            f"clusters has shape {labels.shape}; expected {data.shape}; give one label a question"
        )
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected between 0 and 1; 0.95 is usual")
    _, cluster = np.unique(labels, return_inverse=True)
    sizes, sums = np.bincount(cluster), np.bincount(cluster, weights=data)

    rng = np.random.default_rng(seed)
    means = []
    for rows in _blocks(samples, sizes.size):
        drawn = rng.integers(sizes.size, size=(rows, sizes.size))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(data.mean()), float(low), float(high))


@dataclass(frozen=True)
class PairedTest:
    """Mean of a - b, and the chance of one as large either way between like systems (p)."""

    difference: float
    p: float


def paired_randomization(a: ArrayLike, b: ArrayLike, samples: int = 10_000, seed: int = 0) -> PairedTest:
    """Fisher's randomization test of two systems on the same questions (Smucker et al. 2007).

    If the systems were alike, each question's two values could have been swapped. With up to 12
    questions that differ every swap is counted; with more, ``samples`` of them and the observed
    one, so that p is never below 1 / (samples + 1).

    Args:
        a: float[n], values of one system.
        b: float[n], values of the other in the same order.
        samples: Number of random swaps.
        seed: Same seed, same p.

    Raises:
        ValueError: ``a`` or ``b`` is empty, not finite or not [n], or ``samples`` is below 1.
    """
    first, second = _checked("a", a), _checked("b", b)
    _require_pairs(first.shape, second.shape)
    difference = float(np.mean(first - second))
    changed = (first - second)[first != second]
    # Sums in another order may differ by rounding: one as large as the observed must still count.
    observed = abs(changed.sum()) - 1e-12 * np.abs(changed).sum()

    if changed.size <= _EXACT_UP_TO:
        signs = np.array(list(product((1, -1), repeat=changed.size)))
        return PairedTest(difference, float(np.mean(np.abs(signs @ changed) >= observed)))

    rng = np.random.default_rng(seed)
    as_large = 1
    for rows in _blocks(samples, changed.size):
        signs = rng.integers(2, size=(rows, changed.size)) * 2 - 1
        as_large += int(np.sum(np.abs(signs @ changed) >= observed))
    return PairedTest(difference, as_large / (samples + 1))


@dataclass(frozen=True)
class McNemar:
    """Questions that only b (``b01``) or only a (``b10``) got right, and the two-sided exact p."""

    b01: int
    b10: int
    p: float


def mcnemar_exact(a: ArrayLike, b: ArrayLike) -> McNemar:
    """Exact McNemar test of two systems' successes on the same questions (McNemar 1947).

    Of the questions that one system alone got right, each is a fair coin: p = 2 P(X ≤ min(b01,
    b10)) for X ~ Binomial(b01 + b10, 1/2), at most 1.

    Args:
        a: bool[n], whether one system was right.
        b: bool[n], whether the other was, in the same order.

    Raises:
        ValueError: ``a`` or ``b`` is not bool, empty or not [n].
    """
    first, second = np.asarray(a), np.asarray(b)
    for name, right in (("a", first), ("b", second)):
        if right.dtype != np.bool_:
            raise ValueError(f"{name} has dtype {right.dtype}; expected bool; compare explicitly")
        _checked(name, right)
    _require_pairs(first.shape, second.shape)
    b01, b10 = int(np.sum(~first & second)), int(np.sum(first & ~second))
    flips = b01 + b10
    tail = sum(math.comb(flips, count) for count in range(min(b01, b10) + 1))
    return McNemar(b01, b10, min(1.0, 2 * tail / 2**flips))


def _blocks(samples: int, width: int) -> Iterator[int]:
    """Row counts that add up to ``samples``, each of at most ``_BLOCK`` numbers."""
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected 1 or more; 10,000 is usual")
    most = max(_BLOCK // width, 1)
    for start in range(0, samples, most):
        yield min(most, samples - start)


def _checked(name: str, values: ArrayLike) -> Floats:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not data.size:
        raise ValueError(f"{name} has shape {data.shape}; expected [n], n ≥ 1; pass one value a question")
    if not np.isfinite(data).all():
        raise ValueError(f"{name} holds NaN or infinity; expected finite values; mend the measure")
    return data


def _require_pairs(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    if a != b:
        raise ValueError(f"a has shape {a}, b {b}; expected one shape; pair the systems question by question")
