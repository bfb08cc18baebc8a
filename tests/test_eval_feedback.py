import json
from pathlib import Path
from typing import Any

import pytest

from eval.__main__ import main
from eval.feedback import drafts, read_feedback
from eval.questions import QuestionError, load_questions
from indexer.bundle import Bundle

QUESTION = "Which city did JNIM strike in September 2024?"


def judged(bundle: Bundle, **changes: Any) -> dict[str, Any]:
    document = bundle.documents["IF10116"]
    start = document.text.index("The Mali-based Union")
    end = document.text.index("\n", start)
    cited = {
        "document_id": "IF10116",
        "document_sha256": document.sha256,
        "start_char_index": start,
        "end_char_index": end,
    }
    return {"query": QUESTION, "answerable": True, "rating": "up", "citation": cited} | changes


def test_a_confirmed_answer_is_a_question_that_the_loader_takes(bundle: Bundle, tmp_path: Path) -> None:
    (draft,) = drafts([judged(bundle)], bundle.documents, [])
    (tmp_path / "drafts.jsonl").write_text(json.dumps(draft))
    (question,) = load_questions(tmp_path, {"IF10116": bundle.documents["IF10116"].text})
    assert (question.question, question.kind, question.answerable) == (QUESTION, "fact", True)
    assert len(question.evidence) == 1


def test_a_confirmed_silence_is_an_unanswerable_question(bundle: Bundle) -> None:
    (draft,) = drafts([judged(bundle, answerable=False)], bundle.documents, [])
    assert (draft["answerable"], draft["kind"], draft["evidence"]) == (False, "near", [])
    assert len(draft["near"]) == 1


@pytest.mark.parametrize(
    ("answerable", "reason", "expected"),
    [
        (True, "wrong", True),
        (True, "wrong_place", True),
        (False, "should_answer", True),
        (False, "other", False),
    ],
)
def test_a_complaint_is_open_until_a_person_has_looked_it_up(
    bundle: Bundle, tmp_path: Path, answerable: bool, reason: str, expected: bool
) -> None:
    entry = judged(bundle, answerable=answerable, rating="down", reason=reason, comment="no!")
    (draft,) = drafts([entry], bundle.documents, [])
    assert (draft["answerable"], draft["evidence"]) == (expected, [])
    assert draft["why"] == f"visitor: down: {reason}: no!"
    (tmp_path / "drafts.jsonl").write_text(json.dumps(draft))
    texts = {"IF10116": bundle.documents["IF10116"].text}
    if expected:
        with pytest.raises(QuestionError, match="evidence"):
            load_questions(tmp_path, texts)
    else:
        load_questions(tmp_path, texts)


def test_the_last_judgement_of_a_question_counts(bundle: Bundle) -> None:
    entries = [judged(bundle), judged(bundle, query=QUESTION.upper(), rating="down", reason="wrong")]
    (draft,) = drafts(entries, bundle.documents, [])
    assert draft["evidence"] == []


def test_a_follow_up_keeps_its_conversation_and_is_another_question(bundle: Bundle) -> None:
    history = [{"role": "user", "content": "What is JNIM?"}]
    plain, follow_up = drafts([judged(bundle), judged(bundle, history=history)], bundle.documents, [])
    assert (plain["kind"], follow_up["kind"], follow_up["history"]) == ("fact", "dialogue", history)
    assert plain["id"] != follow_up["id"]


def test_a_span_of_another_text_is_no_evidence(bundle: Bundle) -> None:
    entry = judged(bundle)
    entry["citation"] = entry["citation"] | {"document_sha256": "0" * 64}
    (draft,) = drafts([entry], bundle.documents, [])
    assert (draft["document_id"], draft["evidence"], draft["near"]) == ("IF10116", [], [])


def test_known_questions_are_left_out(bundle: Bundle, tmp_path: Path) -> None:
    (draft,) = drafts([judged(bundle)], bundle.documents, [])
    (tmp_path / "known.jsonl").write_text(json.dumps(draft))
    known = load_questions(tmp_path, {"IF10116": bundle.documents["IF10116"].text})
    assert drafts([judged(bundle)], bundle.documents, known) == []


def test_lines_that_are_no_judgement_are_counted_and_passed_over(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "feedback.jsonl"
    file.write_text("\n".join(['{"query": "torn', json.dumps(judged(bundle)), "", "[]", '{"query": 3}']))
    entries, unreadable = read_feedback([file])
    assert (len(entries), unreadable) == (1, 3)


def test_the_command_reads_rotated_files_and_writes_drafts(
    bundle: Bundle, bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "feedback.0001.jsonl").write_text(json.dumps(judged(bundle, query="First?")) + "\n")
    (tmp_path / "feedback.jsonl").write_text(json.dumps(judged(bundle, query="Second?")) + "\n")
    out = tmp_path / "drafts" / "new.jsonl"
    arguments = [
        "import-feedback",
        str(tmp_path / "feedback.jsonl"),
        "--out",
        str(out),
        "--bundle",
        str(bundle_path),
    ]
    assert main(arguments) == 0
    assert [json.loads(line)["question"] for line in out.read_text().splitlines()] == ["First?", "Second?"]
    assert "2 judgements (0 lines unreadable): 2 drafts" in capsys.readouterr().err


def test_no_file_is_one_line(bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-feedback", str(tmp_path / "none.jsonl"), "--bundle", str(bundle_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
