"""A run → one self-contained HTML page: no request leaves it, and it opens from a disk or a mail."""

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from eval.gate import Verdict
from eval.judging import Outcome
from eval.measures import reliability_curve, risk_coverage
from eval.plots import history_plot, reliability_plot, risk_coverage_plot, whisker
from eval.questions import Question
from eval.run import Run
from eval.statistics import Interval
from eval.summary import BY_NAME, Group, Summary, kind_name, summarize
from eval.tables import evidence_of, returned

_TEMPLATE = Path(__file__).with_name("report.html")
_SLOT = re.compile(r"<!--=(\w+)-->")
_TILES = {
    "Success@1": "the first passage holds the evidence",
    "Answer@1": "what is cited holds the evidence",
    "Answered right": "answered, and with the evidence",
    "Refused right": "silent where the report is silent",
    "Verbatim": "citations exactly as they stand in the report",
}
_IN_TABLE = ("Success@1", "Success@5", "nDCG@10", "Answer@1", "Answered right", "Refused right")
_FOLLOWED = ("Success@1", "Answer@1", "Answered right", "Refused right")


def html_report(
    run: Run,
    questions: Mapping[str, Question],
    texts: Mapping[str, str],
    verdict: Verdict | None = None,
    baseline: Run | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the page of a run, beside its baseline where there is one."""
    summary = summarize(run.outcomes)
    before = summarize(baseline.outcomes) if baseline else None
    parts = {
        "verdict": _verdict(verdict),
        "made": " · ".join(escape(f"{name.replace('_', ' ')} {value}") for name, value in run.made.items()),
        "tiles": _tiles(summary, before),
        "gate": _gate(verdict),
        "kinds": _kinds(summary.groups, before.groups if before else ()),
        "sections": _table(summary.sections, before.sections if before else ()),
        "refusal": _refusal(summary, before),
        "plots": _plots(run.outcomes, baseline),
        "stages": _stages(run.extras),
        "history": _history(history),
        "data": _data(run.outcomes, questions, texts, baseline),
    }
    return _SLOT.sub(lambda slot: parts[slot.group(1)], _TEMPLATE.read_text("utf-8"))


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return '<p class="verdict">A run, not compared with the baseline</p>'
    word = "passed" if verdict.passed else "failed"
    see = "".join(
        f' <a href="#questions" data-state="{state}">see {len(flips)} {state}</a>'
        for state, flips in (("lost", verdict.lost), ("gained", verdict.gained))
        if flips
    )
    return f'<p class="verdict {word}"><b>Gate {word}</b> {escape(verdict.headline)}.{see}</p>'


def _tiles(summary: Summary, before: Summary | None) -> str:
    groups = (summary.answerable, summary.silent, summary.everything)
    tiles = []
    for name, meaning in _TILES.items():
        value = next((group.measures[name] for group in groups if name in group.measures), None)
        if value is not None:
            old = before.headline.get(name) if before else None
            tiles.append(
                f"<li><b>{value.mean:.3f}</b>{_delta(value.mean, old)}<h3>{name}</h3><p>{meaning}</p>"
                f"<small>{value.low:.3f} to {value.high:.3f}</small></li>"
            )
    tiles.append(
        f"<li><b>{summary.p50:.1f} ms</b><h3>Time</h3><p>a question, in the middle</p>"
        f"<small>95 % within {summary.p95:.1f} ms</small></li>"
    )
    return "".join(tiles)


def _delta(now: float, before: float | None) -> str:
    if before is None or abs(now - before) < 0.0005:
        return ""
    return f' <i class="{"better" if now > before else "worse"}">{now - before:+.3f}</i>'


def _gate(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    reasons = "".join(f"<li>{escape(line)}</li>" for line in (*verdict.failures, *verdict.notes))
    rows = "".join(
        f"<tr><td>{c.measure}<td>{c.group}<td>{c.count}<td>{c.before:.3f}<td>{c.after:.3f}"
        f"<td>{c.after - c.before:+.3f}<td>{f'{c.lost} / {c.gained}' if c.test == 'McNemar' else ''}"
        f'<td>{c.p:.3f}<td>{c.test}<td class="{c.mark}">{c.mark}'
        for c in verdict.comparisons
    )
    names = ("measure", "questions", "n", "baseline", "now", "difference", "lost / gained", "p", "test", "")
    head = "".join(f"<th>{name}" for name in names)
    return (
        f'<section id="gate"><h2>Against the baseline</h2>{f"<ul>{reasons}</ul>" if reasons else ""}'
        f'<div class="scroll"><table><thead><tr>{head}</thead><tbody>{rows}</tbody></table></div>'
        "<p class=note>p: how often chance alone moves a measure this far, corrected for the number of "
        "measures (Holm). Questions that flipped are in the table below.</p></section>"
    )


def _kinds(groups: Sequence[Group], before: Sequence[Group]) -> str:
    sorts = ([g for g in groups if g.outcomes[0].answerable is answerable] for answerable in (True, False))
    return "".join(_table(some, before) for some in sorts if some)


def _table(groups: Sequence[Group], before: Sequence[Group]) -> str:
    old = {group.name: group.measures for group in before}
    columns = [name for name in _IN_TABLE if any(name in group.measures for group in groups)]
    rows = []
    for group in groups:
        cells = []
        for name in columns:
            value = group.measures.get(name)
            was = old.get(group.name, {}).get(name)
            cells.append(f"<td>{_cell(value, was)}" if value else "<td>")
        rows.append(f"<tr><th scope=row>{escape(group.name)}<td>{len(group.outcomes)}{''.join(cells)}")
    head = "".join(f"<th>{name}" for name in columns)
    table = f"<table><thead><tr><th>questions<th>n{head}</thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _cell(value: Interval, was: Interval | None) -> str:
    return f"{value.mean:.2f}{whisker(value, was.mean if was else None)}"


def _refusal(summary: Summary, before: Summary | None) -> str:
    if summary.refusal is None:
        return ""
    rows = "".join(
        f"<tr><td>AUROC, {kind}<td>{area:.3f}{_delta(area, before.areas.get(kind) if before else None)}"
        for kind, area in summary.areas.items()
    )
    scores = summary.refusal
    for name, value in (
        ("precision of refusals", scores.precision),
        ("recall of refusals", scores.recall),
        ("F1 of refusals", scores.f1),
        ("answers given that hold evidence", summary.precision),
        ("calibration error (ECE)", summary.ece),
        ("Brier score", summary.brier),
    ):
        rows += f"<tr><td>{name}<td>{value:.3f}"
    return f"<table><tbody>{rows}</tbody></table>"


def _plots(outcomes: Sequence[Outcome], baseline: Run | None) -> str:
    confidence, truth = [o.confidence for o in outcomes], [o.answerable for o in outcomes]
    runs = {"now": outcomes} | ({"baseline": baseline.outcomes} if baseline else {})
    curves = {
        name: risk_coverage([o.confidence for o in some], [o.answerable and o.cited for o in some])
        for name, some in runs.items()
    }
    return reliability_plot(reliability_curve(confidence, truth)) + risk_coverage_plot(curves)


def _stages(extras: Mapping[str, Any]) -> str:
    parts = []
    if stages := extras.get("stages"):
        names = list(next(iter(stages.values())))
        head = "".join(f"<th>{name}" for name in names)
        rows = "".join(
            f"<tr><th scope=row>{escape(stage)}{''.join(f'<td>{values[name]:.3f}' for name in names)}"
            for stage, values in stages.items()
        )
        table = f"<table><thead><tr><th>stage{head}</thead><tbody>{rows}</tbody></table>"
        parts.append(f'<h3>Each stage alone, and together</h3><div class="scroll">{table}</div>')
    if robust := extras.get("robustness"):
        rows = "".join(
            f"<tr><th scope=row>{escape(name)}<td>{_cell(Interval(*value), None)}"
            for name, value in robust.items()
        )
        table = f"<table><tbody>{rows}</tbody></table>"
        parts.append(f'<h3>Answers unchanged when typed otherwise</h3><div class="scroll">{table}</div>')
    return f'<section id="stages"><h2>Stages and robustness</h2>{"".join(parts)}</section>' if parts else ""


def _history(history: Sequence[Mapping[str, Any]]) -> str:
    if not history:
        return ""
    series = {name: [entry["measures"].get(name, 0.0) for entry in history] for name in _FOLLOWED}
    rows = "".join(
        f"<tr><td>{escape(entry['date'][:10])}<td>{escape(entry['reason'])}"
        + "".join(f"<td>{entry['measures'].get(name, 0.0):.3f}" for name in _FOLLOWED)
        + f"<td>{entry['questions']}<td><code>{escape(entry['bundle_id'][7:19])}</code>"
        for entry in reversed(history)
    )
    head = "".join(f"<th>{name}" for name in ("date", "reason", *_FOLLOWED, "questions", "bundle"))
    table = f"<table><thead><tr>{head}</thead><tbody>{rows}</tbody></table>"
    return (
        f'<section id="history"><h2>Over time</h2><div class="plots">{history_plot(series)}</div>'
        f'<div class="scroll">{table}</div></section>'
    )


def _data(
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    texts: Mapping[str, str],
    baseline: Run | None,
) -> str:
    """Every question for the page's script, as JSON that cannot end a script element."""
    before = {outcome.id: outcome for outcome in baseline.outcomes} if baseline else {}
    rows = []
    for o in outcomes:
        question, old = questions[o.id], before.get(o.id)
        rank = next((rank for rank, relevant in enumerate(o.relevant, start=1) if relevant), 0)
        rows.append(
            {
                "id": o.id,
                "question": question.question,
                "history": [turn["content"] for turn in question.history if turn["role"] == "user"],
                "kind": kind_name(o),
                "split": o.split,
                "section": o.section,
                "right": o.right,
                "change": "" if old is None or old.right == o.right else ("gained" if o.right else "lost"),
                "rank": rank,
                "confidence": round(o.confidence, 3),
                "ndcg": round(BY_NAME["nDCG@10"].of(o), 3) if o.answerable else None,
                "evidence": evidence_of(question, texts),
                "now": returned(o.answered, o.excerpt),
                "was": returned(old.answered, old.excerpt) if old else "",
            }
        )
    return json.dumps(rows, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\u0021--")
