from pathlib import Path

import numpy as np
import pytest

from indexer.bundle import Bundle
from indexer.cross_encoder import MAX_TOKENS, CrossEncoder

QUESTION = "When did France withdraw its troops?"
TEXT = "In 2022, France withdrew its 2,400 troops from Mali. It was hot."
ODD = ["", " ", "?", "🪙👩🏽\u200d🚀", "שלום", "\0", "a" * 3_000, "word " * 2_000]


@pytest.fixture(scope="module")
def encoder(bundle_path: Path) -> CrossEncoder:
    return CrossEncoder(bundle_path / "models")


def test_the_tokens_are_those_of_the_text_in_order(encoder: CrossEncoder) -> None:
    found = encoder.read(QUESTION, TEXT)
    assert found.tokens.shape == (len(found.places), 3)
    words = [TEXT[start:end] for start, end in found.places]
    assert "".join(words) == TEXT.replace(" ", "")


@pytest.mark.parametrize("odd", ODD)
def test_whatever_is_read_gives_finite_numbers_and_never_more_tokens_than_allowed(
    encoder: CrossEncoder, odd: str
) -> None:
    for question, text in ((odd, TEXT), (QUESTION, odd)):
        found = encoder.read(question, text)
        assert np.isfinite([found.answers, found.nothing, *found.tokens.ravel()]).all()
        assert len(found.tokens) < MAX_TOKENS
        assert all(0 <= start <= end <= len(text) for start, end in found.places)


def test_a_pair_does_not_depend_on_what_was_read_before(encoder: CrossEncoder) -> None:
    first = encoder.read(QUESTION, TEXT)
    for odd in ODD:
        encoder.read(odd, odd)
    again = encoder.read(QUESTION, TEXT)
    assert again.answers == first.answers
    assert np.array_equal(again.tokens, first.tokens)


def test_the_bundle_carries_its_reader(bundle: Bundle) -> None:
    assert isinstance(bundle.reader, CrossEncoder)
    assert bundle.manifest["reader"]["sentences"]
