"""Collections → lessons: passages, and questions with the sentences among them that are right.

What is learned must not be what is measured: no question of `eval/questions` is read here, and no test
split of a collection.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

from eval.collection import Judged, Spans, load_judged, load_spans, read_rows
from eval.judging import holds
from eval.questions import Span
from indexer.documents import read_document
from indexer.passages import encoding_sentences, encoding_text, reading_head, split_document
from indexer.reports import Report
from indexer.sentences import sentence_spans

PASSAGES = 20
"""Passages of a lesson: enough to choose among, few enough to encode in one step."""
_PLENTY = 3_000
"""Questions of a collection without unanswerable ones that are learned from, about."""
STRANGE = 20
"""Questions about other reports that are put to one that is held out."""
WHOLE = 10**6
"""Passages of a lesson that is a whole text."""
_LONGEST = 1_000
"""Characters that are read of a document that is judged as a whole."""

Right = frozenset[tuple[int, int]]
"""The right (passage, sentence) pairs; sentence -1 stands for the passage as a whole."""


@dataclass(frozen=True)
class Lesson:
    """Passages as lists of sentences, as the encoder reads them, and questions about them.

    `heads` say of each passage what it belongs to. `silent` questions are not answered here; with
    each, the sentences that a careless reader would show. `answers` are the words that answer a question.
    """

    name: str
    passages: tuple[tuple[str, ...], ...]
    questions: tuple[tuple[str, Right], ...]
    heads: tuple[str, ...] = ()
    silent: tuple[tuple[str, Right], ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """A question about one text: spans that settle it or, if it is silent, that come near."""

    question: str
    answerable: bool
    spans: tuple[Span, ...]
    answer: str | None = None


def read_titles(path: Path) -> dict[str, str]:
    """Titles of reports by number and by id, from the corpus file of a collection (`.jsonl[.gz]`)."""
    found = {}
    for _, row in read_rows(path):
        found.update({row[key]: row["title"] for key in ("_id", "number") if row.get(key)})
    return found


def read_reports(folder: Path, titles: Mapping[str, str] = MappingProxyType({})) -> list[Lesson]:
    """One lesson for each text of a folder with `texts/ID.txt` and `questions.jsonl` (evidence as text).

    Raises:
        ValueError: if an evidence does not stand in its text.
    """
    texts = {path.stem: path.read_text("utf-8") for path in sorted((folder / "texts").glob("*.txt"))}
    return _of_questions(folder / "questions.jsonl", texts, titles)


def read_written(folder: Path, corpora: Sequence[Path]) -> list[Lesson]:
    """One lesson for each text of a folder with `texts.jsonl` and `questions.jsonl`.

    The texts themselves stay where they come from: `texts.jsonl` names a document of one of the corpus
    files (`.jsonl[.gz]`) and the span of it that the questions are about.

    Raises:
        ValueError: if a document is in no corpus, or an evidence does not stand in its text.
    """
    sources = {row["_id"]: row["text"] for path in corpora for _, row in read_rows(path)}
    texts, titles = {}, {}
    for place, row in read_rows(folder / "texts.jsonl"):
        if row["source_id"] not in sources:
            raise ValueError(f"{place}: document {row['source_id']!r} is in none of the corpora given")
        texts[row["id"]] = sources[row["source_id"]][row["start"] : row["end"]]
        titles[row["id"]] = row["title"]
    return _of_questions(folder / "questions.jsonl", texts, titles)


def _of_questions(path: Path, texts: Mapping[str, str], titles: Mapping[str, str]) -> list[Lesson]:
    asked: dict[str, list[_Asked]] = {name: [] for name in texts}
    for place, row in read_rows(path):
        text, quotes = (
            texts[row["document_id"]],
            row.get("evidence" if row["answerable"] else "near_evidence", []),
        )
        spans = tuple((text.find(quote), text.find(quote) + len(quote)) for quote in quotes)
        if any(start < 0 for start, _ in spans):
            raise ValueError(f"{place}: an evidence is not in its text")
        answer = row.get("answer") if row["answerable"] else None
        asked[row["document_id"]].append(_Asked(row["question"], row["answerable"], spans, answer))
    return [
        lesson
        for name, text in texts.items()
        for lesson in _of_text(name, titles.get(name, name), text, asked[name], WHOLE)
    ]


def read_collection(folder: Path, random: Random, size: int = PASSAGES) -> list[Lesson]:
    """Lessons of a collection in span layout or, failing that, in BEIR layout, of `size` passages each.

    Raises:
        ValueError: if the folder has neither.
    """
    if spans := load_spans(folder):
        return list(_of_spans(spans, size))
    if judged := load_judged(folder):
        return list(_of_judged(folder.name, judged, random))
    raise ValueError(f"{folder}: found neither qa.jsonl nor corpus.jsonl; expected a collection")


def _of_spans(spans: Spans, size: int) -> Iterator[Lesson]:
    asked: dict[str, list[_Asked]] = {name: [] for name in spans.texts}
    for question in spans.questions:
        places = question.evidence if question.answerable else question.near
        text = spans.texts[question.document_id]
        answer = text[slice(*places[0])] if question.answerable else None
        asked[question.document_id].append(_Asked(question.question, question.answerable, places, answer))
    for name, text in spans.texts.items():
        yield from _of_text(name, name, text, asked[name], size)


def _of_text(name: str, title: str, text: str, asked: Sequence[_Asked], size: int) -> Iterator[Lesson]:
    """Lessons of `size` neighbouring passages of one text; a question goes where its spans are."""
    document = read_document(Report(name, title, text.encode(), f"{name}.txt"))
    passages, _ = split_document(document)
    for first in range(0, len(passages), size):
        run = passages[first : first + size]
        found: dict[bool, list[tuple[str, Right]]] = {True: [], False: []}
        for item in asked:
            places = frozenset(
                (p, s)
                for p, passage in enumerate(run)
                for s, sentence in enumerate(passage.sentences)
                if holds(sentence, item.spans)
            )
            if places:
                found[item.answerable].append((item.question, places))
        if found[True]:
            yield Lesson(
                name,
                tuple(tuple(encoding_sentences(document, passage)) for passage in run),
                tuple(found[True]),
                tuple(reading_head(title, passage.heading_path) for passage in run),
                tuple(found[False]),
                {item.question: item.answer for item in asked if item.answer},
            )


def _of_judged(name: str, judged: Judged, random: Random) -> Iterator[Lesson]:
    """Lessons of documents drawn together at random, each with its queries."""
    queries: dict[str, list[str]] = {}
    for query, grades in judged.qrels.items():
        for document, grade in grades.items():
            if grade > 0:
                queries.setdefault(document, []).append(judged.queries[query])
    documents = sorted(queries)
    random.shuffle(documents)
    for first in range(0, len(documents), PASSAGES):
        run = documents[first : first + PASSAGES]
        yield Lesson(
            name,
            tuple(_sentences(judged.documents[document]) for document in run),
            tuple((query, frozenset({(p, -1)})) for p, d in enumerate(run) for query in queries[d]),
        )


def _sentences(text: str) -> tuple[str, ...]:
    text = text[:_LONGEST]
    return tuple(encoding_text(text[start:end]) for start, end in sentence_spans(text, 0, len(text)))


def held_out(lessons: Iterable[Lesson]) -> tuple[list[Lesson], list[Lesson]]:
    """Lessons to learn from, and every fifth, by name, to judge by."""
    ordered = sorted(lessons, key=lambda lesson: lesson.name)
    judge = ordered[::5]
    return [lesson for lesson in ordered if lesson not in judge], judge


def write_held_out(folder: Path, titles: Mapping[str, str], into: Path) -> None:
    """Write the reports of a folder that are held out of training as `corpus/` and `questions/`.

    Questions about the others are put to each report, too: they are of the kind `elsewhere`.
    What is learned from `read_reports` can so be measured, and calibrated, as a report that ships is.
    """
    _, judge = held_out(read_reports(folder))
    texts = {}
    for name in (lesson.name for lesson in judge):
        home = into / "corpus" / name
        home.mkdir(parents=True, exist_ok=True)
        source = (folder / "texts" / f"{name}.txt").read_bytes()
        (home / "source.txt").write_bytes(source)
        title = json.dumps(titles.get(name, name), ensure_ascii=False)
        (home / "report.toml").write_text(f'id = "{name}"\ntitle = {title}\n', "utf-8")
        texts[name] = read_document(Report(name, name, source, "source.txt")).text
    (into / "questions").mkdir(exist_ok=True)
    rows = [row for _, row in read_rows(folder / "questions.jsonl") if row["document_id"] in texts]
    found = [_as_question(row, texts[row["document_id"]]) for row in rows]
    lines = [json.dumps(row) + "\n" for row in (*found, *_elsewhere(found))]
    (into / "questions" / "held_out.jsonl").write_text("".join(lines), "utf-8")


def _elsewhere(questions: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """To each report, questions that others of them answer."""
    random = Random(0)
    for name in sorted({row["document_id"] for row in questions}):
        others = [row for row in questions if row["answerable"] and row["document_id"] != name]
        for row in random.sample(others, min(STRANGE, len(others))):
            head = {"id": f"{name}-{row['id']}", "document_id": name, "question": row["question"]}
            yield {**head, "kind": "elsewhere", "split": "dev", "fact": head["id"], "answerable": False,
                   "evidence": [], "also": []}  # fmt: skip


def _as_question(row: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A question with its evidence as text → one of the form that `eval.questions` loads."""
    quotes = {
        name: [unicodedata.normalize("NFC", quote) for quote in row.get(given, [])]
        for name, given in (("evidence", "evidence"), ("near", "near_evidence"))
    }
    spans = {
        name: [
            {"quote": quote, "start": text.index(quote), "end": text.index(quote) + len(quote)}
            for quote in found
        ]
        for name, found in quotes.items()
    }
    return {
        **{name: row[name] for name in ("id", "document_id", "question", "answerable")},
        "kind": "near" if row["kind"] == "swap" else row["kind"],  # a detail swapped comes near, too
        "split": "dev",
        "fact": row["id"],
        "answer": row.get("answer"),
        "evidence": spans["evidence"][:1],
        "also": spans["evidence"][1:],
        "near": spans["near"],
    }


def thinned(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Every so-manieth lesson, if they have very many questions and all are answered: those teach less."""
    if any(lesson.silent for lesson in lessons):
        return list(lessons)
    total = sum(len(lesson.questions) for lesson in lessons)
    return list(lessons[:: ceil(total / _PLENTY)])


def counts(lessons: Mapping[str, Sequence[Lesson]], *, silent: bool = True) -> dict[str, int]:
    """How many questions each collection gives; without `silent`, only those that are answered."""
    return {
        name: sum(len(lesson.questions) + silent * len(lesson.silent) for lesson in found)
        for name, found in lessons.items()
    }
