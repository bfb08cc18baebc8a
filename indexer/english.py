"""English words with how often each is used: what spelling is mended with.

Two sorted columns on the disk. A dictionary of them would take 15 MB, and longest of all to open.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class English(Mapping[str, int]):
    """How often each word is used. Words are in ASCII, in the order of their letters."""

    def __init__(self, words: NDArray[np.bytes_], counts: NDArray[np.int64]) -> None:
        """`words` `[n]` are sorted, `counts` `[n]` stand beside them."""
        if words.shape != counts.shape or words.dtype.kind != "S" or counts.dtype != np.int64:
            raise ValueError(f"{words.dtype} {words.shape} words with {counts.dtype} {counts.shape} counts")
        self._words, self._counts = words, counts

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "English":
        """From a count for each word.

        Raises:
            UnicodeEncodeError: if a word is not in ASCII.
        """
        words = sorted(counts)
        column = np.array([word.encode("ascii") for word in words], dtype=np.bytes_)
        return cls(column, np.array([counts[word] for word in words], dtype=np.int64))

    @classmethod
    def load(cls, folder: Path) -> "English":
        """Open what `save` wrote; it is mapped, not read."""
        words, counts = (
            np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in ("words", "counts")
        )
        return cls(words, counts)

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        np.save(folder / "words.npy", self._words)
        np.save(folder / "counts.npy", self._counts)

    @property
    def letters(self) -> set[str]:
        """All letters of all words."""
        return {chr(code) for code in np.flatnonzero(np.bincount(self._words.view(np.uint8))) if code}

    def among(self, texts: Iterable[str]) -> set[str]:
        """Those of some texts that are words: to look up a thousand takes less than a millisecond."""
        asked = [text for text in texts if text.isascii() and len(text) <= self._words.itemsize]
        if not asked or not len(self):
            return set()
        column = np.array(asked, dtype=self._words.dtype)
        rows = np.searchsorted(self._words, column)
        rows[rows == len(self)] = 0
        return {text for text, same in zip(asked, self._words[rows] == column, strict=True) if same}

    def __getitem__(self, word: str) -> int:
        asked = word.encode()
        row = bisect_left(self._words, asked)
        if row == len(self) or self._words[row] != asked:
            raise KeyError(word)
        return int(self._counts[row])

    def __iter__(self) -> Iterator[str]:
        return (word.decode() for word in self._words.tolist())

    def __len__(self) -> int:
        return len(self._words)
