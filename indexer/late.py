"""Late interaction: every token of every sentence keeps its vector, and a question is matched token by token.

MaxSim (Khattab & Zaharia 2020, "ColBERT") with each token of the question weighted by its inverse
document frequency, so that names and numbers count and function words hardly do.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_RESIDENT_TOKENS = 50_000
"""Up to so many tokens are held as float32, too (25 MB at 128 numbers); more are converted when read."""


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The tokens of one sentence: ids `[n]` and unit vectors `[n, dim]`, in order; n is at least 1."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]


class LateIndex:
    """Token vectors of all sentences in order, as int8, each with a scale of its own: `[tokens, 1]`.

    Those of sentence s are rows `starts[s]` up to `starts[s + 1]`. A scale for all would depend on every
    token, so that one changed report would change every byte.
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
        self._resident: NDArray[np.float32] | None = None
        if len(vectors) <= _RESIDENT_TOKENS:  # one column a token: a product with few rows likes that
            self._resident = np.ascontiguousarray((vectors * scale).T)
        self.sentences = len(starts) - 1
        self.dimension = int(vectors.shape[1])

    @classmethod
    def build(cls, passages: Iterable[Sequence[TokenVectors]], vocabulary: int) -> "LateIndex":
        """Index sentences, given passage by passage; `vocabulary` is the number of token ids there are.

        The passages are read once, and their vectors go to a file: those of a large corpus would not fit
        into memory.
        """
        frequency = np.zeros(vocabulary)
        lengths, scales, dimension, count = [0], [], 0, 0
        with tempfile.TemporaryFile() as file:
            for passage in passages:
                count += 1
                frequency[np.unique(np.concatenate([sentence.ids for sentence in passage]))] += 1
                for sentence in passage:
                    quantized, scale = quantize(sentence.vectors)
                    file.write(quantized.tobytes())
                    scales.append(scale)
                    lengths.append(len(quantized))
                    dimension = quantized.shape[1]
            file.flush()
            starts = np.cumsum(lengths, dtype=np.int64)
            vectors = np.memmap(file, dtype=np.int8, mode="r", shape=(int(starts[-1]), dimension))
        idf = np.log1p((count - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        return cls(vectors, starts, idf, np.concatenate(scales))

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
            float32 `[tokens, len(sentences)]`.
        """
        begins, ends = self._starts[sentences], self._starts[sentences + 1]
        counts = ends - begins
        firsts = np.cumsum(counts) - counts
        if self._resident is not None and ends[-1] - begins[0] == counts.sum():  # one run, as all are
            found = query @ self._resident[:, begins[0] : ends[-1]]
        else:
            rows = np.repeat(begins - firsts, counts) + np.arange(counts.sum())
            scaled = (self._vectors[rows].astype(np.float32) @ query.T) * self._scale[rows]
            found = scaled.T  # less to scale than the vectors
        return np.maximum.reduceat(found, firsts, axis=1)


def quantize(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows as int8 `[n, dim]` with the scale of each `[n, 1]`: a row is its numbers times its scale.

    What comes back from it is quantised to the same numbers again.
    """
    scale = (np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-6) / 127).astype(np.float32)
    return np.clip(np.rint(vectors / scale), -127, 127).astype(np.int8), scale
