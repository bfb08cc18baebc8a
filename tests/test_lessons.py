import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from eval.collection import read_rows
from eval.lessons import (
    Lesson,
    counts,
    held_out,
    read_collection,
    read_reports,
    read_titles,
    read_written,
    thinned,
    write_held_out,
)
from eval.questions import WRITTEN, load_questions
from eval.reader_training import ROUNDS
from indexer.reports import read_corpus, read_report

CORPUS = WRITTEN.parents[1] / "corpus"
RIVER = """# Rivers

The Niger rose in May. It fell in June.

Floods. The Bani rose too. Nobody was hurt.
"""
HILLS = "A hill stood there. It stood long."
ROWS: list[dict[str, Any]] = [
    {"document_id": "HILLS", "question": "What stood?", "answerable": True, "evidence": ["A hill stood"],
     "answer": "hill"},
    {"document_id": "RIVER", "question": "Which rose?", "answerable": True,
     "evidence": ["The Niger rose in May.", "The Bani rose"]},
    {"document_id": "RIVER", "question": "When did it fall?", "answerable": True, "evidence": ["in June"]},
    {"document_id": "RIVER", "question": "How deep is it?", "answerable": False,
     "near_evidence": ["It fell in June."]},
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
        "HILLS",
        (("A hill stood there.", "It stood long."),),
        (("What stood?", frozenset({(0, 0)})),),
        heads=("HILLS",),
        answers={"What stood?": "hill"},
    )
    assert river.passages == (
        ("The Niger rose in May.", "It fell in June."),
        ("Floods. The Bani rose too.", "Nobody was hurt."),
    )
    assert dict(river.questions) == {
        "Which rose?": frozenset({(0, 0), (1, 0)}),
        "When did it fall?": frozenset({(0, 1)}),
    }


def test_what_a_report_does_not_answer_is_kept_with_what_comes_near(reports: Path) -> None:
    _, river = read_reports(reports)
    assert river.silent == (("How deep is it?", frozenset({(0, 1)})),)


def test_a_title_and_the_last_heading_stand_over_a_passage(reports: Path) -> None:
    write_rows(reports / "corpus.jsonl", [{"_id": "rivers-v2", "number": "RIVER", "title": "Two rivers"}])
    titles = read_titles(reports / "corpus.jsonl")
    assert titles == {"rivers-v2": "Two rivers", "RIVER": "Two rivers"}
    hills, river = read_reports(reports, titles)
    assert hills.heads == ("HILLS",)
    assert river.heads == ("Two rivers. Rivers", "Two rivers. Floods")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "written"
    folder.mkdir()
    text = {"id": "RIVER", "source_id": "r-1", "title": "Two rivers", "start": 7, "end": 7 + len(RIVER)}
    write_rows(folder / "texts.jsonl", [text])
    write_rows(folder / "questions.jsonl", [row for row in ROWS if row["document_id"] == "RIVER"])
    write_rows(tmp_path / "corpus.jsonl", [{"_id": "r-1", "text": f"Cover.\n{RIVER}Back."}])
    return folder


def test_what_was_written_on_a_corpus_is_read_on_its_part_of_it(written: Path, reports: Path) -> None:
    (lesson,) = read_written(written, [written.parent / "corpus.jsonl"])
    assert lesson == replace(read_reports(reports)[1], heads=("Two rivers. Rivers", "Two rivers. Floods"))


def test_a_text_that_no_corpus_has_is_an_error(written: Path) -> None:
    with pytest.raises(ValueError, match=r"texts\.jsonl:1: document 'r-1' is in none of the corpora given"):
        read_written(written, [])


def test_the_questions_written_for_training_are_on_no_report_that_ships() -> None:
    served = {path.name for path in CORPUS.iterdir()}
    rounds = [WRITTEN / name for name, *_ in ROUNDS]
    texts = [row for folder in rounds for _, row in read_rows(folder / "texts.jsonl")]
    asked = [row for folder in rounds for _, row in read_rows(folder / "questions.jsonl")]
    assert {row["document_id"] for row in asked} == {row["id"] for row in texts}
    assert not {row[key] for row in texts for key in ("id", "source_id")} & served
    titles = {str(row["title"]).casefold() for row in texts}
    assert not titles & {read_report(CORPUS / name).title.casefold() for name in served}


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


def test_held_out_reports_are_written_as_reports_that_ship_are(reports: Path, tmp_path: Path) -> None:
    row = {"id": "h-1", "kind": "fact", **ROWS[0]}
    silent = {"id": "h-2", "kind": "swap", "document_id": "HILLS", "question": "Who fell?",
              "answerable": False, "near_evidence": ["It stood long."]}  # fmt: skip
    river = [{"id": f"r-{n}", "kind": "fact", **row} for n, row in enumerate(ROWS[1:])]
    write_rows(reports / "questions.jsonl", [row, silent, *river])
    write_held_out(reports, {"HILLS": 'The "hills"'}, tmp_path / "held")
    (report,) = read_corpus(tmp_path / "held" / "corpus")
    assert (report.id, report.title) == ("HILLS", 'The "hills"')
    asked, unasked = load_questions(tmp_path / "held" / "questions", {"HILLS": HILLS})
    assert (asked.question, asked.kind, asked.split, asked.answer) == ("What stood?", "fact", "dev", "hill")
    assert [HILLS[start:end] for start, end in asked.evidence] == ["A hill stood"]
    assert (unasked.kind, unasked.answerable) == ("near", False)
    assert [HILLS[start:end] for start, end in unasked.near] == ["It stood long."]


def test_to_reports_that_are_held_out_questions_about_others_of_them_are_put(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.lessons.held_out", lambda lessons: ([], lessons))
    write_rows(reports / "questions.jsonl", [{"id": f"q-{n}", "kind": "fact", **row}
                                             for n, row in enumerate(ROWS[:3])])  # fmt: skip
    write_held_out(reports, {}, tmp_path / "held")
    found = load_questions(tmp_path / "held" / "questions", {"HILLS": HILLS, "RIVER": RIVER})
    strange = {(q.document_id, q.question) for q in found if q.kind == "elsewhere" and not q.answerable}
    assert strange == {("HILLS", "Which rose?"), ("HILLS", "When did it fall?"), ("RIVER", "What stood?")}


def test_only_collections_in_which_all_is_answered_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.lessons._PLENTY", 4)
    asked = tuple((f"{n}?", frozenset({(0, 0)})) for n in range(2))
    answered = [Lesson(str(n), (("It rose.",),), asked) for n in range(6)]
    assert [lesson.name for lesson in thinned(answered)] == ["0", "3"]
    assert thinned(answered[:2]) == answered[:2]
    silent = [replace(lesson, silent=asked) for lesson in answered]
    assert thinned(silent) == silent


def test_every_fifth_report_is_held_out() -> None:
    lessons = [Lesson(name, (("It rose.",),), (("?", frozenset({(0, 0)})),)) for name in "gfedcba"]
    learn, judge = held_out(lessons)
    assert [lesson.name for lesson in judge] == ["a", "f"]
    assert [lesson.name for lesson in learn] == ["b", "c", "d", "e", "g"]
    assert held_out(reversed(lessons)) == (learn, judge)
    assert counts({"learn": learn, "judge": judge, "none": []}) == {"learn": 5, "judge": 2, "none": 0}


def test_questions_that_are_not_answered_are_counted_or_not() -> None:
    asked = (("?", frozenset({(0, 0)})),)
    lesson = Lesson("a", (("It rose.",),), asked, silent=asked * 2)
    assert counts({"all": [lesson, lesson]}) == {"all": 6}
    assert counts({"all": [lesson, lesson]}, silent=False) == {"all": 2}
