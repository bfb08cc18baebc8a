r"""Source bytes → Document: the canonical text, its blocks, and the way back to the source.

The canonical text is the report as received in Unicode NFC with `\n` line ends, mended only by the
repairs that its `report.toml` names. Every offset in this project counts code points of that text.
"""

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Literal

from indexer.aliases import aliases
from indexer.reports import CorpusError, Repair, Report
from indexer.sentences import sentence_spans, strip_span

BlockKind = Literal["heading", "paragraph", "line", "ornament"]

RULES: dict[str, tuple[re.Pattern[str], str]] = {
    # A conversion artefact: a backslash that only escapes the dollar sign.
    "unescape-dollar": (re.compile(r"\\\$"), "$"),
    # A paragraph that ends without a stop and goes on in lower case was cut by a page break.
    "join-cut-sentence": (re.compile(r"(?<=[^\W\d_A-Z,;]|,|;)[ \t]*\n[ \t]*\n\s*(?=[a-z])"), " "),
}
"""Repairs by name: what is found, and what stands there afterwards. No rule touches a word."""

_HEADING_WORDS = 14
_MARKDOWN_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t]*#*$")
_CAPTION = re.compile(r"(?:figure|table|box|map|chart|exhibit|photo|sources?|notes?)\b[ \t]*[\w.:-]", re.I)
_RUN_IN_HEADING = re.compile(
    r"[*_]{0,4}[A-Z][\w'’-]*(?:[ -](?:[A-Z][\w'’-]*|and|of|the|for|in|on|to|&)){0,4}\.[*_]{0,4}"
    r"[ \t]+(?=[\"“‘(]?[A-Z])"
)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of lines between blank lines. `level` is a heading's depth (1 = outermost), else 0.

    `body_start` is where the block's sentences begin: after a run-in heading ("Aid. The United
    States …") if there is one, else at `start`.
    """

    kind: BlockKind
    start: int
    end: int
    body_start: int
    level: int = 0


@dataclass(frozen=True)
class Document:
    """One report ready to be split: canonical text, blocks in order, and the edits that made the text.

    `edits` holds `(canonical, source)` pairs of code point offsets, ascending: from `canonical` on,
    up to the next pair, the two texts run in parallel.
    """

    report: Report
    text: str
    blocks: tuple[Block, ...]
    edits: tuple[tuple[int, int], ...] = field(default=((0, 0),))

    @property
    def id(self) -> str:
        """The report's id."""
        return self.report.id

    @property
    def metadata(self) -> Mapping[str, str | None]:
        """What is known of the report: what a served document keeps of it."""
        return self.report.metadata()

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical text as UTF-8: what every offset of this document refers to."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def source_offset(self, offset: int) -> int:
        """Where a canonical offset stands in the decoded source (code points).

        Raises:
            IndexError: if the offset is outside the canonical text.
        """
        if not 0 <= offset <= len(self.text):
            raise IndexError(f"offset {offset} is outside {self.id}, which has {len(self.text)} code points")
        canonical, source = self.edits[bisect_right(self.edits, offset, key=lambda edit: edit[0]) - 1]
        return source + offset - canonical

    @cached_property
    def names(self) -> dict[str, str]:
        """What the short names that the text defines stand for."""
        return aliases(self.text)

    def heading(self, block: Block) -> str:
        """A heading block's words, without Markdown marks."""
        text = self.text[block.start : block.end]
        match = _MARKDOWN_HEADING.match(text)
        return match.group(2) if match else text

    def run_in_heading(self, block: Block) -> str | None:
        """The words of a block's run-in heading, without its stop, if it has one."""
        if block.kind == "heading" or block.body_start == block.start:
            return None
        return self.text[block.start : block.body_start].strip("*_ \t").removesuffix(".")


def read_document(report: Report) -> Document:
    """Decode, repair and lay out one report.

    Raises:
        CorpusError: if the source is not UTF-8, holds a NUL or nothing to quote, or a repair does not apply
            exactly as often as `report.toml` says.
    """
    text, edits = _canonical(report)
    blocks = tuple(_blocks(text, report.title))
    if all(block.kind in ("heading", "ornament") for block in blocks):
        found = "only headings" if any(block.kind == "heading" for block in blocks) else "no text"
        raise CorpusError(f"{report.id}/{report.source_name}: holds {found}; expected text to quote from")
    return Document(report, text, blocks, edits)


def _canonical(report: Report) -> tuple[str, tuple[tuple[int, int], ...]]:
    name = f"{report.id}/{report.source_name}"
    try:
        source = report.source.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{name}: byte {error.start} is not UTF-8; convert the file to UTF-8") from None
    if (nul := source.find("\0")) >= 0:
        raise CorpusError(f"{name}: character {nul} is NUL; expected text, is this a binary file?")
    mended = _Mending(source)
    mended.substitute(re.compile("\\A\ufeff"), "")
    mended.substitute(re.compile(r"\r\n?"), "\n")
    mended.normalize()
    for repair in report.repairs:
        _apply(mended, repair, f"{report.id}/report.toml")
    return mended.text, mended.edits()


def _apply(mended: "_Mending", repair: Repair, name: str) -> None:
    if repair.rule not in RULES:
        raise CorpusError(
            f"{name}: field 'repairs.rule' is {repair.rule!r}; expected one of {', '.join(RULES)}"
        )
    count = mended.substitute(*RULES[repair.rule])
    if count != repair.count:
        raise CorpusError(
            f"{name}: field 'repairs.count' is {repair.count}, but {repair.rule!r} applies {count} times; "
            "read the places and correct 'count', or restore the source"
        )


class _Mending:
    """A text under repair that remembers, per character, where it came from."""

    def __init__(self, source: str) -> None:
        self.text = source
        self.origin: list[int] = list(range(len(source) + 1))

    def substitute(self, pattern: re.Pattern[str], replacement: str) -> int:
        """Replace every match by a fixed text; return how many there were."""
        spans = [(match.start(), match.end(), replacement) for match in pattern.finditer(self.text)]
        self._replace(spans)
        return len(spans)

    def normalize(self) -> None:
        """Bring the text to Unicode NFC."""
        if unicodedata.is_normalized("NFC", self.text):
            return
        spans = []
        for start, end in _combining_runs(self.text):
            run = self.text[start:end]
            composed = unicodedata.normalize("NFC", run)
            if composed == run:
                continue
            same = 0
            while run[same] == composed[same : same + 1]:
                same += 1
            spans.append((start + same, end, composed[same:]))
        self._replace(spans)

    def edits(self) -> tuple[tuple[int, int], ...]:
        """The offsets at which canonical and source text stop running in parallel."""
        pairs = enumerate(self.origin)
        return tuple((at, source) for at, source in pairs if at == 0 or source != self.origin[at - 1] + 1)

    def _replace(self, spans: list[tuple[int, int, str]]) -> None:
        text, origin, done = [], [], 0
        for start, end, replacement in spans:
            text += [self.text[done:start], replacement]
            origin += self.origin[done:start] + [self.origin[start]] * len(replacement)
            done = end
        self.text = "".join([*text, self.text[done:]])
        self.origin = origin + self.origin[done:]


def _combining_runs(text: str) -> Iterator[tuple[int, int]]:
    """Spans that normalise independently of each other: a starter and all that may compose with it."""
    start = 0
    for position, char in enumerate(text):
        if position > start and not _touches_previous(char):
            yield start, position
            start = position
    if text:
        yield start, len(text)


@cache
def _touches_previous(char: str) -> bool:
    """Whether NFC may join a character to the one before it, or move it or its parts past that one."""
    first = unicodedata.normalize("NFD", char)[0]
    return unicodedata.combining(first) > 0 or first in _second_halves()


@cache
def _second_halves() -> frozenset[str]:
    """Characters that some composed character ends in: most are accents, some vowel signs and jamo."""
    halves = {chr(code) for code in range(0x1160, 0x1200)}
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            halves.add(chr(int(parts[1], 16)))
    return frozenset(halves)


def _blocks(text: str, title: str) -> Iterator[Block]:
    spans = list(_block_spans(text))
    for index, (start, end) in enumerate(spans):
        following = text[slice(*spans[index + 1])] if index + 1 < len(spans) else ""
        yield _block(text, start, end, following, title)


def _block_spans(text: str) -> Iterator[tuple[int, int]]:
    """Runs of non-blank lines; a Markdown heading line is always a run of its own."""
    run: tuple[int, int] | None = None
    position = 0
    for line in text.split("\n"):
        span = strip_span(text, position, position + len(line))
        position += len(line) + 1
        heading = span is not None and _MARKDOWN_HEADING.match(text[slice(*span)]) is not None
        if run is not None and (span is None or heading):
            yield run
            run = None
        if span is not None and heading:
            yield span
        elif span is not None:
            run = (run[0] if run else span[0], span[1])
    if run is not None:
        yield run


def _block(text: str, start: int, end: int, following: str, title: str) -> Block:
    content = text[start:end]
    if not any(char.isalnum() for char in content):
        return Block("ornament", start, end, start)
    if markdown := _MARKDOWN_HEADING.fullmatch(content):
        return Block("heading", start, end, start, len(markdown.group(1)))
    if _is_paragraph(content):
        return Block("paragraph", start, end, _body_start(text, start, end))
    # The title names the whole report: it stays a line, which can be found and cited.
    if content.casefold() != title.casefold() and _is_heading(content, following):
        return Block("heading", start, end, start, 1)
    return Block("line", start, end, start)


def _body_start(text: str, start: int, end: int) -> int:
    """Where a paragraph's sentences begin: after its run-in heading, if its first sentence is one."""
    run_in = _RUN_IN_HEADING.match(text, start, end)
    if run_in and sentence_spans(text, start, end)[0][1] == start + len(run_in.group().rstrip()):
        return run_in.end()
    return start


def _is_paragraph(content: str) -> bool:
    """Running text: long enough to be read on its own, or ended by a stop, and not a caption."""
    if _CAPTION.match(content):
        return False
    return content.rstrip("\"'”’)]*_").endswith((".", "!", "?", "…", "。")) or len(content.split()) > 25


def _is_heading(content: str, following: str) -> bool:
    """A short line in title form with running text under it."""
    return (
        "\n" not in content
        and len(content.split()) <= _HEADING_WORDS
        and (content[0].isupper() or content[0].isdigit())
        and content[-1] not in ":;,|"
        and not _CAPTION.match(content)
        and bool(following)
        and _is_paragraph(following)
    )
