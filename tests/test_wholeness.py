import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.wholeness import is_whole

TEXT = 'Aid. The U.S. gave $5 million. "Too little," he said.\n- food\n- cash\n\nFigure 1. Mali at a Glance\n'


@pytest.mark.parametrize(
    ("excerpt", "whole"),
    [
        ("The U.S. gave $5 million.", True),
        ('"Too little," he said.', True),
        ("Aid. The U.S. gave $5 million.", True),  # with its run-in heading
        ("food", True),  # a list item without its mark
        ("- food", True),
        ("Figure 1. Mali at a Glance", True),  # a line without a stop
        ("Mali at a Glance", True),  # begins after a stop
        ("he U.S. gave $5 million.", False),  # begins inside a word
        ("U.S. gave $5 million.", False),
        ("The U.S. gave $5 million", False),  # lost its stop
        ("The U.S. gave $5 mill", False),
        ("The U.S. gave", False),
        (" The U.S. gave $5 million.", False),
        ("he said.", False),
        ("Figure 1. Mali", False),
    ],
)
def test_excerpts_by_hand(excerpt: str, whole: bool) -> None:
    start = TEXT.index(excerpt)
    assert is_whole(TEXT, start, start + len(excerpt)) is whole


@given(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)))
def test_what_is_whole_has_no_blank_at_its_ends(start: int, end: int) -> None:
    if is_whole(TEXT, start, end):
        assert TEXT[start:end].strip() == TEXT[start:end] != ""


def test_the_whole_text_is_whole() -> None:
    assert is_whole("One. Two.", 0, 9)
    assert not is_whole("One. Two.", 5, 10)  # past the end
    assert not is_whole("One. Two.", 5, 5)
    assert is_whole("一句。二句。", 3, 6)
