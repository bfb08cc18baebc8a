import fcntl
import json
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from service.app import create_app
from service.feedback import FeedbackLog, feedback_files

JUDGEMENT: dict[str, Any] = {
    "answer_id": "ans_1",
    "bundle_id": "sha256:" + "0" * 64,
    "query": "Who is president?",
    "answerable": True,
    "rating": "down",
    "reason": "incomplete",
    "comment": "since when?",
}


def entries(path: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for file in feedback_files(path) for line in file.read_text("utf-8").splitlines()
    ]


def test_entries_are_appended_in_order_with_their_time(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "new" / "feedback.jsonl")
    for number in range(3):
        log.append({"number": number})
    found = entries(log.path)
    assert [entry["number"] for entry in found] == [0, 1, 2]
    assert all(entry["time"].endswith("+00:00") for entry in found)
    assert log.path.stat().st_mode & 0o077 == 0  # for no one else to read


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("write to jane.doe+x@mail.example.org please", "write to [address] please"),
        ("from 192.168.10.254, twice", "from [address], twice"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334!", "[address]!"),
        ("call +33 1 23 45 67 89", "call [address]"),
        (
            "$10 million, 2,400 troops, 12:30, v1.2.3, 2012–2014",
            "$10 million, 2,400 troops, 12:30, v1.2.3, 2012–2014",
        ),
    ],
)
def test_addresses_are_blotted_out_and_figures_are_not(tmp_path: Path, text: str, kept: str) -> None:
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    log.append({"comment": text, "history": [{"content": text}]})
    (entry,) = entries(log.path)
    assert (entry["comment"], entry["history"][0]["content"]) == (kept, kept)


def test_a_full_file_is_set_aside_and_nothing_is_lost(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "feedback.jsonl", rotate_at=200)
    for number in range(20):
        log.append({"number": number})
    names = [file.name for file in feedback_files(log.path)]
    assert names[:2] == ["feedback.0001.jsonl", "feedback.0002.jsonl"]
    assert names[-1] == "feedback.jsonl"
    assert all(file.stat().st_size <= 200 for file in feedback_files(log.path))
    assert [entry["number"] for entry in entries(log.path)] == list(range(20))


def test_a_torn_line_stays_alone(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    log.path.write_text('{"number": 1}\n{"numb')
    log.append({"number": 2})
    whole, torn, after = log.path.read_text().splitlines()
    assert (json.loads(whole)["number"], torn, json.loads(after)["number"]) == (1, '{"numb', 2)


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "feedback.jsonl", rotate_at=5_000)

    def write(who: int) -> None:
        for _ in range(20):
            log.append({"who": who, "text": "é" * 99})

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry["who"] for entry in entries(log.path)) == sorted([0, 1, 2, 3] * 20)


def test_a_file_that_was_set_aside_while_one_waited_for_it_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    log.append({"number": 1})
    lock = fcntl.flock

    def late(handle: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        log.path.rename(tmp_path / "feedback.0001.jsonl")
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    log.append({"number": 2})
    files = [file.read_text() for file in feedback_files(log.path)]
    assert [json.loads(line)["number"] for line in files] == [1, 2]  # one in each


def test_nobody_else_may_set_the_file_aside_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two processes take the same number, and the second file replaces the first."""
    log = FeedbackLog(tmp_path / "feedback.jsonl", rotate_at=1)
    rename = Path.rename
    refused = []

    def locked(path: Path, to: Path) -> Path:
        with path.open() as other, pytest.raises(BlockingIOError) as refusal:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        refused.append(refusal)
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", locked)
    for number in range(3):
        log.append({"number": number})
    assert len(refused) == 2
    assert [entry["number"] for entry in entries(log.path)] == [0, 1, 2]


_WRITER = """
import sys
from pathlib import Path
from service.feedback import FeedbackLog
log = FeedbackLog(Path(sys.argv[1]), rotate_at=4_000)
number = 0
while True:
    log.append({"writer": int(sys.argv[2]), "number": number, "text": "x" * 100})
    print(number, flush=True)
    number += 1
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    acknowledged: set[tuple[int, int]] = set()
    for writer in range(3):
        command = [sys.executable, "-c", _WRITER, str(path), str(writer)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for _ in range(40):
                acknowledged.add((writer, int(process.stdout.readline())))
            process.kill()
    lines = [line for file in feedback_files(path) for line in file.read_text().splitlines()]
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    assert len(lines) - len(whole) <= 3  # at most one is torn by each kill
    assert acknowledged <= {(entry["writer"], entry["number"]) for entry in whole}
    assert len(feedback_files(path)) > 1  # so that rotating was part of it


_SHORT_WRITER = """
import sys
from pathlib import Path
from service.feedback import FeedbackLog
log = FeedbackLog(Path(sys.argv[1]), rotate_at=1)
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    log.append({"writer": int(sys.argv[2]), "number": number})
"""


def test_processes_that_rotate_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    with ExitStack() as held:
        processes = [
            held.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _SHORT_WRITER, str(path), str(writer)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for writer in range(3)
        ]
        for process in processes:
            assert process.stdout and process.stdout.readline()
        for process in processes:
            assert process.stdin
            process.stdin.close()  # go
    assert [process.returncode for process in processes] == [0, 0, 0]
    found = sorted((entry["writer"], entry["number"]) for entry in entries(path))
    assert found == [(writer, number) for writer in range(3) for number in range(40)]


def test_the_route_keeps_the_judgement_and_no_address(bundle: Bundle, tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    client = TestClient(create_app(bundle, feedback=log), client=("203.0.113.9", 4711))
    reply = client.post("/v1/feedback", json=JUDGEMENT, headers={"User-Agent": "Browser/7"})
    assert reply.status_code == 201
    (entry,) = entries(log.path)
    assert {name: value for name, value in entry.items() if name != "time"} == {**JUDGEMENT, "history": []}
    assert not {"203.0.113.9", "4711", "Browser"} & set(log.path.read_text().split('"'))


@pytest.mark.parametrize("change", [{"rating": "meh"}, {"reason": "bad"}, {"who": "me"}, {"query": " "}])
def test_what_is_no_judgement_is_refused(bundle: Bundle, tmp_path: Path, change: dict[str, str]) -> None:
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    reply = TestClient(create_app(bundle, feedback=log)).post("/v1/feedback", json=JUDGEMENT | change)
    assert reply.status_code == 422
    assert not log.path.exists()


def test_without_a_file_the_service_says_that_it_keeps_none(bundle: Bundle, tmp_path: Path) -> None:
    reply = TestClient(create_app(bundle)).post("/v1/feedback", json=JUDGEMENT)
    assert reply.status_code == 503
    assert "REPORT_QA_FEEDBACK" in reply.json()["detail"]
    (tmp_path / "file").write_text("")
    blocked = FeedbackLog(tmp_path / "file" / "feedback.jsonl")
    reply = TestClient(create_app(bundle, feedback=blocked)).post("/v1/feedback", json=JUDGEMENT)
    assert reply.status_code == 503
    assert str(tmp_path) not in reply.text
