"""A file of embeddings made before: a build that was killed, or that changed little, goes on from it.

Append-only records, each `header, payload`; a header holds the payload's length, its key and its CRC, and a
CRC of itself. Whatever is not whole is as if it were not there, and is made again.
"""

import os
import struct
import tempfile
import zlib
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows, where nothing is built: `indexer/publication.py` says so
    fcntl = None  # type: ignore[assignment]

_HEADER = struct.Struct("<4sI32sI")
_CHECK = struct.Struct("<I")
_MAGIC = b"emb1"
_SPARE = 64 * 2**20
"""Bytes that may be of no more use before the file is written anew without them."""


class EmbeddingStore:
    """Payloads by key (SHA-256, 32 bytes), in one file that one build uses at a time."""

    def __init__(self, path: Path | None) -> None:
        """Open a file, or make it; with None, or while another build uses it, one that is gone afterwards."""
        self.path = path
        self._file = -1 if path is None else _locked(path)
        if self._file < 0:
            self.path = None
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = 0
        self._scan()

    def __enter__(self) -> "EmbeddingStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, key: bytes) -> bytes:
        place, length = self._places[key]
        return os.pread(self._file, length, place)

    def add(self, key: bytes, payload: bytes) -> None:
        """Append a payload."""
        record = _record(key, payload)
        written = 0
        while written < len(record):
            written += os.pwrite(self._file, record[written:], self._end + written)
        self._places[key] = self._end + len(record) - len(payload), len(payload)
        self._end += len(record)

    def keep(self, keys: Collection[bytes]) -> None:
        """Drop all else, once it takes more room than what is kept and a little more."""
        overhead = _HEADER.size + _CHECK.size
        kept = {key: self._places[key] for key in self._places if key in keys}
        live = sum(length + overhead for _, length in kept.values())
        if self.path is None or self._end <= 2 * live + _SPARE:
            return
        fresh = self.path.with_name(f"{self.path.name}.new")
        with fresh.open("wb") as file:
            for key in kept:
                file.write(_record(key, self[key]))
        fresh.replace(self.path)
        # The old file is still open, and is what this object goes on with.

    def _scan(self) -> None:
        size = os.fstat(self._file).st_size
        while self._end < size:
            head = os.pread(self._file, _HEADER.size + _CHECK.size, self._end)
            if len(head) < _HEADER.size + _CHECK.size:
                break
            magic, length, key, crc = _HEADER.unpack_from(head)
            if magic != _MAGIC or _CHECK.unpack_from(head, _HEADER.size)[0] != zlib.crc32(
                head[: _HEADER.size]
            ):
                break
            start = self._end + len(head)
            if start + length > size:
                break
            if zlib.crc32(os.pread(self._file, length, start)) == crc:
                self._places[key] = start, length
            self._end = start + length
        os.ftruncate(self._file, self._end)


def _record(key: bytes, payload: bytes) -> bytes:
    head = _HEADER.pack(_MAGIC, len(payload), key, zlib.crc32(payload))
    return head + _CHECK.pack(zlib.crc32(head)) + payload


def _locked(path: Path) -> int:
    """The file, locked until it is closed; -1 if somebody else holds the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if fcntl is None:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return -1
    return file
