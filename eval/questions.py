"""The evaluation questions: what is asked, and the spans of the report that settle it.

Questions are judged by spans of the canonical text, never by passages, so that a new splitter needs no
new judging. `evidence` spans settle the question together; each span in `also` settles it alone.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

QUESTIONS = Path(__file__).parent / "questions"
WRITTEN = Path(__file__).parent / "written"
"""Questions on other reports, which are learned from and never measured by."""
KINDS = (
    *("fact", "paraphrase", "keyword", "typo", "entity", "multi", "metadata", "french"),
    *("verbose", "format", "dialogue", "near", "falsepremise", "topic", "elsewhere", "off"),
)
SPLITS = ("dev", "test")
_REQUIRED = {
    "id": str,
    "document_id": str,
    "question": str,
    "kind": str,
    "split": str,
    "fact": str,
    "answerable": bool,
    "evidence": list,
    "also": list,
}
_OPTIONAL = {
    "answer": (str, type(None)),
    "near": (list,),
    "why": (str,),
    "dialogue": (str,),
    "history": (list,),
    "resolved": (str,),
}

Split = Literal["dev", "test"]
Span = tuple[int, int]


class QuestionError(ValueError):
    """A question file cannot be used; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Question:
    """One known question. Spans are `(start, end)` in code points of the document's canonical text.

    `near` are spans that an unanswerable question comes close to. `fact` names what is asked for:
    questions of one fact stand and fall together, and are all in one split.
    """

    id: str
    document_id: str
    question: str
    kind: str
    split: str
    fact: str
    answerable: bool
    answer: str | None
    evidence: tuple[Span, ...]
    also: tuple[Span, ...]
    history: tuple[Mapping[str, str], ...] = ()
    resolved: str | None = None
    why: str | None = None
    near: tuple[Span, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes whenever what is asked, or what is a right answer, changes."""
        asked = (self.document_id, self.question, [dict(turn) for turn in self.history])
        judged = (self.kind, self.answerable, self.evidence, self.also)
        return hashlib.sha256(json.dumps([asked, judged]).encode()).hexdigest()[:12]

    @property
    def settling(self) -> tuple[Span, ...]:
        """Every span that belongs to an answer: `evidence`, then `also`."""
        return self.evidence + self.also


def load_questions(folder: Path, texts: Mapping[str, str]) -> list[Question]:
    """Load every `*.jsonl` file under a folder, in order of path and line.

    Args:
        folder: Where the files are.
        texts: Canonical text of each document by id; every quote is proved against it.

    Raises:
        QuestionError: for the first line that is not a sound question, naming file, line and field; for
            a question that is there twice; for a fact in both splits; if there is no question at all.
    """
    questions: list[Question] = []
    seen: dict[object, str] = {}
    split_of: dict[tuple[str, str], tuple[str, str]] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        for place, line in _lines(path):
            question = _question(place, line, texts)
            asked = (question.document_id, question.question.casefold(), repr(question.history))
            for key in (question.id, asked):
                if key in seen:
                    what = "id" if key == question.id else "question"
                    raise QuestionError(f"{place}: {what} {question.id!r} stands already at {seen[key]}")
                seen[key] = place
            fact = (question.document_id, question.fact)
            split, first = split_of.setdefault(fact, (question.split, place))
            if split != question.split:
                raise QuestionError(
                    f"{place}: fact {question.fact!r} is in split '{question.split}' here and in '{split}' "
                    f"at {first}; one fact belongs to one split"
                )
            questions.append(question)
    if not questions:
        raise QuestionError(f"{folder}: no question found; expected *.jsonl files with one question a line")
    return questions


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise QuestionError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    for number, line in enumerate(lines, start=1):
        place = f"{path}:{number}"
        if line.strip():
            try:
                yield place, json.loads(line)
            except json.JSONDecodeError as error:
                raise QuestionError(f"{place}: not JSON: {error}") from None


def _question(place: str, fields: Any, texts: Mapping[str, str]) -> Question:
    if not isinstance(fields, dict):
        raise QuestionError(f"{place}: found {type(fields).__name__}, expected an object")
    for name, kind in _REQUIRED.items():
        if name not in fields:
            raise QuestionError(f"{place}: field '{name}' is missing")
        _expect(place, name, fields[name], (kind,))
    for name, value in fields.items():
        if name not in _REQUIRED:
            _expect(place, name, value, _OPTIONAL.get(name))
    for name, known in (("kind", KINDS), ("split", SPLITS), ("document_id", tuple(texts))):
        if fields[name] not in known:
            raise QuestionError(
                f"{place}: field '{name}' is {fields[name]!r}; expected one of {', '.join(known)}"
            )
    for name in ("id", "question", "fact"):
        if not fields[name].strip():
            raise QuestionError(f"{place}: field '{name}' is blank")
    if fields["answerable"] != bool(fields["evidence"]):
        raise QuestionError(
            f"{place}: field 'answerable' is {fields['answerable']} with {len(fields['evidence'])} evidence "
            "spans; expected evidence if it is answerable, and none if it is not"
        )
    text = texts[fields["document_id"]]
    spans = {name: _spans(place, name, fields.get(name, []), text) for name in ("evidence", "also", "near")}
    return Question(
        **{name: fields[name] for name in _REQUIRED if name not in spans},
        answer=fields.get("answer"),
        evidence=spans["evidence"],
        also=spans["also"],
        near=spans["near"],
        history=_history(place, fields.get("history", [])),
        resolved=fields.get("resolved"),
        why=fields.get("why"),
    )


def _expect(place: str, name: str, value: object, kinds: tuple[type, ...] | None) -> None:
    if kinds is None:
        raise QuestionError(f"{place}: unknown field '{name}'")
    if not isinstance(value, kinds):
        raise QuestionError(f"{place}: field '{name}' is {value!r}; expected {kinds[0].__name__}")


def _spans(place: str, name: str, quotes: list[Any], text: str) -> tuple[Span, ...]:
    spans = []
    for quote in quotes:
        if not isinstance(quote, dict) or set(quote) != {"quote", "start", "end"}:
            raise QuestionError(f"{place}: field '{name}' holds {quote!r}; expected quote, start and end")
        for part, kind in (("quote", str), ("start", int), ("end", int)):
            _expect(place, f"{name}.{part}", quote[part], (kind,))
        if not quote["quote"] or text[quote["start"] : quote["end"]] != quote["quote"]:
            found = text.find(quote["quote"])
            raise QuestionError(
                f"{place}: field '{name}': {quote['quote']!r} does not stand at "
                f"[{quote['start']}, {quote['end']}); it stands {'nowhere' if found < 0 else f'at {found}'}"
            )
        spans.append((quote["start"], quote["end"]))
    return tuple(spans)


def _history(place: str, turns: list[Any]) -> tuple[Mapping[str, str], ...]:
    for turn in turns:
        if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
            raise QuestionError(f"{place}: field 'history' holds {turn!r}; expected role and content")
        if turn["role"] not in {"user", "assistant"} or not isinstance(turn["content"], str):
            raise QuestionError(
                f"{place}: field 'history' holds {turn!r}; expected the role 'user' or 'assistant', and text"
            )
    return tuple(turns)
