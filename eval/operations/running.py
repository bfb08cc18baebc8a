"""A service in a process of its own, as an operator runs it: started, watched, stopped."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STARTS = "http://"


class ServingError(ValueError):
    """The service did not start; the message is what it said."""


@dataclass(frozen=True)
class Running:
    """A running service."""

    pid: int
    host: str
    port: int
    folder: Path
    """Where it runs; `log` and `feedback.jsonl` are there."""

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.pid}/status")
        if status.exists():
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
            return int(line.split()[1]) / 1_024
        shown = subprocess.run(["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, text=True)
        return int(shown.stdout) / 1_024


@contextmanager
def running(bundle: Path, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Serve a bundle on a free port; stopped on leaving.

    Raises:
        ServingError: if it does not start.
    """
    allow_many_connections()
    here = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        command = [
            sys.executable,
            "-m",
            "service",
            "serve",
            "--port",
            "0",
            "--bundle",
            str(bundle.absolute()),
        ]
        path = os.pathsep.join(filter(None, [str(here), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | dict(settings or {})
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            try:
                first = process.stderr.readline()
                address = next((word for word in first.split() if word.startswith(_STARTS)), "")
                if not address:
                    raise ServingError(f"the service did not start: {first}{process.stderr.read()}".strip())
                host, _, port = address.removeprefix(_STARTS).partition(":")
                yield Running(process.pid, host, int(port), Path(folder))
            finally:
                process.terminate()


def allow_many_connections() -> None:
    """Raise the limit of open files, for this process and those that it starts, as far as it goes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
