"""Question → query: what a person typed, turned into what is searched. Rules, no model.

A French question is glossed word by word, misspelt words are mended with the report's own vocabulary,
and a follow-up takes along what it refers to. Each step leaves alone what it does not have to touch.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.aliases import spell_out, write_out
from indexer.english import English
from indexer.lexical import fold, terms
from service.french import gloss

_WRITTEN_OUT = 2.0
"""A question with a short name is also searched without it, since passages speak of "the UN mission"
far more often than of MINUSMA; with that name in it, the one that introduces it would always win."""
_REFERRED_QUESTION = 0.5
_REFERRED_ANSWER = 0.3
_EARLIER = 0.7
"""What a follow-up refers to counts less than its own words, and less again the longer ago it was said."""
_FURTHEST = 4
"""So many earlier questions are taken along at most."""
_LONGEST = 40
"""Letters of a word that may be misspelt; to look for the like of a longer one would take long."""
_MENDED = 20
"""So many unknown words of a text are mended: the rest is no question."""
_REMEMBERED = 10_000
"""Words that were looked up last: most of a question's are the same as in those before it."""
_LETTERS = 64
"""So many letters of the reports, the most used, are tried in place of one, beside those of English."""
SILENCE = "The report does not say."
"""What a chat writes for an answer when there is none; there is nothing in it to refer to."""

_POINTERS = frozenset(
    "it its they them their theirs he him his she her hers that this those these there one ones same "
    "former latter both".split()
)
_OPENINGS = re.compile(r"(?:and|but|so|also|or|then|what about|how about|no|sorry)\b", re.I)
_ASKING = re.compile(r"(?:why|when|where|how)\b")
_NAME = re.compile(r"(?<=[\w,;:] )[A-Z][\w-]+")
_NUMBER = re.compile(r"\d(?:[\d,.]*\d)?")
_SHORTHAND = {
    "u": "you", "ur": "your", "r": "are", "wat": "what", "wut": "what", "wen": "when", "wer": "where",
    "hw": "how", "mny": "many", "mch": "much", "y": "why", "abt": "about", "bc": "because", "cuz": "because",
    "govt": "government", "gov": "government", "pres": "president", "yr": "year", "yrs": "years",
    "mth": "month", "mnth": "month", "ppl": "people", "pls": "please", "plz": "please", "thru": "through",
    "mil": "million", "bn": "billion", "intl": "international", "dept": "department",
}  # fmt: skip
_WHY = re.compile(  # bounded: what stands before is looked at from each of many commas
    r"(?:^|[.!?,] )\W{0,8}(?:(?:so|and|but|ok|okay|then) )*"
    r"(?:why|how come|what (?:made|led|caused|pushed|prompted|drove|explains|reason)|for what reason)\b"
)
_ASKED_AFTER = re.compile(
    r"(?:,?\s+and|\?(?:\s+and)?)\s+(?=(?:(?:also|since|by|in|at|to|from|for|of|on|with)\s+)?"
    r"(?:who|whom|whose|what|when|where|which|why|how)\b)",
    re.I,
)
_MOST_PARTS = 3
"""What asks for more at once is asked as it stands."""
_ENDING = re.compile(r"(?:er|or|ed|ing|ly|est|ness|able|ment)?s?$")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_TYPED = re.compile(r"(?<![\w.&])(?>[^\W\d_]+(?:['’](?![sS]\b)[^\W\d_]+)*)(?![\w&]|\.\w)")
"""A word that may be misspelt, without a possessive ending: "u.s." and "r&d" are none."""
_CONTRACTION = re.compile(
    r"(?:is|are|was|were|do|does|did|has|have|had|could|would|should)nt|(?:you|we|they)(?:re|ve|ll)"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched: `text`, and each text of `context` with its weight beside it.

    `asked`: the question as a reader of single sentences can understand it, if that is not `text`.
    `corrected` and `resolved` say what was done to the question: the text with its spelling mended (or
    glossed from French), and the text with what it refers to; None where nothing was done.
    """

    text: str
    context: tuple[tuple[str, float], ...] = ()
    corrected: str | None = None
    resolved: str | None = None
    asked: str | None = None


class Vocabulary:
    """The words that a question may use without being suspected of a misspelling."""

    def __init__(self, texts: Sequence[str], english: English) -> None:
        """`texts` are the reports, whose words are preferred; `english` gives how often a word is used."""
        self._report = Counter(
            part
            for text in texts
            for word in _WORD.findall(fold(text).replace("’", "'"))
            for part in {word, *word.split("'")}
        )
        self._words = list(self._report)
        self._lengths, self._masks = _shapes(self._words)
        self._stems = {stem for word in self._report for stem in terms(word)}
        self._english = english
        self.knows = lru_cache(_REMEMBERED)(self._knows)
        """Whether a word is one that may be meant as it stands: too short to tell, or not misspelt."""
        used = Counter("".join(self._report)).most_common(_LETTERS)
        self._letters = sorted(english.letters | {letter for letter, _ in used})

    def mend(self, word: str, short: bool = False) -> str:
        """The word that was meant: the same one, unless it is unknown and very near to a known one.

        A `short` name is mended to a word of the report only: English words are none.
        """
        if self.knows(word):
            return word
        folded = fold(word)
        if word.islower() and folded in _SHORTHAND:
            return _SHORTHAND[folded]
        near = {known for known in self._one_slip_from(folded) if not short or known in self._report}
        # Typed with a capital inside a sentence, an unknown word is a name that the report lacks; and two
        # slips lead to a word of the report only, else "zelensky" would be "kerensky".
        if not near and len(folded) >= 8 and not word[0].isupper():
            near = self._two_slips_from(folded)
        return min(
            near,
            key=lambda known: (
                folded[0] != known[0], -self._report[known], -self._english.get(known, 0), known
            ),
            default=word,
        )  # fmt: skip

    def _one_slip_from(self, word: str) -> set[str]:
        """Known words that are a word with one letter left out, put in, changed, or swapped with the next.

        All that a slip makes of it are looked up: some hundreds, where to compare would take 83,000.
        """
        slips = set()
        for at in range(len(word) + 1):
            head, letter, tail = word[:at], word[at : at + 1], word[at + 1 :]
            slips |= {head + tail, head + tail[:1] + letter + tail[1:]}
            slips |= {head + other + rest for other in self._letters for rest in (tail, letter + tail)}
        return {slip for slip in slips if slip in self._report} | self._english.among(slips)

    def _two_slips_from(self, word: str) -> set[str]:
        """Words of the reports that are up to two slips away (optimal string alignment).

        Two slips change the length by two and the letters used by four at most. Few words pass that, so that
        few are compared: the words of a large corpus take a millisecond, where all took fifteen.
        """
        (length,), (mask,) = _shapes([word])
        alike = (abs(self._lengths - length) <= 2) & (np.bitwise_count(self._masks ^ mask) <= 4)
        words = [self._words[row] for row in np.flatnonzero(alike)]
        found = process.extract(word, words, scorer=OSA.distance, score_cutoff=2, limit=None)
        return {known for known, _, _ in found}

    def _knows(self, word: str) -> bool:
        folded = fold(word).replace("’", "'")
        if word.islower() and folded in _SHORTHAND:
            return False
        return (
            not 4 <= len(folded) <= _LONGEST
            or folded in self._report
            or folded in self._english
            or bool(self._stems & set(terms(folded)))
            or _base(folded) in self._english
            or _CONTRACTION.fullmatch(folded) is not None
        )


def _shapes(words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Of each word its length, and a bit for each of its letters: `[len(words)]`."""
    lengths = np.array([len(word) for word in words], dtype=np.int64)
    codes = np.frombuffer("".join(words).encode("utf-32-le"), dtype=np.uint32)
    bits = np.uint64(1) << (codes % 64).astype(np.uint64)
    firsts = np.cumsum(lengths) - lengths
    return lengths, np.bitwise_or.reduceat(bits, firsts) if words else np.zeros(0, dtype=np.uint64)


def make_query(
    question: str,
    history: Sequence[Mapping[str, str]],
    vocabulary: Vocabulary,
    names: Mapping[str, str],
) -> Query:
    """Understand one question.

    Args:
        question: What a person typed.
        history: Earlier turns, oldest first, each with `role` ("user" or "assistant") and `content`.
        vocabulary: The words of the reports.
        names: What the short names that the reports define stand for.
    """
    text = _readable(question, vocabulary)
    corrected = text if text != question else None
    context = _context(text, history, vocabulary)
    resolved = None
    asked = None
    if context:
        resolved = f"{text} ({'; '.join(said for said, _ in context)})"
        before = [said for said, weight in context if weight == _REFERRED_QUESTION]  # the latest question
        asked = spell_out(" ".join([*before, text]), names)
    spelt, plain = spell_out(text, names), write_out(text, names)
    if plain != text:
        context = ((plain, _WRITTEN_OUT), *context)
    return Query(spelt, context, corrected, resolved, asked)


def asks_why(text: str) -> bool:
    """Whether a question asks for the reason of something that it takes for granted.

    More than half of the questions whose premise a report does not support do, and hardly any other that it
    does not answer: a test counts them.
    """
    return _WHY.search(fold(text)) is not None


def parts_of(question: str) -> list[str]:
    """The questions that a question consists of: "Who mediated it, and when did it end?" asks two.

    Each says of itself what it is about, if only by pointing to the one before; otherwise there is one.
    """
    parts = [part.strip() for part in _ASKED_AFTER.split(question)]
    return parts if len(parts) <= _MOST_PARTS and all(map(terms, parts)) else [question]


def named(text: str) -> set[str]:
    """The numbers and names in a question; its first word may have a capital and be none."""
    return {*_NUMBER.findall(text), *_NAME.findall(text)}


def _base(word: str) -> str:
    """A word without its ending: "funders" is no misspelling where "fund" is a word."""
    return _ENDING.sub("", word)


def _readable(question: str, vocabulary: Vocabulary) -> str:
    glossed = gloss(question)
    if glossed is not None:
        return glossed
    unknown = (word for word in dict.fromkeys(_TYPED.findall(question)) if not vocabulary.knows(word))
    shouted = question.isupper()  # else a word in capitals is a short name
    mended = {
        word: vocabulary.mend(word, word.isupper() and not shouted) for word in islice(unknown, _MENDED)
    }
    return _TYPED.sub(lambda match: mended.get(match.group(), match.group()), question)


def _context(
    text: str, history: Sequence[Mapping[str, str]], vocabulary: Vocabulary
) -> tuple[tuple[str, float], ...]:
    """What a follow-up refers to: the last answer, and questions back to one that stands on its own."""
    if not history or not _refers_back(text):
        return ()
    context = []
    last = history[-1]["content"]
    if history[-1]["role"] == "assistant" and last.strip() not in ("", SILENCE):
        context.append((last, _REFERRED_ANSWER))
    asked = (turn["content"] for turn in reversed(history) if turn["role"] == "user")
    for number, question in enumerate(islice(asked, _FURTHEST)):
        said = _readable(question, vocabulary)
        context.append((said, _REFERRED_QUESTION * _EARLIER**number))
        if not _refers_back(said):
            break
    return tuple(context)


def _refers_back(text: str) -> bool:
    """Whether a question needs the turns before it: it points to something, or hardly names anything."""
    folded = fold(text).strip()
    words = len(terms(folded))
    if _POINTERS & set(_WORD.findall(folded)) or (_OPENINGS.match(folded) and words <= 4):
        return True
    return words <= (4 if _ASKING.match(folded) else 2) and not _NAME.search(text)
