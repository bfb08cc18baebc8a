import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.bundle import Bundle, BundleError, open_bundle, read_manifest
from indexer.documents import Document
from indexer.passages import encoding_sentences

REMEDY = "build it again with 'report-qa index build'"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def flip(place: float) -> Callable[[bytes], bytes]:
    """Flip one bit, at a share of the way through."""

    def flipped(data: bytes) -> bytes:
        at = int(place * (len(data) - 1))
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return flipped


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as refused:
        open_bundle(folder)
    message = str(refused.value)
    assert "\n" not in message
    assert ": found " in message and ", expected " in message and message.endswith(f"; {REMEDY}")
    return message


@pytest.fixture(scope="module")
def copy(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle to damage; every test leaves it sound."""
    return shutil.copytree(bundle_path.resolve(), tmp_path_factory.mktemp("copy") / "bundle")


@contextmanager
def replaced(path: Path, data: bytes | None) -> Iterator[None]:
    """A file with other content, or gone, for a while."""
    original = path.read_bytes()
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(original)


# --- what a bundle is ---


def test_a_bundle_opens_as_what_was_written(bundle: Bundle, bundle_path: Path) -> None:
    counts = bundle.manifest["counts"]
    assert len(bundle.documents) == counts["documents"] == 1
    assert len(bundle.passages) == counts["passages"] == len(bundle.passage_index.rows)
    assert bundle.sentence_starts[-1] == counts["sentences"] == len(bundle.sentence_index.rows)
    assert bundle.positions[bundle.passages[5].passage_id] == 5
    document = bundle.documents["IF10116"]
    assert (document.id, document.title) == ("IF10116", "Mali")
    assert document.sha256 == sha256(document.text.encode()).hexdigest()
    assert bundle.id == "sha256:" + sha256((bundle_path / "manifest.json").read_bytes()).hexdigest()


def test_every_row_is_the_vector_of_its_text(bundle: Bundle, mali: Document) -> None:
    """The query encoder, which lost a little, finds each sentence and passage in its own row."""
    row = 0
    for number, passage in enumerate(bundle.passages):
        sentences = encoding_sentences(mali, passage)
        asked = bundle.encoder.encode(" ".join(sentences)).vector
        whole = bundle.passage_index.rows[number] @ asked
        assert np.argmax(bundle.passage_index.rows @ asked) == number
        assert whole > 0.95
        for text in sentences:
            vector = bundle.sentence_index.rows[row]
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
            assert vector @ bundle.encoder.encode(text).vector > 0.95
            row += 1
    assert row == len(bundle.sentence_index.rows)


def test_the_manifest_lists_every_file(bundle: Bundle, bundle_path: Path) -> None:
    assert files(bundle_path.resolve()) == sorted(
        [*bundle.manifest["files"], "manifest.json", "manifest.sha256"]
    )


def test_no_file_is_a_pickle(bundle_path: Path) -> None:
    for path in bundle_path.resolve().rglob("*"):
        assert path.suffix in ("", ".txt", ".json", ".jsonl", ".faiss", ".npy", ".onnx", ".sha256")
        if path.suffix == ".npy":
            np.load(path, mmap_mode="r", allow_pickle=False)


def test_others_may_read_all_of_it(bundle_path: Path) -> None:
    folders = [path for path in bundle_path.resolve().rglob("*") if path.is_dir()]
    assert all(path.stat().st_mode & 0o055 == 0o055 for path in folders)


def test_the_seal_is_one_that_sha256sum_reads(bundle_path: Path) -> None:
    digest = sha256((bundle_path / "manifest.json").read_bytes()).hexdigest()
    assert (bundle_path / "manifest.sha256").read_text() == f"{digest}  manifest.json\n"


def test_nothing_in_a_bundle_tells_where_it_was_made(bundle_path: Path) -> None:
    for name in files(bundle_path.resolve()):
        data = (bundle_path / name).read_bytes()
        assert str(bundle_path.parent).encode() not in data
        assert str(Path(__file__).parent.parent).encode() not in data


def test_a_bundle_may_be_moved_with_its_folder(bundle_path: Path, bundle: Bundle, tmp_path: Path) -> None:
    moved = shutil.copytree(bundle_path.parent, tmp_path / "elsewhere", symlinks=True)
    assert open_bundle(moved / "bundle").id == bundle.id


# --- what is refused ---

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "half written": lambda data: data[: len(data) // 2],
    "a byte short": lambda data: data[:-1],
    "a byte long": lambda data: data + b"\0",
    "first bit": flip(0),
    "bit at a third": flip(1 / 3),
    "bit in the middle": flip(1 / 2),
    "last bit": flip(1),
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bundle_with_any_damaged_file_is_refused(copy: Path, damage: str) -> None:
    names = files(copy)
    assert len(names) > 10
    for name in names:
        path = copy / name
        with replaced(path, DAMAGES[damage](path.read_bytes())):
            message = refusal(copy)
            # A seal has no hash of its own: if it is damaged, it is the manifest that does not fit.
            blamed = copy if (name, damage) == ("manifest.json", "missing") else path
            if name == "manifest.sha256":
                blamed = copy / "manifest.json"
            assert message.startswith(f"{blamed}: "), (name, message)
    open_bundle(copy)


def test_a_message_says_what_was_found_and_expected(copy: Path) -> None:
    path = copy / "passages.jsonl"
    data = path.read_bytes()
    with replaced(path, data[:-1]):
        assert f"found {len(data) - 1} bytes, expected {len(data)}; " in refusal(copy)
    with replaced(path, flip(0)(data)):
        expected = f"found sha256 {sha256(flip(0)(data)).hexdigest()}, expected {sha256(data).hexdigest()}; "
        assert expected in refusal(copy)
    with replaced(path, None):
        assert "found no file, expected the file that the manifest lists" in refusal(copy)


@pytest.mark.parametrize("name", ["notes.txt", "lexical/extra.npy", "models/.DS_Store", "new/deep.json"])
def test_a_foreign_file_is_refused(copy: Path, name: str) -> None:
    path = copy / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    try:
        assert refusal(copy).startswith(f"{path}: found a file, expected none")
    finally:
        path.unlink()
        shutil.rmtree(copy / "new", ignore_errors=True)


def test_a_link_to_nowhere_is_refused(copy: Path) -> None:
    path = copy / "passages.faiss"
    with replaced(path, None):
        path.symlink_to("nowhere")
        assert refusal(copy).startswith(f"{path}: found ")


def test_any_file_of_another_bundle_is_refused(copy: Path, shelf_path: Path) -> None:
    swapped = 0
    for name in files(copy):
        path, other = copy / name, shelf_path / name
        if other.is_file() and other.read_bytes() != path.read_bytes():
            with replaced(path, other.read_bytes()):
                refusal(copy)
            swapped += 1
    assert swapped > 8
    open_bundle(copy)


def test_the_manifest_and_seal_of_another_bundle_are_refused(copy: Path, shelf_path: Path) -> None:
    manifest, seal = (shelf_path / name for name in ("manifest.json", "manifest.sha256"))
    with (
        replaced(copy / manifest.name, manifest.read_bytes()),
        replaced(copy / seal.name, seal.read_bytes()),
    ):
        refusal(copy)


@contextmanager
def resealed(folder: Path, **changes: Any) -> Iterator[None]:
    """A manifest that says something else under a seal that fits."""
    manifest = json.loads((folder / "manifest.json").read_bytes()) | changes
    data = json.dumps(manifest).encode()
    seal = f"{sha256(data).hexdigest()}  manifest.json\n".encode()
    with replaced(folder / "manifest.json", data), replaced(folder / "manifest.sha256", seal):
        yield


def test_another_format_version_is_refused(copy: Path) -> None:
    with resealed(copy, format_version=0):
        assert refusal(copy).startswith(f"{copy / 'manifest.json'}: found format version 0, expected ")
        with pytest.raises(BundleError):
            read_manifest(copy)


@pytest.mark.parametrize("count", ["documents", "passages", "sentences"])
def test_a_manifest_that_counts_otherwise_is_refused(copy: Path, bundle: Bundle, count: str) -> None:
    counts = bundle.manifest["counts"]
    with resealed(copy, counts=counts | {count: counts[count] + 1}):
        assert f"found {counts[count]}, expected {counts[count] + 1}; " in refusal(copy)


def test_a_manifest_that_lists_a_file_of_another_folder_is_refused(copy: Path, bundle: Bundle) -> None:
    outside = copy.parent / "outside.txt"
    outside.write_bytes(b"mine")
    entry = {"bytes": 4, "sha256": sha256(b"mine").hexdigest()}
    for name in ("../outside.txt", str(outside)):
        with resealed(copy, files={**bundle.manifest["files"], name: entry}):
            assert "found no file, expected the file that the manifest lists" in refusal(copy)


ODD_MANIFESTS: dict[str, dict[str, Any]] = {
    "files are a list": {"files": ["passages.jsonl"]},
    "a file without its hash": {"files": {"passages.jsonl": {"bytes": 1}}},
    "no documents": {"documents": None},
    "a document without metadata": {"documents": [{"id": "IF10116"}]},
    "a document that is not there": {"documents": [{"id": "../IF10116"}]},
    "counts are text": {"counts": "many"},
    "an encoder without a dimension": {"encoder": {}},
}


@pytest.mark.parametrize("odd", ODD_MANIFESTS)
def test_an_odd_manifest_under_a_seal_that_fits_is_refused(copy: Path, odd: str) -> None:
    with resealed(copy, **ODD_MANIFESTS[odd]):
        refusal(copy)


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    (tmp_path / "manifest.sha256").write_text(f"{sha256(data).hexdigest()}  manifest.json\n")
    refusal(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["passages.faiss", "late/vectors.npy", "english/words.npy", "models/encoder.onnx", "models/reader.json"],
)
def test_a_file_that_its_library_does_not_read_is_refused(copy: Path, bundle: Bundle, name: str) -> None:
    data = (copy / name).read_bytes()[:100]
    entry = {"bytes": 100, "sha256": sha256(data).hexdigest()}
    with replaced(copy / name, data), resealed(copy, files={**bundle.manifest["files"], name: entry}):
        assert "expected what this version of 'report-qa index build' writes" in refusal(copy)


def test_an_encoder_of_another_dimension_is_refused(copy: Path, bundle: Bundle) -> None:
    with resealed(copy, encoder={**bundle.manifest["encoder"], "dimension": 768}):
        assert "found 384, expected 768; " in refusal(copy)


def test_tokens_of_another_dimension_are_refused(copy: Path, bundle: Bundle) -> None:
    with resealed(copy, encoder={**bundle.manifest["encoder"], "token_dimension": 64}):
        assert f"late dimension: found {bundle.late.dimension}, expected 64; " in refusal(copy)


@pytest.mark.parametrize(
    "kind", ["nothing", "an empty folder", "a file", "a link to nowhere", "a half-made one"]
)
def test_what_is_no_bundle_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    if kind == "an empty folder":
        path.mkdir()
    elif kind == "a file":
        path.write_bytes(b"{}")
    elif kind == "a link to nowhere":
        path.symlink_to("bundle-0")
    elif kind == "a half-made one":  # what a build that was killed leaves behind
        (path / "documents").mkdir(parents=True)
        (path / "passages.jsonl").write_text("{")
    assert "found no bundle, expected a folder with manifest.json" in refusal(path)
