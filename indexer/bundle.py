"""The bundle: write it whole, verify it whole, open it. Reader and writer change together or not at all.

On disk a bundle is a sealed folder; `indexer/publication.py` says which one is served.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.cross_encoder import CrossEncoder
from indexer.documents import Document
from indexer.encoder import Models, QueryEncoder
from indexer.english import English
from indexer.late import LateIndex
from indexer.lexical import LexicalIndex
from indexer.nearest import NearestIndex, open_index, write_index
from indexer.passages import Furniture, Passage

FORMAT_VERSION = 7
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
_BLOCK = 1 << 24
"""Bytes that are hashed at once: with fewer, whoever opens a bundle while others work waits for a turn again
and again."""
_REMEDY = "build it again with 'report-qa index build'"


class BundleError(RuntimeError):
    """A bundle was refused. The message is one line: what, found, expected, remedy."""

    def __init__(self, what: object, found: str, expected: str, remedy: str = _REMEDY) -> None:
        super().__init__(f"{what}: found {found}, expected {expected}; {remedy}")


@dataclass(frozen=True)
class BundledDocument:
    """A document as it is served. `names` gives what the short names that it defines stand for."""

    metadata: Mapping[str, str | None]
    text: str
    sha256: str
    source_sha256: str
    furniture: tuple[Furniture, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The report's id."""
        return str(self.metadata["id"])

    @property
    def title(self) -> str:
        """The report's title."""
        return str(self.metadata["title"])


@dataclass(frozen=True)
class Bundle:
    """An open, verified bundle. Row i of `passage_index` is `passages[i]`.

    Rows of `sentence_index` are the sentences of all passages in order: those of passage i are rows
    `sentence_starts[i]` up to `sentence_starts[i + 1]`. `smalltalk_index` holds what people type that is
    about no report.
    """

    id: str
    manifest: Mapping[str, Any]
    documents: Mapping[str, BundledDocument]
    passages: tuple[Passage, ...]
    passage_index: NearestIndex
    sentence_index: NearestIndex
    smalltalk_index: NearestIndex
    lexical: LexicalIndex
    late: LateIndex
    encoder: QueryEncoder
    reader: CrossEncoder | None
    english: English

    @cached_property
    def sentence_starts(self) -> NDArray[np.int64]:
        """First sentence row of each passage, and the row past the last: int64 `[len(passages) + 1]`."""
        return np.cumsum([0, *(len(passage.sentences) for passage in self.passages)], dtype=np.int64)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Row of each passage by its id."""
        return {passage.passage_id: row for row, passage in enumerate(self.passages)}

    def text(self, passage: Passage) -> str:
        """A passage's words: a slice of its document."""
        return self.documents[passage.document_id].text[passage.start : passage.end]


def write_bundle(
    folder: Path,
    manifest: Mapping[str, Any],
    documents: list[tuple[Document, list[Furniture]]],
    passages: list[Passage],
    passage_vectors: NDArray[np.float32],
    sentence_vectors: NDArray[np.float32],
    smalltalk_vectors: NDArray[np.float32],
    lexical: LexicalIndex,
    late: LateIndex,
    english: English,
    models: Path,
) -> str:
    """Write everything into an empty folder and seal it, flushed to the disk.

    `models` is a folder with the query encoder and, if there is one, the reader.

    Returns:
        The bundle's id.
    """
    for document, furniture in documents:
        _write_document(folder / "documents", document, furniture)
    _write(folder / "passages.jsonl", "".join(_line(asdict(passage)) for passage in passages))
    indexes = {
        "passages": write_index(folder, "passages", passage_vectors, sentence_vectors),
        "sentences": write_index(folder, "sentences", sentence_vectors, passage_vectors),
        "smalltalk": write_index(folder, "smalltalk", smalltalk_vectors, sentence_vectors),
    }
    for name, save in (("lexical", lexical.save), ("late", late.save), ("english", english.save)):
        (folder / name).mkdir()
        save(folder / name)
    shutil.copytree(models, folder / "models")
    (folder / "models").chmod(0o755)  # the folder copied may be one that others cannot read
    return seal(folder, {**manifest, "indexes": indexes})


def seal(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Write the manifest, with the hash of every file in the folder, and its seal; flush all to the disk.

    Returns:
        The bundle's id.
    """
    files = {name: _digest(folder / name) for name in _files(folder)}
    data = _line({"format_version": FORMAT_VERSION, **manifest, "files": files}).encode()
    digest = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST).write_bytes(data)
    (folder / SEAL).write_bytes(_seal_line(digest))
    for path in [*folder.rglob("*"), folder]:
        flush(path)
    return f"sha256:{digest}"


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_manifest(path: Path) -> tuple[dict[str, Any], str]:
    """Read and verify only the manifest of a bundle: its content and the bundle's id.

    Raises:
        BundleError: if there is no bundle, or its manifest is not what its seal says.
    """
    if not (path / MANIFEST).is_file():
        raise BundleError(path, "no bundle", f"a folder with {MANIFEST}")
    data = (path / MANIFEST).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    seal = (path / SEAL).read_bytes() if (path / SEAL).is_file() else b""
    if seal != _seal_line(digest):
        raise BundleError(path / MANIFEST, f"sha256 {digest}", f"the one in {SEAL}")
    with _refusing(path / MANIFEST):
        manifest: dict[str, Any] = dict(json.loads(data))
    if manifest.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            path / MANIFEST, f"format version {manifest.get('format_version')}", str(FORMAT_VERSION)
        )
    return manifest, f"sha256:{digest}"


def verify_bundle(path: Path) -> tuple[dict[str, Any], str]:
    """Verify every file of a bundle against its manifest; return the manifest and the bundle's id.

    Raises:
        BundleError: for anything that is not exactly what was written.
    """
    manifest, bundle_id = read_manifest(path)
    with _refusing(path):
        _verify_files(path, manifest["files"])
    return manifest, bundle_id


def open_bundle(path: Path) -> Bundle:
    """Verify every file of a bundle and open it.

    Raises:
        BundleError: for anything that is not exactly what was written.
    """
    folder = path.resolve()  # one bundle from here on, even if the link moves
    with _refusing(folder):
        return _open(folder)


def _open(folder: Path) -> Bundle:
    manifest, bundle_id = verify_bundle(folder)
    documents = {entry["id"]: _read_document(folder, entry) for entry in manifest["documents"]}
    passages = tuple(
        _passage(line) for line in (folder / "passages.jsonl").read_text("utf-8").split("\n")[:-1]
    )
    models = Models()
    bundle = Bundle(
        id=bundle_id,
        manifest=manifest,
        documents=documents,
        passages=passages,
        passage_index=open_index(folder, "passages", manifest["indexes"]["passages"]),
        sentence_index=open_index(folder, "sentences", manifest["indexes"]["sentences"]),
        smalltalk_index=open_index(folder, "smalltalk", manifest["indexes"]["smalltalk"]),
        lexical=LexicalIndex.load(folder / "lexical"),
        late=LateIndex.load(folder / "late"),
        encoder=QueryEncoder.load(folder / "models", manifest["encoder"], models),
        reader=CrossEncoder(folder / "models", models) if manifest["reader"] else None,
        english=English.load(folder / "english"),
    )
    _verify_counts(folder, bundle)
    return bundle


@contextmanager
def _refusing(what: Path) -> Iterator[None]:
    """Whatever fails with what a file holds, in whichever library, is a refusal of the bundle."""
    try:
        yield
    except BundleError:
        raise
    except Exception as error:
        found = " ".join(f"{type(error).__name__}: {error}".split())
        raise BundleError(what, found[:200], "what this version of 'report-qa index build' writes") from error


def _write_document(folder: Path, document: Document, furniture: list[Furniture]) -> None:
    _write(folder / f"{document.id}.txt", document.text)
    layout = {
        "edits": document.edits,
        "furniture": [asdict(item) for item in furniture],
        "names": document.names,
    }
    _write(folder / f"{document.id}.json", _line(layout))


def _read_document(folder: Path, entry: Mapping[str, Any]) -> BundledDocument:
    text = (folder / "documents" / f"{entry['id']}.txt").read_bytes()
    layout = json.loads((folder / "documents" / f"{entry['id']}.json").read_bytes())
    return BundledDocument(
        metadata=entry["metadata"],
        text=text.decode(),
        sha256=hashlib.sha256(text).hexdigest(),
        source_sha256=entry["source_sha256"],
        furniture=tuple(Furniture(**item) for item in layout["furniture"]),
        names=layout["names"],
    )


def _passage(line: str) -> Passage:
    fields = json.loads(line)
    fields["heading_path"] = tuple(fields["heading_path"])
    fields["sentences"] = tuple((start, end) for start, end in fields["sentences"])
    return Passage(**fields)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def _seal_line(digest: str) -> bytes:
    return f"{digest}  {MANIFEST}\n".encode()  # so that `sha256sum -c` reads it


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _digest(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        return {"bytes": file.tell(), "sha256": digest.hexdigest()}


def _verify_files(folder: Path, expected: Mapping[str, Mapping[str, Any]]) -> None:
    found = set(_files(folder)) - {MANIFEST, SEAL}
    # A name that leads out of the folder is not found in it.
    if missing := sorted(n for n in expected if n not in found or not (folder / n).is_file()):
        raise BundleError(folder / missing[0], "no file", "the file that the manifest lists")
    if foreign := sorted(found - set(expected)):
        raise BundleError(folder / foreign[0], "a file", "none: the manifest does not list it")
    for name, entry in expected.items():
        digest = _digest(folder / name)
        if digest["bytes"] != entry["bytes"]:
            raise BundleError(folder / name, f"{digest['bytes']} bytes", f"{entry['bytes']}")
        if digest["sha256"] != entry["sha256"]:
            raise BundleError(folder / name, f"sha256 {digest['sha256']}", entry["sha256"])


def _verify_counts(folder: Path, bundle: Bundle) -> None:
    counts = bundle.manifest["counts"]
    dimension = bundle.manifest["encoder"]["dimension"]
    sentences = int(bundle.sentence_starts[-1])
    for what, found, expected in (
        ("documents", len(bundle.documents), counts["documents"]),
        ("passages.jsonl", len(bundle.passages), counts["passages"]),
        ("passages.jsonl sentences", sentences, counts["sentences"]),
        ("passages.faiss", len(bundle.passage_index.rows), counts["passages"]),
        ("sentences.faiss", len(bundle.sentence_index.rows), counts["sentences"]),
        ("lexical", bundle.lexical.size, counts["passages"]),
        ("late sentences", bundle.late.sentences, counts["sentences"]),
        ("late dimension", bundle.late.dimension, bundle.manifest["encoder"]["token_dimension"]),
        ("passages.faiss dimension", bundle.passage_index.rows.shape[1], dimension),
        ("smalltalk.faiss dimension", bundle.smalltalk_index.rows.shape[1], dimension),
        ("sentences.faiss dimension", bundle.sentence_index.rows.shape[1], dimension),
    ):
        if found != expected:
            raise BundleError(folder / what, str(found), str(expected))
