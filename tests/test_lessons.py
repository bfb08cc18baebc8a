import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from eval.lessons import Lesson, counts, held_out, read_collection, read_reports

RIVER = """# Rivers

The Niger rose in May. It fell in June.

Floods. The Bani rose too. Nobody was hurt.
"""
HILLS = "A hill stood there. It stood long."
ROWS: list[dict[str, Any]] = [
    {"document_id": "HILLS", "question": "What stood?", "answerable": True, "evidence": ["A hill stood"]},
    {"document_id": "RIVER", "question": "Which rose?", "answerable": True,
     "evidence": ["The Niger rose in May.", "The Bani rose"]},
    {"document_id": "RIVER", "question": "When did it fall?", "answerable": True, "evidence": ["in June"]},
    {"document_id": "RIVER", "question": "How deep is it?", "answerable": False, "evidence": []},
]  # fmt: skip


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "texts").mkdir(parents=True)
    (folder / "texts" / "RIVER.txt").write_text(RIVER, "utf-8")
    (folder / "texts" / "HILLS.txt").write_text(HILLS, "utf-8")
    write_rows(folder / "questions.jsonl", ROWS)
    return folder


def judged(folder: Path, documents: int) -> Path:
    """A collection whose query n has document n for its answer, and document 0 for none."""
    folder.mkdir()
    write_rows(
        folder / "corpus.jsonl",
        [{"_id": f"d{n}", "title": f"No. {n}.", "text": "It rose. " * 200} for n in range(documents)],
    )
    write_rows(folder / "queries.jsonl", [{"_id": f"q{n}", "text": f"no {n}?"} for n in range(documents)])
    lines = [f"q{n}\td{n}\t1\nq{n}\td0\t{int(n == 0)}\n" for n in range(documents)]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8")
    return folder


def test_a_report_is_one_lesson_with_the_right_sentences(reports: Path) -> None:
    hills, river = read_reports(reports)
    assert (hills.name, river.name) == ("HILLS", "RIVER")
    assert hills == Lesson(
        "HILLS", (("A hill stood there.", "It stood long."),), (("What stood?", frozenset({(0, 0)})),)
    )
    assert river.passages == (
        ("The Niger rose in May.", "It fell in June."),
        ("Floods. The Bani rose too.", "Nobody was hurt."),
    )
    assert dict(river.questions) == {
        "Which rose?": frozenset({(0, 0), (1, 0)}),
        "When did it fall?": frozenset({(0, 1)}),
    }


def test_evidence_that_is_not_in_its_text_is_refused(reports: Path) -> None:
    write_rows(reports / "questions.jsonl", [*ROWS, ROWS[0] | {"evidence": ["A hill sat"]}])
    with pytest.raises(ValueError, match=r"questions\.jsonl:5: an evidence is not in its text"):
        read_reports(reports)


def test_only_what_one_names_is_read(reports: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is learned must not be what is measured: no file outside the folders given is opened."""
    opened: list[Path] = []
    open_file = Path.open

    def recorded(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path)
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", recorded)
    read_reports(reports)
    read_collection(judged(tmp_path / "judged", 3), Random(0))
    assert opened
    assert [path for path in opened if not path.is_relative_to(tmp_path)] == []


def test_a_text_with_spans_gives_lessons_of_neighbouring_passages(tmp_path: Path) -> None:
    paragraphs = [f"Place {n} is here. It is old." for n in range(45)]
    write_rows(
        tmp_path / "contexts.jsonl",
        [{"_id": f"c{n}", "title": "Places", "text": text} for n, text in enumerate(paragraphs)],
    )
    asked = {"answers": ["is here"], "answerable": True}
    write_rows(
        tmp_path / "qa.jsonl",
        [
            {"id": f"q{n}", "question": f"Where is {n}?", "context_id": f"c{n}", **asked,
             "answer_starts": [paragraphs[n].index("is here")]}
            for n in (0, 21, 22)
        ],
    )  # fmt: skip
    first, second = read_collection(tmp_path, Random(0))
    assert [len(lesson.passages) for lesson in (first, second)] == [20, 20]  # the last five have no question
    assert first.questions == (("Where is 0?", frozenset({(0, 0)})),)
    assert dict(second.questions) == {
        "Where is 21?": frozenset({(1, 0)}),
        "Where is 22?": frozenset({(2, 0)}),
    }


def test_judged_documents_give_lessons_of_whole_documents(tmp_path: Path) -> None:
    folder = judged(tmp_path / "judged", 45)
    lessons = read_collection(folder, Random(0))
    assert [len(lesson.passages) for lesson in lessons] == [20, 20, 5]
    assert {lesson.name for lesson in lessons} == {"judged"}
    for lesson in lessons:
        for question, right in lesson.questions:
            ((passage, sentence),) = right
            assert sentence == -1
            assert lesson.passages[passage][0] == f"No. {question.strip('no ?')}."
    assert all(sum(map(len, passage)) <= 1_000 for lesson in lessons for passage in lesson.passages)
    assert sum(len(lesson.questions) for lesson in lessons) == 45


def test_a_seed_decides_which_documents_come_together(tmp_path: Path) -> None:
    folder = judged(tmp_path / "judged", 45)
    assert read_collection(folder, Random(1)) == read_collection(folder, Random(1))
    assert read_collection(folder, Random(1)) != read_collection(folder, Random(2))


def test_a_folder_without_a_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found neither qa\.jsonl nor corpus\.jsonl; expected"):
        read_collection(tmp_path, Random(0))


def test_every_fifth_report_is_held_out() -> None:
    lessons = [Lesson(name, (("It rose.",),), (("?", frozenset({(0, 0)})),)) for name in "gfedcba"]
    learn, judge = held_out(lessons)
    assert [lesson.name for lesson in judge] == ["a", "f"]
    assert [lesson.name for lesson in learn] == ["b", "c", "d", "e", "g"]
    assert held_out(reversed(lessons)) == (learn, judge)
    assert counts({"learn": learn, "judge": judge, "none": []}) == {"learn": 5, "judge": 2, "none": 0}
