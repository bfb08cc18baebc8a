import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.questions import Question
from indexer.bundle import Bundle
from service.query import Query
from service.retriever import Retriever


@pytest.fixture(scope="module")
def retriever(shelf: Bundle) -> Retriever:
    return Retriever(shelf)


@given(question=st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
@settings(max_examples=40)
def test_candidates_are_in_total_order_with_finite_scores(retriever: Retriever, question: str) -> None:
    candidates = retriever.retrieve(Query(question)).candidates
    keys = [(-candidate.score, candidate.passage.passage_id) for candidate in candidates]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    for candidate in candidates:
        assert math.isfinite(candidate.score)
        assert all(math.isfinite(score) for score in candidate.scores.values())
        assert 0 <= candidate.sentence < len(candidate.passage.sentences)


def test_a_small_shelf_is_ranked_whole(retriever: Retriever, shelf: Bundle) -> None:
    found = [candidate.passage.passage_id for candidate in retriever.retrieve(Query("coup")).candidates]
    assert sorted(found) == sorted(passage.passage_id for passage in shelf.passages)


@pytest.mark.parametrize("document_id", ["FESTIVAL", "IF10116"])
def test_a_filter_keeps_all_of_its_document_and_nothing_else(
    retriever: Retriever, shelf: Bundle, document_id: str
) -> None:
    found = {candidate.passage for candidate in retriever.retrieve(Query("gold"), [document_id]).candidates}
    assert found == {passage for passage in shelf.passages if passage.document_id == document_id}


def test_a_sentence_of_the_report_finds_itself(retriever: Retriever, shelf: Bundle) -> None:
    """Asked for verbatim, a sentence is first: nothing in the pipeline may lose what is plainly there."""
    for passage in shelf.passages[::3]:
        start, end = passage.sentences[-1]
        sentence = shelf.documents[passage.document_id].text[start:end]
        best = retriever.retrieve(Query(sentence)).candidates[0]
        assert best.passage == passage, sentence
        assert best.passage.sentences[best.sentence] == (start, end)


def test_retrieval_repeats(retriever: Retriever, shelf: Bundle, questions: list[Question]) -> None:
    fresh = Retriever(shelf)
    for question in questions[::60]:
        query = Query(question.question)
        assert fresh.retrieve(query) == retriever.retrieve(query)
