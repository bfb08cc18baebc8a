"""Late interaction: every token of every sentence keeps its vector, and a question is matched token by token.

MaxSim (Khattab & Zaharia 2020, "ColBERT") with each token of the question weighted by its inverse
document frequency, so that names and numbers count and function words hardly do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_RESIDENT_TOKENS = 50_000
"""Up to so many tokens are held as float32 (75 MB at 384 dimensions); more are converted when read."""


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The tokens of one sentence: ids `[n]` and unit vectors `[n, dim]`, in order; n is at least 1."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]


class LateIndex:
    """Token vectors of all sentences in order, as int8.

    Those of sentence s are rows `starts[s]` up to `starts[s + 1]`.
    """

    def __init__(
        self,
        vectors: NDArray[np.int8],
        starts: NDArray[np.int64],
        idf: NDArray[np.float32],
        scale: NDArray[np.float32],
    ) -> None:
        self._vectors = vectors
        self._starts = starts
        self._idf = idf
        self._scale = scale
        self._resident = vectors * scale if len(vectors) <= _RESIDENT_TOKENS else None
        self.sentences = len(starts) - 1
        self.dimension = int(vectors.shape[1])

    @classmethod
    def build(cls, passages: Sequence[Sequence[TokenVectors]], vocabulary: int) -> "LateIndex":
        """Index sentences, given passage by passage; `vocabulary` is the number of token ids there are."""
        sentences = [sentence for passage in passages for sentence in passage]
        frequency = np.zeros(vocabulary)
        for passage in passages:
            frequency[np.unique(np.concatenate([sentence.ids for sentence in passage]))] += 1
        idf = np.log1p((len(passages) - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        vectors = np.concatenate([sentence.vectors for sentence in sentences])
        scale = np.float32(max(float(np.abs(vectors).max()), 1e-6) / 127)
        starts = np.cumsum([0, *(len(sentence.ids) for sentence in sentences)], dtype=np.int64)
        quantized = np.clip(np.rint(vectors / scale), -127, 127).astype(np.int8)
        return cls(quantized, starts, idf, np.array([scale]))

    @classmethod
    def load(cls, folder: Path) -> "LateIndex":
        """Load what `save` wrote; the vectors stay on disk until they are read."""
        vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        starts, idf, scale = (np.load(folder / f"{name}.npy") for name in ("starts", "idf", "scale"))
        return cls(vectors, starts, idf, scale)

    def save(self, folder: Path) -> None:
        """Write the index as plain arrays."""
        for name in ("vectors", "starts", "idf", "scale"):
            np.save(folder / f"{name}.npy", getattr(self, f"_{name}"), allow_pickle=False)

    def weights(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much each token of a question counts: its IDF as a share of the question's, float32 `[n]`."""
        idf = self._idf[ids]
        weights: NDArray[np.float32] = idf / max(float(idf.sum()), 1e-6)
        return weights

    def similarities(self, query: NDArray[np.float32], sentences: NDArray[np.int64]) -> NDArray[np.float32]:
        """The best cosine in each sentence for each token of a question.

        Args:
            query: Unit token vectors of the question, `[tokens, dim]`.
            sentences: Rows of the sentences, ascending.

        Returns:
            float32 `[len(sentences), tokens]`.
        """
        begins, ends = self._starts[sentences], self._starts[sentences + 1]
        counts = ends - begins
        firsts = np.cumsum(counts) - counts
        rows: slice | NDArray[np.int64] = slice(begins[0], ends[-1])
        if ends[-1] - begins[0] != counts.sum():  # not one run: a slice would not do, and costs no copy
            rows = np.repeat(begins - firsts, counts) + np.arange(counts.sum())
        vectors = self._vectors[rows] * self._scale if self._resident is None else self._resident[rows]
        return np.maximum.reduceat(vectors @ query.T, firsts, axis=0)
