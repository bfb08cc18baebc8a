from typing import Any

import pytest
from starlette.testclient import TestClient

import service.suggestions
from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import Answerer
from service.suggestions import suggestions


def test_every_suggestion_is_answered(shelf: Bundle) -> None:
    answerer = Answerer(shelf)
    found = suggestions(answerer)
    for question, document_id in found:
        answer = answerer.answer(question, documents=[document_id])
        assert answer.answerable, question
        assert {citation.document_id for citation in answer.citations} == {document_id}


def test_no_suggestion_is_an_evaluation_question(bundle: Bundle, questions: list[Question]) -> None:
    asked = {"".join(filter(str.isalnum, question.question.casefold())) for question in questions}
    for suggestion, _ in suggestions(Answerer(bundle)):
        assert "".join(filter(str.isalnum, suggestion.casefold())) not in asked


def test_the_report_suggests_its_own_questions_in_order(bundle: Bundle) -> None:
    (entry,) = bundle.manifest["documents"]
    found = [question for question, _ in suggestions(Answerer(bundle))]
    assert found
    assert found == [question for question in entry["suggestions"] if question in found]


def test_a_report_without_its_own_gets_them_from_its_headings(shelf: Bundle) -> None:
    found = [question for question, document_id in suggestions(Answerer(shelf)) if document_id == "FESTIVAL"]
    assert found
    assert all(
        question.startswith("What does the report say about ") and question.endswith("?")
        for question in found
    )


def test_of_very_many_only_some_are_worked_out(shelf: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = Answerer(shelf)
    every, asked = suggestions(answerer), []

    def answer(question: str, *given: Any) -> Any:
        asked.append(question)
        return Answerer.answer(answerer, question, *given)

    monkeypatch.setattr(answerer, "answer", answer)
    monkeypatch.setattr(service.suggestions, "MOST", 2)
    assert suggestions(answerer) == every[:2]
    assert asked[-1] == every[1][0]  # and none after it


def test_the_route_lists_them_with_their_document(shelf: Bundle, shelf_client: TestClient) -> None:
    data = shelf_client.get("/v1/suggestions").json()["data"]
    assert [(item["query"], item["document_id"]) for item in data] == suggestions(Answerer(shelf))
