"""Text → terms, and the BM25 index over them."""

import json
import logging
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG when imported

_STOPWORDS = frozenset(
    (
        "a about all also am an and any are as at be been being but by can could did do does doing for "
        "from had has have having he her hers him his how i if in into is it its just me my no not of on "
        "or our ours out over please she should so some such tell than that the their theirs them then "
        "there these they this those to too under up us very was we were what when where which while who "
        "whom whose why will with would you your yours"
    ).split()
)
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")
_POSSESSIVE = re.compile(r"['’](?:s\b|)")
_WORD = re.compile(r"[^\W_]+_?")

METHOD = "lucene"
K1 = 1.2
B = 0.75
"""Okapi BM25 as Lucene computes it (Kamphuis et al. 2020, "Which BM25 do you mean?")."""


def fold(text: str) -> str:
    """Lower case without accents: what typing on a phone leaves of a word."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def terms(text: str) -> list[str]:
    """The stemmed, folded content words of a text, in order (English Snowball stemmer).

    Function words are dropped, "U.S." is one term, "15,000" is the term "15000".
    """
    folded = _DOTTED.sub(lambda match: match.group().replace(".", "") + "_ ", fold(text))
    folded = _POSSESSIVE.sub("", _GROUPED.sub("", folded))
    # The mark that a dotted name keeps tells the country from the pronoun.
    words = [word.rstrip("_") for word in _WORD.findall(folded) if word not in _STOPWORDS]
    stems: list[str] = _stemmer().stemWords(words)
    return stems


def is_stopword(word: str) -> bool:
    """Whether a word only holds a sentence together."""
    return fold(word) in _STOPWORDS


class LexicalIndex:
    """BM25 over texts known by their position."""

    def __init__(self, model: bm25s.BM25, size: int) -> None:
        self._model = model
        self.size = size
        self.vocabulary: dict[str, int] = model.vocab_dict

    @classmethod
    def build(cls, texts: Sequence[str]) -> "LexicalIndex":
        """Index texts; equal texts give equal files, whatever the process (the vocabulary is sorted)."""
        documents = [terms(text) for text in texts]
        vocabulary = {term: number for number, term in enumerate(sorted({t for d in documents for t in d}))}
        model = bm25s.BM25(method=METHOD, k1=K1, b=B)
        numbered = [[vocabulary[term] for term in document] for document in documents]
        model.index((numbered, vocabulary), show_progress=False, create_empty_token=False)
        return cls(model, len(texts))

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Load what `save` wrote."""
        model = bm25s.BM25.load(str(folder), show_progress=False)
        return cls(model, json.loads((folder / "params.index.json").read_text())["num_docs"])

    def save(self, folder: Path) -> None:
        """Write the index as plain arrays and JSON."""
        self._model.save(str(folder), show_progress=False)

    def idf(self, query: Sequence[str]) -> NDArray[np.float64]:
        """Inverse document frequency of each term, greatest for one that no text has: `[len(query)]`."""
        counts = np.diff(self._model.scores["indptr"])
        frequency = np.array([counts[self.vocabulary[t]] if t in self.vocabulary else 0 for t in query])
        return np.log1p((self.size - frequency + 0.5) / (frequency + 0.5))

    def scores(self, query: Sequence[str]) -> NDArray[np.float32]:
        """BM25 of every text for the query's terms: float32 `[size]`, 0 where no term occurs."""
        known = [term for term in query if term in self.vocabulary]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        scores: NDArray[np.float32] = self._model.get_scores(known)
        return scores


@cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")
