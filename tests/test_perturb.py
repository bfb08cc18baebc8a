from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.judging import Outcome
from eval.perturb import PERTURBATIONS, casing, padding, robustness, typo
from eval.questions import Question

QUESTION = Question("q", "R", "Which country mines gold?", "fact", "dev", "f", True, None, ((0, 5),), ())


@given(st.text(), st.integers(0, 99))
def test_a_perturbation_depends_on_its_seed_only(text: str, seed: int) -> None:
    for perturb in PERTURBATIONS.values():
        assert perturb(text, Random(seed)) == perturb(text, Random(seed))


@given(st.integers(0, 999))
def test_a_typo_changes_one_word_by_one_slip(seed: int) -> None:
    before, after = QUESTION.question.split(), typo(QUESTION.question, Random(seed)).split()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) <= 1
    for a, b in changed:
        assert a.isalpha() and len(a) > 3 and abs(len(a) - len(b)) <= 1 and a[0] == b[0]


def test_a_question_of_short_words_has_no_typo() -> None:
    assert typo("who is he", Random(0)) == "who is he"


@given(st.integers(0, 99))
def test_casing_and_padding_keep_the_words(seed: int) -> None:
    assert casing(QUESTION.question, Random(seed)).casefold() == QUESTION.question.casefold()
    assert QUESTION.question in padding(QUESTION.question, Random(seed))


@pytest.mark.parametrize(
    ("answered", "excerpt", "again", "share"),
    [(True, "Gold.", "Gold.", 1.0), (True, "Gold.", "Silver.", 0.0), (False, "Gold.", "Silver.", 1.0)],
)
def test_an_answer_is_unchanged_if_it_cites_the_same_words_or_is_silent_again(
    answered: bool, excerpt: str, again: str, share: float
) -> None:
    before = Outcome(
        *("q", "", "fact", "dev", "f", True, "", answered, 0.5, (), (), (), 0, False, 0.0, True, True),
        excerpt,
    )
    text = again

    def ask(question: Question) -> Mapping[str, Any]:
        assert question.question != "" and question.id == "q"
        citation = {
            "document_id": "R",
            "start_char_index": 0,
            "end_char_index": len(text),
            "cited_text": text,
        }
        return {
            "answerable": answered,
            "confidence": 0.5,
            "answer": {"citations": [0]} if answered else None,
            "citations": [citation],
            "results": [],
            "usage": {"took_ms": 1.0},
        }

    shares = robustness([QUESTION], [before], ask, {"R": text})
    assert {name: interval.mean for name, interval in shares.items()} == dict.fromkeys(PERTURBATIONS, share)


def test_questions_after_a_history_and_silent_ones_are_not_asked_again() -> None:
    silent = Question("s", "R", "Who?", "near", "dev", "g", False, None, (), ())
    assert robustness([silent], [], lambda _: {}, {}) == {}
