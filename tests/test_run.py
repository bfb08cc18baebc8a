import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ir_measures
import pytest

from eval.asking import in_process
from eval.judging import holds
from eval.measures import MEASURES, rank_scores
from eval.questions import QUESTIONS, Question, load_questions
from eval.run import Run, RunError, load_run, qrels, run
from eval.summary import BY_NAME
from eval.trec import write_qrels, write_trec_run
from indexer.bundle import Bundle

TEXT = "Gold is dug. Cotton grows.\n\nThe coup came in 2020."
TEXTS = {"R1": TEXT}
GOLD, COTTON, COUP = (0, 12), (13, 26), (28, 50)
COUP_QUESTION = Question("q1", "R1", "When?", "fact", "dev", "coup", True, None, (COUP,), ())
SILENT_QUESTION = Question("q2", "R1", "Who?", "near", "dev", "who", False, None, (), ())


def reply(*cited: tuple[int, int], answered: bool = True, **changes: Any) -> dict[str, Any]:
    """A response that ranks the passages in which the given sentences are; the first one is the answer."""
    passages = [(0, 26) if end <= 26 else COUP for _, end in cited]
    body = {
        "answerable": answered,
        "confidence": 0.75,
        "answer": {"text": "", "citations": [0]} if answered else None,
        "citations": [
            {
                "document_id": "R1",
                "start_char_index": start,
                "end_char_index": end,
                "cited_text": TEXT[start:end],
            }
            for start, end in cited
        ],
        "results": [
            {
                "passage_id": f"R1:{passage[0]}",
                "document_id": "R1",
                "text": TEXT[slice(*passage)],
                "heading_path": ["Coups"] if passage == COUP else [],
                "highlights": [(start - passage[0], end - passage[0])],
                "citation": number,
            }
            for number, (passage, (start, end)) in enumerate(zip(passages, cited, strict=True))
        ],
        "usage": {"took_ms": 1.5},
    }
    return body | changes


def judged(body: Mapping[str, Any], question: Question = COUP_QUESTION) -> Any:
    (outcome,) = run([question], lambda _: body, TEXTS)
    return outcome


def test_an_answer_with_the_evidence_is_right() -> None:
    outcome = judged(reply(COUP, GOLD))
    assert (outcome.ranking, outcome.relevant, outcome.holding) == (
        ("R1:28", "R1:0"),
        (True, False),
        ("R1:28",),
    )
    assert (outcome.right, outcome.cited, outcome.verbatim, outcome.whole) == (True, True, True, True)
    assert (outcome.words, outcome.section, outcome.took_ms) == (5, "Coups", 1.5)
    assert outcome.excerpt == "The coup came in 2020."


@pytest.mark.parametrize(
    ("body", "right", "cited"),
    [
        (reply(GOLD, COUP), False, False),  # another sentence
        (reply(COUP, answered=False), False, True),  # found, but not said
        (reply(COTTON, answered=False), False, False),
    ],
)
def test_an_answerable_question_is_right_only_with_its_evidence(
    body: dict[str, Any], right: bool, cited: bool
) -> None:
    outcome = judged(body)
    assert (outcome.right, outcome.cited) == (right, cited)


def test_silence_is_right_where_the_report_is_silent() -> None:
    assert judged(reply(GOLD, answered=False), SILENT_QUESTION).right
    assert not judged(reply(GOLD), SILENT_QUESTION).right
    nothing = reply(answered=False)
    assert judged(nothing, SILENT_QUESTION).right
    assert judged(nothing).excerpt == ""


def test_a_citation_moved_by_one_is_not_verbatim_and_one_cut_short_is_not_whole() -> None:
    moved = reply(COUP)
    moved["citations"][0]["start_char_index"] += 1
    assert not judged(moved).verbatim
    cut = judged(reply((28, 45)))
    assert (cut.verbatim, cut.cited, cut.whole) == (True, True, False)


def test_evidence_of_two_places_is_half_cited_by_one_of_them() -> None:
    both = replace(COUP_QUESTION, evidence=(COUP, GOLD))
    body = reply(COUP, GOLD)
    assert judged(body, both).recall == 0.5
    body["answer"]["citations"] = [0, 1]
    assert judged(body, both).recall == 1
    body["answer"]["citations"] = [1, 0]
    assert judged(body, both).cited
    assert not judged(body, COUP_QUESTION).cited
    assert judged(reply(GOLD), SILENT_QUESTION).recall == 0


def test_relevance_is_judged_by_every_passage_returned_for_any_question() -> None:
    both = replace(COUP_QUESTION, id="q3", also=(GOLD,))
    replies = {"q3": reply(COUP), "q2": reply(GOLD, answered=False)}
    for order in ([both, SILENT_QUESTION], [SILENT_QUESTION, both]):
        found = {o.id: o for o in run(order, lambda q: replies[q.id], TEXTS)}
        assert found["q3"].holding == ("R1:0", "R1:28")
        assert found["q3"].relevant == (True,)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((28, 50), True),
        ((28, 33), True),
        ((20, 32), False),
        ((20, 48), True),
        ((0, 28), False),
        ((0, 50), True),
    ],
)
def test_a_span_holds_evidence_if_it_shares_most_of_the_shorter(
    span: tuple[int, int], expected: bool
) -> None:
    assert holds(span, [COUP]) is expected


def test_progress_is_told_after_each_question() -> None:
    told: list[tuple[int, int]] = []
    run([COUP_QUESTION, SILENT_QUESTION], lambda _: reply(COUP), TEXTS, lambda n, of: told.append((n, of)))
    assert told == [(1, 2), (2, 2)]


# --- on disk ---

MADE = {"bundle_id": "sha256:0", "command": "test", "date": "2026-01-01", "machine": "none"}


def test_a_saved_run_is_read_back(tmp_path: Path) -> None:
    outcomes = run([COUP_QUESTION, SILENT_QUESTION], lambda _: reply(COUP, GOLD), TEXTS)
    saved = Run(MADE, tuple(outcomes), {"stages": {"all": {"RR@10": 0.5}}})
    saved.save(tmp_path / "run.json")
    assert load_run(tmp_path / "run.json") == saved
    saved.save(tmp_path / "small.json", rankings=False)
    assert load_run(tmp_path / "small.json").outcomes[0] == replace(outcomes[0], ranking=())
    assert (tmp_path / "run.json").read_text().count("\n") == 2 + len(MADE) + 2 + 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "not a run: JSONDecodeError"),
        ("[]", "not a run: TypeError"),
        ('{"format": 2}', "not a run: KeyError"),
        ('{"format": 9}', "found format 9, expected 2"),
        ('{"format": 2, "made": {}, "took_ms": [1], "outcomes": [{"id": "q"}]}', "not a run: TypeError"),
        ('{"format": 2, "made": {}, "took_ms": [], "outcomes": [{}]}', "not a run: ValueError"),
    ],
)
def test_what_is_not_a_run_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=rf"run\.json: {found}.*; run again"):
        load_run(tmp_path / "run.json")
    with pytest.raises(RunError, match="no such file; expected a run"):
        load_run(tmp_path / "missing.json")


# --- the real service ---


@pytest.fixture(scope="module")
def some_questions(bundle: Bundle) -> list[Question]:
    texts = {document.id: document.text for document in bundle.documents.values()}
    return load_questions(QUESTIONS, texts)[::9]


def test_ir_measures_gets_our_numbers_from_the_exported_files(
    bundle: Bundle, some_questions: list[Question], tmp_path: Path
) -> None:
    texts = {document.id: document.text for document in bundle.documents.values()}
    outcomes = run(some_questions, in_process(bundle), texts)
    answerable = [outcome for outcome in outcomes if outcome.answerable]
    write_trec_run(tmp_path / "run", {o.id: rank_scores(o.ranking) for o in answerable}, tag="ours")
    write_qrels(tmp_path / "qrels", qrels(outcomes))
    read = {name: io.StringIO((tmp_path / name).read_text("utf-8")) for name in ("qrels", "run")}
    names = [name for name in MEASURES if name in BY_NAME]
    theirs = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(name) for name in names],
        list(ir_measures.read_trec_qrels(read["qrels"])),  # type: ignore[no-untyped-call]
        list(ir_measures.read_trec_run(read["run"])),  # type: ignore[no-untyped-call]
    )
    for measure, value in theirs.items():
        ours = list(BY_NAME[str(measure)].values(outcomes).values())
        assert sum(ours) / len(ours) == pytest.approx(value, abs=1e-9)
    assert len(names) == 5
    assert all(outcome.verbatim for outcome in outcomes)


def test_the_body_asked_for_is_json(bundle: Bundle, some_questions: list[Question]) -> None:
    body = in_process(bundle)(some_questions[0])
    assert json.loads(json.dumps(body))["object"] == "answer"
    assert len(body["results"]) == 10


def test_a_run_can_ask_without_reading(bundle: Bundle, some_questions: list[Question]) -> None:
    read, fast = (in_process(bundle, mode=mode)(some_questions[0]) for mode in ("accurate", "fast"))
    scores = [reply["results"][0]["scores"] for reply in (read, fast)]
    assert ["reader" in found for found in scores] == [True, False]
