"""Visitors' judgements → draft questions: what people really asked, for a person to finish and to judge.

A draft stands in the form of eval/questions/. One whose evidence a visitor has confirmed is complete; any
other is refused by the loader until someone has read the report and written its evidence in. So nothing
enters the question set that only the system itself believes.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.questions import QUESTIONS, Question, load_questions
from indexer.__main__ import DEFAULT_BUNDLE
from indexer.bundle import BundledDocument, open_bundle
from service.feedback import feedback_files
from service.settings import DEFAULT_FEEDBACK

DRAFTS = Path("build/feedback-questions.jsonl")
_NEEDED = {"query": str, "answerable": bool, "rating": str}
_FACT_WORDS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `eval import-feedback` takes."""
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_FEEDBACK, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=DRAFTS, help="where the drafts go (%(default)s)")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="(%(default)s)")
    parser.add_argument("--questions", type=Path, default=QUESTIONS, help="(%(default)s)")


def import_feedback(options: argparse.Namespace) -> int:
    """Turn a feedback log, with the files it was rotated into, into drafts.

    Raises:
        ValueError: if there is no such log.
    """
    files = feedback_files(options.file)
    if not files:
        raise ValueError(f"{options.file}: no such file; REPORT_QA_FEEDBACK says where the service keeps it")
    documents = open_bundle(options.bundle).documents
    known = load_questions(options.questions, {name: document.text for name, document in documents.items()})
    entries, unreadable = read_feedback(files)
    found = drafts(entries, documents, known)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(draft, ensure_ascii=False) + "\n" for draft in found]
    options.out.write_text("".join(lines), encoding="utf-8")
    open_ones = sum(draft["answerable"] and not draft["evidence"] for draft in found)
    print(
        f"{len(entries)} judgements ({unreadable} lines unreadable): {len(found)} drafts in {options.out}, "
        f"{open_ones} of them without evidence; complete them, then move them to {options.questions}",
        file=sys.stderr,
    )
    return 0


def read_feedback(files: Iterable[Path]) -> tuple[list[dict[str, Any]], int]:
    """Every judgement in order, and the number of lines that are none: a killed service may leave one."""
    entries, unreadable = [], 0
    for file in files:
        for line in file.read_text("utf-8", errors="replace").splitlines():
            entry = _entry(line)
            if entry is not None:
                entries.append(entry)
            elif line.strip():
                unreadable += 1
    return entries, unreadable


def drafts(
    entries: Sequence[Mapping[str, Any]], documents: Mapping[str, BundledDocument], known: Iterable[Question]
) -> list[dict[str, Any]]:
    """One draft for each question that was judged and is not known yet; the last judgement counts."""
    asked = {_key(q.document_id, q.question, q.history) for q in known}
    latest: dict[object, dict[str, Any]] = {}
    for entry in entries:
        document_id = _document_id(entry, documents)
        key = _key(document_id, entry["query"], entry.get("history", ()))
        if key not in asked:
            latest.pop(key, None)  # so that order is that of the last judgement
            latest[key] = _draft(entry, document_id, documents)
    return list(latest.values())


def _draft(
    entry: Mapping[str, Any], document_id: str, documents: Mapping[str, BundledDocument]
) -> dict[str, Any]:
    confirmed = entry["rating"] == "up"
    history = list(entry.get("history", ()))
    span = list(_spans(entry, documents))
    # Thumbs down on an answer, or on silence that the visitor calls wrong: someone has to look it up.
    answerable = entry["answerable"] if confirmed else entry["answerable"] or _says(entry, "should_answer")
    evidence = span if confirmed and answerable else []
    words = re.findall(r"\w+", entry["query"].casefold())[:_FACT_WORDS]
    digest = hashlib.sha256(repr(_key(document_id, entry["query"], history)).encode()).hexdigest()
    why = ["visitor", entry["rating"], str(entry.get("reason", "")), str(entry.get("comment", ""))]
    return {
        "id": f"visitor-{digest[:10]}",
        "document_id": document_id,
        "question": entry["query"],
        "kind": "dialogue" if history else "fact" if answerable else "near",
        "split": "dev",
        "fact": "-".join(words) or "visitor",
        "answerable": answerable,
        "answer": None,
        "evidence": evidence,
        "also": [],
        "near": [] if evidence else span,
        "why": ": ".join(part for part in why if part),
        **({"history": history} if history else {}),
    }


def _says(entry: Mapping[str, Any], reason: str) -> bool:
    return entry.get("reason") == reason


def _spans(entry: Mapping[str, Any], documents: Mapping[str, BundledDocument]) -> Iterator[dict[str, Any]]:
    """The judged span with its words, if it is one of the text that is served now."""
    cited = entry.get("citation") or {}
    document = documents.get(cited.get("document_id", ""))
    if document is None or cited.get("document_sha256") != document.sha256:
        return
    start, end = cited["start_char_index"], cited["end_char_index"]
    if 0 <= start < end <= len(document.text):
        yield {"quote": document.text[start:end], "start": start, "end": end}


def _document_id(entry: Mapping[str, Any], documents: Mapping[str, BundledDocument]) -> str:
    cited: str = (entry.get("citation") or {}).get("document_id", "")
    only = next(iter(documents)) if len(documents) == 1 else ""
    return cited if cited in documents else only


def _key(document_id: str, question: str, history: Iterable[Mapping[str, str]]) -> object:
    return document_id, question.casefold().strip(), repr([dict(turn) for turn in history])


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    sound = isinstance(entry, dict) and all(
        isinstance(entry.get(name), kind) for name, kind in _NEEDED.items()
    )
    return entry if sound else None
