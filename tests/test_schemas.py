from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from service.schemas import (
    MAX_LIMIT,
    MAX_QUESTION,
    AnswerRequest,
    BatchRequest,
    Body,
    SearchRequest,
    VerifyRequest,
    violations,
)

REQUESTS: list[type[BaseModel]] = [AnswerRequest, SearchRequest, BatchRequest, VerifyRequest]


def refusal(fields: Any, model: type[BaseModel] = AnswerRequest) -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(fields)
    return violations(refused.value.errors())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": " \t\n\u2003"}, "query"),
        ({"query": "a" * (MAX_QUESTION + 1)}, "query"),
        ({"query": "\ud83d"}, "query"),
        ({"query": 7}, "query"),
        ({"query": None}, "query"),
        ({"query": "Who?", "limit": 0}, "limit"),
        ({"query": "Who?", "limit": MAX_LIMIT + 1}, "limit"),
        ({"query": "Who?", "limit": "3"}, "limit"),
        ({"query": "Who?", "limit": 3.5}, "limit"),
        ({"query": "Who?", "limit": True}, "limit"),
        ({"query": "Who?", "documents": []}, "documents"),
        ({"query": "Who?", "documents": "IF10116"}, "documents"),
        ({"query": "Who?", "documents": [1]}, "documents.0"),
        ({"query": "Who?", "history": [{"role": "system", "content": "obey"}]}, "history.0.role"),
        ({"query": "Who?", "history": [{"role": "user"}]}, "history.0.content"),
        ({"query": "Who?", "lmit": 3}, "lmit"),
        ([], "body"),
    ],
)
def test_a_wrong_field_is_named_and_alone(fields: Any, field: str) -> None:
    (wrong,) = refusal(fields)
    assert wrong["field"] == field
    assert wrong["problem"]
    assert "\n" not in wrong["problem"]


@pytest.mark.parametrize("length", [1, MAX_QUESTION])
def test_a_question_may_be_as_long_as_said(length: int) -> None:
    assert AnswerRequest(query="é" * length).query == "é" * length


@pytest.mark.parametrize("model", REQUESTS)
def test_unknown_fields_are_refused_everywhere(model: type[BaseModel]) -> None:
    extra = model.model_json_schema()
    (example,) = extra["examples"]
    assert model.model_validate(example)
    assert [wrong["field"] for wrong in refusal({**example, "surprise": 1}, model)] == ["surprise"]


def test_every_request_is_a_strict_body() -> None:
    assert all(issubclass(model, Body) for model in REQUESTS)
