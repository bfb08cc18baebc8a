"""A run and a verdict → Markdown, which reads the same in a terminal and in a pull request."""

from collections.abc import Mapping, Sequence

from eval.gate import Flip, Verdict
from eval.questions import Question
from eval.run import Run
from eval.statistics import Interval
from eval.summary import Group, Summary

_COLUMNS = (
    *("Success@1", "Success@3", "Success@5", "RR@10", "nDCG@10"),
    *("Answer@1", "Citation recall", "Answered right", "Refused right", "Words@1", "Words cited"),
)
_FLIPS = 40
"""Flips written out in full; the JSON and the HTML have them all."""


def run_tables(run: Run, summary: Summary) -> str:
    """Everything that is measured of a run."""
    whole = summary.everything.measures
    lines = [
        *_groups(summary),
        "",
        f"- citations: verbatim {whole['Verbatim'].mean:.3f}, whole sentences {whole['Whole'].mean:.3f}, "
        f"holding evidence {summary.precision:.3f} (of the answers given)",
        *_refusal(summary),
        f"- calibration: ECE {summary.ece:.3f}, Brier {_interval(whole['Brier'])}",
        f"- milliseconds a question: median {summary.p50:.1f}, 95th percentile {summary.p95:.1f}",
    ]
    if robust := run.extras.get("robustness"):
        shares = ", ".join(f"{name} {_interval(Interval(*value))}" for name, value in robust.items())
        lines.append(f"- answers unchanged when typed otherwise: {shares}")
    if stages := run.extras.get("stages"):
        lines += ["", *_stages(stages)]
    made = "; ".join(f"{name} {value}" for name, value in run.made.items())
    return "\n".join([*lines, "", f"{len(run.outcomes)} questions; {made}"])


def verdict_text(verdict: Verdict, questions: Mapping[str, Question], texts: Mapping[str, str]) -> str:
    """The gate's verdict: why, what changed, and every question that flipped."""
    lines = [f"## {'PASSED' if verdict.passed else 'FAILED'}: {verdict.headline}", ""]
    lines += [f"- {reason}" for reason in verdict.failures]
    lines += [f"- {note}" for note in verdict.notes]
    if verdict.comparisons:
        lines += ["", "| questions | measure | baseline | now | difference | p | test | |", "|" + "---|" * 8]
    for c in verdict.comparisons:
        counts = f" ({c.lost} lost, {c.gained} gained)" if c.test == "McNemar" else ""
        lines.append(
            f"| {c.group} ({c.count}) | {c.measure} | {c.before:.3f} | {c.after:.3f} | "
            f"{c.after - c.before:+.3f} | {c.p:.3f} | {c.test}{counts} | {c.mark} |"
        )
    for title, flips in (("Lost", verdict.lost), ("Gained", verdict.gained)):
        if flips:
            lines += ["", f"### {title}: {len(flips)}", ""]
            lines += [line for flip in flips[:_FLIPS] for line in _flip(flip, questions, texts)]
            if len(flips) > _FLIPS:
                lines.append(f"- … and {len(flips) - _FLIPS} more")
    return "\n".join(lines)


def evidence_of(question: Question, texts: Mapping[str, str]) -> str:
    """What a question's answer should have quoted, or why there is none."""
    if not question.answerable:
        return f"the report does not say{f': {question.why}' if question.why else ''}"
    text = texts[question.document_id]
    return " … ".join(f"“{' '.join(text[start:end].split())}”" for start, end in question.evidence)


def returned(answered: bool, excerpt: str) -> str:
    """What came back for a question, in words."""
    words = f"“{' '.join(excerpt.split())}”" if excerpt else "nothing"
    return words if answered else f"the report does not say (nearest: {words})"


def _groups(summary: Summary) -> list[str]:
    lines = [f"| kind | n | {' | '.join(_COLUMNS)} |", "|---|---|" + "---|" * len(_COLUMNS)]
    totals = [group for group in (summary.answerable, summary.silent) if group.outcomes]
    for group in (*summary.groups, *totals):
        lines.append(_row(group, bold=group in totals))
    return lines


def _row(group: Group, bold: bool) -> str:
    name = f"**{group.name}**" if bold else group.name
    cells = []
    for column in _COLUMNS:
        value = group.measures.get(column)
        precise = "{:.0f}" if column.startswith("Words") else "{:.2f}"
        cells.append("" if value is None else _interval(value, precise))
    return f"| {name} | {len(group.outcomes)} | {' | '.join(cells)} |"


def _interval(value: Interval, form: str = "{:.3f}") -> str:
    numbers = [form.format(number) for number in (value.mean, value.low, value.high)]
    return f"{numbers[0]} [{numbers[1]}–{numbers[2]}]"


def _refusal(summary: Summary) -> list[str]:
    if summary.refusal is None:
        return []
    areas = ", ".join(f"{kind} {area:.3f}" for kind, area in summary.areas.items())
    scores = summary.refusal
    return [
        f"- refusal AUROC: {areas}",
        f"- refusal at the shipped threshold: precision {scores.precision:.3f}, "
        f"recall {scores.recall:.3f}, F1 {scores.f1:.3f}",
    ]


def _stages(stages: Mapping[str, Mapping[str, float]]) -> list[str]:
    names: Sequence[str] = list(next(iter(stages.values())))
    return [
        f"| stage | {' | '.join(names)} |",
        "|---|" + "---|" * len(names),
        *(
            f"| {stage} | {' | '.join(f'{values[name]:.3f}' for name in names)} |"
            for stage, values in stages.items()
        ),
    ]


def _flip(flip: Flip, questions: Mapping[str, Question], texts: Mapping[str, str]) -> list[str]:
    question = questions[flip.id]
    return [
        f"- **{question.question.strip()}** ({flip.id}, {question.kind})",
        f"  - evidence: {evidence_of(question, texts)}",
        f"  - was: {returned(flip.before.answered, flip.before.excerpt)}",
        f"  - now: {returned(flip.after.answered, flip.after.excerpt)}",
    ]
