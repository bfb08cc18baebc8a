"""Sentence boundaries in running English text, as spans; no character is added, dropped or changed.

Rules rather than a trained model: a boundary must be the same on every machine and explainable in a
citation. A stop ends a sentence unless it closes a label at the head of a line ("Table 1.", "a."), or the
word before it is an abbreviation that never ends one ("P.L.", "Dr."), or one that may ("Corp.", and all
that have dots inside, as "U.S.") and the next word does not plainly open a sentence.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

MAX_SENTENCE_WORDS = 120
"""A longer run without a stop is cut at white space: it would not be a readable excerpt."""
_MAX_SENTENCE_CHARS = 1_200

_NEVER_FINAL = frozenset(
    (
        "mr mrs ms dr prof sen sens rep reps gen col lt gov amb hon rev sgt capt cmdr maj adm pres no nos "
        "sec secs art arts fig figs vol vols pp p para cf e.g i.e viz vs v ch ed eds stat cong res h.r "
        "p.l pub rept st mt ft approx est jan feb mar apr jun jul aug sept sep oct nov dec"
    ).split()
)
_SOMETIMES_FINAL = frozenset("inc corp co ltd llc jr sr al etc dept univ assn bros".split())
_DOTTED = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,5})+")
_OPENERS = frozenset(
    (
        "the a an this that these those it its he his she her they their we our i you there here such "
        "some many most both other others another several all each in on at as by for from to with under "
        "after before since during although though while when if because but and or however moreover "
        "meanwhile thus yet also"
    ).split()
)
_STOP = re.compile(r"""[.!?…]+["'”’»)\]*_]*(?=\s)|[。！？]["'”’»）」』]*""")
_LAST_WORD = re.compile(r"[^\s,;(\[\"'“‘—–/*_-]+$")
_FIRST_WORD = re.compile(r"[\s\"'“‘(\[*_]*([^\W\d_]+(?:['’][^\W\d_]+)?)?")
_LABEL = re.compile(
    r"^[ \t|*_•‣◦-]*(?:(?:figure|table|box|map|chart|exhibit)[ \t]+[\w.-]+|\d{1,3}|[a-z]|[ivx]{2,4})\Z",
    re.I | re.M,
)
_LINE_ITEM = re.compile(r"\n[ \t]*(?=(?:[-*•‣◦]|\d{1,3}[.)]|\(?[a-z]\)|\|)[ \t])")


def sentence_spans(text: str, start: int, end: int, breaks: Iterable[int] = ()) -> list[tuple[int, int]]:
    """Split `text[start:end]` into sentences.

    Args:
        text: The whole document.
        start: First code point of the run.
        end: One past its last code point.
        breaks: Places in the run where a sentence ends whatever stands there, as at the end of a line.

    Returns:
        Spans in document order, without surrounding white space, that together hold every
        non-blank character of the run. None is without a letter or digit, unless the run is.
    """
    cuts = sorted({start, end, *breaks, *_stops(text, start, end), *_line_items(text, start, end)})
    pieces = (piece for cut in itertools.pairwise(cuts) for piece in _bounded(text, *cut))
    spans: list[tuple[int, int]] = []
    wordless: int | None = None
    for span in filter(None, (strip_span(text, *piece) for piece in pieces)):
        if any(char.isalnum() for char in text[slice(*span)]):
            spans.append((span[0] if wordless is None else wordless, span[1]))
            wordless = None
        elif spans:
            spans[-1] = (spans[-1][0], span[1])
        elif wordless is None:
            wordless = span[0]
    return spans or [span for span in [strip_span(text, start, end)] if span]


def strip_span(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Shrink a span past surrounding white space; None if nothing else is in it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    for match in _STOP.finditer(text, start, end):
        if text[match.start()] in "。！？" or _ends_sentence(text, start, match, end):
            yield match.end()


def _line_items(text: str, start: int, end: int) -> Iterator[int]:
    return (match.start() for match in _LINE_ITEM.finditer(text, start, end))


def _ends_sentence(text: str, start: int, match: re.Match[str], end: int) -> bool:
    following = _FIRST_WORD.match(text, match.end(), end)
    word = following.group(1) if following else None
    if word and word[0].islower():
        return False
    if match.group()[0] != "." or match.group().startswith(".."):
        return True
    near = max(start, match.start() - 40)
    if _LABEL.search(text, near, match.start()):
        return False
    preceding = _LAST_WORD.search(text, near, match.start())
    last = preceding.group() if preceding else ""
    abbreviation = last.casefold()
    if abbreviation in _NEVER_FINAL:
        # "No." and "art." are also plain words: they end a sentence unless a name or number follows.
        return bool(word) and abbreviation in {"no", "art", "mar", "p", "v"} and _opens(word)
    initial = len(last) == 1 and last.isupper()
    if initial or abbreviation in _SOMETIMES_FINAL or _DOTTED.fullmatch(last):
        return _opens(word)
    return True


def _opens(word: str | None) -> bool:
    return word is not None and word.casefold() in _OPENERS


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut an over-long run into pieces of bounded length, at white space where there is any."""
    words = 0
    left = start
    last_space = None
    for position in range(start, end):
        if text[position].isspace():
            words += 1
            last_space = position
        if words >= MAX_SENTENCE_WORDS or position - left >= _MAX_SENTENCE_CHARS:
            cut = last_space if last_space is not None and last_space > left else position
            yield left, cut
            left, words, last_space = cut, 0, None
    yield left, end
