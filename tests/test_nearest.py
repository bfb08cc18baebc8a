from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import indexer.nearest
from indexer.nearest import build_index, open_index, write_index

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
    vectors, query = unit(count, seed), unit(1, seed + 1)[0]
    index, about = build_index(vectors, vectors)
    assert about == {"kind": "flat"}
    assert np.array_equal(index.rows, vectors)
    near = index.search(query, 5)
    np.testing.assert_allclose((vectors @ query)[near], np.sort(vectors @ query)[::-1][:5], atol=1e-6)


@pytest.mark.usefixtures("many")
def test_of_many_nearly_all_true_neighbours_are_found_and_the_manifest_says_how_many() -> None:
    vectors, queries = unit(4_000, 0), unit(500, 1)
    index, about = build_index(vectors, queries)
    assert (about["kind"], about["queries"]) == ("PQ8x4fs", 200)
    assert index.ranked == about["ranked"] < len(vectors)
    recall = [np.isin(np.argsort(-(vectors @ query))[:50], index.search(query)).mean() for query in queries]
    assert about["recall@100"] >= 0.99
    assert np.mean(recall) >= 0.98


@pytest.mark.usefixtures("many")
def test_what_the_codes_find_is_ranked_by_the_rows() -> None:
    vectors = unit(4_000, 0)
    index, _ = build_index(vectors, unit(50, 1))
    for query in unit(9, 2):
        near = index.search(query, 7)
        assert len(near) == 7
        assert np.all(np.diff((vectors @ query)[near]) <= 0)
        assert near[0] == np.argmax(vectors @ query)


@pytest.mark.usefixtures("many")
def test_what_is_said_again_and_again_is_found_without_ranking_all() -> None:
    vectors = np.repeat(unit(40, 0), 150, axis=0)  # which of equal rows are the first hundred, nobody can say
    index, about = build_index(vectors, unit(200, 1))
    assert about["recall@100"] >= 0.99
    assert index.ranked <= 1_600 < len(vectors)


@pytest.mark.usefixtures("many")
def test_what_codes_cannot_tell_apart_is_not_ranked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.nearest, "_MOST", 200)
    noise = np.random.default_rng(0).standard_normal((9_000, 64)).astype(np.float32)
    vectors = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    index, about = build_index(vectors, vectors[::40] + vectors[1::40])
    assert index.ranked == about["ranked"] == 200
    assert about["recall@100"] < 0.99


@pytest.mark.usefixtures("many")
def test_fewer_rows_than_are_asked_for_are_all_found() -> None:
    vectors = unit(30, 0)
    index, _ = build_index(vectors, vectors)
    assert sorted(index.search(vectors[0])) == list(range(30))


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
    index = open_index(tmp_path, "passages", about)
    assert isinstance(index.rows, np.memmap)
    assert np.array_equal(index.rows, vectors)
    built, _ = build_index(vectors, queries)
    assert index.ranked == built.ranked
    for query in queries:
        assert np.array_equal(index.search(query, 9), built.search(query, 9))


@pytest.mark.usefixtures("many")
def test_other_rows_beside_an_index_are_refused(tmp_path: Path) -> None:
    about = write_index(tmp_path, "passages", unit(3_000, 0), unit(50, 1))
    np.save(tmp_path / "passages.npy", unit(2_999, 0))
    with pytest.raises(ValueError, match=r"passages\.npy: found \(2999, 16\), expected \(3000, 16\)"):
        open_index(tmp_path, "passages", about)


def test_a_small_index_holds_its_rows_itself(tmp_path: Path) -> None:
    about = write_index(tmp_path, "passages", unit(9, 0), unit(9, 1))
    assert not (tmp_path / "passages.npy").exists()
    assert np.array_equal(open_index(tmp_path, "passages", about).rows, unit(9, 0))


@pytest.mark.parametrize("exact_up_to", [0, 100])
def test_a_file_that_ends_anywhere_is_refused_and_takes_nobody_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact_up_to: int
) -> None:
    monkeypatch.setattr(indexer.nearest, "EXACT_UP_TO", exact_up_to)
    about = write_index(tmp_path, "passages", unit(90, 0), unit(9, 1))
    file = tmp_path / "passages.faiss"
    whole = file.read_bytes()
    for end in {*range(200), *range(200, len(whole), 7)}:
        file.write_bytes(whole[:end])
        with pytest.raises(RuntimeError):
            open_index(tmp_path, "passages", about)
