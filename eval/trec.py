"""Runs and judgements as TREC files, so that other tools can check our measures."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from eval.measures import Qrels, Run, trec_ranking

Number = TypeVar("Number", int, float)


def write_trec_run(path: Path, run: Run, tag: str) -> None:
    """Write ``question Q0 passage rank score tag`` lines in ``trec_ranking`` order.

    Scores are read back exactly. A question without results has no line, as in TREC.

    Raises:
        ValueError: An id or the tag is empty or holds a blank, or a score is not finite.
    """
    _write_rows(
        path,
        (
            (question, "Q0", passage, str(rank), repr(float(scores[passage])), tag)
            for question, scores in run.items()
            for rank, passage in enumerate(trec_ranking(scores), 1)
        ),
    )


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Write ``question 0 passage grade`` lines.

    Raises:
        ValueError: An id is empty or holds a blank, or a question has no judgement at all, which
            a qrels file cannot say.
    """
    for question, judgements in qrels.items():
        if not judgements:
            raise ValueError(
                f"question {question!r} has 0 judgements; expected 1 or more; "
                "leave it out, or judge a passage 0"
            )
    _write_rows(
        path,
        (
            (question, "0", passage, str(int(grade)))
            for question, judgements in qrels.items()
            for passage, grade in judgements.items()
        ),
    )


def read_trec_run(path: Path) -> dict[str, dict[str, float]]:
    """Scores of a run; its ranks and tag are ignored, as ``trec_eval`` does.

    Raises:
        ValueError: Naming the line: wrong columns, no number, or a passage given twice.
    """
    return _read_table(path, "question Q0 passage rank score tag", "score", float)


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Grades of a qrels file.

    Raises:
        ValueError: As ``read_trec_run``.
    """
    return _read_table(path, "question 0 passage grade", "grade", int)


def _write_rows(path: Path, rows: Iterable[Sequence[str]]) -> None:
    lines = []
    for row in rows:
        for word in row:
            if word.split() != [word]:
                raise ValueError(
                    f"id or tag {word!r} is empty or holds a blank; expected one word, since TREC "
                    "columns are parted by blanks; replace the blank, for example by '_'"
                )
        lines.append(" ".join(row) + "\n")
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _read_table(
    path: Path, columns: str, value: str, parse: Callable[[str], Number]
) -> dict[str, dict[str, Number]]:
    names = columns.split()
    table: dict[str, dict[str, Number]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not (fields := line.split()):
            continue
        row = dict(zip(names, fields, strict=False))
        try:
            if len(fields) != len(names):
                raise ValueError(f"{len(fields)} columns")
            if row["passage"] in table.setdefault(row["question"], {}):
                raise ValueError("a passage given before for this question")
            table[row["question"]][row["passage"]] = parse(row[value])
        except ValueError as error:
            raise ValueError(
                f"{path}:{number}: found {error}; expected '{columns}', a passage once a question; "
                "mend the line"
            ) from error
    return table
