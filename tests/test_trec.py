import io
from collections.abc import Callable
from pathlib import Path

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.measures import MEASURES, judge_run
from eval.trec import read_qrels, read_trec_run, write_qrels, write_trec_run

passages = st.sampled_from(["a", "B", "é", "\uffee", "😀", "IF10116:02024"])
questions = st.sampled_from(["q1", "q2", "q3"])
# Few values, so that scores tie; the last two tie in single precision only.
scores = st.sampled_from([-1.0, 0.0, 0.5, 3.0, 0.1, 0.1 + 1e-12]) | st.floats(-1e300, 1e300)
grades = st.integers(-1, 3)


@given(
    st.dictionaries(questions, st.dictionaries(passages, grades, min_size=1)),
    st.dictionaries(questions, st.dictionaries(passages, scores, min_size=1)),
)
def test_trec_files_are_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    qrels: dict[str, dict[str, int]],
    run: dict[str, dict[str, float]],
) -> None:
    folder = tmp_path_factory.mktemp("trec")
    write_qrels(folder / "qrels", qrels)
    write_trec_run(folder / "run", run, tag="ours")
    assert read_qrels(folder / "qrels") == qrels
    assert read_trec_run(folder / "run") == run


def test_trec_files_look_like_trec(tmp_path: Path) -> None:
    write_trec_run(tmp_path / "run", {"q1": {"a": 0.25, "b": 1.5}, "q2": {"a": 1.0}}, tag="ours")
    assert (tmp_path / "run").read_text() == (
        "q1 Q0 b 1 1.5 ours\n"
        "q1 Q0 a 2 0.25 ours\n"
        "q2 Q0 a 1 1.0 ours\n"
    )  # fmt: skip
    write_qrels(tmp_path / "qrels", {"q1": {"a": 2, "b": 0}})
    assert (tmp_path / "qrels").read_text() == "q1 0 a 2\nq1 0 b 0\n"


def test_ir_measures_reads_the_files_and_gets_the_same_numbers(tmp_path: Path) -> None:
    qrels = {"q1": {"a": 2, "b": 0, "c": 1}, "q2": {"b": 1}, "q3": {"é": 1}}
    run = {"q1": {"a": 0.2, "b": 0.9, "c": 0.1}, "q2": {"a": 0.5}, "q3": {"é": 0.3, "a": 0.4}}
    write_qrels(tmp_path / "qrels", qrels)
    write_trec_run(tmp_path / "run", run, tag="ours")
    read = {name: io.StringIO((tmp_path / name).read_text("utf-8")) for name in ("qrels", "run")}
    theirs = ir_measures.iter_calc(
        [ir_measures.parse_measure(name) for name in MEASURES],
        list(ir_measures.read_trec_qrels(read["qrels"])),  # type: ignore[no-untyped-call]
        list(ir_measures.read_trec_run(read["run"])),  # type: ignore[no-untyped-call]
    )
    judged = judge_run(qrels, run)
    ours = {(m, q): measure(judged[q]) for m, measure in MEASURES.items() for q in judged}
    found = {(str(metric.measure), metric.query_id): metric.value for metric in theirs}
    assert found == pytest.approx(ours, abs=1e-9)


@pytest.mark.parametrize("word", ["", "two words", "tab\t", "line\nbreak", "no\u00a0break"])
def test_ids_with_blanks_are_refused_before_anything_is_written(tmp_path: Path, word: str) -> None:
    path = tmp_path / "file"
    writes: list[Callable[[], None]] = [
        lambda: write_qrels(path, {"q": {"a": 1}, word: {"a": 1}}),
        lambda: write_qrels(path, {"q": {word: 1}}),
        lambda: write_trec_run(path, {word: {"a": 1.0}}, tag="ours"),
        lambda: write_trec_run(path, {"q": {word: 1.0}}, tag="ours"),
        lambda: write_trec_run(path, {"q": {"a": 1.0}}, tag=word),
    ]
    for write in writes:
        with pytest.raises(ValueError, match="is empty or holds a blank; expected one word"):
            write()
        assert not path.exists()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("q 0 a 1\nq 0 b\n", ":2: found 3 columns"),
        ("q 0 a 1 extra\n", ":1: found 5 columns"),
        ("q 0 a 1\n\nq 0 a 2\n", ":3: found a passage given before"),
        ("q 0 a high\n", ":1: found invalid literal .*'high'"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "qrels").write_text(text)
    with pytest.raises(ValueError, match=f"{found}.*; expected 'question 0 passage grade'"):
        read_qrels(tmp_path / "qrels")


def test_a_question_without_judgements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="question 'q' has 0 judgements; expected 1 or more;"):
        write_qrels(tmp_path / "qrels", {"q": {}})
