"""The services that are compared: how each is made, started and stopped, and what it takes of a machine."""

import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eval.speed.load import LoadError, drive, request
from eval.speed.parts import SpeedError
from indexer.embedding import BASE_ENCODER, DEFAULT_ENCODER

OURS, CONTROL, ACCURATE = "report-qa", "report-qa again", "report-qa, accurate"
"""This service, and the same once more: what lies between the two is noise. The third reads, too."""
SAME = "report-qa, peers' encoder"
"""This service with the very weights that the peers have, for passages and for questions."""
MODES = {OURS: "fast", CONTROL: "fast", ACCURATE: "accurate", SAME: "fast"}
"""What is this service, and the mode that it is asked in."""
NAIVE = "naive"
_PATIENCE = 120
_AS_INSTALLED = re.compile(r"(OMP|MKL|OPENBLAS|ONNX|TORCH|REPORT_QA|PYTHON)_?")
"""Variables that would set a service up as nobody's installation does; each runs with its own defaults."""
_QUIET = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "ANONYMIZED_TELEMETRY": "False"}
_NEEDS = {  # the packages that a person would install
    "naive": ("fastapi", "uvicorn", "sentence-transformers", "faiss-cpu"),
    "chroma": ("fastapi", "uvicorn", "sentence-transformers", "chromadb"),
    "lancedb": ("fastapi", "uvicorn", "sentence-transformers", "lancedb"),
    "qdrant": ("fastapi", "uvicorn", "sentence-transformers", "qdrant-client"),
    "txtai": ("fastapi", "uvicorn", "sentence-transformers", "txtai"),
}


class FleetError(SpeedError):
    """A service cannot be installed, built or started; the message says which, and what it printed."""


@dataclass(frozen=True)
class System:
    """A service that is compared: the commands that build what it serves and that serve it on a port."""

    name: str
    build: tuple[str, ...]
    serve: tuple[str, ...]
    store: Path
    packages: tuple[str, ...]
    log: Path

    def request(self, question: str) -> bytes:
        """The bytes that ask it a question, in its mode if it has any."""
        return request(question, mode=MODES.get(self.name))


def environment(lock: Path, folder: Path) -> Path:
    """Make the environment that the peers run in, unless it is there; return its Python.

    It holds what `lock` pins, by hash, and sees the packages of the environment that this runs in: all
    systems run the same torch, FastAPI and NumPy.

    Raises:
        FleetError: if pip fails.
    """
    python = folder / "bin" / "python"
    here = sysconfig.get_path("purelib")
    made_of = hashlib.sha256(f"{sys.executable}\n{here}\n".encode() + lock.read_bytes()).hexdigest()
    stamp = folder / "made-of"
    if stamp.is_file() and stamp.read_text() == made_of:
        return python
    venv.create(folder, clear=True, with_pip=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / version / "site-packages" / "beside.pth").write_text(f"{here}\n")
    options = ("-q", "--no-deps", "--require-hashes", "--only-binary=:all:", "-r")
    _run((str(python), "-m", "pip", "install", *options, str(lock)), "installing lock/bench.txt")
    stamp.write_text(made_of)
    return python


def ours(name: str, corpus: Path, folder: Path) -> System:
    """This service over a corpus."""
    encoder = BASE_ENCODER if name == SAME else DEFAULT_ENCODER
    python, bundle = sys.executable, folder / re.sub(r"\W+", "-", name) / "bundle"
    build = (python, "-m", "indexer", "build", "--force", "--encoder", encoder)
    return System(
        name,
        (*build, "--corpus", str(corpus), "--bundle", str(bundle)),
        (python, "-m", "service", "serve", "--bundle", str(bundle), "--port"),
        bundle.parent,
        tuple(_dependencies()),
        folder / f"{name}.log",
    )


def peer(name: str, python: Path, model: Path, passages: Path, folder: Path) -> System:
    """One of `PEERS`, over the passages of a JSON file."""
    common = (str(python), "-m", "eval.speed.peers", name)
    where = ("--model", str(model), "--folder", str(folder / name))
    return System(
        name,
        (*common, "build", *where, "--passages", str(passages)),
        (*common, "serve", *where, "--port"),
        folder / name,
        _NEEDS[name],
        folder / f"{name}.log",
    )


def built(system: System) -> float:
    """Build what a system serves; return the seconds that its command took."""
    start = time.perf_counter()
    _run(system.build, f"building {system.name}")
    return time.perf_counter() - start


@contextmanager
def running(system: System, port: int, question: str) -> Iterator[tuple[int, float]]:
    """Start a system and stop it at the end; yields its process group and the seconds to its first answer.

    Raises:
        FleetError: if it ends by itself, or does not answer.
    """
    start = time.perf_counter()
    with system.log.open("wb") as log:
        process = subprocess.Popen(
            (*system.serve, str(port)), env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process.pid, _first_answer(system, process, port, question) - start
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """A process that keeps one core busy."""
    process = subprocess.Popen((sys.executable, "-c", "while True: pass"))
    try:
        yield
    finally:
        process.kill()
        process.wait()


def resident(group: int) -> float:
    """Resident memory of a process group in MB, as `ps` counts it."""
    listed = subprocess.run(
        ("ps", "-A", "-o", "pgid=,rss="), check=True, capture_output=True, text=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return sum(int(size) for number, size in rows if int(number) == group) / 1_024


def installed(system: System, python: Path, model: Path) -> float:
    """Size in MB of a system on disk: its packages and all that they need, its encoder, and its store."""
    command = (str(python), "-m", "eval.speed.installed", *system.packages)
    packages = int(_run(command, f"measuring {system.name}"))
    bundled = system.name in MODES  # its store carries the encoder
    weights = 0 if bundled else sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    # The link to a bundle and what it points to are one: links are not followed.
    store = sum(file.lstat().st_size for file in system.store.rglob("*") if not file.is_dir())
    return (packages + weights + store) / 1e6


def _dependencies() -> list[str]:
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    return [requirement.replace(" ", "") for requirement in project["dependencies"]]


def _first_answer(system: System, process: subprocess.Popen[bytes], port: int, question: str) -> float:
    until = time.perf_counter() + _PATIENCE
    while time.perf_counter() < until:
        if process.poll() is not None:
            break
        try:
            if drive(port, iter([system.request(question)])).milliseconds:
                return time.perf_counter()
        except (OSError, LoadError):
            time.sleep(0.01)
    last = system.log.read_text("utf-8", "replace").strip().splitlines()[-1:]
    raise FleetError(
        f"{system.name}: found no answer on port {port} ({last}); expected one, see {system.log}"
    )


def _environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _AS_INSTALLED.match(name)}
    return kept | _QUIET | {"PYTHONPATH": os.getcwd(), "REPORT_QA_FEEDBACK": ""}


def _run(command: tuple[str, ...], what: str) -> str:
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise FleetError(f"{what}: exit status {done.returncode}, expected 0: {' '.join(last)}")
    return done.stdout


def write_passages(path: Path, texts: list[str]) -> None:
    """Write what the peers are built from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts), "utf-8")
