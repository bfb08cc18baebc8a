"""A run → tables for people."""

from collections.abc import Iterable, Sequence
from statistics import mean, median

from eval.measures import auroc, precision_recall_f1
from eval.questions import KINDS
from eval.run import Outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """The measures of a run by kind of question, as a Markdown table, and the refusal measures."""
    lines = [
        "| kind | n | Success@1 | Success@3 | Success@5 | Answer@1 | refused |",
        "|---|---|---|---|---|---|---|",
    ]
    answerable = [outcome for outcome in outcomes if outcome.question.answerable]
    silent = [outcome for outcome in outcomes if not outcome.question.answerable]
    for kind in KINDS:
        for group in (answerable, silent):
            if chosen := [outcome for outcome in group if outcome.question.kind == kind]:
                lines.append(_row(f"{kind}{'' if group is answerable else ' (silent)'}", chosen))
    lines.append(_row("**answerable**", answerable))
    lines.append(_row("**silent**", silent))
    return "\n".join([*lines, "", *_refusal(outcomes), *_citations(outcomes)])


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return f"| {name} | 0 | | | | | |"
    refused = _share(not outcome.answerable for outcome in outcomes)
    if not outcomes[0].question.answerable:
        return f"| {name} | {len(outcomes)} | | | | | {refused} |"
    success = " | ".join(_share(outcome.success(k) for outcome in outcomes) for k in (1, 3, 5))
    cited = _share(outcome.cited for outcome in outcomes)
    return f"| {name} | {len(outcomes)} | {success} | {cited} | {refused} |"


def _share(values: Iterable[bool]) -> str:
    return f"{mean(map(float, values)):.3f}"


def _refusal(outcomes: Sequence[Outcome]) -> list[str]:
    answerable = [outcome.question.answerable for outcome in outcomes]
    if all(answerable) or not any(answerable):
        return []
    lines = []
    for kind in ("off", "topic", "near", "falsepremise"):
        chosen = [o for o in outcomes if o.question.answerable or o.question.kind == kind]
        if not all(outcome.question.answerable for outcome in chosen):
            area = auroc([o.confidence for o in chosen], [o.question.answerable for o in chosen])
            lines.append(f"refusal AUROC, {kind}: {area:.3f}")
    refused = [1.0 if outcome.answerable else 0.0 for outcome in outcomes]
    scores = precision_recall_f1(refused, answerable, 0.5)
    lines.append(
        f"refusal at the shipped threshold: precision {scores.precision:.3f}, "
        f"recall {scores.recall:.3f}, F1 {scores.f1:.3f}"
    )
    return lines


def _citations(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"citations verbatim: {_share(outcome.verbatim for outcome in outcomes)}",
        f"words of an excerpt, median: {median(outcome.excerpt_words for outcome in outcomes):.0f}; "
        f"of the first passage: {median(outcome.words for outcome in outcomes):.0f}",
        f"milliseconds a question, median: {median(outcome.took_ms for outcome in outcomes):.1f}",
    ]
