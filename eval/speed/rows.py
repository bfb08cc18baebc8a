"""What is measured, block by block, and how ratios come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from eval.speed.fleet import CONTROL, MODES, NAIVE, OURS
from eval.statistics import Interval, bootstrap_interval

TOLERANCE = 0.10
"""So far may this service be from itself; beyond, the machine was not quiet and the run proves nothing."""


BEST_PEER = "best peer"
"""Of the vector stores, the one that this service is least ahead of."""


@dataclass(frozen=True)
class Bar:
    """What is to be reached: `of`, which is ours, so many times better than `against`."""

    wanted: float
    against: str = NAIVE
    of: str = OURS


@dataclass(frozen=True)
class Row:
    """One measure of every system, round by round: `values[system][round]`.

    A round visits every system once, so that what disturbs the machine disturbs all alike. `refused`: share
    of the requests that a system refused, where it refused any.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    values: Mapping[str, Sequence[float]]
    bars: Sequence[Bar] = ()
    refused: Mapping[str, float] = field(default_factory=dict)

    def ratio(self, system: str, of: str = OURS) -> Interval:
        """How many times better `of` is than a system: geometric mean of the rounds' ratios.

        Its interval is a bootstrap over the rounds; with one round it has no width.
        """
        ours, theirs = (np.array(self.values[name]) for name in (of, system))
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
        return [name for name in self.values if name not in MODES]

    def hardest(self, bar: Bar) -> str | None:
        """The system that a bar is about; None if it, or what is to reach it, was not measured."""
        names = [bar.against] if bar.against != BEST_PEER else [n for n in self.others if n != NAIVE]
        found = [name for name in names if name in self.values and bar.of in self.values]
        return min(found, key=lambda name: self.ratio(name, bar.of).mean, default=None)

    def reached(self, bar: Bar) -> bool:
        """Whether the lower end of the interval is as much as is wanted, in a row that is not void."""
        name = self.hardest(bar)
        return name is not None and not self.void and self.ratio(name, bar.of).low >= bar.wanted


def order(systems: Sequence[str], turn: int) -> list[str]:
    """The order of a round: forward and backward in turn, beginning one further on each time."""
    first = (turn // 2) % len(systems)
    turned = [*systems[first:], *systems[:first]]
    return turned[::-1] if turn % 2 else turned
