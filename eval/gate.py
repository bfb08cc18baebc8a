"""A run against the baseline, question by question → may this change be merged?

A change fails when a measure got worse by more than chance (Holm-corrected over the measures), when it
loses more than a few questions without gaining more than chance would, when a kind of question is below
its floor, when a citation is not verbatim, or when questions were taken away or changed, since then the
two runs did not answer the same things.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.judging import Outcome
from eval.run import Run, RunError, load_run
from eval.statistics import mcnemar_exact, paired_randomization
from eval.summary import BY_NAME, Measure, Summary, summarize

BASELINE = Path(__file__).parent / "baseline.json"
HISTORY = Path(__file__).parent / "history.jsonl"
ALPHA = 0.05
COMPARED = ("Success@1", "RR@10", "nDCG@10", "Answer@1", "Answered right", "Refused right", "Brier")
"""What must not get worse by more than chance."""
FLOORED = ("Success@1", "Answer@1", "Refused right")
"""What has a floor for each kind: at first the lower end of its interval."""
ABSOLUTE = {"Verbatim": 1.0}
"""Floors over all questions that no one may lower."""

LOSSES = 0.01
"""Share of the questions that may be lost without a gain beyond chance: a change that trades answers for
others is no improvement, and wants a person's reason."""

CHANNEL_LOSS = 0.05
"""How much of its own Success@3 a channel may lose."""
Stages = Mapping[str, Mapping[str, float]]

Floors = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Baseline:
    """The accepted run, and the floors by kind and measure; the kind `all` is every question."""

    run: Run
    floors: Floors

    def save(self, path: Path) -> None:
        """Write both into one file."""
        replace(self.run, extras={**self.run.extras, "floors": self.floors}).save(path, rankings=False)


@dataclass(frozen=True)
class Comparison:
    """One measure on the questions that both runs answered; `p` is corrected for all comparisons."""

    group: str
    measure: str
    count: int
    before: float
    after: float
    lost: int
    gained: int
    test: str
    p: float
    worse: bool

    @property
    def mark(self) -> str:
        """What it means."""
        if self.p >= ALPHA or self.before == self.after:
            return ""
        return "worse" if self.worse else "better"


@dataclass(frozen=True)
class Flip:
    """A question that was right and is wrong, or the other way round."""

    id: str
    before: Outcome
    after: Outcome


@dataclass(frozen=True)
class Verdict:
    """Whether the run may pass. `failures` say why not; `notes` what else a reviewer should know."""

    failures: tuple[str, ...]
    notes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]

    @property
    def passed(self) -> bool:
        """Nothing speaks against it."""
        return not self.failures

    @property
    def headline(self) -> str:
        """The verdict in a line."""
        what = f"{len(self.lost)} questions lost, {len(self.gained)} gained"
        return f"{what}; {len(self.failures)} reason{'s' if len(self.failures) != 1 else ''} against it"


def load_baseline(path: Path = BASELINE) -> Baseline:
    """Read the baseline.

    Raises:
        RunError: if there is none, or it has no floors.
    """
    run = load_run(path)
    floors = run.extras.get("floors")
    if not isinstance(floors, dict):
        raise RunError(f"{path}: found no floors; expected a baseline; make one with 'eval accept'")
    extras = {name: value for name, value in run.extras.items() if name != "floors"}
    return Baseline(replace(run, extras=extras), floors)


def compare(baseline: Baseline, run: Run) -> Verdict:
    """Judge a run against the baseline."""
    before = {outcome.id: outcome for outcome in baseline.run.outcomes}
    after = {outcome.id: outcome for outcome in run.outcomes}
    missing = sorted(set(before) - set(after))
    shared = [q for q in before if q in after]
    changed = [q for q in shared if before[q].fingerprint != after[q].fingerprint]
    same = [q for q in shared if q not in set(changed)]
    pairs = [(before[q], after[q]) for q in same]
    comparisons = _holm([c for name in COMPARED if (c := _comparison(BY_NAME[name], pairs))])
    failures = [
        f"{c.measure} on {c.count} {c.group} questions fell from {c.before:.3f} to {c.after:.3f} "
        f"(p {c.p:.3f}, {c.test})"
        if c.after < c.before
        else f"{c.measure} on {c.count} {c.group} questions rose from {c.before:.3f} to {c.after:.3f} "
        f"(p {c.p:.3f}, {c.test}); less is better"
        for c in comparisons
        if c.mark == "worse"
    ]
    failures += _below_floors(baseline.floors, summarize(run.outcomes)) if run.outcomes else []
    known, stages = (made.extras.get("stages", {}) for made in (baseline.run, run))
    failures += _weaker_channels(known, stages) if stages else []
    for what, ids in (("taken away", missing), ("changed", changed)):
        if ids:
            failures.append(
                f"{len(ids)} questions of the baseline were {what} ({', '.join(ids[:5])}"
                f"{', …' if len(ids) > 5 else ''}); if that is meant, accept it with a reason"
            )
    new = [outcome for id_, outcome in after.items() if id_ not in before]
    notes = ["the channels were not looked at one by one"] if known and not stages else []
    notes += [f"{len(new)} new questions, {sum(o.right for o in new)} of them right"] if new else []
    flips = [Flip(q, before[q], after[q]) for q in same if before[q].right != after[q].right]
    lost = tuple(flip for flip in flips if flip.before.right)
    gained = tuple(flip for flip in flips if flip.after.right)
    if len(lost) > LOSSES * len(pairs):
        flipped = mcnemar_exact([new.right for _, new in pairs], [old.right for old, _ in pairs])
        if flipped.p >= ALPHA or len(gained) <= len(lost):
            failures.append(
                f"{len(lost)} of {len(pairs)} questions were lost, more than {LOSSES:.0%}, and "
                f"{len(gained)} gained, no more than chance would"
            )
    return Verdict(tuple(failures), tuple(notes), tuple(comparisons), lost, gained)


def _weaker_channels(before: Stages, after: Stages) -> list[str]:
    """Channels that do worse on their own: the others may hide it today and not tomorrow."""
    found = []
    for stage, measures in before.items():
        if stage.endswith(" alone"):
            was, now = measures["Success@3"], after.get(stage, {}).get("Success@3", 0.0)
            if now < was - CHANNEL_LOSS:
                found.append(f"Success@3 of {stage} fell from {was:.3f} to {now:.3f}")
    return found


def floors_of(summary: Summary) -> dict[str, dict[str, float]]:
    """Floors for a run as it is: for each kind, the lower end of each interval, if above 0."""
    floors: dict[str, dict[str, float]] = {"all": dict(ABSOLUTE)}
    if whole := summary.everything.measures.get("Whole"):
        floors["all"]["Whole"] = _down(whole.low)
    for group in summary.groups:
        lows = {name: _down(group.measures[name].low) for name in FLOORED if name in group.measures}
        if lows := {name: low for name, low in lows.items() if low > 0}:
            floors[group.name] = lows
    return floors


def accept(run: Run, reason: str, old: Baseline | None, *, set_floors: bool) -> tuple[Baseline, str]:
    """A run as the new baseline, and its line of history.

    Floors stay as they were, with new ones for new kinds, so that many small steps down do not add up to
    a fall that no one decided; `set_floors` sets them anew from this run.

    Raises:
        ValueError: if there is no reason, the run is below a floor, or a citation is not verbatim.
    """
    if len(reason.split()) < 2:
        raise ValueError(f"--reason is {reason!r}; expected a sentence that says why the baseline moves")
    summary = summarize(run.outcomes)
    floors = floors_of(summary)
    if old and not set_floors:
        floors |= {kind: dict(values) for kind, values in old.floors.items()}
    if below := _below_floors(floors, summary):
        raise ValueError(f"{below[0]}; --set-floors sets new floors, if that is meant")
    line = {
        "date": run.made["date"],
        "bundle_id": run.made["bundle_id"],
        "reason": reason,
        "questions": len(run.outcomes),
        "floors_set": set_floors or old is None,
        "measures": summary.headline,
    }
    return Baseline(run, floors), json.dumps(line, ensure_ascii=False) + "\n"


def read_history(path: Path = HISTORY) -> list[dict[str, object]]:
    """Every accepted baseline, oldest first; empty if there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def _comparison(measure: Measure, pairs: Sequence[tuple[Outcome, Outcome]]) -> Comparison | None:
    old, new = measure.values(p[0] for p in pairs), measure.values(p[1] for p in pairs)
    if not old:
        return None
    a, b = list(new.values()), list(old.values())
    if measure.binary:
        flips = mcnemar_exact([value > 0 for value in a], [value > 0 for value in b])
        p, test, lost, gained = flips.p, "McNemar", flips.b01, flips.b10
    else:
        p, test, lost, gained = paired_randomization(a, b).p, "randomization", 0, 0
    before, after = sum(b) / len(b), sum(a) / len(a)
    worse = (after - before) * measure.better < 0
    return Comparison(measure.concerns, measure.name, len(a), before, after, lost, gained, test, p, worse)


def _holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's (1979) step-down correction of their p."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, c in enumerate(sorted(comparisons, key=lambda c: c.p)):
        highest = max(highest, min(1.0, c.p * (len(comparisons) - rank)))
        adjusted[c.measure] = highest
    return [replace(c, p=adjusted[c.measure]) for c in comparisons]


def _below_floors(floors: Floors, summary: Summary) -> list[str]:
    groups = {group.name: group for group in (*summary.groups, summary.everything)}
    below = []
    for kind, values in floors.items():
        for name, floor in values.items():
            if kind in groups and name in groups[kind].measures:
                found = groups[kind].measures[name].mean
                if found < floor:
                    below.append(f"{name} of {kind} questions is {found:.3f}, below its floor of {floor:.3f}")
    return below


def _down(value: float) -> float:
    return math.floor(value * 1_000) / 1_000
