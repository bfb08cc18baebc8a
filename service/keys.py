"""API keys: a file of names and sha256 sums. The keys themselves are written down nowhere.

A key is 256 random bits, so its plain sha256 can be guessed no more than the key. A server's key is changed
without a pause by a second line under another name: add the new one, move the server over, take the old
one out.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}) ([0-9a-f]{64})")


class Keys:
    """The keys that are good, by name."""

    def __init__(self, sums: Mapping[str, str]) -> None:
        self._sums = dict(sums)

    @classmethod
    def read(cls, path: Path) -> "Keys":
        """Read a file of keys: `NAME SHA256` a line; empty lines and those that begin with # count not.

        Raises:
            ValueError: if the file is missing or has no key, or a line is something else; names it.
        """
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
        if not sums:
            raise ValueError(f"{path}: found no key, expected one a line, or no REPORT_QA_KEYS at all")
        return cls(sums)

    def name(self, key: str) -> str | None:
        """The name of a key; None if it is not good. Takes as long whichever it is."""
        given = _sum(key)
        good = [name for name, known in self._sums.items() if hmac.compare_digest(known, given)]
        return good[0] if good else None


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


def _sum(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
