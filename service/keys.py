"""API keys: a file of names and sha256 sums. The keys themselves are written down nowhere.

A key is 256 random bits, so its plain sha256 can be guessed no more than the key. A server's key is changed
without a pause by a second line under another name: add the new one, move the server over, take the old
one out. The file is read again when it has changed: a key whose line is gone is dead within a second.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

EVERY = 1.0
"""Seconds between two looks at the file."""
_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}) ([0-9a-f]{64})")
_log = logging.getLogger("report_qa")


class Keys:
    """The keys that are good, by name.

    Args:
        sums: The sha256 of each.
        path: The file that they stand in; when it has changed, it is read again.
    """

    def __init__(self, sums: Mapping[str, str], path: Path | None = None) -> None:
        self._sums = dict(sums)
        self._path = path
        self._read: tuple[int, int, int] | None = None
        self._next = time.monotonic() + EVERY
        self._trouble: str | None = None

    @classmethod
    def read(cls, path: Path) -> "Keys":
        """Read a file of keys: `NAME SHA256` a line; empty lines and those that begin with # count not.

        Raises:
            ValueError: if the file is missing or has no key, or a line is something else; names it.
        """
        sums = _sums_in(path)
        if not sums:
            raise ValueError(f"{path}: found no key, expected one a line, or no REPORT_QA_KEYS at all")
        return cls(sums, path if path.is_file() else None)  # a pipe can be read but once

    def name(self, key: str) -> str | None:
        """The name of a key; None if it is not good. Takes as long whichever it is."""
        self._look()
        given = _sum(key)
        good = [name for name, known in self._sums.items() if hmac.compare_digest(known, given)]
        return good[0] if good else None

    def trouble(self) -> str | None:
        """Why the keys that are good are not those of the file, in a line; None if they are."""
        self._look()
        return self._trouble

    def _look(self) -> None:
        """Read the file again if it has changed, looking not more often than EVERY seconds.

        A file without a key is believed: whoever takes the last line out wants nobody in.
        """
        if not self._path or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            sums = self._sums if seen == self._read else _sums_in(self._path)
        except (OSError, ValueError) as error:
            if str(error) != self._trouble:
                _log.error("the keys stay as they were: %s", error)
            self._trouble = str(error)
            return
        if sums != self._sums:
            _log.warning("%s has changed; good keys from now on: %d", self._path, len(sums))
        self._read, self._sums, self._trouble = seen, sums, None


def new_key(name: str) -> tuple[str, str]:
    """A new key, and the line of the file that makes it good.

    Raises:
        ValueError: if the name cannot stand in the file.
    """
    key = f"rqa_{secrets.token_urlsafe(32)}"  # the prefix lets scanners of leaked secrets know it
    line = f"{name} {_sum(key)}"
    if not _LINE.fullmatch(line):
        raise ValueError(f"{name!r} is no name for a key; expected letters, digits, '.', '_' and '-'")
    return key, line


def _sums_in(path: Path) -> dict[str, str]:
    """The keys of a file; see `Keys.read`."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: found no file that can be read ({error}); expected keys") from None
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if not found or found[1] in sums:
            what = f"a second {found[1]!r}" if found else "something else"
            raise ValueError(
                f"{path} line {number}: found {what}, expected 'NAME SHA256', each name once; "
                "'report-qa keys new NAME' prints such a line"
            )
        sums[found[1]] = found[2]
    return sums


def _sum(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
