"""Collections → lessons: passages, and questions with the sentences among them that are right.

What is learned must not be what is measured: no question of `eval/questions` is read here, and no test
split of a collection.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from eval.collection import Judged, Spans, load_judged, load_spans
from eval.judging import holds
from eval.questions import Span
from indexer.documents import read_document
from indexer.passages import encoding_sentences, encoding_text, split_document
from indexer.reports import Report
from indexer.sentences import sentence_spans

_PASSAGES = 20
"""Passages of a lesson: enough to choose among, few enough to encode in one step."""
_LONGEST = 1_000
"""Characters that are read of a document that is judged as a whole."""

Right = frozenset[tuple[int, int]]
"""The right (passage, sentence) pairs; sentence -1 stands for the passage as a whole."""


@dataclass(frozen=True)
class Lesson:
    """Passages as lists of sentences, as the encoder reads them, and questions about them."""

    name: str
    passages: tuple[tuple[str, ...], ...]
    questions: tuple[tuple[str, Right], ...]


def read_reports(folder: Path) -> list[Lesson]:
    """One lesson for each text of a folder with `texts/ID.txt` and `questions.jsonl` (evidence as text).

    Raises:
        ValueError: if an evidence does not stand in its text.
    """
    texts = {path.stem: path.read_text("utf-8") for path in sorted((folder / "texts").glob("*.txt"))}
    asked: dict[str, list[tuple[str, list[Span]]]] = {name: [] for name in texts}
    for number, line in enumerate((folder / "questions.jsonl").read_text("utf-8").splitlines(), start=1):
        row = json.loads(line)
        if row["answerable"]:
            text = texts[row["document_id"]]
            spans = [(text.find(quote), text.find(quote) + len(quote)) for quote in row["evidence"]]
            if min(start for start, _ in spans) < 0:
                raise ValueError(f"{folder}/questions.jsonl:{number}: an evidence is not in its text")
            asked[row["document_id"]].append((row["question"], spans))
    return [lesson for name, text in texts.items() for lesson in _of_text(name, text, asked[name], 10**6)]


def read_collection(folder: Path, random: Random) -> list[Lesson]:
    """Lessons of a collection in span layout or, failing that, in BEIR layout.

    Raises:
        ValueError: if the folder has neither.
    """
    if spans := load_spans(folder):
        return list(_of_spans(spans))
    if judged := load_judged(folder):
        return list(_of_judged(folder.name, judged, random))
    raise ValueError(f"{folder}: found neither qa.jsonl nor corpus.jsonl; expected a collection")


def _of_spans(spans: Spans) -> Iterator[Lesson]:
    asked: dict[str, list[tuple[str, list[Span]]]] = {name: [] for name in spans.texts}
    for question in spans.questions:
        if question.answerable:
            asked[question.document_id].append((question.question, list(question.evidence)))
    for name, text in spans.texts.items():
        yield from _of_text(name, text, asked[name], _PASSAGES)


def _of_text(name: str, text: str, asked: Sequence[tuple[str, list[Span]]], size: int) -> Iterator[Lesson]:
    """Lessons of `size` neighbouring passages of one text; a question goes where its evidence is."""
    document = read_document(Report(name, name, text.encode(), f"{name}.txt"))
    passages, _ = split_document(document)
    for first in range(0, len(passages), size):
        run = passages[first : first + size]
        questions = []
        for question, spans in asked:
            right = frozenset(
                (p, s)
                for p, passage in enumerate(run)
                for s, sentence in enumerate(passage.sentences)
                if holds(sentence, spans)
            )
            if right:
                questions.append((question, right))
        if questions:
            read = tuple(tuple(encoding_sentences(document, passage)) for passage in run)
            yield Lesson(name, read, tuple(questions))


def _of_judged(name: str, judged: Judged, random: Random) -> Iterator[Lesson]:
    """Lessons of documents drawn together at random, each with its queries."""
    queries: dict[str, list[str]] = {}
    for query, grades in judged.qrels.items():
        for document, grade in grades.items():
            if grade > 0:
                queries.setdefault(document, []).append(judged.queries[query])
    documents = sorted(queries)
    random.shuffle(documents)
    for first in range(0, len(documents), _PASSAGES):
        run = documents[first : first + _PASSAGES]
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


def counts(lessons: Mapping[str, Sequence[Lesson]]) -> dict[str, int]:
    """How many questions each collection gives."""
    return {name: sum(len(lesson.questions) for lesson in found) for name, found in lessons.items()}
