"""Document → passages: verbatim runs of the report, the units of retrieval.

Two contracts, each tested as a property: a passage is exactly `text[start:end]`, and every non-blank
character of a document is in one passage or in the document's written list of furniture.
"""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from indexer.aliases import spell_out
from indexer.documents import Block, Document
from indexer.sentences import sentence_spans

MAX_WORDS = 160
"""A longer paragraph is cut between sentences into parts of nearly equal length."""
_LINES_WORDS = 80
"""Lines that follow each other (dates, authors, captions, lists) share a passage up to this length."""
_LINE_END = re.compile(r"\n")

_LINE_LENGTH = 100
"""A longer text is no line that merely states who, when or which number."""

SPLITTER = {"name": "paragraph", "max_words": MAX_WORDS, "lines_words": _LINES_WORDS}
"""What the manifest says about how passages were made."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A verbatim run of one document. Spans are `(start, end)` in code points of its canonical text.

    `sentences` are inside the passage and in order; a run-in heading belongs to the passage but is
    no sentence.
    """

    passage_id: str
    document_id: str
    start: int
    end: int
    heading_path: tuple[str, ...]
    sentences: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Furniture:
    """A run that no passage holds, and why: a `heading` (kept as heading path) or an `ornament`."""

    kind: str
    start: int
    end: int


def passage_id(document_id: str, start: int) -> str:
    """The id of the passage that begins at `start`: stable as long as the text before it is."""
    return f"{document_id}:{start:05d}"


def split_document(document: Document) -> tuple[list[Passage], list[Furniture]]:
    """Split a document into passages and furniture, both in document order."""
    passages: list[Passage] = []
    furniture: list[Furniture] = []
    path: list[tuple[int, str]] = []
    for group in _groups(document):
        block = group[0]
        if block.kind == "ornament":
            furniture.append(Furniture("ornament", block.start, block.end))
        elif block.kind == "heading":
            furniture.append(Furniture("heading", block.start, block.end))
            path = [outer for outer in path if outer[0] < block.level]
            path.append((block.level, document.heading(block)))
        else:
            passages.extend(_passages(document, group, tuple(name for _, name in path)))
    return passages, furniture


def encoding_text(text: str) -> str:
    """What the encoder reads for a passage or sentence: its words, white space folded, no Markdown marks.

    Never shown. Headings are left out: in front of a passage they made retrieval worse.
    """
    return " ".join(re.sub(r"[*_`#|]+", " ", text).split())


class Readable(Protocol):
    """A document as the encoder and the reader need it, before it is bundled or after."""

    @property
    def text(self) -> str:
        """Its canonical text."""

    @property
    def names(self) -> Mapping[str, str]:
        """What its short names stand for."""

    @property
    def metadata(self) -> Mapping[str, str | None]:
        """Its title, author, number and date, among other things."""


def encoding_sentences(document: Readable, passage: Passage) -> list[str]:
    """What the encoder reads of each sentence of a passage: its words, and what they leave unsaid.

    A run-in heading goes before the first sentence; the short names that the report defines are spelt
    out, since "CNSP" alone means nothing to an encoder, nor to who asks for the committee; and a line
    that states a fact about the report itself is told what it states.
    """
    starts = [passage.start, *(start for start, _ in passage.sentences[1:])]
    names = document.names
    read = []
    for start, (_, end) in zip(starts, passage.sentences, strict=True):
        text = document.text[start:end]
        label = _label(document.metadata, text) if len(text) <= _LINE_LENGTH else ""
        read.append(encoding_text(label + spell_out(text, names)))
    return read


def reading_head(title: str, heading_path: Sequence[str]) -> str:
    """What a passage belongs to, as a reader of the passage alone needs to know: report and section."""
    return encoding_text(". ".join([title, *heading_path[-1:]]))


def _label(known: Mapping[str, str | None], line: str) -> str:
    """What a line says about its report, in the words that people ask for it with."""
    date = known["date"] and datetime.date.fromisoformat(known["date"])
    labels = (
        (known["title"], "Title of this report: "),
        (known["author"], "Author who wrote this report, and the author's job title: "),
        (known["number"], "Report number, product number, ID: "),
        (date and f"{date:%B} {date.day}, {date.year}", "Date of publication, last update: "),
    )
    return "".join(
        label
        for value, label in labels
        if value and (line == value or (label[:5] != "Title" and value in line))
    )


def _groups(document: Document) -> Iterator[list[Block]]:
    """Blocks one by one, except that neighbouring lines come together."""
    lines: list[Block] = []
    words = 0
    for block in document.blocks:
        count = len(document.text[block.start : block.end].split())
        if lines and (block.kind != "line" or words + count > _LINES_WORDS):
            yield lines
            lines, words = [], 0
        if block.kind == "line":
            lines.append(block)
            words += count
        else:
            yield [block]
    if lines:
        yield lines


def _passages(document: Document, group: list[Block], path: tuple[str, ...]) -> Iterator[Passage]:
    start, end = group[0].start, group[-1].end
    if run_in := document.run_in_heading(group[0]):
        path = (*path, run_in)
    sentences = [span for block in group for span in _block_sentences(document.text, block)]
    for part in _balanced(document.text, start, sentences):
        part_start = start if part[0] == sentences[0] else part[0][0]
        part_end = end if part[-1] == sentences[-1] else part[-1][1]
        yield Passage(
            passage_id(document.id, part_start),
            document.id,
            part_start,
            part_end,
            path,
            tuple(part),
        )


def _block_sentences(text: str, block: Block) -> list[tuple[int, int]]:
    if block.kind == "paragraph":
        return sentence_spans(text, block.body_start, block.end)
    ends = (match.end() for match in _LINE_END.finditer(text, block.start, block.end))
    return sentence_spans(text, block.start, block.end, ends)


def _balanced(text: str, start: int, sentences: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Cut a run's sentences into parts of at most MAX_WORDS, as even as they come.

    What stands between `start` and the first sentence, a run-in heading, counts with that sentence.
    """
    starts = [start, *(begin for begin, _ in sentences[1:])]
    lengths = [len(text[begin:end].split()) for begin, (_, end) in zip(starts, sentences, strict=True)]
    left = sum(lengths)
    part: list[tuple[int, int]] = []
    words = 0
    for sentence, length in zip(sentences, lengths, strict=True):
        even = left / ceil(left / MAX_WORDS)
        if part and (words + length > MAX_WORDS or words + length / 2 > even):
            yield part
            left -= words
            part, words = [], 0
        part.append(sentence)
        words += length
    yield part
