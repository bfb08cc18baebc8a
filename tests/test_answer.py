import dataclasses
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import REPEATS, Answerer, UnknownDocumentError, reading_features
from service.query import parts_of
from service.retriever import CHANNELS


@pytest.fixture(scope="module")
def answerer(shelf: Bundle) -> Answerer:
    return Answerer(shelf)


def test_an_answer_is_its_citation(answerer: Answerer) -> None:
    answer = answerer.answer("How much did Wagner cost Mali each month?")
    assert answer.answerable
    assert answer.reason is None
    assert answer.text
    assert answer.text == answer.citations[0].excerpt
    assert "$10 million per month" in answer.text


TWO = "When did France withdraw its troops, and how much was Wagner paid each month?"


def test_a_question_that_asks_two_things_is_answered_from_two_places(answerer: Answerer) -> None:
    answer = answerer.answer(TWO, limit=3)
    withdrawn, paid = answer.citations
    assert "withdrew its 2,400 troops" in withdrawn.excerpt
    assert "$10 million per month" in paid.excerpt
    assert answer.text == f"{withdrawn.excerpt}\n{paid.excerpt}"
    assert {result.citation for result in answer.results} >= {withdrawn, paid}
    assert [result.rank for result in answer.results] == [1, 2, 3]
    assert answer.query.text == TWO
    parts = [answerer.answer(part) for part in parts_of(TWO)]
    assert answer.confidence == min(part.confidence for part in parts)


def test_the_second_thing_asked_may_point_to_the_first(answerer: Answerer) -> None:
    answer = answerer.answer("When did JNIM attack Bamako, and how many combatants does it have?")
    _, size = answer.citations
    assert "several thousand combatants" in size.excerpt


@pytest.mark.parametrize(
    "question",
    [
        "How much was Wagner paid, and who won the World Cup in Qatar?",  # one part is not answered
        "How much was Wagner paid and how much is that each month?",  # both by the same sentence
    ],
)
def test_a_question_of_parts_that_are_not_two_answers_is_answered_as_it_stands(
    answerer: Answerer, question: str
) -> None:
    answer = answerer.answer(question)
    assert answer == answerer._single(question, 3, None, (), "accurate")
    assert len(answer.citations) < 2


@pytest.mark.parametrize("question", ["?", "…", "👩🏽\u200d🚀", "\0", "- - -"])
def test_what_has_no_word_is_not_answered(answerer: Answerer, question: str) -> None:
    answer = answerer.answer(question)
    assert (answer.answerable, answer.confidence, answer.text, answer.citations) == (False, 0, None, ())


@pytest.mark.parametrize("question", ["hello", "give me a recipe for onion soup", "asdf qwer zxcv"])
def test_silence_shows_what_is_near_and_says_that_it_is_no_answer(answerer: Answerer, question: str) -> None:
    answer = answerer.answer(question, limit=2)
    assert not answer.answerable
    assert answer.reason in {"off_topic", "not_in_report"}
    assert (answer.text, answer.citations) == (None, ())
    assert len(answer.results) == 2


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_limit_is_how_many_passages_come_back_at_most(answerer: Answerer, shelf: Bundle, limit: int) -> None:
    results = answerer.answer("coup", limit).results
    assert len(results) == min(limit, len(shelf.passages))
    assert [result.rank for result in results] == list(range(1, len(results) + 1))


def test_an_answer_does_not_depend_on_what_was_asked_before(
    answerer: Answerer, shelf: Bundle, questions: list[Question]
) -> None:
    some = [question.question for question in questions[::20]]
    forth = {question: answerer.answer(question) for question in some}
    fresh = Answerer(shelf)
    assert {question: fresh.answer(question) for question in reversed(some)} == forth


@given(question=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
@settings(max_examples=40)
def test_confidence_and_scores_are_probabilities_and_fall_with_rank(
    answerer: Answerer, question: str
) -> None:
    answer = answerer.answer(question, 10)
    scores = [result.score for result in answer.results]
    assert all(0 <= value <= 1 for value in [answer.confidence, *scores])
    assert scores == sorted(scores, reverse=True)
    assert all(math.isfinite(raw) for result in answer.results for raw in result.candidate.scores.values())


@pytest.mark.parametrize("document_id", ["FESTIVAL", "IF10116"])
def test_only_the_documents_asked_for_are_looked_in(answerer: Answerer, document_id: str) -> None:
    for question in ("What did tickets cost?", "When did France withdraw its troops?", "gold"):
        _, results = answerer.search(question, 50, [document_id])
        assert results
        assert {result.citation.document_id for result in results} == {document_id}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("When did France withdraw?", "  When   did France\nwithdraw?  "),
        ("Who is Goïta?", "Who is Goi\u0308ta?"),  # composed or not: the same letters
        ("Who is Goïta?", "Who is Goita?"),
    ],
)
def test_how_a_question_is_typed_does_not_matter(answerer: Answerer, one: str, other: str) -> None:
    first, second = (answerer.answer(question) for question in (one, other))
    assert (first.text, first.answerable) == (second.text, second.answerable)


def test_a_short_name_stands_for_what_the_documents_asked_mean_by_it(shelf: Bundle) -> None:
    meant = {"FESTIVAL": "Atlantis University", "IF10116": "African Union"}
    documents = {
        id_: replace(document, names={"AU": meant[id_], "UN": "United Nations"})
        for id_, document in shelf.documents.items()
    }
    answerer = Answerer(replace(shelf, documents=documents))
    for document_id, name in meant.items():
        query, _ = answerer.retrieve("Who leads the AU?", [document_id])
        assert name in query.text
    query, _ = answerer.retrieve("Who leads the AU, and who the UN?")
    assert not any(name in query.text for name in meant.values())  # it may be either
    assert "United Nations" in query.text


def test_naming_every_document_is_naming_none(answerer: Answerer) -> None:
    assert answerer.search("coup", 10, ["FESTIVAL", "IF10116"]) == answerer.search("coup", 10)


def test_each_report_answers_its_own_questions(answerer: Answerer) -> None:
    tickets = answerer.answer("What did tickets for the lantern festival cost?")
    assert [citation.document_id for citation in tickets.citations] == ["FESTIVAL"]
    troops = answerer.answer("How many troops did France withdraw from Mali?")
    assert [citation.document_id for citation in troops.citations] == ["IF10116"]


def test_an_unknown_document_is_an_error_that_names_the_known(answerer: Answerer) -> None:
    with pytest.raises(
        UnknownDocumentError, match="'nope' is not served; expected one of: FESTIVAL, IF10116"
    ):
        answerer.answer("coup", documents=["IF10116", "nope"])


def test_an_answer_cannot_be_changed(answerer: Answerer) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        answerer.answer("coup").text = "…"  # type: ignore[misc]


@pytest.mark.parametrize(("likeness", "repeats"), [(0.3, 0.0), (REPEATS, 0.0), (0.9, 0.25)])
def test_only_what_a_question_repeats_beyond_a_near_miss_counts_as_repeated(
    answerer: Answerer, likeness: float, repeats: float
) -> None:
    query, retrieval = answerer.retrieve("Who is the Transition President?")
    read = answerer.read(query, retrieval)
    at = CHANNELS.index("late")
    alike = [
        dataclasses.replace(c, features=(*c.features[:at], likeness, *c.features[at + 1 :]))
        for c in read.candidates
    ]
    features = reading_features(dataclasses.replace(read, candidates=alike))
    assert features["late"] == likeness
    assert features["repeats"] == pytest.approx(repeats)
    assert features["passages"] == sum(c.reading is not None for c in alike)
