"""Of eval/operations: what is computed there, and each command once in small."""

from pathlib import Path

import pytest

from eval.__main__ import main
from eval.operations.overload import share
from eval.operations.soak import Soak, requests, slope
from eval.questions import QUESTIONS, Question

QUESTION = Question("q", "R", "Which country mines gold?", "fact", "dev", "f", True, None, ((0, 5),), ())


def test_a_share_of_sorted_times() -> None:
    times = [float(number) for number in range(1, 101)]
    assert (share(times, 0.5), share(times, 0.99), share(times, 1.0)) == (51, 100, 100)
    assert share([], 0.5) == 0


def test_memory_grown_is_the_slope_of_the_second_half_times_its_length() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == 2
    assert slope([(0, 1), (1, 5), (2, 3)]) == 1
    assert slope([(1, 1)]) == slope([]) == 0
    # Twenty seconds of growth while it warms, then 1 MB every ten seconds.
    memory = [(float(x), 100.0 + min(x, 20) + max(x - 20, 0) / 10) for x in range(41)]
    found = Soak(1, 1, 40.0, {}, 0, 0, 0, 0, memory)
    assert found.growth == pytest.approx(2)


def test_a_soak_is_sound_if_nothing_at_all_went_wrong() -> None:
    assert Soak(9, 9, 1.0, {}, 0, 0, 5, 5, []).sound
    for wrong in (
        Soak(9, 9, 1.0, {503: 1}, 0, 0, 5, 5, []),
        Soak(9, 9, 1.0, {}, 1, 0, 5, 5, []),
        Soak(9, 9, 1.0, {}, 0, 1, 5, 5, []),
        Soak(9, 9, 1.0, {}, 0, 0, 5, 4, []),
    ):
        assert not wrong.sound


def test_the_same_questions_are_asked_each_time_in_every_way_of_typing() -> None:
    made = requests([QUESTION])
    assert made == requests([QUESTION])
    assert [b"/v1/answer" in request for request in made] == [True] * 4 + [False]
    assert len(set(made)) == 5


def test_each_command_measures_a_real_service_and_writes_what_it_found(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "questions"
    few.mkdir()
    for path in sorted(QUESTIONS.rglob("*.jsonl")):
        lines = path.read_text("utf-8").splitlines()[::40]
        (few / path.name).write_text("\n".join(lines), "utf-8")
    given = ["--bundle", str(bundle_path), "--questions", str(few)]
    report = tmp_path / "report.md"
    assert main(["soak", *given, "--asked", "300", "--clients", "8", "--markdown", str(report)]) == 0
    text = report.read_text("utf-8")
    assert "| errors | 0 | 0 |" in text
    assert "| answers unlike the quiet run's | 0 | 0 |" in text
    assert "| judgements acknowledged, in the file | 6, 6 | the same |" in text
    assert "python -m eval soak" in text
    assert main(["overload", *given, "--seconds", "2", "--markdown", str(report)]) == 0
    assert "| neither answered nor refused | 0 | 0 |" in report.read_text("utf-8")
