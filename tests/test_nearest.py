from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import indexer.nearest
from indexer.nearest import build_index, index_rows, open_index, open_rows, write_index

DIMENSION = 16


def unit(count: int, seed: int) -> NDArray[np.float32]:
    """Rows in heaps, as those of texts are."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((12, DIMENSION))[random.integers(12, size=count)]
    rows = rows + 0.4 * random.standard_normal((count, DIMENSION))
    units: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return units


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is indexed is much."""
    monkeypatch.setattr(indexer.nearest, "EXACT_UP_TO", 0)


@given(st.integers(1, 40), st.integers(0, 99))
def test_few_are_searched_as_numpy_would(count: int, seed: int) -> None:
    vectors, queries = unit(count, seed), unit(3, seed + 1)
    index, about = build_index(vectors, queries)
    assert about == {"kind": "flat"}
    scores, _ = index.search(queries, 1)
    np.testing.assert_allclose(scores[:, 0], (queries @ vectors.T).max(axis=1), atol=1e-6)
    assert np.array_equal(index_rows(index), vectors)


@pytest.mark.usefixtures("many")
def test_of_many_nearly_all_true_neighbours_are_found_and_the_manifest_says_how_many() -> None:
    vectors, queries = unit(4_000, 0), unit(500, 1)
    index, about = build_index(vectors, queries)
    assert (about["kind"], about["lists"], about["queries"]) == ("ivf-sq8", 100, 200)
    assert index.nprobe == about["probed"] < about["lists"]
    true = np.argsort(-(queries @ vectors.T), axis=1)[:, :50]
    found = index.search(queries, indexer.nearest.DEPTH)[1]
    recall = np.mean([np.isin(rows, near).mean() for rows, near in zip(true, found, strict=True)])
    assert about["recall@100"] >= 0.99
    assert recall >= 0.98


@pytest.mark.usefixtures("many")
def test_two_builds_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_index(tmp_path / name, "passages", unit(3_000, 0), unit(50, 1))
    one, two = ((tmp_path / name / "passages.faiss").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.usefixtures("many")
def test_the_rows_of_many_lie_beside_their_index(tmp_path: Path) -> None:
    vectors, queries = unit(3_000, 0), unit(50, 1)
    about = write_index(tmp_path, "passages", vectors, queries)
    index, rows = open_index(tmp_path, "passages"), open_rows(tmp_path, {"passages": about})
    assert isinstance(rows["passages"], np.memmap)
    assert np.array_equal(rows["passages"], vectors)
    built, _ = build_index(vectors, queries)
    assert index.nprobe == built.nprobe
    assert np.array_equal(index.search(queries, 9)[1], built.search(queries, 9)[1])


def test_a_small_index_holds_its_rows_itself(tmp_path: Path) -> None:
    about = write_index(tmp_path, "passages", unit(9, 0), unit(9, 1))
    assert open_rows(tmp_path, {"passages": about}) == {}
    assert np.array_equal(index_rows(open_index(tmp_path, "passages")), unit(9, 0))


@pytest.mark.parametrize("exact_up_to", [0, 100])
def test_a_file_that_ends_anywhere_is_refused_and_takes_nobody_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact_up_to: int
) -> None:
    monkeypatch.setattr(indexer.nearest, "EXACT_UP_TO", exact_up_to)
    write_index(tmp_path, "passages", unit(90, 0), unit(9, 1))
    file = tmp_path / "passages.faiss"
    whole = file.read_bytes()
    for end in {*range(200), *range(200, len(whole), 7)}:
        file.write_bytes(whole[:end])
        with pytest.raises(RuntimeError):
            open_index(tmp_path, "passages")
