import gc
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from service.__main__ import SILENT, main
from service.keys import Keys

ROOT = Path(__file__).parents[1]
WAGNER = "How much did Wagner cost Mali each month?"
SOUP = "give me a recipe for onion soup"


@pytest.fixture
def at(bundle_path: Path) -> list[str]:
    return ["--bundle", str(bundle_path)]


def one_line(captured: str, command: str) -> str:
    (line,) = captured.splitlines()
    assert line.startswith(f"report-qa {command}: ")
    return line


def test_a_service_that_does_not_start_leaves_all_as_it_was(tmp_path: Path) -> None:
    assert main(["serve", "--port", "0", "--bundle", str(tmp_path / "nope")]) == 1
    assert gc.isenabled()
    assert "defer_build" not in BaseModel.model_config
    importlib.import_module("pydantic.v1")


# --- ask ---


def test_ask_prints_the_answer_its_excerpt_its_place_and_the_confidence(
    at: list[str], bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", WAGNER, *at]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    answer, _, rest = out.partition("\n")
    assert "$10 million per month" in answer
    place = re.search(r"^  IF10116, Mali( > .+)?, characters (\d+)-(\d+)$", rest, re.M)
    assert place
    assert bundle.documents["IF10116"].text[int(place[2]) : int(place[3])] == answer
    shown = " ".join(line.removeprefix("  | ") for line in rest.splitlines() if line.startswith("  | "))
    assert f"[{answer}]" in shown
    assert re.search(r"^confidence [01]\.\d\d$", out, re.M)


def test_ask_gives_the_place_of_every_sentence_of_the_answer(
    at: list[str], bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "When did France withdraw its troops, and how much was Wagner paid each month?"
    for limit in ("1", "3"):  # with 1, only one of the two places is among the ranked passages
        assert main(["ask", question, "--limit", limit, *at]) == 0
        out, _ = capsys.readouterr()
        answer, _, rest = out.partition("\n\n")
        places = re.findall(r"^  IF10116, .+, characters (\d+)-(\d+)$", rest, re.M)
        text = bundle.documents["IF10116"].text
        assert [text[int(start) : int(end)] for start, end in places] == answer.splitlines()
        assert len(places) == 2


def test_ask_says_when_the_report_is_silent_and_exits_3(
    at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", SOUP, "--limit", "2", *at]) == SILENT == 3
    out, _ = capsys.readouterr()
    assert out.startswith("The report does not say.\n")
    assert out.count("Nearest passage, not an answer:") == 2


@pytest.mark.parametrize(("question", "status"), [(WAGNER, 0), (SOUP, SILENT)])
def test_ask_json_is_what_the_service_returns(
    at: list[str],
    client: TestClient,
    capsys: pytest.CaptureFixture[str],
    question: str,
    status: int,
) -> None:
    assert main(["ask", question, "--json", "--limit", "2", "--document", "IF10116", *at]) == status
    printed = json.loads(capsys.readouterr().out)
    body = {"query": question, "limit": 2, "documents": ["IF10116"]}
    returned = client.post("/v1/answer", json=body).json()
    assert printed.keys() == returned.keys()
    for own in ("id", "request_id", "usage"):
        assert type(printed.pop(own)) is type(returned.pop(own))
    assert printed == returned


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([" "], "query: expected a question, found only white space"),
        ([""], "query: "),
        (["a" * 2_001], "query: .* 2000 characters"),
        (["\udcff"], "query: "),
        (["a", "--limit", "0"], "limit: "),
        (["a", "--limit", "51"], "limit: "),
        (["a", "--document", "nope"], "document 'nope' is not served; expected one of: IF10116"),
        ([" ", "--limit", "0"], "query: .*; limit: "),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_line(
    at: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["ask", *arguments, *at]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(expected, one_line(err, "ask"))


@pytest.mark.parametrize(
    "command", [["ask", "a"], ["serve", "--port", "0"], ["index", "verify"], ["index", "show"]]
)
def test_without_a_bundle_every_command_names_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--bundle", str(tmp_path / "none")]) == 1
    line = one_line(capsys.readouterr().err, command[0])
    assert "found no bundle" in line
    assert "report-qa index build" in line


# --- the other commands ---


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["ask", "serve", "keys", "index", "eval"]),
        (["ask"], ["question", "--json", "--limit", "--document", "--bundle", "Exit status 3"]),
        (["serve"], ["--host", "--port", "--bundle", "REPORT_QA_BUNDLE"]),
        (["index"], ["build", "verify", "show"]),
        (["index", "build"], ["--corpus", "--encoder", "--force"]),
        (["eval"], ["run"]),
    ],
)
def test_help_names_everything(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: list[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert [word for word in expected if word not in " ".join(out.split())] == []


@pytest.mark.parametrize("arguments", [[], ["sing"], ["ask"], ["ask", "a", "--limit", "x"], ["index"]])
def test_wrong_usage_exits_2_and_shows_the_right_one(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("usage: report-qa")


def test_index_show_prints_every_passage(
    at: list[str], bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "show", *at]) == 0
    out = capsys.readouterr().out
    assert [passage.passage_id for passage in bundle.passages if passage.passage_id not in out] == []


@pytest.mark.parametrize("command", [["ask", WAGNER], ["ask", WAGNER, "--json"], ["index", "show"]])
def test_a_reader_that_leaves_early_is_no_failure(at: list[str], command: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "service", *command, *at],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        process.stdout.close()  # before anything is written: every write finds a broken pipe
        assert process.stderr
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_an_interrupted_command_leaves_no_traceback(
    at: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("indexer.bundle.open_bundle", interrupt)
    assert main(["ask", WAGNER, *at]) == 130
    assert capsys.readouterr().err == ""


def test_a_new_key_is_shown_once_and_only_its_hash_is_printed_for_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["keys", "new", "archive"]) == 0
    out, err = capsys.readouterr()
    (tmp_path / "keys").write_text(out)
    (key,) = re.findall(r"rqa_\S+", err)
    assert Keys.read(tmp_path / "keys").name(key) == "archive"
    assert key not in out
    assert main(["keys", "new", "no name"]) == 1
    assert "is no name for a key" in one_line(capsys.readouterr().err, "keys")
