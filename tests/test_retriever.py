import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import indexer.nearest
import service.retriever
from eval.questions import Question
from indexer.bundle import Bundle
from indexer.nearest import build_index
from service.query import Query
from service.retriever import Retriever, _best


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


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shelf counts as large: channels propose few passages, and fewer are matched token by token."""
    monkeypatch.setattr(service.retriever, "DEPTH", 6)
    monkeypatch.setattr(service.retriever, "LATE_DEPTH", 4)


@pytest.mark.usefixtures("narrow")
def test_a_large_shelf_is_searched_by_codes_and_a_sentence_still_finds_itself(
    shelf: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer.nearest, "EXACT_UP_TO", 0)
    passages, sentences = (
        build_index(index.rows, index.rows)[0] for index in (shelf.passage_index, shelf.sentence_index)
    )
    assert passages.ranked
    assert sentences.ranked
    large = Retriever(replace(shelf, passage_index=passages, sentence_index=sentences))
    for passage in shelf.passages[::3]:
        start, end = passage.sentences[-1]
        sentence = shelf.documents[passage.document_id].text[start:end]
        candidates = large.retrieve(Query(sentence)).candidates
        assert candidates[0].passage == passage, sentence
        assert len(candidates) == 4


@pytest.mark.usefixtures("narrow")
def test_a_filter_of_a_large_shelf_looks_at_its_document_only(retriever: Retriever) -> None:
    found = retriever.retrieve(Query("Who won the fireworks?"), ["IF10116"]).candidates
    assert len(found) == 4
    assert {candidate.passage.document_id for candidate in found} == {"IF10116"}


def test_of_equal_scores_the_first_are_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.retriever, "DEPTH", 3)
    assert sorted(_best(np.array([0, 2, 0, 1, 0]))) == [0, 1, 3]
    assert sorted(_best(np.array([5, 4]))) == [0, 1]


def test_a_score_that_is_no_number_ends_the_question(bundle: Bundle) -> None:
    rows = np.full_like(bundle.passage_index.rows, np.nan)
    broken = replace(bundle, passage_index=replace(bundle.passage_index, rows=rows))
    with pytest.raises(FloatingPointError, match="scores of a question are not finite; is the bundle sound"):
        Retriever(broken).retrieve(Query("Who leads Mali?"))
