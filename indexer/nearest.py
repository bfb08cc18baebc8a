"""Unit vectors → a FAISS index whose kind follows from how many there are, and back from a file.

Few are searched one by one. Many are grouped into lists by k-means, one byte a number (IVF, SQ8); a search
looks into the nearest lists only, so many that the true neighbours are among what it finds. The rows as they
were lie beside the index, and whoever searches ranks what was found by them. Both are mapped, not read: what
no question touches takes no memory.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 5_000
"""Rows that are searched one by one: 8 MB at 384 dimensions, about a millisecond."""
DEPTH = 100
"""How many neighbours a search is for."""
_RECALL = 0.99
"""Least share of the true first `DEPTH` that a search finds, measured when the index is built. Of the first
five alone it says too little: other channels lift an answer from far below to the top."""
_QUERIES = 200
_TRAINED_ON = 40
"""Rows for each list that k-means sees."""


def flat_index(vectors: NDArray[np.float32]) -> faiss.IndexFlatIP:
    """An exact inner-product index over unit rows `[n, dim]`."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def build_index(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> tuple[Any, dict[str, Any]]:
    """Index unit rows `[n, dim]`; `queries` are rows like those that will be searched for.

    Returns:
        The index, and what the manifest says about it: its kind and, if it is not exact, the recall.
    """
    exact = flat_index(vectors)
    if len(vectors) <= EXACT_UP_TO:
        return exact, {"kind": "flat"}
    lists = max(1, min(int(4 * len(vectors) ** 0.5), len(vectors) // _TRAINED_ON))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(vectors.shape[1]),
        vectors.shape[1],
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # rows are then in their lists in one order, whatever the machine does
    try:
        index.train(vectors[_spread(len(vectors), _TRAINED_ON * lists)])
        index.add(vectors)
        sample = queries[_spread(len(queries), _QUERIES)]
        true = exact.search(sample, DEPTH)[1]
        index.nprobe = 8
        recall = _share_found(true, index.search(sample, DEPTH)[1])
        while recall < _RECALL and index.nprobe < lists:
            index.nprobe = min(2 * index.nprobe, lists)
            recall = _share_found(true, index.search(sample, DEPTH)[1])
    finally:
        faiss.omp_set_num_threads(threads)
    about = {"kind": "ivf-sq8", "lists": lists, "probed": index.nprobe, "queries": len(sample)}
    return index, about | {f"recall@{DEPTH}": round(recall, 4)}


def write_index(
    folder: Path, name: str, vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> dict[str, Any]:
    """Write the index of unit rows as `name.faiss`, with the rows themselves if it does not hold them."""
    index, about = build_index(vectors, queries)
    faiss.write_index(index, str(folder / f"{name}.faiss"))
    if about["kind"] != "flat":
        np.save(folder / f"{name}.npy", vectors, allow_pickle=False)
    return about


def open_index(folder: Path, name: str) -> Any:
    """Open an index. The lists of a large one are mapped into memory; what else there is, is read.

    FAISS can map all of it (`IO_FLAG_MMAP_IFC`), but then takes the process with it if the file ends within
    a number: `make fuzz` found that.

    Raises:
        RuntimeError: if the file does not hold an index.
    """
    return faiss.read_index(str(folder / f"{name}.faiss"), faiss.IO_FLAG_MMAP)


def open_rows(folder: Path, indexes: Mapping[str, Mapping[str, Any]]) -> dict[str, NDArray[np.float32]]:
    """The rows that lie beside their index, by its name; mapped, not read."""
    return {
        name: np.load(folder / f"{name}.npy", mmap_mode="r")
        for name, about in indexes.items()
        if about["kind"] != "flat"
    }


def index_rows(index: Any) -> NDArray[np.float32]:
    """The rows of a flat index, without copying them: `[n, dim]`."""
    flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    rows: NDArray[np.float32] = flat.reshape(index.ntotal, index.d)
    return rows


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    """So many row numbers, evenly spaced; all if there are fewer."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _share_found(true: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    return float(np.mean([np.isin(rows, near).mean() for rows, near in zip(true, found, strict=True)]))
