"""Questions → a run: an outcome for each, and how they are kept on disk."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from eval.asking import Ask
from eval.judging import Outcome, Passage, judge, passage_of
from eval.questions import Question

FORMAT = 2


class RunError(ValueError):
    """A saved run cannot be used; the message names the file."""


@dataclass(frozen=True)
class Run:
    """Outcomes, and how they were made: bundle id, command, date, machine. `extras` holds other tables."""

    made: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    extras: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path, *, rankings: bool = True) -> None:
        """Write the run as JSON, one question a line; times stand apart, so that a diff shows answers."""
        rows = []
        for outcome in self.outcomes:
            row = asdict(outcome if rankings else replace(outcome, ranking=()))
            del row["took_ms"]
            rows.append(json.dumps(row, ensure_ascii=False))
        head = {"format": FORMAT, "made": self.made, **self.extras}
        lines = [
            f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()
        ]
        lines.append(f'"took_ms": {json.dumps([round(o.took_ms, 2) for o in self.outcomes])}')
        lines.append('"outcomes": [\n' + ",\n".join(rows) + "\n]")
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def load_run(path: Path) -> Run:
    """Read a saved run.

    Raises:
        RunError: if the file is missing or is not a run of this format.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; expected a run, as 'eval run --json' writes it")
    try:
        saved = json.loads(path.read_bytes())
        if saved["format"] != FORMAT:
            raise RunError(f"{path}: found format {saved['format']}, expected {FORMAT}; run again")
        timed = zip(saved["outcomes"], saved["took_ms"], strict=True)
        outcomes = tuple(_outcome(row, took_ms) for row, took_ms in timed)
        extras = {k: v for k, v in saved.items() if k not in {"format", "made", "took_ms", "outcomes"}}
        return Run(saved["made"], outcomes, extras)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path}: not a run: {type(error).__name__} {error}; run again") from None


def _outcome(row: Mapping[str, Any], took_ms: float) -> Outcome:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return Outcome(**fields, took_ms=took_ms)


def run(
    questions: Sequence[Question],
    ask: Ask,
    texts: Mapping[str, str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Outcome]:
    """Ask every question in order and judge what comes back.

    A ranking is judged by the passages that the service returned for any of the questions (TREC's
    pooling): which passages there are besides is not known over HTTP, and none of them was ranked.

    Args:
        questions: What to ask.
        ask: Whom to ask.
        texts: Canonical text of each document, to prove citations against.
        progress: Called after each question with how many are done, of how many.
    """
    replies = []
    pool: dict[str, Passage] = {}
    for number, question in enumerate(questions, start=1):
        replies.append(reply := ask(question))
        for result in reply["results"]:
            pool.setdefault(result["passage_id"], passage_of(result, reply["citations"]))
        progress(number, len(questions))
    ordered = dict(sorted(pool.items()))
    return [judge(q, reply, texts, ordered) for q, reply in zip(questions, replies, strict=True)]


def qrels(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """The judgements of a run's answerable questions: of what was ranked, and of all that holds evidence."""
    return {
        o.id: dict.fromkeys(o.ranking, 0) | dict.fromkeys(o.holding, 1)
        for o in outcomes
        if o.answerable and (o.ranking or o.holding)
    }
