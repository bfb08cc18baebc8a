import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

import indexer.build
import indexer.encoding
from eval.questions import Question
from indexer.__main__ import main
from indexer.build import build_bundle
from indexer.bundle import Bundle, BundleError, open_bundle
from indexer.embedding import EncoderSource, Precision
from indexer.late import TokenVectors
from indexer.publication import KEPT
from indexer.reports import CorpusError

ROOT = Path(__file__).parent.parent
SOUND = "The river rose in 2024. It fell again."


def write(corpus: Path, source: str, report_id: str = "R1") -> Path:
    folder = corpus / report_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.md").write_bytes(source.encode())
    (folder / "report.toml").write_text(f'id = "{report_id}"\ntitle = "River"\n', "utf-8")
    return corpus


def digests(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in paths}


class QuickEncoder:
    """Stands for PassageEncoder where the steps of a build matter and its vectors do not."""

    bundle_path: Path
    vocabulary = 30_522
    dimension = 384
    read: ClassVar[list[str]] = []
    """Every passage that was encoded, in order."""

    def __init__(self, source: EncoderSource, precision: Precision = "fp32") -> None:
        self.description = json.loads((self.bundle_path / "manifest.json").read_bytes())["encoder"]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [np.random.default_rng(list(text.encode())).standard_normal(384) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)

    encode_sentences = encode

    def encode_passage(self, sentences: Sequence[str]) -> tuple[NDArray[np.float32], list[TokenVectors]]:
        self.read.append(" ".join(sentences))
        numbers = self.description["token_dimension"]
        tokens = [TokenVectors(np.array([len(s)]), self.encode([s])[:, :numbers]) for s in sentences]
        return self.encode([" ".join(sentences)])[0], tokens

    def export(self, folder: Path, sample: Sequence[str]) -> dict[str, Any]:
        shutil.copytree(self.bundle_path / "models", folder, dirs_exist_ok=True)
        return dict(self.description)


@pytest.fixture
def quick(bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuickEncoder, "bundle_path", bundle_path, raising=False)
    monkeypatch.setattr(QuickEncoder, "read", [])
    for module in (indexer.build, indexer.encoding):
        monkeypatch.setattr(module, "PassageEncoder", QuickEncoder)


class RebuildError(Exception):
    """A build went past the check whether the bundle is up to date."""


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(source: EncoderSource) -> QuickEncoder:
        raise RebuildError

    monkeypatch.setattr(indexer.build, "PassageEncoder", load)


@pytest.fixture
def in_place(bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the real report's bundle, under its link."""
    return shutil.copytree(bundle_path.parent, tmp_path / "build", symlinks=True) / bundle_path.name


# --- same in, same out ---


def test_two_builds_in_two_processes_give_the_same_bytes(bundle_path: Path, tmp_path: Path) -> None:
    corpus = shutil.copytree(ROOT / "corpus", tmp_path / "elsewhere")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo"}
    options = ["--corpus", str(corpus), "--bundle", str(tmp_path / "again")]
    command = [sys.executable, "-m", "indexer", "build", *options]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert digests((tmp_path / "again").resolve()) == digests(bundle_path.resolve())
    assert (tmp_path / "again").resolve().name.removeprefix(
        "again"
    ) == bundle_path.resolve().name.removeprefix("bundle")


# --- up to date ---


@pytest.mark.usefixtures("never")
def test_small_talk_that_is_indexed_is_no_evaluation_question(questions: list[Question]) -> None:
    def plain(text: str) -> str:
        return "".join(filter(str.isalnum, text.casefold())) or text

    asked = {plain(question.question) for question in questions}
    assert [line for line in indexer.build._smalltalk() if plain(line) in asked] == []


def test_a_bundle_that_is_up_to_date_is_not_built_again(in_place: Path, bundle: Bundle) -> None:
    before = {path: path.stat().st_mtime_ns for path in in_place.parent.rglob("*")}
    lines: list[str] = []
    assert build_bundle(ROOT / "corpus", in_place, progress=lines.append) == bundle.id
    assert lines == [f"bundle is up to date: {bundle.id}"]
    assert {path: path.stat().st_mtime_ns for path in in_place.parent.rglob("*")} == before


@pytest.mark.usefixtures("never")
def test_force_builds_all_the_same(in_place: Path) -> None:
    with pytest.raises(RebuildError):
        build_bundle(ROOT / "corpus", in_place, force=True)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("changed", ["source", "title", "suggestion", "repair", "another report"])
def test_a_changed_corpus_is_built_again(in_place: Path, tmp_path: Path, changed: str) -> None:
    corpus = shutil.copytree(ROOT / "corpus", tmp_path / "corpus")
    toml, source = corpus / "IF10116" / "report.toml", corpus / "IF10116" / "source.txt"
    text = toml.read_text("utf-8")
    if changed == "source":
        source.write_bytes(source.read_bytes() + b"\nMore.")
        text = "\n".join(line for line in text.splitlines() if not line.startswith("sha256"))
    elif changed == "title":
        text = text.replace('title = "Mali"', 'title = "Mali: a report"')
    elif changed == "suggestion":
        text = text.replace("Why did the UN mission end?", "Who leads Mali?")
    elif changed == "repair":
        text = text.replace("The conversion to text wrote", "A conversion wrote")
    else:
        write(corpus, SOUND)
    assert changed == "another report" or text != toml.read_text("utf-8")
    toml.write_text(text, "utf-8")
    with pytest.raises(RebuildError):
        build_bundle(corpus, in_place)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("name", ["calibration.json", "smalltalk.txt", "passages.py"])
def test_changed_code_or_calibration_is_built_again(
    in_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    code = shutil.copytree(ROOT / "indexer", tmp_path / "indexer")
    monkeypatch.setattr(indexer.build, "_HERE", code)
    build_bundle(ROOT / "corpus", in_place)  # the same code, elsewhere
    (code / name).write_bytes((code / name).read_bytes() + b"\n")
    with pytest.raises(RebuildError):
        build_bundle(ROOT / "corpus", in_place)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("damage", ["missing", "bit flipped"])
def test_the_remedy_that_a_refusal_names_helps(in_place: Path, damage: str) -> None:
    """A damaged bundle is not up to date, whatever its manifest says."""
    for name in digests(in_place.resolve()):
        path = in_place / name
        data = path.read_bytes()
        path.unlink()
        if damage == "bit flipped":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BundleError, match="build it again with 'report-qa index build'"):
            open_bundle(in_place)
        with pytest.raises(RebuildError):
            build_bundle(ROOT / "corpus", in_place)
        path.write_bytes(data)


# --- only what changed is encoded ---


@pytest.mark.usefixtures("quick")
def test_of_a_changed_corpus_only_the_changed_passages_are_encoded(tmp_path: Path) -> None:
    """And what comes of it is, byte for byte, what a build from nothing makes."""
    corpus, store = tmp_path / "corpus", tmp_path / "embeddings"
    write(corpus, "The river rose.\n\nIt fell again.", "R1")
    write(corpus, "The lake froze.", "R2")
    build_bundle(corpus, tmp_path / "bundle", store=store)
    assert QuickEncoder.read == ["The river rose.", "It fell again.", "The lake froze."]
    write(corpus, "The lake froze.\n\nIt thawed.", "R2")
    lines: list[str] = []
    incremental = build_bundle(corpus, tmp_path / "bundle", store=store, progress=lines.append)
    assert QuickEncoder.read[3:] == ["It thawed."]
    assert any("were encoded before" in line for line in lines)
    full = build_bundle(corpus, tmp_path / "full")
    assert incremental == full
    assert digests((tmp_path / "bundle").resolve()) == digests((tmp_path / "full").resolve())


@pytest.mark.usefixtures("quick")
def test_a_build_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write(tmp_path / "corpus", "One.\n\nTwo.\n\nThree.\n\nFour.")
    encode = QuickEncoder.encode_passage

    def killed(self: QuickEncoder, sentences: Sequence[str]) -> object:
        if len(QuickEncoder.read) == 2:
            raise KeyboardInterrupt
        return encode(self, sentences)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(QuickEncoder, "encode_passage", killed)
        build_bundle(corpus, tmp_path / "bundle", store=tmp_path / "embeddings")
    build_bundle(corpus, tmp_path / "bundle", store=tmp_path / "embeddings")
    assert QuickEncoder.read == ["One.", "Two.", "Three.", "Four."]


# --- the old bundle and its neighbours ---


def fails(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


STEPS = [
    (QuickEncoder, "export"),
    (faiss, "write_index"),
    (os, "fsync"),
    (Path, "rename"),
    (Path, "symlink_to"),
    (Path, "replace"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("same", [True, False], ids=["same corpus", "changed corpus"])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[step for _, step in STEPS])
def test_the_old_bundle_stays_when_a_build_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, same: bool
) -> None:
    corpus, path = write(tmp_path / "corpus", SOUND), tmp_path / "build" / "bundle"
    old = build_bundle(corpus, path)
    if not same:
        write(corpus, "The river fell.")
    # The bundle of the same corpus is there already: what would replace it need not be written.
    failure = suppress(OSError) if same else pytest.raises(OSError, match="No space left")
    with monkeypatch.context() as patch, failure:
        patch.setattr(owner, step, fails)
        build_bundle(corpus, path, force=True)
    assert open_bundle(path).id == old
    new = build_bundle(corpus, path, force=True)
    assert open_bundle(path).id == new
    assert (new == old) is same
    assert [found for found in path.parent.iterdir() if found.name.startswith(".")] == []


@pytest.mark.usefixtures("quick")
def test_bundles_are_kept_to_roll_back_to_and_for_those_who_still_read_them(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bundle"
    folders = []
    for number in range(4):
        build_bundle(write(tmp_path / "corpus", f"The river rose {number} times."), path)
        folders.append(path.resolve())
    kept = {found for found in path.parent.iterdir() if found.is_dir() and not found.is_symlink()}
    assert kept == set(folders[-KEPT:]) < set(folders)
    open_bundle(folders[-2])


@pytest.mark.usefixtures("quick")
def test_neighbours_of_a_bundle_are_left_alone(tmp_path: Path) -> None:
    corpus, folder = write(tmp_path / "corpus", SOUND), tmp_path / "build"
    (folder / "bundle-notes").mkdir(parents=True)
    (folder / "bundle-notes" / "precious.txt").write_text("mine")
    other = build_bundle(corpus, folder / "bundle-of-mine")
    for number in range(3):
        build_bundle(write(tmp_path / "corpus", f"The river rose {number} times."), folder / "bundle")
    assert (folder / "bundle-notes" / "precious.txt").read_text() == "mine"
    assert open_bundle(folder / "bundle-of-mine").id == other


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_path_that_is_no_bundle_is_refused_and_untouched(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thesis"
    if kind == "folder":
        path.mkdir()
        (path / "chapter.txt").write_text("mine")
    else:
        path.write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(BundleError) as refusal:
        build_bundle(write(tmp_path / "corpus", SOUND), path)
    message = (
        f"{path}: found a file or folder, expected a bundle link, or nothing; name another --bundle path"
    )
    assert str(refusal.value) == message
    shutil.rmtree(tmp_path / "corpus")
    assert digests(tmp_path) == before


# --- odd reports ---

ODD = {
    "one line": "Title only",
    "no final newline": "The river rose.",
    "mark and carriage returns": "\ufeffThe river rose.\r\n\r\nIt fell.\rAgain.",
    "a giant paragraph": "word " * 3_000,
    "no blanks": "x" * 5_000,
    "not composed": "Ke\u0301i\u0308ta \u1112\u1161\u11ab rose.",
    "emoji": "👩🏽\u200d🚀 lit it 🏮. 🇲🇱!",
    "right to left": "עלה הנהר. ירד הנהר.",
    "Chinese": "河水上漲。河水下降。",
    "table": "| a | b |\n|---|---|\n| 1 | 2 |",
    "separators inside a heading": "# A\u2028B\x85C\x0bD\x1cE\n\nThe river\u2029rose.",
    "empty sections": "# A\n\n## B\n\n# C\n\nThe river rose.\n\n## D\n",
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ODD)
def test_any_report_can_be_built_and_opened(tmp_path: Path, name: str) -> None:
    source = ODD[name]
    build_bundle(write(tmp_path / "corpus", source), tmp_path / "bundle")
    bundle = open_bundle(tmp_path / "bundle")
    document = bundle.documents["R1"]
    spans = sorted(
        [(p.start, p.end) for p in bundle.passages] + [(f.start, f.end) for f in document.furniture]
    )
    held = "".join(document.text[start:end] for start, end in spans)
    assert "".join(held.split()) == "".join(document.text.split())
    assert all(bundle.text(passage).strip() for passage in bundle.passages)


@pytest.mark.parametrize(
    ("source", "message"),
    [("", "holds no text"), ("# Only\n\n## Headings", "holds only headings"), ("a\0b", "is NUL")],
)
def test_a_report_that_cannot_be_read_leaves_no_bundle(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        build_bundle(write(tmp_path / "corpus", source), tmp_path / "build" / "bundle")
    assert not (tmp_path / "build").exists()


# --- the command ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "--corpus", "nowhere"], "nowhere: no such corpus folder; expected"),
        (
            ["build", "--corpus", str(ROOT / "corpus"), "--encoder", "../nowhere"],
            "encoder ../nowhere: not packaged",
        ),
        (["verify", "--bundle", "nowhere"], "nowhere: found no bundle, expected"),
        (["show", "--bundle", "nowhere"], "nowhere: found no bundle, expected"),
    ],
)
def test_a_command_that_fails_says_why_in_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("report-qa index: ") and message in output.err
    assert output.err.count("\n") == 1


def test_verify_and_show_tell_what_the_bundle_holds(
    bundle_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--bundle", str(bundle_path)]) == 0
    assert bundle.id in capsys.readouterr().out
    assert main(["show", "--bundle", str(bundle_path)]) == 0
    shown = capsys.readouterr().out
    assert all(passage.passage_id in shown for passage in bundle.passages)
    assert "U.S. Policy and Aid > Sanctions" in shown
