"""Text → terms, and the BM25 index over them."""

import json
import logging
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import Stemmer
from numpy.typing import NDArray

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
_ARRAYS = ("starts", "rows", "weights")
_VOCABULARY = "vocabulary.json"


def fold(text: str) -> str:
    """Lower case without accents: what typing on a phone leaves of a word."""
    if text.isascii():  # the same, in a twentieth of the time
        return text.lower()
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
    """BM25 over texts known by their position.

    What a term adds to the score of each text that has it stands ready: for the term of number `t`, `weights`
    are added to those of `rows`, both from `starts[t]` up to `starts[t + 1]`.
    """

    def __init__(
        self,
        vocabulary: dict[str, int],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        weights: NDArray[np.float32],
        size: int,
    ) -> None:
        self.vocabulary = vocabulary
        self.size = size
        self._starts, self._rows, self._weights = starts, rows, weights

    @classmethod
    def build(cls, texts: Sequence[str]) -> "LexicalIndex":
        """Index texts; equal texts give equal files, whatever the process (the vocabulary is sorted)."""
        import bm25s  # only to build: it takes a third of a second to import

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG when imported
        documents = [terms(text) for text in texts]
        vocabulary = {term: number for number, term in enumerate(sorted({t for d in documents for t in d}))}
        model = bm25s.BM25(method=METHOD, k1=K1, b=B)
        numbered = [[vocabulary[term] for term in document] for document in documents]
        model.index((numbered, vocabulary), show_progress=False, create_empty_token=False)
        starts, rows, weights = (model.scores[name] for name in ("indptr", "indices", "data"))
        return cls(vocabulary, starts.astype(np.int64), rows, weights, len(texts))

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Load what `save` wrote."""
        starts, rows, weights = (np.load(folder / f"{name}.npy") for name in _ARRAYS)
        head = json.loads((folder / _VOCABULARY).read_text("utf-8"))
        vocabulary = {term: number for number, term in enumerate(head["terms"])}
        return cls(vocabulary, starts, rows, weights, head["texts"])

    def save(self, folder: Path) -> None:
        """Write the index as plain arrays and JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, f"_{name}"), allow_pickle=False)
        head = {"texts": self.size, "terms": list(self.vocabulary)}
        (folder / _VOCABULARY).write_text(json.dumps(head, ensure_ascii=False) + "\n", "utf-8")

    def idf(self, query: Sequence[str]) -> NDArray[np.float64]:
        """Inverse document frequency of each term, greatest for one that no text has: `[len(query)]`."""
        numbers = [self.vocabulary.get(term) for term in query]
        frequency = np.array([0 if t is None else self._starts[t + 1] - self._starts[t] for t in numbers])
        return np.log1p((self.size - frequency + 0.5) / (frequency + 0.5))

    def scores(self, query: Sequence[str]) -> NDArray[np.float32]:
        """BM25 of every text for the query's terms: float32 `[size]`, 0 where no term occurs."""
        scores = np.zeros(self.size, dtype=np.float32)
        for term in query:
            if (number := self.vocabulary.get(term)) is not None:
                mine = slice(self._starts[number], self._starts[number + 1])
                scores[self._rows[mine]] += self._weights[mine]  # each text once: nothing is added twice
        return scores


@cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")
