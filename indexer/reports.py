"""A report's folder in the corpus: its source, exactly as received, and what is known about it."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

SOURCE_SUFFIXES = (".txt", ".md")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TEXT_FIELDS = ("publisher", "author", "author_role", "number", "url", "rights", "language")


class CorpusError(ValueError):
    """A corpus folder cannot be used as it is; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A named mend of the source: `rule` must apply exactly `count` times."""

    rule: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report's metadata and the bytes of its source."""

    id: str
    title: str
    source: bytes
    source_name: str
    publisher: str | None = None
    author: str | None = None
    author_role: str | None = None
    date: str | None = None
    number: str | None = None
    url: str | None = None
    rights: str | None = None
    language: str | None = None
    repairs: tuple[Repair, ...] = ()
    suggestions: tuple[str, ...] = ()

    @property
    def source_sha256(self) -> str:
        """SHA-256 of the source as received, in hexadecimal."""
        return hashlib.sha256(self.source).hexdigest()

    def metadata(self) -> dict[str, str | None]:
        """What a reader may want to know of the report, in a fixed order, as JSON values."""
        return {
            "id": self.id,
            "title": self.title,
            "publisher": self.publisher,
            "author": self.author,
            "author_role": self.author_role,
            "date": self.date,
            "number": self.number,
            "url": self.url,
            "rights": self.rights,
            "language": self.language,
        }


def read_corpus(folder: Path) -> list[Report]:
    """Read every report of a corpus folder, sorted by id.

    Raises:
        CorpusError: if the folder is missing or empty, or one of its reports is unusable.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such corpus folder; expected a folder with one folder per report")
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise CorpusError(
            f"{folder}: holds no report; add a folder with a .txt or .md file and a report.toml"
        )
    return sorted((read_report(p) for p in folders), key=lambda report: report.id)


def read_report(folder: Path) -> Report:
    """Read one report's folder: `report.toml` and the source that it names.

    Raises:
        CorpusError: in one line, naming the file, the field, what was found and what is expected.
    """
    path = folder / "report.toml"
    fields = _read_toml(path)
    known = {"id", "title", "date", "source", "sha256", "repairs", "suggestions", *_TEXT_FIELDS}
    if unknown := sorted(set(fields) - known):
        raise CorpusError(f"{path}: unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    report_id = _text(path, fields, "id")
    if not _ID.fullmatch(report_id):
        raise CorpusError(
            f"{path}: field 'id' is {report_id!r}; expected up to 64 letters, digits, '.', '_' or '-'"
        )
    if report_id != folder.name:
        raise CorpusError(
            f"{path}: field 'id' is {report_id!r} but the folder is {folder.name!r}; give both one name"
        )
    source_path = _source_path(folder, path, fields)
    source = source_path.read_bytes()
    expected = _optional_text(path, fields, "sha256")
    found = hashlib.sha256(source).hexdigest()
    if expected is not None and expected != found:
        raise CorpusError(
            f"{path}: field 'sha256' is {expected!r} but {source_path.name} hashes to {found!r}; "
            "restore the source, or write its new hash if the change is meant"
        )
    return Report(
        id=report_id,
        title=_text(path, fields, "title"),
        source=source,
        source_name=source_path.name,
        date=_date(path, fields),
        repairs=_repairs(path, fields),
        suggestions=_suggestions(path, fields),
        **{name: _optional_text(path, fields, name) for name in _TEXT_FIELDS},
    )


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CorpusError(f"{path}: missing; every report needs one, with at least 'id' and 'title'")
    try:
        return tomllib.loads(path.read_bytes().decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:  # of Python, too: a number without end, too deep a nesting
        raise CorpusError(f"{path}: not valid TOML: {error}") from None


def _source_path(folder: Path, path: Path, fields: Mapping[str, Any]) -> Path:
    name = _optional_text(path, fields, "source")
    if name is None:
        found = sorted(p for p in folder.iterdir() if p.suffix in SOURCE_SUFFIXES and p.is_file())
        if len(found) != 1:
            names = ", ".join(p.name for p in found) or "none"
            raise CorpusError(
                f"{folder}: expected one .txt or .md file, found {names}; name it in the field 'source'"
            )
        return found[0]
    source = folder / name
    if Path(name).name != name or source.suffix not in SOURCE_SUFFIXES:
        raise CorpusError(
            f"{path}: field 'source' is {name!r}; expected the name of a .txt or .md file in the same folder"
        )
    if not source.is_file():
        raise CorpusError(f"{path}: field 'source' names {name!r}, which does not exist in {folder}")
    return source


def _text(path: Path, fields: Mapping[str, Any], name: str) -> str:
    value = _optional_text(path, fields, name)
    if value is None:
        raise CorpusError(f"{path}: field '{name}' is missing; expected text")
    return value


def _optional_text(path: Path, fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise CorpusError(f"{path}: field '{name}' is {value!r}; expected text in quotes")
    return value


def _date(path: Path, fields: Mapping[str, Any]) -> str | None:
    value = fields.get("date")
    if value is None:
        return None
    if type(value) is not date:
        raise CorpusError(f"{path}: field 'date' is {value!r}; expected a date such as 2024-12-17, unquoted")
    return value.isoformat()


def _suggestions(path: Path, fields: Mapping[str, Any]) -> tuple[str, ...]:
    value = fields.get("suggestions", [])
    if not isinstance(value, list) or not all(isinstance(q, str) and q.strip() for q in value):
        raise CorpusError(f"{path}: field 'suggestions' is {value!r}; expected a list of questions")
    return tuple(value)


def _repairs(path: Path, fields: Mapping[str, Any]) -> tuple[Repair, ...]:
    tables = fields.get("repairs", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise CorpusError(f"{path}: field 'repairs' is {tables!r}; expected [[repairs]] tables")
    repairs = []
    for table in tables:
        if set(table) != {"rule", "count", "reason"}:
            found = ", ".join(map(repr, sorted(table))) or "nothing"
            raise CorpusError(
                f"{path}: field 'repairs' has a table with {found}; expected rule, count, reason"
            )
        count = table["count"]
        if type(count) is not int or count < 1:
            raise CorpusError(f"{path}: field 'repairs.count' is {count!r}; expected a whole number above 0")
        rule, reason = (
            _text(path, {f"repairs.{key}": table[key]}, f"repairs.{key}") for key in ("rule", "reason")
        )
        repairs.append(Repair(rule, count, reason))
    return tuple(repairs)
