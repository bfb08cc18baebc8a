"""Numbers → inline SVG. Colours are CSS classes of the page, so that a plot follows its light and dark."""

from collections.abc import Mapping, Sequence
from html import escape

from eval.measures import ReliabilityBin, RiskCoverage
from eval.statistics import Interval

_WIDTH, _HEIGHT = 340, 250
_LEFT, _BOTTOM, _TOP, _RIGHT = 44, 38, 12, 12
_MOST_POINTS = 120
"""A curve of more points is thinned: more cannot be seen."""


def reliability_plot(curve: Sequence[ReliabilityBin]) -> str:
    """Share of answerable questions against confidence; the diagonal is a confidence that is true."""
    most = max(part.count for part in curve)
    parts = [f'<path class="ideal" d="{_path([(0.0, 0.0), (1.0, 1.0)])}"/>']
    parts.append(f'<path class="line now" d="{_path([(p.confidence, p.answerable) for p in curve])}"/>')
    for part in curve:
        x, y = _at(part.confidence, part.answerable)
        radius = 2.5 + 6 * (part.count / most) ** 0.5
        about = f"confidence {part.confidence:.2f}: {part.answerable:.2f} of {part.count} answerable"
        parts.append(
            f'<circle class="dot" cx="{x}" cy="{y}" r="{radius:.1f}"><title>{about}</title></circle>'
        )
    return _frame("Reliability", "confidence", "share answerable", parts)


def risk_coverage_plot(curves: Mapping[str, RiskCoverage]) -> str:
    """Share of wrong answers as more questions are answered, surest first, for each named run."""
    parts: list[str] = []
    for number, (name, curve) in enumerate(curves.items()):
        step = max(1, len(curve.coverage) // _MOST_POINTS)
        points = [*zip(curve.coverage, curve.risk, strict=True)]
        thin = [(float(x), float(y)) for x, y in [*points[::step], points[-1]]]
        kind = "now" if number == 0 else "before"
        parts.insert(0, f'<path class="line {kind}" d="{_path(thin)}"/>')
        x, y = _at(0.04, 0.95 - 0.08 * number)
        parts.append(f'<text class="key {kind}" x="{x}" y="{y}">{escape(name)}: area {curve.aurc:.3f}</text>')
    return _frame("Risk and coverage", "share answered, surest first", "share wrong", parts)


def history_plot(series: Mapping[str, Sequence[float]]) -> str:
    """Each named measure over the accepted baselines, oldest first."""
    parts = []
    for number, (name, values) in enumerate(series.items()):
        last = max(len(values) - 1, 1)
        points = [(index / last, value) for index, value in enumerate(values)]
        parts.append(f'<path class="line series{number}" d="{_path(points)}"/>')
        for x, y in (_at(*point) for point in points):
            parts.append(f'<circle class="series{number}" cx="{x}" cy="{y}" r="3"/>')
        x, y = _at(0.04, 0.95 - 0.08 * number)
        parts.append(f'<text class="key series{number}" x="{x}" y="{y}">{escape(name)}</text>')
    return _frame("Accepted baselines", "oldest to newest", "measure", parts, x_ticks=False)


def whisker(interval: Interval, before: float | None = None) -> str:
    """An interval as a bar on [0, 1] with its mean as a dot, and the baseline's mean as a tick."""
    low, high, mean = (round(100 * value, 1) for value in (interval.low, interval.high, interval.mean))
    tick = f'<path class="was" d="M{100 * before:.1f} 2v10"/>' if before is not None else ""
    return (
        '<svg class="whisker" viewBox="-3 0 106 14" aria-hidden="true">'
        f'<path class="rail" d="M0 7h100"/><path class="range" d="M{low} 7H{high}"/>{tick}'
        f'<circle class="dot" cx="{mean}" cy="7" r="3.2"/></svg>'
    )


def _at(x: float, y: float) -> tuple[float, float]:
    """Where a point of the unit square is drawn."""
    return (
        round(_LEFT + x * (_WIDTH - _LEFT - _RIGHT), 1),
        round(_HEIGHT - _BOTTOM - y * (_HEIGHT - _BOTTOM - _TOP), 1),
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in (_at(*point) for point in points))


def _frame(title: str, x_label: str, y_label: str, parts: Sequence[str], *, x_ticks: bool = True) -> str:
    lines = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x, _), (_, y) = _at(tick, 0), _at(0, tick)
        lines.append(f'<path class="grid" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 3.5}" text-anchor="end">{tick:g}</text>')
        if x_ticks:
            lines.append(f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{tick:g}</text>')
    middle = (_HEIGHT - _BOTTOM + _TOP) / 2
    lines.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{x_label}</text>')
    lines.append(
        f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{y_label}</text>'
    )
    about = f'role="img" aria-label="{title}: {y_label} by {x_label}"'
    return (
        f'<figure><figcaption>{title}</figcaption><svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" {about}>'
        f"{''.join(lines)}{''.join(parts)}</svg></figure>"
    )
