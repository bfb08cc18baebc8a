import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.__main__ import main, parser
from indexer.build import build_bundle

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "eval" / "recipe"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another repository, with a report of its own and questions on it, and its first baseline."""
    folder = tmp_path_factory.mktemp("second") / "repository"
    shutil.copytree(ROOT / "tests" / "recipe", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build_bundle(Path("corpus"), Path("build/bundle"))
        accept = ["accept", "--questions", "questions", "--baseline", "gate/baseline.json"]
        assert main([*accept, "--reason", "The first answers on this report"]) == 0
    return folder


@pytest.fixture
def gate() -> Callable[[], None]:
    spec = importlib.util.spec_from_file_location("recipe", RECIPE / "test_answers.py")
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    test: Callable[[], None] = module.test_the_answers_are_no_worse_than_the_baseline
    return test


def test_a_second_report_passes_its_own_gate(
    repository: Path, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    gate()
    baseline = json.loads(Path("gate/baseline.json").read_text("utf-8"))
    assert sum(o["cited"] for o in baseline["outcomes"] if o["answerable"]) >= 9  # of 12


def test_an_answer_that_got_lost_fails_it(
    repository: Path,
    gate: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The baseline is given the answers that the service lacks; so now it has lost them."""
    shutil.copytree(repository, tmp_path / "other", symlinks=True)
    monkeypatch.chdir(tmp_path / "other")
    path = Path("gate/baseline.json")
    baseline = json.loads(path.read_text("utf-8"))
    for outcome in baseline["outcomes"]:
        outcome["cited"], outcome["answered"] = outcome["answerable"], outcome["answerable"]
    baseline["floors"] = {"near (silent)": {"Refused right": 1.1}}  # which nothing reaches
    path.write_text(json.dumps(baseline), "utf-8")
    with pytest.raises(AssertionError):
        gate()
    told = capsys.readouterr().out
    assert "below its floor of 1.100" in told and "### Lost" in told


def test_a_report_that_changed_under_its_questions_is_told_by_file_and_line(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(repository, tmp_path / "other", symlinks=True)
    monkeypatch.chdir(tmp_path / "other")
    path = Path("questions/questions.jsonl")
    path.write_text(path.read_text("utf-8").replace("April 28, 2026", "April 29, 2026"), "utf-8")
    assert main(["questions", "check", "--questions", "questions"]) == 1
    assert "questions.jsonl:1: field 'evidence':" in capsys.readouterr().err


def test_every_command_of_the_recipe_is_one() -> None:
    texts = [(RECIPE / "workflow.yml").read_text("utf-8"), (ROOT / "eval/README.md").read_text("utf-8")]
    pattern = r"^(?: *- run: |.*?`)(?:report-qa|python -m) eval ([a-z].*?)(?:`|$)"
    commands = re.findall(pattern, "\n".join(texts), re.M)
    assert len(commands) > 8
    for command in commands:
        words = re.findall(r'"[^"]*"|\S+', command)
        parser().parse_args([word.strip('"') for word in words])
