"""Rows → a page of results in Markdown, and plots as SVG files beside it."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from eval.speed.fleet import ACCURATE, MODES, NAIVE, OURS, SAME
from eval.speed.rows import BEST_PEER, TOLERANCE, Row
from eval.speed.run import Result
from indexer.embedding import BASE_ENCODER

READING = "## Reading"
"""What follows this heading is written by hand, and stays when the page is made again."""
_STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#222}.rail{stroke:#ccc}.bar{fill:#2563a8}"
    ".whisker{stroke:#111;stroke-width:1.5}.wanted{stroke:#c0392b;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.rail{stroke:#444}.bar{fill:#6aa5e0}"
    ".whisker{stroke:#fff}}</style>"
)


def speed_page(result: Result, made: str, plots: Path) -> str:
    """The page of a run; plots of the rows with a bar are written beside it as `speed-N.svg`."""
    rows = result.rows
    void = [row.name for row in rows if row.void]
    verdict = f"The controls of all rows are within ±{TOLERANCE:.0%}."
    if void:
        verdict = f"**Void**: the control is beyond ±{TOLERANCE:.0%} in: {'; '.join(void)}."
    parts = [
        "# Speed, beside what people would pick instead",
        made,
        verdict,
        _bars(rows),
        _how(result),
        "## All that was measured",
        *[_table(row) for row in rows],
    ]
    for number, row in enumerate(row for row in rows if row.bars and row.others):
        path = plots / f"speed-{number}.svg"
        path.write_text(ratio_plot(row), "utf-8")
        parts.append(f"![{row.name}]({path.name})")
    return "\n\n".join(part for part in parts if part) + "\n"


def keep_reading(page: str, old: str) -> str:
    """A new page with the reading of the old one."""
    _, heading, reading = old.partition(READING)
    return f"{page}\n{heading}{reading}" if heading else page


def _how(result: Result) -> str:
    return (
        f"All serve the same {result.passages} passages over HTTP, each as its documentation sets it up, "
        f"behind one uvicorn process. The peers encode with {BASE_ENCODER}; so does `{SAME}`. What ships "
        "encodes with the same network and its adapter, but questions in `fast` with what was distilled from "
        "the two (`indexer/query_encoder.md`). They run at the same time and are asked in turn, in "
        "alternating blocks, so that what disturbs the machine disturbs all alike. No question is asked "
        "twice but in the row that says so. A ratio says how many times better one is: the geometric mean "
        "over the rounds, with a 95 % bootstrap interval. The control is this service against itself. Only "
        "answers are counted and timed: a client that is refused (503) asks its next question a tenth of a "
        f"second later. The load generator makes {result.generator:,.0f} requests per second of a trivial "
        "route on the same machine."
    )


def _bars(rows: Sequence[Row]) -> str:
    """What was to be reached, and whether it was."""
    lines, verdicts = [], []
    for row in rows:
        for bar in row.bars:
            if (name := row.hardest(bar)) is None:
                continue
            verdicts.append("void" if row.void else "yes" if row.reached(bar) else "no")
            against = f"{BEST_PEER} ({name})" if bar.against == BEST_PEER else name
            what = f"{row.name}: {bar.of} against {against}"
            lines.append(f"| {what} | {_ratio(row, name, bar.of)} | {bar.wanted:g} | {verdicts[-1]} |")
    if not lines:
        return ""
    return (
        f"**{verdicts.count('yes')} of {len(verdicts)} bars reached.** Found and bar: how many times better "
        f"this service is, asked in its mode `{MODES[OURS]}` (`{OURS}`) or with reading (`{ACCURATE}`). "
        "Reached: the lower end of the interval is at least the bar.\n\n"
        "| what | found | bar | reached |\n|---|---|---|---|\n" + "\n".join(lines)
    )


def _table(row: Row) -> str:
    mine = [name for name in (OURS, ACCURATE) if name in row.values]
    heads = ["system", "median", "range", *(f"{name} better by" for name in mine)]
    lines = [f"**{row.name}** ({row.unit}, {row.better} is better)\n", f"| {' | '.join(heads)} |"]
    lines.append("|---" * len(heads) + "|")
    for name, values in row.values.items():
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        spread = f"{_number(low)} to {_number(high)}" if len(values) > 1 else ""
        ratios = ["" if name == one else _ratio(row, name, one) for one in mine]
        lines.append(f"| {' | '.join([name, _number(middle), spread, *ratios])} |")
    if row.refused:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in row.refused.items())
        lines.append(f"\nRefused, of all that was asked: {shares}.")
    return "\n".join(lines)


def _ratio(row: Row, name: str, of: str) -> str:
    found = row.ratio(name, of)
    if len(row.values[name]) == 1:
        return f"{found.mean:.2f}"
    return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio_plot(row: Row) -> str:
    """A bar for each system: how many times better `OURS` is, with its interval and what is wanted."""
    ratios = {name: row.ratio(name) for name in row.others}
    wanted = {bar.against: bar.wanted for bar in row.bars if bar.of == OURS}
    most = max([*(ratio.high for ratio in ratios.values()), *wanted.values(), 1.0]) * 1.05
    left, width, step = 150, 420, 26

    def at(value: float) -> float:
        return round(left + width * value / most, 1)

    height = 34 + step * len(ratios) + 20
    parts = [f'<text x="8" y="18">{escape(row.name)}: {OURS}, times better than</text>']
    for number, (name, ratio) in enumerate(ratios.items()):
        y = 32 + step * number
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect class="bar" x="{left}" y="{y}" width="{at(ratio.mean) - left:.1f}" height="16"/>'
        )
        parts.append(f'<path class="whisker" d="M{at(ratio.low)} {y + 8}H{at(ratio.high)}"/>')
        parts.append(f'<text x="{at(ratio.high) + 5}" y="{y + 13}">{ratio.mean:.1f}</text>')
        goal = wanted.get(name, wanted.get(BEST_PEER) if name != NAIVE else None)
        if goal:
            parts.append(f'<path class="wanted" d="M{at(goal)} {y - 3}v22"/>')
    parts.append(f'<path class="rail" d="M{at(1)} 26V{height - 16}"/>')
    parts.append(f'<text x="{at(1)}" y="{height - 4}" text-anchor="middle">1</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 60} {height}" role="img" '
        f'aria-label="{escape(row.name)}">{_STYLE}{"".join(parts)}</svg>\n'
    )
