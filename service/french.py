"""French questions, word by word in English: enough for an English encoder to find what is meant.

`french.tsv` has the words and fixed phrases of any report's subjects. The longest phrase that it knows is
taken first, then the word as typed, without its accents, and by its stem; names stay as they stand.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import Stemmer

from indexer.lexical import fold

_FRENCH = frozenset(
    (
        "le la les un une des du de et est sont était qui que quoi quel quelle quels quelles où quand "
        "comment combien pourquoi dans pour par sur avec sans ce cette ces il elle ils elles au aux ne "
        "pas en se son sa ses leur leurs y été ont avait plus depuis selon lequel laquelle cet d l qu"
    ).split()
)
_FRENCH_WORD = re.compile(r"(?<![\w'$€%.,/-])[\w'$€%.,/-]*[\w$€%]'?")
_ENGLISH = frozenset("the of and in to is was are were what who how why when where which did does do".split())
_INVERSION = re.compile(r"-(?:t-)?(?:il|elle|ils|elles|on|ce|je|tu|nous|vous|la|là|ci)\b", re.I)


def gloss(question: str) -> str | None:
    """A French question word by word in English, names as they stand; None if it is not French."""
    words = _FRENCH_WORD.findall(question.replace("’", "'"))
    plain = [word for piece in words for word in _pieces(piece)]
    french = sum(word.lower() in _FRENCH for word in plain)
    english = sum(word.lower() in _ENGLISH for word in plain)
    if french < 2 or french <= english or french < 0.2 * len(plain):
        return None
    words[0] = words[0].lower() if words[0].lower() in _FRENCH else words[0]
    return " ".join(" ".join(_glossed(words)).split())


def _glossed(words: list[str]) -> Iterator[str]:
    """The longest phrases that the glossary has, from left to right; else word by word."""
    glossary = _glossary()
    while words:
        for length in range(min(glossary.longest, len(words)), 0, -1):
            phrase = " ".join(words[:length]).lower()
            english = glossary.exact.get(phrase, glossary.folded.get(fold(phrase)))
            if english is not None:
                yield english
                words = words[length:]
                break
        else:
            pieces = _pieces(words[0])
            if pieces == words[:1]:
                yield _one_word(words[0], glossary)
                words = words[1:]
            else:
                words = pieces + words[1:]


def _one_word(word: str, glossary: "_Glossary") -> str:
    folded = fold(word)
    if word[0].isupper():  # a name, or a people, which French writes with a capital
        return glossary.folded.get(folded.removesuffix("s"), word)
    alike = glossary.stems.get(_french().stemWord(folded), ())
    return max(alike, key=lambda entry: _shared(entry[0], folded), default=("", word))[1]


def _shared(first: str, second: str) -> int:
    """How many letters two words begin with in common."""
    return next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(second))


def _pieces(word: str) -> list[str]:
    """A word without its elided article and its inverted pronoun: "sont-ils" → sont, "d'aide" → d, aide."""
    if word.isalnum():  # most words
        return [word]
    plain = _INVERSION.sub("", word)
    return [piece for piece in re.split(r"(?<=^[ldnsjcmt])'|(?<=^qu)'|-", plain) if piece] or [word]


@dataclass(frozen=True, slots=True)
class _Glossary:
    """French to English. `stems` maps a stem to the folded words that have it, each with its English."""

    exact: Mapping[str, str]
    folded: Mapping[str, str]
    stems: Mapping[str, Sequence[tuple[str, str]]]
    longest: int


@cache
def _glossary() -> _Glossary:
    exact: dict[str, str] = {}
    unaccented: dict[str, str] = {}
    stems: dict[str, list[tuple[str, str]]] = {}
    for line in (Path(__file__).parent / "french.tsv").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            french, _, english = line.partition("\t")
            folded = fold(french)
            exact[french] = english
            unaccented.setdefault(folded, english)
            if " " not in french:
                stems.setdefault(_french().stemWord(folded), []).append((folded, english))
    return _Glossary(exact, unaccented, stems, max(len(key.split()) for key in exact))


@cache
def _french() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("french")
