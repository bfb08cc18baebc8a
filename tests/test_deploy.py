"""The files of service/deploy/, as far as they can be checked without a container engine."""

import importlib.util
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from service.__main__ import main

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "service" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
UNIT = (DEPLOY / "report-qa.service").read_text("utf-8")
IMAGE = (ROOT / "Dockerfile").read_text("utf-8")
needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")


# --- what the files say of each other ---


def test_every_setting_that_is_set_exists() -> None:
    known = set(re.findall(r"REPORT_QA_\w+", (ROOT / "service" / "settings.py").read_text("utf-8")))
    for path in (*DEPLOY.iterdir(), ROOT / "Dockerfile"):
        assert set(re.findall(r"REPORT_QA_\w+", path.read_text("utf-8"))) <= known, path.name


@pytest.mark.parametrize("name", ["publish", "rollback"])
def test_the_commands_of_the_compose_file_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *command = COMPOSE["services"][name]["command"]
    assert program == "report-qa"
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    assert left.value.code == 0
    assert "usage: report-qa index" in capsys.readouterr().out
    served = re.findall(r"REPORT_QA_BUNDLE=(\S+)", IMAGE)
    assert command[-1] in served


def test_every_container_is_held() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert re.findall(r"^USER (\S+)", IMAGE, re.M) == ["10001:10001"]


def test_the_service_reads_bundles_and_only_the_proxy_is_outside() -> None:
    services, (inside,) = COMPOSE["services"], COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert "bundles:/bundles:ro" in services["report-qa"]["volumes"]
    assert services["report-qa"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert services["report-qa"]["environment"]["REPORT_QA_TRUSTED_PROXIES"] == inside["subnet"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_the_image_is_two_stages_and_the_last_has_no_torch() -> None:
    _, last = IMAGE.split("\nFROM ")[-2:]
    assert "torch" not in last.replace("no torch", "")
    assert "lock/build.txt" not in last
    assert "--require-hashes" in last
    for copied in re.findall(r"^COPY (?:--\S+ )*(\S+)", last, re.M):
        assert copied.startswith(("/src/dist/", "/bundles", "lock/serve.txt"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "report-qa"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "report-qa.service"
    unit.write_text(UNIT.replace("/opt/report-qa/bin/report-qa", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "report-qa" in line]) == (0, [])


# --- the proxy ---


class Upstream(BaseHTTPRequestHandler):
    """Stands for the service: says what it was told, and is not there for a path that says so."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/gone"):
            self.close_connection = True
            return
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where nginx has its files."""
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def proxy(folder: Path) -> Iterator[int]:
    """nginx as it is configured, but for addresses, folders and less patience; its port."""
    port = free_port()
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    config = (DEPLOY / "nginx.conf").read_text("utf-8")
    for found, replaced in (
        ("server report-qa:8000", f"server 127.0.0.1:{upstream.server_port}"),
        ("listen 8080", f"listen 127.0.0.1:{port}"),
        ("/tmp/", f"{folder}/"),
        ("/dev/stderr", f"{folder}/error.log"),
        ("/dev/stdout", f"{folder}/access.log"),
        ("client_header_timeout 5s", "client_header_timeout 1s"),
        ("client_body_timeout 5s", "client_body_timeout 1s"),
        ("rate=20r/s", "rate=1r/m"),
        ("worker_processes auto", "worker_processes 1; daemon off"),
    ):
        assert found in config, found
        config = config.replace(found, replaced)
    (folder / "nginx.conf").write_text(config)
    command = ["nginx", "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
    done = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    continue
            yield port
        finally:
            process.terminate()
            upstream.shutdown()
            upstream.server_close()


@needs_nginx
def test_the_proxy_says_who_asks_and_believes_no_client(proxy: int) -> None:
    with socket.create_connection(("127.0.0.1", proxy)) as connection:
        request = (
            b"GET /v1/index HTTP/1.1\r\nHost: a.org\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(request)
        reply = b"".join(iter(lambda: connection.recv(4096), b""))
    told = json.loads(reply.split(b"\r\n\r\n", 1)[1])
    assert (told["X-Forwarded-For"], told["X-Forwarded-Proto"], told["Host"]) == (
        "127.0.0.1",
        "http",
        "a.org",
    )
    assert re.fullmatch("[0-9a-f]{32}", told["X-Request-Id"])


@needs_nginx
def test_the_proxy_lets_go_of_two_hundred_that_do_not_send(proxy: int) -> None:
    halves = (
        b"",
        b"POST /v1/answer HTTP/1.1\r\nHost: x\r\n",
        b"POST /v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
    )
    with ExitStack() as stack:
        slow = []
        for number in range(200):
            address = (f"127.0.1.{1 + number % 5}", 0)  # five of them, not the one that asks
            try:
                connection = socket.create_connection(("127.0.0.1", proxy), source_address=address)
            except OSError:
                pytest.skip("this system has no loopback address but 127.0.0.1")
            connection.sendall(halves[number % 3])
            slow.append(stack.enter_context(connection))
        with urlopen(f"http://127.0.0.1:{proxy}/healthz") as reply:
            assert reply.status == 200
        for connection in slow:
            connection.settimeout(20)
            with suppress(ConnectionResetError):
                assert connection.recv(4096)[:12] in {b"", b"HTTP/1.1 408"}


@needs_nginx
def test_what_the_proxy_refuses_is_a_problem(proxy: int) -> None:
    for head, status in (
        (b"POST /v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n", 413),
        (b"DELETE /v1/answer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 501),  # by the service
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    ):
        with socket.create_connection(("127.0.0.1", proxy)) as connection:
            connection.sendall(head)
            reply = connection.recv(4096)
        assert int(reply.split()[1]) == status
        if status == 413:
            headers, _, body = reply.partition(b"\r\n\r\n")
            assert b"Content-Type: application/problem+json" in headers
            assert json.loads(body)["status"] == 413


@needs_nginx
def test_a_page_of_another_site_can_read_what_the_proxy_refuses(proxy: int) -> None:
    for path, length, times, status in (
        ("/v1/answer", 70_000, 1, 413),
        ("/gone", 0, 1, 503),
        ("/v1/index", 0, 45, 429),
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        heads = []
        for _ in range(times):
            try:
                connection = socket.create_connection(("127.0.0.1", proxy), source_address=("127.0.2.1", 0))
            except OSError:
                pytest.skip("this system has no loopback address but 127.0.0.1")
            with connection:
                connection.sendall(head.encode())
                heads.append(connection.recv(4096).partition(b"\r\n\r\n")[0])
        refused = [head for head in heads if int(head.split()[1]) == status]
        assert refused, status
        assert b"Access-Control-Allow-Origin: *" in refused[0]
        if status != 413:
            assert b"Retry-After: 2" in refused[0]
            assert b"Access-Control-Expose-Headers: Retry-After" in refused[0]


@needs_nginx
def test_no_log_of_the_proxy_has_an_address_or_a_question(proxy: int, folder: Path) -> None:
    for path, length in (("/v1/search?q=secret", 70_000), ("/gone?q=secret", 0)):
        with socket.create_connection(("127.0.0.1", proxy)) as connection:
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode())
            assert int(connection.recv(4096).split()[1]) in {413, 503}
    for name in ("access.log", "error.log"):
        log = (folder / name).read_text("utf-8")
        assert "secret" not in log
        assert "127.0.0.1" not in log


# --- licences ---


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "lock" / "licences.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_that_serving_installs_is_listed_with_its_licence(licences: ModuleType) -> None:
    rows = re.findall(
        r"^\| ([\w.-]+) \| (\S+) \| (.+) \|$", (DEPLOY / "licences.md").read_text("utf-8"), re.M
    )
    listed = {name: version for name, version, _ in rows if name != "package"}
    assert listed.items() >= licences.pins((ROOT / "lock" / "serve.txt").read_text("utf-8")).items()
    for name, _, licence in rows:
        assert licence != "not told", name
        assert not re.search(r"\bA?GPL|Proprietary|Commercial", licence), name
