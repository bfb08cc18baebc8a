"""Sentence boundaries in running English text, as spans; no character is added, dropped or changed.

Rules rather than a trained model: a boundary must be the same on every machine and explainable in a
citation. A stop ends a sentence unless the word before it is an abbreviation that never ends one
("P.L.", "Dr."), or one that may ("U.S.", "Corp.") and the next word does not plainly open a sentence.
"""

import itertools
import re
from collections.abc import Iterator

MAX_SENTENCE_WORDS = 120
"""A longer run without a stop is cut at white space: it would not be a readable excerpt."""
_MAX_SENTENCE_CHARS = 1_200

_NEVER_FINAL = frozenset(
    (
        "mr mrs ms dr prof sen sens rep reps gen col lt gov amb hon rev sgt capt cmdr maj adm pres no nos "
        "sec secs art arts fig figs vol vols pp p para cf e.g i.e viz vs v ch ed eds stat cong res h.r "
        "s.res h.res p.l pub st mt ft approx est jan feb mar apr jun jul aug sept sep oct nov dec"
    ).split()
)
_SOMETIMES_FINAL = frozenset(
    (
        "u.s u.n u.k e.u u.s.c d.c a.m p.m inc corp co ltd llc jr sr al etc dept univ assn bros ph.d m.d b.a"
    ).split()
)
_OPENERS = frozenset(
    (
        "the a an this that these those it its he his she her they their we our i you there here such "
        "some many most both other others another several all each in on at as by for from to with under "
        "after before since during although though while when if because but and or however moreover "
        "meanwhile thus yet also"
    ).split()
)
_STOP = re.compile(r"""[.!?…]+["'”’»)\]]*(?=\s)|[。！？]["'”’»）」』]*""")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘—–/]+$")
_FIRST_WORD = re.compile(r"[\s\"'“‘(\[]*([^\W\d_]+(?:['’][^\W\d_]+)?)?")
_LINE_ITEM = re.compile(r"\n[ \t]*(?=(?:[-*•‣◦]|\d{1,3}[.)]|\(?[a-z]\)|\|)[ \t])")


def sentence_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Split `text[start:end]` into sentences.

    Args:
        text: The whole document.
        start: First code point of the run.
        end: One past its last code point.

    Returns:
        Spans in document order, without surrounding white space, that together hold every
        non-blank character of the run.
    """
    cuts = sorted({start, end, *_stops(text, start, end), *_line_items(text, start, end)})
    spans = []
    for left, right in itertools.pairwise(cuts):
        for span in _bounded(text, left, right):
            if stripped := strip_span(text, *span):
                spans.append(stripped)
    return spans


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
    preceding = _LAST_WORD.search(text, max(start, match.start() - 40), match.start())
    last = preceding.group() if preceding else ""
    abbreviation = last.casefold()
    if abbreviation in _NEVER_FINAL:
        # "No." and "art." are also plain words: they end a sentence unless a name or number follows.
        return bool(word) and abbreviation in {"no", "art", "mar", "p", "v"} and _opens(word)
    if abbreviation in _SOMETIMES_FINAL or (len(last) == 1 and last.isupper()):
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
