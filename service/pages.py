"""The reader page: a report typeset for reading, each run of text under its offset."""

from collections.abc import Iterator
from html import escape

from indexer.bundle import BundledDocument
from indexer.passages import Furniture, Passage


def reader_page(document: BundledDocument, passages: list[Passage]) -> str:
    """The page of one report. `data-start` is where an element's text begins, in code points.

    The text of an element with `data-start` is a slice of the canonical text, nothing added, so that
    a script can mark a cited span by counting.
    """
    parts: list[Passage | Furniture] = [*passages, *document.furniture]
    parts.sort(key=lambda part: part.start)
    headings = [part for part in document.furniture if part.kind == "heading"]
    contents = "".join(
        f'<li><a href="#h{heading.start}">{escape(_heading(document, heading))}</a></li>'
        for heading in headings
    )
    body = "\n".join(html for part in parts for html in _part(document, part))
    return _PAGE.format(
        language=escape(document.metadata["language"] or "en", quote=True),
        title=escape(document.title),
        byline=escape(_byline(document)),
        contents=f'<nav aria-label="Contents"><ol>{contents}</ol></nav>' if contents else "",
        body=body,
        sha256=document.sha256,
    )


def _part(document: BundledDocument, part: Passage | Furniture) -> Iterator[str]:
    text = escape(document.text[part.start : part.end], quote=False)
    if isinstance(part, Passage):
        yield (
            f'<p id="p{part.start}" data-start="{part.start}">{text}</p>'
            f'<a class="permalink" href="#p{part.start}" aria-label="Link to this paragraph">¶</a>'
        )
    elif part.kind == "heading":
        yield f'<h2 id="h{part.start}" data-start="{part.start}">{text}</h2>'
    else:
        yield f'<p class="ornament" data-start="{part.start}">{text}</p>'


def _heading(document: BundledDocument, heading: Furniture) -> str:
    return document.text[heading.start : heading.end].strip("# \t")


def _byline(document: BundledDocument) -> str:
    fields = ("publisher", "number", "author", "date")
    return " · ".join(value for name in fields if (value := document.metadata[name]))


_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/static/page.css">
<script type="module" src="/static/reader.js"></script>
</head>
<body class="reader">
<a class="skip" href="#report">Skip to the report</a>
<header><p><a href="/">Ask this report</a></p><h1>{title}</h1><p class="byline">{byline}</p></header>
{contents}
<main id="report" tabindex="-1">
{body}
</main>
<footer><p>Canonical text sha256 <code>{sha256}</code></p></footer>
</body>
</html>
"""
