"""Candidate → citation: a verbatim excerpt, the proof that it is one, and the name of its place."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from indexer.bundle import BundledDocument
from indexer.passages import Passage

_CONTEXT = 32
"""Characters of prefix and suffix in a TextQuoteSelector."""
_FRAGMENT_WORDS = 5
"""A text fragment names a longer excerpt by its first and last words."""
LEAST = math.log(0.1)
"""A sentence beside the likeliest is quoted with it, if it is the one that answers with this probability:
then the likeliest does not settle the question. One answer in eight is of two sentences; for a quarter of
those the likeliest alone would have been wrong (`eval/results/retrieval.md`)."""
_BREAK = re.compile(r"\n\s*\n")
_POINTS_BACK = re.compile(r"(?:It|Its|They|Their|He|His|She|Her|These|Those|This|Such)\b")


@dataclass(frozen=True, slots=True)
class Citation:
    """An excerpt that stands at `[start, end)` of a document's canonical text, in code points."""

    document_id: str
    document_title: str
    document_sha256: str
    passage_id: str
    heading_path: tuple[str, ...]
    start: int
    end: int
    excerpt: str
    prefix: str
    suffix: str

    @property
    def url(self) -> str:
        """The place in this service's reader page."""
        return f"/reports/{quote(self.document_id)}#char={self.start},{self.end}"

    @property
    def text_fragment(self) -> str:
        """The place as a URL text fragment, which browsers understand without a script (WICG)."""
        words = self.excerpt.split()
        if len(words) <= 2 * _FRAGMENT_WORDS:
            return f"#:~:text={_fragment(words)}"
        return f"#:~:text={_fragment(words[:_FRAGMENT_WORDS])},{_fragment(words[-_FRAGMENT_WORDS:])}"


def settling(
    document: BundledDocument, passage: Passage, best: int, shares: Sequence[float]
) -> tuple[int, int]:
    """The fewest whole sentences that settle a question, as a span of a document's text.

    Args:
        document: The passage's document.
        passage: The passage.
        best: Which of its sentences is the likeliest.
        shares: Logarithm of the probability of each to be the one that answers, as in a `Candidate`.

    Returns:
        The span of the likeliest sentence, of one beside it that might be it, and of what stands before
        a sentence that begins by pointing back; nothing of another paragraph or line.
    """

    def follows(row: int) -> bool:
        """Whether a sentence goes on from the one before it."""
        return row > 0 and not _BREAK.search(
            document.text, passage.sentences[row - 1][1], passage.sentences[row][0]
        )

    first = last = best
    likely = [row for row, share in enumerate(shares) if share >= LEAST]
    beside = [row for row in likely if abs(row - best) == 1 and follows(max(row, best))]
    if beside:
        first, last = sorted((best, max(beside, key=lambda row: shares[row])))
    if follows(first) and _POINTS_BACK.match(document.text, passage.sentences[first][0]):
        first -= 1
    return passage.sentences[first][0], passage.sentences[last][1]


def cite(document: BundledDocument, passage: Passage, start: int, end: int) -> Citation:
    """Cite `text[start:end]` of a document.

    Raises:
        ValueError: if the span is empty or not inside the passage: nothing else may be cited.
    """
    if not passage.start <= start < end <= passage.end or passage.document_id != document.id:
        raise ValueError(
            f"span [{start}, {end}) is not in {passage.passage_id} [{passage.start}, {passage.end})"
        )
    return Citation(
        document_id=document.id,
        document_title=document.title,
        document_sha256=document.sha256,
        passage_id=passage.passage_id,
        heading_path=passage.heading_path,
        start=start,
        end=end,
        excerpt=document.text[start:end],
        prefix=document.text[max(0, start - _CONTEXT) : start],
        suffix=document.text[end : end + _CONTEXT],
    )


def find_quote(document: BundledDocument, quotation: str) -> Iterator[tuple[int, int]]:
    """Every place where a quotation stands verbatim in a document: `(start, end)`, in order."""
    start = document.text.find(quotation)
    while start >= 0:
        yield start, start + len(quotation)
        start = document.text.find(quotation, start + 1)


def _fragment(words: Sequence[str]) -> str:
    # '-' and ',' have a meaning in a text directive; quote() leaves '-' alone.
    return quote(" ".join(words), safe="").replace("-", "%2D")
