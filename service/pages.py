"""The pages: a report typeset for reading, each run of text under its offset, and the demo page."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from indexer.bundle import BundledDocument
from indexer.passages import Furniture, Passage

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
_HEADING_MARKS = re.compile(r"#{1,6}[ \t]+")
_SHORT = 25
_LABELS = {
    "publisher": "Publisher",
    "author": "Author",
    "number": "Number",
    "date": "Date",
    "language": "Language",
    "rights": "Rights",
    "url": "Original",
}


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of text with a look of its own: a paragraph, a line or a heading of `level`."""

    start: int
    end: int
    look: str
    level: int = 0
    run_in: int = 0
    """Where a run-in heading ends, if the paragraph begins with one."""


def reader_page(document: BundledDocument, passages: Sequence[Passage], links: Mapping[str, str]) -> str:
    """The page of one report. `data-start` is where an element's text begins, in code points.

    The text of an element with `data-start` is a slice of the canonical text, nothing added, so that a
    script can mark a cited span by counting. The page speaks English, and the report its own language.
    """
    runs = list(_runs(document, passages))
    headings = [run for run in runs if run.look == "heading"]
    contents = "".join(
        f'<li class="level-{run.level}"><a href="#h{run.start}">{_text(document, run)}</a></li>'
        for run in headings
    )
    language = escape(document.metadata["language"] or "en")
    contents = f'<h2 id="contents">Contents</h2><ol lang="{language}">{contents}</ol>'
    nav = f'<nav class="contents" aria-labelledby="contents">{contents}</nav>'
    return _READER.format(
        language=language,
        title=escape(document.title),
        id=escape(document.id),
        byline=_byline(document),
        contents=nav if headings else "",
        alone="" if headings else " alone",
        body="\n".join(_block(document, run) for run in runs),
        about=_about(document),
        sha256=document.sha256,
        **_addresses(links),
    )


def home_page(documents: Sequence[BundledDocument], base_url: str, links: Mapping[str, str]) -> str:
    """The demo page: the widget, what it answers from, and the line that puts it on another site."""
    entries = "".join(
        f'<li><a href="/reports/{escape(item.id)}">{escape(item.title)}</a><span>{_byline(item)}</span></li>'
        for item in documents[:20]
    )
    more = f"<li><span>and {len(documents) - 20} more</span></li>" if len(documents) > 20 else ""
    embed = f'<script type="module" src="{base_url}widget.js"></script>\n<report-chat></report-chat>'
    one = documents[0] if len(documents) == 1 else None
    return _HOME.format(
        name=f"Ask “{escape(one.title)}”" if one else f"Ask {len(documents)} reports",
        reports="the report" if one else "the reports",
        kicker=_byline(one) if one else "",
        entries=entries + more,
        embed=escape(embed),
        **_addresses(links),
    )


def _runs(document: BundledDocument, passages: Sequence[Passage]) -> Iterator[_Run]:
    """Paragraphs as the report has them: a passage may be a part of one, or hold several lines."""
    parts: list[Passage | Furniture] = sorted([*passages, *document.furniture], key=lambda part: part.start)
    depth = 1
    while parts:
        part = parts.pop(0)
        if isinstance(part, Furniture):
            if part.kind == "heading":
                run = _heading(document, part, depth)
                depth = run.level
                yield run
            else:
                yield _Run(part.start, part.end, "ornament")
            continue
        end = part.end
        while parts and isinstance(parts[0], Passage) and document.text[end : parts[0].start].count("\n") < 2:
            end = parts.pop(0).end
        yield from _paragraphs(document.text, part, end)


def _heading(document: BundledDocument, part: Furniture, depth: int) -> _Run:
    marks = _HEADING_MARKS.match(document.text, part.start, part.end)
    start = marks.end() if marks else part.start
    end = part.start + len(document.text[part.start : part.end].rstrip("# \t")) if marks else part.end
    level = len(marks.group().strip()) if marks else 2
    # No level is skipped on the way down, whatever the report does: a page's outline has no holes.
    return _Run(start, max(end, start), "heading", min(max(level, 2), depth + 1, 6))


def _paragraphs(text: str, first: Passage, end: int) -> Iterator[_Run]:
    start = first.start
    while start < end:
        gap = _BLANK_LINE.search(text, start, end)
        stop = gap.start() if gap else end
        words = text[start:stop]
        running = words.rstrip("\"'”’)]*_").endswith((".", "!", "?", "…", "。", ":"))
        look = "paragraph" if running or len(words.split()) > _SHORT else "line"
        run_in = 0
        if start == first.start and first.heading_path and words.startswith(f"{first.heading_path[-1]}."):
            run_in = start + len(first.heading_path[-1]) + 1
        yield _Run(start, stop, look, run_in=run_in)
        start = gap.end() if gap else end


def _block(document: BundledDocument, run: _Run) -> str:
    text = _text(document, run)
    if run.look == "heading":
        return f'<h{run.level} id="h{run.start}" data-start="{run.start}">{text}</h{run.level}>'
    if run.look == "ornament":
        return f'<p class="ornament" data-start="{run.start}">{text}</p>'
    if run.run_in:
        name = escape(document.text[run.start : run.run_in], quote=False)
        text = f"<strong>{name}</strong>{escape(document.text[run.run_in : run.end], quote=False)}"
    return (
        f'<div class="{run.look}" id="p{run.start}"><p data-start="{run.start}">{text}</p>'
        f'<a class="permalink" href="#p{run.start}" lang="en" aria-label="Link to this paragraph">¶</a></div>'
    )


def _text(document: BundledDocument, run: _Run) -> str:
    return escape(document.text[run.start : run.end], quote=False)


def _byline(document: BundledDocument) -> str:
    data = document.metadata
    number = data["number"] if data["number"] != document.title else None
    found = (data["publisher"], number, data["author"], _date(data["date"]))
    return escape(" · ".join(value for value in found if value))


def _about(document: BundledDocument) -> str:
    rows = []
    for name, label in _LABELS.items():
        if value := document.metadata[name]:
            shown = escape(_date(value) or value if name == "date" else value)
            if name == "author" and (role := document.metadata["author_role"]):
                shown += f", {escape(role)}"
            # Only an address that leads to a page is a link: report.toml is not trusted to be harmless.
            if name == "url" and re.match(r"https?://", value):
                shown = f'<a href="{escape(value)}">{shown}</a>'
            rows.append(f"<dt>{label}</dt><dd>{shown}</dd>")
    return "".join(rows)


def _date(value: str | None) -> str | None:
    if not value:
        return None
    day = date.fromisoformat(value)
    return f"{day:%B} {day.day}, {day.year}"


def _addresses(links: Mapping[str, str]) -> dict[str, str]:
    return {name.replace(".", "_"): escape(url) for name, url in links.items()}


_READER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="{icon_svg}">
<link rel="stylesheet" href="{page_css}">
<script type="module" src="{reader_js}"></script>
<script type="module" src="{widget_js}"></script>
</head>
<body class="reader{alone}">
<a class="skip" href="#report">Skip to the report</a>
<nav class="masthead" aria-label="Site"><a href="/">Ask this report</a></nav>
<div class="sheet">
<header class="title"><h1 lang="{language}">{title}</h1><p class="byline">{byline}</p></header>
{contents}
<main id="report" tabindex="-1">
<article lang="{language}">
{body}
</article>
</main>
<footer>
<h2>About this report</h2>
<dl>{about}<dt>Text</dt><dd>sha256 <code>{sha256}</code></dd></dl>
</footer>
</div>
<div id="cited" role="region" aria-label="Cited passage" hidden>
<span>Cited passage</span>
<button type="button" data-do="show">Show</button>
<button type="button" data-do="copy">Copy quote</button>
<button type="button" data-do="clear">Remove mark</button>
<p role="status"></p>
</div>
<report-chat documents="{id}" lang="en"></report-chat>
</body>
</html>
"""

_HOME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}</title>
<link rel="icon" href="{icon_svg}">
<link rel="stylesheet" href="{page_css}">
<script type="module" src="{widget_js}"></script>
</head>
<body class="home">
<main>
<header class="hero">
<p class="kicker">{kicker}</p>
<h1>{name}</h1>
<p class="lead">Every answer is in the words of {reports}, with the place where it stands.
Where nothing answers, it says so.</p>
</header>
<report-chat mode="inline" lang="en"></report-chat>
<noscript><p class="note">The chat needs JavaScript; the reports below do not.</p></noscript>
</main>
<aside>
<section><h2>Read</h2><ul class="reports">{entries}</ul></section>
<section><h2>Put it on your site</h2>
<pre tabindex="0" aria-label="HTML to copy"><code>{embed}</code></pre>
<p>One line, no cookie, no key in the page, no request to anyone but this service.</p></section>
<section><h2>Build on it</h2>
<p><a href="/docs">HTTP interface</a> · <a href="/openapi.json">OpenAPI</a></p></section>
</aside>
</body>
</html>
"""
