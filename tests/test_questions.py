import json
from pathlib import Path
from typing import Any

import pytest

from eval.coverage import paragraphs, stats
from eval.questions import QUESTIONS, Question, QuestionError, load_questions
from indexer.bundle import Bundle
from indexer.documents import Document

TEXT = "Gold is dug. Cotton grows.\n\nThe coup came in 2020."
TEXTS = {"R1": TEXT}
SOUND: dict[str, Any] = {
    "id": "q1",
    "document_id": "R1",
    "question": "When did the coup come?",
    "kind": "fact",
    "split": "dev",
    "fact": "coup-year",
    "answerable": True,
    "evidence": [{"quote": "The coup came in 2020.", "start": 28, "end": 50}],
    "also": [],
}


def load(folder: Path, *rows: object) -> list[Question]:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "q.jsonl").write_text("\n".join(lines), "utf-8")
    return load_questions(folder, TEXTS)


def test_a_sound_question_is_loaded(tmp_path: Path) -> None:
    (question,) = load(tmp_path, SOUND)
    assert question.evidence == question.settling == ((28, 50),)
    assert (question.fact, question.answerable, question.history) == ("coup-year", True, ())


def test_blank_lines_are_skipped_and_files_come_in_order_of_path(tmp_path: Path) -> None:
    other = SOUND | {"id": "q0", "question": "The coup: when?"}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "z.jsonl").write_text(f"\n{json.dumps(other)}\n\n")
    assert [question.id for question in load(tmp_path, SOUND)] == ["q0", "q1"]


SILENT = {"answerable": False, "evidence": []}
QUOTE = SOUND["evidence"][0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "found list, expected an object"),
        ({k: v for k, v in SOUND.items() if k != "kind"}, "field 'kind' is missing"),
        (SOUND | {"colour": 1}, "unknown field 'colour'"),
        (SOUND | {"answerable": "yes"}, "field 'answerable' is 'yes'; expected bool"),
        (SOUND | {"kind": "riddle"}, "field 'kind' is 'riddle'; expected one of fact,"),
        (SOUND | {"split": "train"}, "field 'split' is 'train'; expected one of dev, test"),
        (SOUND | {"document_id": "R2"}, "field 'document_id' is 'R2'; expected one of R1"),
        (SOUND | {"question": " \n"}, "field 'question' is blank"),
        (SOUND | {"id": ""}, "field 'id' is blank"),
        (SOUND | {"answerable": False}, "field 'answerable' is False with 1 evidence"),
        (SOUND | {"evidence": []}, "field 'answerable' is True with 0 evidence"),
        (SOUND | {"evidence": [{"quote": "The coup"}]}, "expected quote, start and end"),
        (SOUND | {"evidence": ["The coup"]}, "expected quote, start and end"),
        (SOUND | {"evidence": [QUOTE | {"start": "28"}]}, "field 'evidence.start' is '28'; expected int"),
        (SOUND | {"evidence": [QUOTE | {"start": 27}]}, r"does not stand at \[27, 50\); it stands at 28"),
        (
            SOUND | {"also": [QUOTE | {"quote": "Never."}]},
            "field 'also': 'Never.' does not .*; it stands nowhere",
        ),
        (SOUND | SILENT | {"near": [QUOTE | {"end": 9}]}, "field 'near': 'The coup came in 2020.' does not"),
        (SOUND | {"evidence": [{"quote": "", "start": 1, "end": 1}]}, "'' does not stand"),
        (SOUND | {"history": ["hello"]}, "field 'history' holds 'hello'; expected role and content"),
        (SOUND | {"history": [{"role": "system", "content": "x"}]}, "expected the role 'user' or"),
    ],
)
def test_a_bad_line_is_refused_naming_file_and_line(tmp_path: Path, row: object, message: str) -> None:
    other = SOUND | {"id": "other", "question": "Which year saw the coup?"}
    with pytest.raises(QuestionError, match=f"q.jsonl:2: .*{message}"):
        load(tmp_path, other, row)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"question": "Which year?"}, "id 'q1' stands already at .*q.jsonl:1"),
        ({"id": "q2", "question": "when did the COUP come?"}, "question 'q2' stands already at .*:1"),
        (
            {"id": "q2", "question": "Which year?", "split": "test"},
            "fact 'coup-year' is in split 'test' here and in 'dev' at .*:1; one fact belongs to one split",
        ),
    ],
)
def test_what_stands_twice_is_refused(tmp_path: Path, second: dict[str, str], message: str) -> None:
    with pytest.raises(QuestionError, match=f"q.jsonl:2: {message}"):
        load(tmp_path, SOUND, SOUND | second)


def test_one_question_after_two_histories_is_two_questions(tmp_path: Path) -> None:
    turn = {"role": "user", "content": "Tell me of the coup."}
    assert len(load(tmp_path, SOUND, SOUND | {"id": "q2", "history": [turn]})) == 2


def test_an_empty_folder_and_a_file_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match="no question found; expected"):
        load_questions(tmp_path, TEXTS)
    (tmp_path / "latin.jsonl").write_bytes("é".encode("latin-1"))
    with pytest.raises(QuestionError, match=r"latin\.jsonl: byte 0 is not UTF-8"):
        load_questions(tmp_path, TEXTS)


@pytest.mark.parametrize(
    "change",
    [
        {"question": "When came the coup?"},
        {"evidence": [{"quote": "2020", "start": 45, "end": 49}]},
        {"also": [{"quote": "2020", "start": 45, "end": 49}]},
        {"kind": "keyword"},
        {"history": [{"role": "user", "content": "hello"}]},
    ],
)
def test_a_fingerprint_changes_with_what_is_asked_or_judged(tmp_path: Path, change: dict[str, Any]) -> None:
    (before,) = load(tmp_path, SOUND)
    (after,) = load(tmp_path, SOUND | change)
    assert before.fingerprint != after.fingerprint
    (same,) = load(tmp_path, SOUND | {"answer": "in 2020", "fact": "year", "split": "test"})
    assert same.fingerprint == before.fingerprint


def test_the_questions_on_the_report_are_sound_and_cover_every_paragraph(
    bundle: Bundle, mali: Document
) -> None:
    questions = load_questions(QUESTIONS, {mali.id: mali.text})
    assert sum(q.answerable for q in questions) >= 300
    assert sum(not q.answerable for q in questions) >= 100
    assert {q.split for q in questions} == {"dev", "test"}
    assert 0 not in paragraphs(questions, bundle, mali.id).values()
    table = stats(questions, bundle)
    assert "| Historical Background |" not in table
    assert f"| {mali.id} > Historical Background |" in table
    assert f"**all** | {sum(q.split == 'dev' for q in questions)} |" in table
