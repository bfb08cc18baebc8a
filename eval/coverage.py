"""Which parts of the reports the questions ask about: by kind, by section and by paragraph."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from eval.questions import KINDS, SPLITS, Question, Span
from indexer.bundle import Bundle

_PARAGRAPH = re.compile(r"\S.*(?:\n[ \t]*\S.*)*")
_SHOWN = 60


def stats(questions: Sequence[Question], bundle: Bundle) -> str:
    """Tables of how many questions there are, and every paragraph with how many ask about it."""
    lines = [f"| kind | {' | '.join(SPLITS)} | facts |", "|---|---|---|---|"]
    for kind in KINDS:
        for answerable, end in ((True, ""), (False, " (silent)")):
            if chosen := [q for q in questions if (q.kind, q.answerable) == (kind, answerable)]:
                lines.append(_row(kind + end, chosen))
    lines += [_row("**all**", questions), "", "| section | asked about |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in _sections(questions, bundle).items()]
    lines += ["", "| paragraph | asked about | begins |", "|---|---|---|"]
    for document_id in bundle.documents:
        for span, count in paragraphs(questions, bundle, document_id).items():
            words = " ".join(bundle.documents[document_id].text[slice(*span)].split())[:_SHOWN]
            lines.append(f"| {document_id}:{span[0]:05d} | {count or '**0**'} | {words} |")
    return "\n".join(lines)


def paragraphs(questions: Iterable[Question], bundle: Bundle, document_id: str) -> dict[Span, int]:
    """Runs between blank lines, save headings and ornaments, and how many questions each settles."""
    document = bundle.documents[document_id]
    furniture = [(item.start, item.end) for item in document.furniture]
    counts = {
        match.span(): 0
        for match in _PARAGRAPH.finditer(document.text)
        if not any(start <= match.start() and match.end() <= end for start, end in furniture)
    }
    for question in questions:
        if question.document_id == document_id:
            for span in counts:
                counts[span] += any(_meet(span, settling) for settling in question.settling)
    return counts


def _sections(questions: Iterable[Question], bundle: Bundle) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for passage in bundle.passages:
        name = f"{passage.document_id} > {' > '.join(passage.heading_path) or '(before the first heading)'}"
        counts[name] += 0
    for question in questions:
        counts.update(
            {
                f"{p.document_id} > {' > '.join(p.heading_path) or '(before the first heading)'}"
                for p in bundle.passages
                if p.document_id == question.document_id
                and any(_meet((p.start, p.end), span) for span in question.settling)
            }
        )
    return counts


def _meet(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _row(name: str, questions: Sequence[Question]) -> str:
    splits = " | ".join(str(sum(q.split == split for q in questions)) for split in SPLITS)
    return f"| {name} | {splits} | {len({(q.document_id, q.fact) for q in questions})} |"
