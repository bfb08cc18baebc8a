from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.bundle import Bundle
from indexer.english import English

WORDS = st.text("abc'z", min_size=1, max_size=6)
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)


@given(st.dictionaries(WORDS, st.integers(1, 2**60), max_size=40), st.lists(WORDS | ANY))
def test_it_knows_what_a_dictionary_knows(counts: dict[str, int], asked: list[str]) -> None:
    english = English.of(counts)
    assert dict(english) == counts
    assert english.among(asked) == {word for word in asked if word in counts}
    for word in asked:
        assert english.get(word) == counts.get(word)
        assert (word in english) == (word in counts)
    assert english.letters == set("".join(counts))


def test_it_is_the_same_from_the_disk(tmp_path: Path) -> None:
    counts = {"gold": 3, "a": 2**40, "mediterranean": 1}
    English.of(counts).save(tmp_path)
    assert dict(English.load(tmp_path)) == counts


def test_a_longer_word_than_any_is_none() -> None:
    english = English.of({"gold": 1})
    assert english.among(["gold", "golden", "gol"]) == {"gold"}


def test_words_without_counts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\|S4 \(1,\) words with int64 \(2,\) counts"):
        English(np.array([b"gold"]), np.array([1, 2]))


def test_the_bundle_carries_it(bundle: Bundle) -> None:
    assert len(bundle.english) > 80_000
    assert bundle.english["the"] > bundle.english["gold"] > bundle.english["marauder"] > 0
