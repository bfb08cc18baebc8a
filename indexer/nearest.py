"""Unit vectors → a FAISS index whose kind follows from how many there are, and back from a file.

Few are compared one by one. Of many, all are compared by short codes, half a byte for every two numbers
(product quantisation, Jégou et al. 2011, looked up in registers: André et al. 2015, "Cache locality is not
enough"); the nearest by these are ranked by the vectors as they were, so many that the true neighbours are
among them. Those lie beside the index and are mapped, not read: what no question touches takes no memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 5_000
"""Rows that are compared one by one: 8 MB at 384 dimensions, about half a millisecond."""
DEPTH = 100
"""How many neighbours a search is for."""
_RECALL = 0.99
"""Least share of the true first `DEPTH` that a search finds, measured when the index is built. Of the first
five alone it says too little: other channels lift an answer from far below to the top."""
_MOST = 3_200
"""So many are ranked at most, in a millisecond and a half, whatever share that finds."""
_ALIKE = 1e-6
"""Cosines that differ by less are of equal rows: reports say many things in the same words."""
_QUERIES = 200
_TRAINED_ON = 20_000
"""Rows that k-means sees."""


@dataclass(frozen=True)
class NearestIndex:
    """Unit rows `[n, dim]`, to be searched for those nearest to a query.

    `ranked`: how many of those that are nearest by the codes in `index` are ranked by the rows; 0 if `index`
    has no codes, and compares rows.
    """

    index: faiss.Index
    rows: NDArray[np.float32]
    ranked: int = 0

    def search(self, query: NDArray[np.float32], depth: int = DEPTH) -> NDArray[np.int64]:
        """Positions of the rows nearest to a unit vector `[dim]`, nearest first: at most `depth` of them."""
        _, found = self.index.search(query[None], max(self.ranked, depth))
        near: NDArray[np.int64] = found[0][found[0] >= 0]
        if self.ranked:
            near = near[np.argsort(-(self.rows[near] @ query), kind="stable")[:depth]]
        return near


def exact_index(vectors: NDArray[np.float32]) -> NearestIndex:
    """An index that compares unit rows `[n, dim]` one by one."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return NearestIndex(index, _held(index))


def build_index(
    vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> tuple[NearestIndex, dict[str, Any]]:
    """Index unit rows `[n, dim]`; `queries` are rows like those that will be searched for.

    Returns:
        The index, and what the manifest says about it: its kind and, if it has codes, the recall.
    """
    exact = exact_index(vectors)
    count, dimension = vectors.shape
    if count <= EXACT_UP_TO:
        return exact, {"kind": "flat"}
    parts = dimension // 2 if dimension % 2 == 0 else dimension
    codes = faiss.IndexPQFastScan(dimension, parts, 4, faiss.METRIC_INNER_PRODUCT)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # the same sums, whatever the machine does
    try:
        codes.train(vectors[_spread(count, _TRAINED_ON)])
        codes.add(vectors)
        sample = queries[_spread(len(queries), _QUERIES)]
        least = [float((vectors[exact.search(query)] @ query).min()) for query in sample]
        index, recall = NearestIndex(codes, vectors, DEPTH), 0.0
        while (recall := _share_found(least, index, sample)) < _RECALL and index.ranked < _MOST:
            index = NearestIndex(codes, vectors, 2 * index.ranked)
    finally:
        faiss.omp_set_num_threads(threads)
    about = {"kind": f"PQ{parts}x4fs", "ranked": index.ranked, "queries": len(sample)}
    return index, about | {f"recall@{DEPTH}": round(recall, 4)}


def write_index(
    folder: Path, name: str, vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> dict[str, Any]:
    """Write the index of unit rows as `name.faiss`, with the rows themselves if it does not hold them."""
    built, about = build_index(vectors, queries)
    faiss.write_index(built.index, str(folder / f"{name}.faiss"))
    if built.ranked:
        np.save(folder / f"{name}.npy", vectors, allow_pickle=False)
    return about


def open_index(folder: Path, name: str, about: Mapping[str, Any]) -> NearestIndex:
    """Open what was written; `about` is what the manifest says of it.

    FAISS could map an index (`IO_FLAG_MMAP_IFC`), but then takes the process with it if the file ends within
    a number: `make fuzz` found that.

    Raises:
        RuntimeError: if the file does not hold an index.
        ValueError: if the rows beside it are not as many, or not as long, as it says.
    """
    index = faiss.read_index(str(folder / f"{name}.faiss"))
    if about["kind"] == "flat":
        return NearestIndex(index, _held(index))
    rows = np.load(folder / f"{name}.npy", mmap_mode="r")
    if rows.shape != (index.ntotal, index.d):
        raise ValueError(f"{name}.npy: found {rows.shape}, expected {(index.ntotal, index.d)}")
    return NearestIndex(index, rows, about["ranked"])


def _held(index: Any) -> NDArray[np.float32]:
    """The rows that a flat index holds, without copying them: `[n, dim]`."""
    flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    rows: NDArray[np.float32] = flat.reshape(index.ntotal, index.d)
    return rows


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    """So many row numbers, evenly spaced; all if there are fewer."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _share_found(least: list[float], index: NearestIndex, queries: NDArray[np.float32]) -> float:
    """Share of what is found that is as near as the last true one, `least`: of equal rows any will do."""
    found = [index.rows[index.search(query)] @ query for query in queries]
    return float(np.mean([(near >= last - _ALIKE).mean() for near, last in zip(found, least, strict=True)]))
