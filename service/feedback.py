"""Feedback: one JSON line for each judgement of a visitor, on disk before it is acknowledged.

The file only grows. What is written holds what was asked and judged, and nothing of who did it: no network
address, no browser, no cookie; what looks like an address inside the words is blotted out.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.redaction import without_addresses

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ROTATE_AT = 4 * 1024 * 1024
"""Bytes at which the file is set aside under a number and a new one is begun."""


class FeedbackLog:
    """An append-only JSON Lines file. Threads and processes may share it.

    An entry is written by one `write` to a file opened for appending, then flushed to the disk: whatever
    kills the process, every entry that was acknowledged is there, and at most the last line is torn. A
    torn line stays alone: the next entry begins a line of its own. Whoever writes holds a lock of the file,
    which the system takes back from a process that dies.
    """

    def __init__(self, path: Path, rotate_at: int = ROTATE_AT) -> None:
        self.path = path
        self._rotate_at = rotate_at

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one entry with the time, to the second; return when it is on the disk.

        Raises:
            OSError: if it cannot be written.
        """
        timed = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **_without_addresses(entry)}
        line = (json.dumps(timed, ensure_ascii=False) + "\n").encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while not self._write(line):
            pass

    def _write(self, line: bytes) -> bool:
        """Write a line and return True; or find the file full or set aside by another, to try the next."""
        if fcntl is None:
            raise OSError("this system has no file locks")
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # until it is closed
            if not _stands_at(self.path, handle):
                return False
            size = os.fstat(handle).st_size
            if size and size + len(line) > self._rotate_at:
                self._set_aside()
                return False
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            data = b"\n" + line if torn else line
            if os.write(handle, data) != len(data):
                raise OSError(f"{self.path}: the disk took only a part of an entry")
            os.fsync(handle)
            if size == 0:
                _flush_folder(self.path.parent)  # a new name is on the disk only with its folder
        finally:
            os.close(handle)
        return True

    def _set_aside(self) -> None:
        """Rename the file to `NAME.0001.jsonl`, `NAME.0002.jsonl`, …; nothing is ever deleted."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.stem}.{number:04d}{self.path.suffix}")).exists():
            number += 1
        self.path.rename(aside)
        _flush_folder(self.path.parent)


def feedback_files(path: Path) -> list[Path]:
    """Every file of a feedback log, oldest first."""
    aside = sorted(path.parent.glob(f"{path.stem}.[0-9][0-9][0-9][0-9]{path.suffix}"))
    return [*aside, *([path] if path.exists() else [])]


def _without_addresses(value: Any) -> Any:
    if isinstance(value, str):
        return without_addresses(value)
    if isinstance(value, Mapping):
        return {name: _without_addresses(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_addresses(item) for item in value]
    return value


def _stands_at(path: Path, handle: int) -> bool:
    """Whether an open file still has the name that it was opened by."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
