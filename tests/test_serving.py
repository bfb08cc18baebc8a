"""The serving process as an operator sees it: what it loads, whom it calls, how it starts and stops."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from indexer.bundle import Bundle
from service.app import create_app

ROOT = Path(__file__).parents[1]
WAGNER = "How much did Wagner cost Mali each month?"
# Run away from the repository, so that nothing is served from its corpus folder.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
SERVICE = (sys.executable, "-m", "service")

ANSWER_OVER_HTTP = """
import json, socket, sys

def refuse(*arguments, **named):
    raise AssertionError(f"the network was asked for: {arguments}")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse

from pathlib import Path
from indexer.bundle import open_bundle
from service.app import create_app
import asyncio

sent = []
app = create_app(open_bundle(Path(sys.argv[1])))
body = json.dumps({"query": sys.argv[2]}).encode()
scope = {"type": "http", "method": "POST", "path": "/v1/answer", "query_string": b"", "app": app,
         "headers": [(b"content-type", b"application/json")], "root_path": ""}

async def receive():
    return {"type": "http.request", "body": body, "more_body": False}

async def send(message):
    sent.append(message)

asyncio.run(app(scope, receive, send))
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"answer": json.loads(sent[1]["body"]), "loaded": loaded}))
"""


@contextmanager
def serving(
    bundle_path: Path, folder: Path, *options: str, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real service on a port that is free; its process and address. Its log is FOLDER/log."""
    command = [*SERVICE, "serve", "--port", "0", "--bundle", str(bundle_path), *options]
    environment = ENVIRONMENT | variables
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr
        try:
            first = process.stderr.readline()
            address = next((word for word in first.split() if word.startswith("http://")), "")
            assert address, first + process.stderr.read()
            yield process, address
        finally:
            process.kill()


def post(url: str, body: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode(), headers)) as reply:
        return json.load(reply)


def test_answering_loads_no_training_library_and_calls_nobody(bundle_path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANSWER_OVER_HTTP, str(bundle_path), WAGNER]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "$10 million per month" in said["answer"]["answer"]["text"]
    assert {"onnxruntime", "tokenizers", "fastapi"} <= set(said["loaded"])
    training = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "onnx", "sklearn"}
    assert (training | {"eval"}) & set(said["loaded"]) == set()


def printed_by_serving(bundle_path: Path, folder: Path, run: str) -> str:
    """What is printed by a service that is ready, in whose place `run(self, sockets)` is then called."""
    serve = (
        f"import gc, json, sys, uvicorn\n{run}\nuvicorn.Server.run = run\n"
        "from service.__main__ import main\n"
        "main(['serve', '--port', '0', '--bundle', sys.argv[1]])"
    )
    command = [sys.executable, "-c", serve, str(bundle_path)]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True).stdout


def test_garbage_is_collected_while_serving_but_not_looked_for_in_the_bundle(
    bundle_path: Path, tmp_path: Path
) -> None:
    run = "def run(self, sockets): print(gc.isenabled(), gc.get_freeze_count())"
    enabled, frozen = printed_by_serving(bundle_path, tmp_path, run).split()
    assert enabled == "True"
    assert int(frozen) > 50_000


def test_serving_loads_no_older_pydantic_and_describes_itself_all_the_same(
    bundle: Bundle, bundle_path: Path, tmp_path: Path
) -> None:
    run = (
        "def run(self, sockets):\n"
        "    v1 = sorted(name for name in sys.modules if name.startswith('pydantic.v1.'))\n"
        "    complete = sys.modules['service.schemas'].AnswerResponse.__pydantic_complete__\n"
        "    print(json.dumps([v1, complete, self.config.app.openapi()]))"
    )
    older, complete, described = json.loads(printed_by_serving(bundle_path, tmp_path, run))
    assert (older, complete) == ([], True)
    assert described == create_app(bundle).openapi()


def test_a_question_is_answered_where_there_is_no_network(bundle_path: Path, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        pytest.skip("this system cannot take the network from a process (unshare -rn)")
    command = [unshare, "-rn", *SERVICE, "ask", "--bundle", str(bundle_path), WAGNER]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "$10 million per month" in done.stdout


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_service_answers_and_stops_when_told_to(
    bundle_path: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    with serving(bundle_path, tmp_path) as (process, address):
        answer = post(f"{address}/v1/answer", {"query": WAGNER})
        assert "$10 million per month" in answer["answer"]["text"]
        with urlopen(f"{address}/readyz") as reply:
            assert json.load(reply) == {"status": "ok"}
        head = Request(f"{address}/v1/documents/IF10116/text", method="HEAD")
        with urlopen(head) as reply:
            assert (reply.status, reply.read()) == (200, b"")
            assert int(reply.headers["Content-Length"]) > 10_000
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{address}/v1/documents/nope")
        assert refused.value.headers["Content-Type"] == "application/problem+json"
        assert json.load(refused.value)["status"] == 404
        refused.value.close()
        process.send_signal(stop)
        _, rest = process.communicate()
        assert process.returncode == 0
        assert "Traceback" not in rest
        assert "failed" not in rest


def test_what_was_accepted_is_answered_though_the_service_is_told_to_stop(
    bundle_path: Path, tmp_path: Path
) -> None:
    body = json.dumps({"query": WAGNER}).encode()
    length = f"Content-Length: {len(body)}\r\n\r\n".encode()
    request = b"POST /v1/answer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length + body
    with serving(bundle_path, tmp_path, REPORT_QA_LANES="1", REPORT_QA_QUEUE_MS="60000") as (
        process,
        address,
    ):
        host, port = address.removeprefix("http://").split(":")
        clients = [socket.create_connection((host, int(port))) for _ in range(60)]
        for client in clients:
            client.sendall(request)
        while seen(address) < 60:
            pass
        process.send_signal(signal.SIGTERM)
        replies = [whole(client) for client in clients]
        _, rest = process.communicate()
    assert [reply.partition(b"\r\n")[0] for reply in replies] == [b"HTTP/1.1 200 OK"] * 60
    assert all(b"$10 million per month" in reply and reply.endswith(b"}") for reply in replies)
    assert (process.returncode, rest.count("Traceback")) == (0, 0)
    assert (tmp_path / "log").read_text().count('"/v1/answer"') == 60


def seen(address: str) -> float:
    """Questions that the service has read, answered or not."""
    with urlopen(f"{address}/metrics") as reply:
        counted = r'^report_qa_(?:questions_in_hand|requests_total\{route="/v1/answer",status="200"\}) (.+)$'
        return sum(map(float, re.findall(counted, reply.read().decode(), re.M)))


def whole(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_the_log_is_a_line_of_json_a_request_without_the_question(bundle_path: Path, tmp_path: Path) -> None:
    with serving(bundle_path, tmp_path) as (process, address):
        for query in (WAGNER, WAGNER, "give me a recipe for onion soup"):
            post(f"{address}/v1/answer", {"query": query})
        process.terminate()
        process.communicate()
    text = (tmp_path / "log").read_text()
    first, second, soup = map(json.loads, text.splitlines())
    assert (first["route"], first["status"], first["outcome"], soup["outcome"]) == (
        *("/v1/answer", 200, "answered", "off_topic"),
    )
    assert first["question_length"] == len(WAGNER)
    assert first["took_ms"] > 0
    assert first["question_hash"] == second["question_hash"] != soup["question_hash"]
    assert first["request_id"] != second["request_id"]
    assert not any(word in text for word in ("Wagner", "onion", "127.0.0.1"))


def test_whose_address_counts_is_told_by_a_proxy_that_is_trusted(bundle_path: Path, tmp_path: Path) -> None:
    with serving(
        bundle_path, tmp_path, REPORT_QA_RATE="2", REPORT_QA_TRUSTED_PROXIES="127.0.0.0/8, 10.0.0.0/8"
    ) as (_, address):
        found = []
        for forwarded in ("192.0.2.1", "192.0.2.9, 192.0.2.1, 10.0.0.7", "192.0.2.1, 192.0.2.2", "192.0.2.1"):
            try:
                with urlopen(Request(f"{address}/v1/documents", headers={"X-Forwarded-For": forwarded})) as r:
                    found.append(r.status)
            except HTTPError as refused:
                with refused:
                    found.append(refused.status)
    assert found == [200, 429, 200, 429]


def test_without_a_trusted_proxy_nobody_can_pass_for_another(bundle_path: Path, tmp_path: Path) -> None:
    with serving(bundle_path, tmp_path, REPORT_QA_RATE="1") as (_, address):
        asked = [
            Request(f"{address}/v1/documents", headers={"X-Forwarded-For": f"192.0.2.{number}"})
            for number in range(2)
        ]
        with urlopen(asked[0]):
            pass
        with pytest.raises(HTTPError) as refused:
            urlopen(asked[1])
        with refused.value:
            assert refused.value.status == 429


def test_a_large_body_is_refused_over_a_real_connection(bundle_path: Path, tmp_path: Path) -> None:
    with serving(bundle_path, tmp_path) as (_, address):
        host, port = address.removeprefix("http://").split(":")
        request = b"POST /v1/answer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(request + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            for _ in range(17):
                connection.sendall(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


def test_a_port_that_is_taken_is_one_line(bundle_path: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*SERVICE, "serve", "--port", port, "--bundle", str(bundle_path)]
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert port in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("variables", "options", "expected"),
    [
        ({"REPORT_QA_BUNDLE": "/nowhere/bundle"}, [], "report-qa index build"),
        ({"REPORT_QA_LANES": "many"}, [], "REPORT_QA_LANES"),
        ({"REPORT_QA_KEYS": "/nowhere/keys"}, [], "REPORT_QA_KEYS"),
        ({}, ["--port", "70000"], "0-65535"),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, variables: dict[str, str], options: list[str], expected: str
) -> None:
    command = [*SERVICE, "serve", "--port", "0", *options]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT | variables, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert expected in line


def test_a_bundle_that_is_deleted_under_a_service_is_still_served(bundle_path: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle_path.parent, tmp_path / "build", symlinks=True)
    with serving(tmp_path / "build" / bundle_path.name, tmp_path) as (_, address):
        before = post(f"{address}/v1/answer", {"query": WAGNER})
        shutil.rmtree(tmp_path / "build")
        after = post(f"{address}/v1/answer", {"query": WAGNER})
        assert "$10 million per month" in after["answer"]["text"]
        assert (after["bundle_id"], after["citations"]) == (before["bundle_id"], before["citations"])
        with urlopen(f"{address}/v1/documents/IF10116/text") as reply:
            assert "$10 million per month" in reply.read().decode()


def test_answering_writes_nothing_and_reports_to_nobody(bundle_path: Path, tmp_path: Path) -> None:
    """What a library's own machine code writes or sends, no Python can see; so look at what it leaves."""
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    command = [*SERVICE, "ask", "--bundle", str(bundle_path), WAGNER]
    environment = ENVIRONMENT | {"HOME": str(home), "XDG_CACHE_HOME": str(home), "TMPDIR": str(work)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True)
    assert [*home.rglob("*"), *work.rglob("*")] == []
