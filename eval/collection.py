"""A collection on disk → documents, queries and judgements, or texts and questions with answer spans.

Two layouts are read. BEIR: `corpus.jsonl`, `queries*.jsonl`, `qrels*.tsv`, where `queries_x.jsonl` goes
with `qrels_x.tsv`. Spans: `contexts.jsonl` and `qa.jsonl`. Any `.jsonl` may be `.jsonl.gz`.
"""

import gzip
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.questions import Question, Span


class CollectionError(ValueError):
    """A collection cannot be used; the message names the file, and the line where there is one."""


@dataclass(frozen=True)
class Judged:
    """Documents and queries by id, and the grade of each judged document for each query."""

    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    source: str


@dataclass(frozen=True)
class Spans:
    """Texts by id, and questions whose evidence is a span of one of them."""

    texts: Mapping[str, str]
    questions: tuple[Question, ...]


def load_judged(folder: Path) -> Judged | None:
    """Load the BEIR layout; None if the folder has no corpus. Queries without judgements are left out.

    Raises:
        CollectionError: if a file is missing or a line is wrong.
    """
    corpus = _find(folder, "corpus")
    if corpus is None:
        return None
    pairs = [
        (queries, judged)
        for queries in sorted(folder.glob("queries*.jsonl*"))
        if (judged := folder / f"qrels{queries.name.split('.')[0].removeprefix('queries')}.tsv").is_file()
    ]
    if len(pairs) != 1:
        raise CollectionError(
            f"{folder}: found {len(pairs)} pairs of queries*.jsonl and qrels*.tsv of one ending, expected one"
        )
    queries_file, qrels_file = pairs[0]
    documents = {
        _text(place, row, "_id"): "\n".join(filter(None, (row.get("title"), row.get("text"))))
        for place, row in read_rows(corpus)
    }
    qrels = _qrels(qrels_file, documents)
    queries = {_text(place, row, "_id"): _text(place, row, "text") for place, row in read_rows(queries_file)}
    if missing := sorted(set(qrels) - set(queries)):
        raise CollectionError(f"{qrels_file}: query {missing[0]!r} is judged but not in {queries_file.name}")
    asked = {query: text for query, text in queries.items() if query in qrels}
    return Judged(documents, asked, qrels, f"{queries_file.name} with {qrels_file.name}")


def load_spans(folder: Path) -> Spans | None:
    """Load the span layout; None if the folder has no `qa.jsonl`.

    Contexts of one title are paragraphs of one text, so that a question is asked of a whole article.

    Raises:
        CollectionError: if a file is missing, a line is wrong, or an answer is not where it should be.
    """
    qa = _find(folder, "qa")
    if qa is None:
        return None
    contexts = _find(folder, "contexts")
    if contexts is None:
        raise CollectionError(f"{folder}: found {qa.name} but no contexts.jsonl; expected both")
    texts: dict[str, str] = {}
    places: dict[str, tuple[str, Span]] = {}
    for place, row in read_rows(contexts):
        title, text = _text(place, row, "title"), unicodedata.normalize("NFC", _text(place, row, "text"))
        before = f"{texts[title]}\n\n" if title in texts else ""
        start = len(before)
        places[_text(place, row, "_id")] = (title, (start, start + len(text)))
        texts[title] = before + text
    return Spans(texts, tuple(_question(place, row, texts, places) for place, row in read_rows(qa)))


def _question(
    place: str, row: Mapping[str, Any], texts: Mapping[str, str], places: Mapping[str, tuple[str, Span]]
) -> Question:
    context = _text(place, row, "context_id")
    if context not in places:
        raise CollectionError(f"{place}: context {context!r} is not in contexts.jsonl")
    title, whole = places[context]
    shift = whole[0]
    answers = row.get("answers", [])
    if "spans" in row:
        spans = [tuple(span) for span in row["spans"]]
    else:  # several annotators marked one answer; a text given once may have several starts
        spans = [
            (start, start + len(answer))
            for answer in answers
            for start in row.get("answer_starts", [])
            if texts[title][shift + start : shift + start + len(answer)] == answer
        ]
    if row["answerable"] and not spans:
        raise CollectionError(f"{place}: no answer stands at its offset; expected answers in the context")
    return Question(
        id=_text(place, row, "id"),
        document_id=title,
        question=_text(place, row, "question"),
        kind="fact" if row["answerable"] else "near",
        split="test",
        fact=_text(place, row, "id"),
        answerable=row["answerable"],
        answer=None,
        evidence=tuple(dict.fromkeys((shift + start, shift + end) for start, end in spans)),
        also=(),
        near=() if row["answerable"] else (whole,),
    )


def _qrels(path: Path, documents: Mapping[str, str]) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines()[1:], start=2):
        fields = line.split("\t")
        if len(fields) != 3 or not fields[2].lstrip("-").isdecimal():
            raise CollectionError(f"{path}:{number}: found {line!r}, expected query-id, corpus-id and score")
        if fields[1] not in documents:
            raise CollectionError(f"{path}:{number}: document {fields[1]!r} is not in the corpus")
        qrels.setdefault(fields[0], {})[fields[1]] = int(fields[2])
    return {query: grades for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())}


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz") if p.is_file()), None)


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a `.jsonl` or `.jsonl.gz` file, each with its place for messages.

    Raises:
        CollectionError: for a line that is no object.
    """
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for number, line in enumerate(data.decode().split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise CollectionError(f"{path}:{number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise CollectionError(f"{path}:{number}: found {type(row).__name__}, expected an object")
            yield f"{path}:{number}", row


def _text(place: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise CollectionError(f"{place}: field {name!r} is {value!r}; expected text")
    return value
