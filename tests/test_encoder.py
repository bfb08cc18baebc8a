from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.bundle import Bundle
from indexer.embedding import PassageEncoder, find_encoder
from indexer.encoder import FILES, QueryEncoder

ODD = ["", " ", "?", "🪙👩🏽\u200d🚀", "שלום", "\u202e", "\ufffd", "\0", "a" * 5_000, "word " * 2_000]


@pytest.fixture(scope="module")
def folder(bundle_path: Path) -> Path:
    return bundle_path / "models" / "encoder"


def load(folder: Path, **description: object) -> QueryEncoder:
    return QueryEncoder.load(folder, {"dimension": 384, "max_tokens": 256, "query_prompt": "", **description})


@pytest.mark.parametrize("text", ["Who is Mali's president?", *ODD])
def test_vectors_have_length_one(bundle: Bundle, text: str) -> None:
    query = bundle.encoder.encode(text)
    assert query.vector.shape == (bundle.encoder.dimension,)
    assert query.vector.dtype == np.float32
    assert np.linalg.norm(query.vector) == pytest.approx(1, abs=1e-5)
    assert query.tokens.shape == (len(query.ids), bundle.encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(query.tokens, axis=1), 1, atol=1e-5)


def test_a_word_is_one_token_and_marks_are_none(bundle: Bundle) -> None:
    assert len(bundle.encoder.encode("gold").ids) == 1
    assert len(bundle.encoder.encode("").ids) == 0


def test_text_past_the_last_token_is_not_read(folder: Path) -> None:
    encoder = load(folder, max_tokens=8)  # six words between the two marks
    six = encoder.encode("one two three four five six")
    more = encoder.encode("one two three four five six seven eight")
    assert np.array_equal(six.vector, more.vector)
    assert len(more.ids) == 6
    assert not np.array_equal(six.vector, encoder.encode("one two three four five").vector)


def test_a_prompt_goes_before_the_question_and_nothing_else_does(folder: Path) -> None:
    prompted = load(folder, query_prompt="query: ").encode("gold")
    assert np.array_equal(prompted.vector, load(folder).encode("query: gold").vector)
    assert not np.array_equal(prompted.vector, load(folder).encode("gold").vector)


@settings(max_examples=20)
@given(st.lists(st.text(max_size=40), max_size=4))
def test_a_vector_does_not_depend_on_what_was_asked_before(bundle: Bundle, before: list[str]) -> None:
    fresh = bundle.encoder.encode("Who is Mali's president?")
    for text in [*before, *ODD]:
        bundle.encoder.encode(text)
    again = bundle.encoder.encode("Who is Mali's president?")
    assert np.array_equal(fresh.vector, again.vector)
    assert np.array_equal(fresh.tokens, again.tokens)


def test_two_processes_would_agree(bundle: Bundle, folder: Path) -> None:
    other = QueryEncoder.load(folder, bundle.manifest["encoder"])
    text = "How much did Mali agree to pay the Wagner Group?"
    assert np.array_equal(bundle.encoder.encode(text).vector, other.encode(text).vector)


def test_the_bundle_holds_the_files_that_an_encoder_needs(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_queries_are_encoded_as_sentence_transformers_does(bundle: Bundle) -> None:
    """Int8 costs something; the questions are not the texts that the build measures parity on."""
    questions = [question for entry in bundle.manifest["documents"] for question in entry["suggestions"]]
    questions += ["gold", "Who forced the UN mission out?", "What is JNIM?", "how many troops left in 2022"]
    original = PassageEncoder(find_encoder()).encode(questions)
    cosines = [bundle.encoder.encode(q).vector @ row for q, row in zip(questions, original, strict=True)]
    assert np.mean(cosines) >= 0.98
    assert min(cosines) >= 0.96


def test_parity_of_the_bundle_is_above_its_floor(bundle: Bundle) -> None:
    parity = bundle.manifest["encoder"]["parity"]
    assert parity["texts"] == bundle.manifest["counts"]["sentences"]
    assert 0.98 <= parity["mean_cosine"] <= 1
    assert 0.96 <= parity["min_cosine"] <= parity["mean_cosine"]
