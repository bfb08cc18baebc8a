import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import uvicorn

from eval.__main__ import main
from eval.questions import QUESTIONS
from eval.run import load_run
from eval.trec import read_qrels, read_trec_run
from indexer.bundle import Bundle
from service.app import create_app

EVERY = 12
"""One question in so many is asked: each kind is there, and the test is short."""


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    for path in sorted(QUESTIONS.rglob("*.jsonl")):
        lines = path.read_text("utf-8").splitlines()[::EVERY]
        (folder / path.name).write_text("\n".join(lines), "utf-8")
    return folder


@pytest.fixture(scope="module")
def given(some: Path, bundle_path: Path) -> list[str]:
    return ["--bundle", str(bundle_path), "--questions", str(some)]


@pytest.fixture(scope="module")
def url(bundle: Bundle) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(bundle), log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


def test_a_run_is_printed_and_written_in_every_form(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {form: tmp_path / f"run.{form}" for form in ("json", "junit", "markdown", "html")}
    options = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    assert main(["run", *given, *options, "--trec", str(tmp_path / "trec")]) == 0
    printed = capsys.readouterr()
    assert "| **answerable** |" in printed.out and "| as served |" in printed.out
    assert "questions" in printed.err
    asked = len(load_run(files["json"]).outcomes)
    assert int(ElementTree.parse(files["junit"]).getroot().get("tests", "0")) == asked
    assert files["markdown"].read_text("utf-8").startswith("| kind | n |")
    assert "Every question" in files["html"].read_text("utf-8")
    assert set(read_trec_run(tmp_path / "trec" / "run.txt")) == set(
        read_qrels(tmp_path / "trec" / "qrels.txt")
    )


def test_over_http_the_outcomes_are_those_of_this_process(given: list[str], url: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    assert main(["run", *given, "--quick", "--json", str(here)]) == 0
    assert main(["run", *given, "--url", url, "--json", str(there)]) == 0
    first, second = load_run(here), load_run(there)
    assert first.made["bundle_id"] == second.made["bundle_id"]
    outcomes = [[{**o} for o in json.loads(path.read_text("utf-8"))["outcomes"]] for path in (here, there)]
    assert outcomes[0] == outcomes[1]
    assert "as served" in second.extras["stages"]


def test_accept_then_gate_passes_and_a_worse_run_fails(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline, saved = tmp_path / "baseline.json", tmp_path / "run.json"
    assert main(["run", *given, "--quick", "--json", str(saved)]) == 0
    accept = ["accept", *given, "--baseline", str(baseline), "--run", str(saved), "--reason", "A first one"]
    assert main(accept) == 0
    assert json.loads((tmp_path / "history.jsonl").read_text("utf-8"))["reason"] == "A first one"
    gate = ["gate", *given, "--baseline", str(baseline)]
    assert main([*gate, "--run", str(saved), "--html", str(tmp_path / "gate.html")]) == 0
    assert "A first one" in (tmp_path / "gate.html").read_text("utf-8")

    worse = json.loads(saved.read_text("utf-8"))
    for outcome in worse["outcomes"]:
        outcome["cited"] = False
    saved.write_text(json.dumps(worse), "utf-8")
    capsys.readouterr()
    assert main([*gate, "--run", str(saved), "--markdown", str(tmp_path / "pr.md")]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("## FAILED") and "### Lost" in printed
    assert (tmp_path / "pr.md").read_text("utf-8").startswith("## FAILED")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["gate", "--baseline", "nowhere.json"], "nowhere.json: no such file; expected a run"),
        (["run", "--bundle", "nowhere"], "nowhere: found no bundle"),
        (["run", "--questions", "nowhere"], "nowhere: no question found"),
        (["run", "--url", "nowhere"], "--url is 'nowhere'; expected an address"),
        (["bench", "--collection", "nowhere"], "nowhere: found neither corpus.jsonl nor qa.jsonl"),
        (["mutations", "--only", "earthquake"], "found 'earthquake'; expected one of"),
    ],
)
def test_a_command_that_cannot_run_says_why_in_one_line(
    command: list[str],
    message: str,
    bundle_path: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--bundle" not in command and command[0] in {"run", "gate"}:
        command = [*command, "--bundle", str(bundle_path)]
    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("report-qa eval: ") and message in told and told.count("\n") == 1


def test_questions_are_checked_and_counted(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["questions", "check", *given]) == 0
    assert capsys.readouterr().out.endswith(" questions, all sound\n")
    assert main(["questions", "stats", *given]) == 0
    assert "| paragraph | asked about | begins |" in capsys.readouterr().out
