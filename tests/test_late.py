import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import indexer.late
from indexer.late import LateIndex, TokenVectors, quantize

VOCABULARY = 12
DIMENSION = 6

Passages = list[list[TokenVectors]]


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    length: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / length).astype(np.float32)


def sentence(ids: Sequence[int], seed: int) -> TokenVectors:
    rows = np.random.default_rng(seed).standard_normal((len(ids), DIMENSION))
    return TokenVectors(np.array(ids, dtype=np.int64), unit(rows))


tokens = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5)
passages_of_sentences: st.SearchStrategy[Passages] = st.lists(
    st.lists(st.builds(sentence, tokens, st.integers(0, 999)), min_size=1, max_size=4), min_size=1, max_size=4
)


@given(passages_of_sentences, st.integers(1, 4), st.integers(0, 999), st.data())
def test_the_best_cosines_are_those_of_a_plain_loop(
    passages: Passages, length: int, seed: int, data: st.DataObject
) -> None:
    sentences = list(itertools.chain.from_iterable(passages))
    rows = sorted(data.draw(st.sets(st.integers(0, len(sentences) - 1), min_size=1)))
    query = sentence([0] * length, seed).vectors
    index = LateIndex.build(passages, VOCABULARY)
    found = index.similarities(query, np.array(rows))
    expected = np.array(
        [[max(float(word @ t) for t in sentences[s].vectors) for s in rows] for word in query]
    )
    assert index.sentences == len(sentences)
    assert (found.dtype.name, found.shape) == ("float32", (length, len(rows)))
    # Each of the numbers of a vector is off by at most half a step of int8, which is at most that of the
    # largest, so a product with a unit vector by at most that times the root of the dimension.
    step = max(float(np.abs(one.vectors).max()) for one in sentences) / 127
    assert np.abs(found - expected).max() <= step / 2 * DIMENSION**0.5 + 1e-6


@given(st.integers(1, 5), st.integers(0, 999))
def test_what_was_quantised_is_quantised_to_the_same(length: int, seed: int) -> None:
    numbers, scale = quantize(sentence([0] * length, seed).vectors)
    again, same = quantize(numbers * scale)
    assert np.array_equal(numbers, again)
    np.testing.assert_allclose(scale, same, rtol=1e-6)


@given(passages_of_sentences, tokens)
def test_rare_tokens_count_more(passages: Passages, ids: list[int]) -> None:
    weights = LateIndex.build(passages, VOCABULARY).weights(np.array(ids))
    holding = [sum(any(i in one.ids for one in passage) for passage in passages) for i in range(VOCABULARY)]
    idf = [np.log(1 + (len(passages) - holding[i] + 0.5) / (holding[i] + 0.5)) for i in ids]
    np.testing.assert_allclose(weights, np.array(idf) / sum(idf), rtol=1e-5)


def test_weights_by_hand() -> None:
    one, two = sentence([1, 1, 2], 0), sentence([2], 1)
    index = LateIndex.build([[one], [two]], VOCABULARY)
    # Token 1 is in one passage of two, token 2 in both, token 3 in none: ln 2, ln 1.2 and ln 6.
    np.testing.assert_allclose(
        index.weights(np.array([1, 2, 3])), np.log([2, 1.2, 6]) / np.log(14.4), rtol=1e-6
    )


def test_a_token_counts_once_in_a_passage_however_many_sentences_have_it() -> None:
    apart = LateIndex.build([[sentence([1], 0), sentence([1], 1)], [sentence([2], 2)]], VOCABULARY)
    weights = apart.weights(np.array([1, 2]))
    assert weights[0] == weights[1]


def test_a_question_without_tokens_matches_nothing() -> None:
    index = LateIndex.build([[sentence([1, 2], 0)]], VOCABULARY)
    none = np.zeros(0, dtype=np.int64)
    found = index.similarities(np.zeros((0, DIMENSION), dtype=np.float32), np.array([0]))
    assert (found.shape, index.weights(none).shape) == ((0, 1), (0,))
    assert (index.weights(none) @ found).tolist() == [0]


def test_a_sentence_without_tokens_matches_nothing() -> None:
    """The encoder gives such a sentence one vector of zeros, which must not shift its neighbours."""
    empty = TokenVectors(np.zeros(1, dtype=np.int64), np.zeros((1, DIMENSION), dtype=np.float32))
    first, last = sentence([3], 0), sentence([4], 1)
    index = LateIndex.build([[empty, first], [empty, last]], VOCABULARY)
    found = index.similarities(np.concatenate([first.vectors, last.vectors]), np.arange(4))
    assert found[:, [0, 2]].tolist() == [[0, 0], [0, 0]]
    np.testing.assert_allclose([found[0, 1], found[1, 3]], 1, atol=0.02)


def test_sentences_that_are_all_empty_are_indexed() -> None:
    empty = TokenVectors(np.zeros(1, dtype=np.int64), np.zeros((1, DIMENSION), dtype=np.float32))
    index = LateIndex.build([[empty]], VOCABULARY)
    assert index.similarities(sentence([1], 0).vectors, np.array([0])).tolist() == [[0]]


@given(passages_of_sentences)
def test_what_is_saved_is_what_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, passages: Passages
) -> None:
    index, folder = LateIndex.build(passages, VOCABULARY), tmp_path_factory.mktemp("late")
    index.save(folder)
    loaded = LateIndex.load(folder)
    rows, query, ids = np.arange(index.sentences), sentence([1, 2], 5).vectors, np.arange(VOCABULARY)
    assert (loaded.sentences, loaded.dimension) == (index.sentences, DIMENSION)
    assert np.array_equal(loaded.similarities(query, rows), index.similarities(query, rows))
    assert np.array_equal(loaded.weights(ids), index.weights(ids))


def test_vectors_that_stay_on_disk_give_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = [[sentence([1, 2, 3], 0), sentence([4], 1)], [sentence([5, 6], 2)]]
    LateIndex.build(passages, VOCABULARY).save(tmp_path)
    resident = LateIndex.load(tmp_path)
    monkeypatch.setattr(indexer.late, "_RESIDENT_TOKENS", 0)
    on_disk = LateIndex.load(tmp_path)
    assert isinstance(on_disk._vectors, np.memmap)
    assert on_disk._resident is None is not resident._resident
    query = sentence([1, 2], 7).vectors
    for rows in ([0, 1, 2], [1], [0, 2]):
        wanted = resident.similarities(query, np.array(rows))
        np.testing.assert_allclose(on_disk.similarities(query, np.array(rows)), wanted, atol=1e-6)


def test_what_is_saved_is_plain_arrays(tmp_path: Path) -> None:
    LateIndex.build([[sentence([1], 0)]], VOCABULARY).save(tmp_path)
    arrays = {path.name: np.load(path, allow_pickle=False).dtype.name for path in tmp_path.iterdir()}
    assert arrays == {
        "vectors.npy": "int8", "starts.npy": "int64", "idf.npy": "float32", "scale.npy": "float32"
    }  # fmt: skip
