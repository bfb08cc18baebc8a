"""What is measured, block by block, and how ratios come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eval.speed.fleet import CONTROL, OURS
from eval.statistics import Interval, bootstrap_interval

TOLERANCE = 0.10
"""So far may this service be from itself; beyond, the machine was not quiet and the run proves nothing."""


@dataclass(frozen=True)
class Row:
    """One measure of every system, round by round: `values[system][round]`.

    A round visits every system once, so that what disturbs the machine disturbs all alike.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    values: Mapping[str, Sequence[float]]
    bars: Mapping[str, float] | None = None

    def ratio(self, system: str) -> Interval:
        """How many times better this service is than a system: geometric mean of the rounds' ratios.

        Its interval is a bootstrap over the rounds; with one round it has no width.
        """
        ours, theirs = (np.array(self.values[name]) for name in (OURS, system))
        logs = np.log(theirs / ours if self.better == "lower" else ours / theirs)
        found = bootstrap_interval(logs)
        return Interval(*(float(np.exp(value)) for value in (found.mean, found.low, found.high)))

    @property
    def control(self) -> float | None:
        """How many times better this service is than itself; None where it was measured once."""
        return self.ratio(CONTROL).mean if CONTROL in self.values else None

    @property
    def void(self) -> bool:
        """Whether the control is out of tolerance."""
        return self.control is not None and not 1 / (1 + TOLERANCE) <= self.control <= 1 + TOLERANCE

    @property
    def others(self) -> list[str]:
        """The systems that this service is compared with."""
        return [name for name in self.values if name not in {OURS, CONTROL}]


def order(systems: Sequence[str], turn: int) -> list[str]:
    """The order of a round: forward and backward in turn, beginning one further on each time."""
    first = (turn // 2) % len(systems)
    turned = [*systems[first:], *systems[:first]]
    return turned[::-1] if turn % 2 else turned
