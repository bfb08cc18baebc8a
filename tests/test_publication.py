import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import indexer.publication
from eval.operations.crashes import by_hash
from indexer.__main__ import main
from indexer.bundle import Bundle, BundleError, open_bundle, read_manifest, seal, verify_bundle
from indexer.publication import KEPT, place, publish, rollback, staged

Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Bundles that are whole and hold next to nothing; publishing looks at their hashes only."""
    monkeypatch.setattr(indexer.publication, "open_bundle", by_hash)

    def made(name: str) -> Path:
        folder = tmp_path / "made" / name
        (folder / "documents").mkdir(parents=True)
        (folder / "documents" / "note.txt").write_text(name)
        seal(folder, {"note": name})
        return folder

    return made


@pytest.fixture
def make_real(bundle_path: Path, tmp_path: Path) -> Make:
    """Bundles that differ in nothing but their id: they open, and cost no space."""

    def made(name: str) -> Path:
        folder = tmp_path / "made" / name
        shutil.copytree(bundle_path.resolve(), folder, copy_function=os.link)
        manifest, _ = read_manifest(folder)
        del manifest["files"]
        for sealed in ("manifest.json", "manifest.sha256"):
            (folder / sealed).unlink()
        seal(folder, manifest | {"note": name})
        return folder

    return made


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "served" / "bundle"


def beside(link: Path) -> set[str]:
    """What stands beside the link, but for the history."""
    return {path.name for path in link.parent.iterdir()} - {link.name, f"{link.name}.history"}


def small(link: Path, note: str) -> str:
    """Place a bundle that is whole and holds next to nothing."""
    with staged(link) as folder:
        (folder / "note.txt").write_text(note)
        bundle_id = seal(folder, {"note": note})
        place(folder, link, bundle_id)
    return bundle_id


def served(link: Path) -> str:
    return str(verify_bundle(link.resolve())[0]["note"])


# --- publish ---


def test_a_published_bundle_is_served_and_its_source_left_alone(make_real: Make, link: Path) -> None:
    source = make_real("a")
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    assert publish(source, link) == open_bundle(link).id == open_bundle(source).id
    assert link.is_symlink() and link.readlink() == Path(link.resolve().name)
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*")} == before
    shutil.rmtree(source)
    assert served(link) == "a"


def test_a_link_to_a_bundle_is_published_as_the_bundle(bundle_path: Path, bundle: Bundle, link: Path) -> None:
    assert bundle_path.is_symlink()
    assert publish(bundle_path, link) == bundle.id == open_bundle(link).id


def test_publishing_what_is_served_changes_nothing(make: Make, link: Path) -> None:
    publish(make("a"), link)
    publish(make("b"), link)
    before = {path: path.stat().st_ino for path in link.resolve().rglob("*")}
    publish(link, link)
    publish(link.resolve(), link)
    assert {path: path.stat().st_ino for path in link.resolve().rglob("*")} == before
    assert served(link) == "b"
    rollback(link)
    assert served(link) == "a"


@pytest.mark.parametrize("name", ["passages.jsonl", "models/encoder.onnx", "manifest.json"])
def test_a_damaged_bundle_is_not_published(make_real: Make, link: Path, name: str) -> None:
    publish(make_real("a"), link)
    source = make_real("b")
    data = (source / name).read_bytes()
    (source / name).unlink()  # it shares its content with others
    (source / name).write_bytes(data[:-1])
    with pytest.raises(BundleError, match=name):
        publish(source, link)
    assert served(link) == "a"
    assert beside(link) == {link.resolve().name}


def test_a_bundle_that_changes_while_it_is_copied_is_not_published(
    make: Make, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(make("a"), link)
    source, other = make("b"), make("c")
    copyfile = shutil.copyfile

    def swapped(path: str, target: str) -> None:
        copyfile(other / Path(path).relative_to(source), target)

    monkeypatch.setattr(shutil, "copyfile", swapped)
    with pytest.raises(BundleError, match="as before it was copied"):
        publish(source, link)
    assert served(link) == "a"


def test_a_place_that_holds_something_else_is_refused(make: Make, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    with pytest.raises(BundleError, match="found a file or folder, expected a bundle link, or nothing"):
        publish(make("a"), tmp_path / "thesis")
    assert list((tmp_path / "thesis").iterdir()) == []


def test_a_damaged_copy_in_place_is_mended_by_publishing_again(make: Make, link: Path) -> None:
    source = make("a")
    publish(source, link)
    (link.resolve() / "documents" / "note.txt").write_text("b")
    publish(source, link)
    assert served(link) == "a"


def test_another_whole_bundle_under_its_name_is_replaced(link: Path) -> None:
    small(link, "a")
    name = link.resolve()
    small(link, "b")
    shutil.rmtree(name)
    shutil.copytree(link.resolve(), name)
    small(link, "a")
    assert served(link) == "a"


# --- roll back ---


def test_rolling_back_serves_what_was_served_before_each_time(make: Make, link: Path) -> None:
    for name in "abc":
        publish(make(name), link)
    assert rollback(link) == by_hash(link.resolve()).id
    assert served(link) == "b"
    rollback(link)
    assert served(link) == "a"
    with pytest.raises(BundleError, match="found no bundle before this one, expected one that was kept"):
        rollback(link)
    assert served(link) == "a"


def test_a_bundle_that_was_rolled_back_is_not_rolled_back_to(make: Make, link: Path) -> None:
    for name in "ab":
        publish(make(name), link)
    bad = link.resolve()
    rollback(link)
    publish(make("c"), link)
    assert not bad.exists()
    rollback(link)
    assert served(link) == "a"


def test_a_bundle_that_was_rolled_back_can_be_published_again(make: Make, link: Path) -> None:
    for name in "ab":
        publish(make(name), link)
    b = link.resolve()
    rollback(link)
    publish(b, link)
    assert served(link) == "b"
    rollback(link)
    assert served(link) == "a"


@pytest.mark.parametrize("damage", ["missing", "cut", "another bundle"])
def test_a_kept_bundle_that_is_damaged_is_not_rolled_back_to(make: Make, link: Path, damage: str) -> None:
    publish(make("a"), link)
    kept = link.resolve()
    publish(make("b"), link)
    if damage == "cut":
        (kept / "documents" / "note.txt").write_text("")
    else:
        shutil.rmtree(kept)
        if damage == "another bundle":
            shutil.copytree(link.resolve(), kept)
    with pytest.raises(BundleError):
        rollback(link)
    assert served(link) == "b"


def test_no_more_than_the_bundles_to_roll_back_to_are_kept(link: Path) -> None:
    folders = []
    for number in range(KEPT + 3):
        small(link, str(number))
        folders.append(link.resolve().name)
    assert beside(link) == set(folders[-KEPT:])
    assert link.with_name("bundle.history").read_text().split() == folders[-KEPT:]


def test_the_history_is_in_the_order_of_publishing_whatever_the_clock_says(make: Make, link: Path) -> None:
    for number, name in enumerate("abc"):
        publish(make(name), link)
        for path in (link.resolve(), *link.resolve().rglob("*")):
            os.utime(path, (2_000_000_000 - number * 100_000_000,) * 2)  # each older than the one before
    rollback(link)
    assert served(link) == "b"


@pytest.mark.parametrize("history", [None, "", "bundle-notes\n../etc\n\x00\n", "\ufffd" * 100])
def test_a_history_that_is_lost_or_foreign_names_nothing(link: Path, history: str | None) -> None:
    for number in range(2):
        small(link, str(number))
    file = link.with_name("bundle.history")
    file.unlink()
    if history is not None:
        file.write_text(history)
    with pytest.raises(BundleError, match="no bundle before this one"):
        rollback(link)
    small(link, "2")
    assert len(file.read_text().split()) == 2  # what was served, and the new one
    assert served(link) == "2"


# --- others at work ---


def test_what_a_killed_build_left_is_removed_and_a_living_one_is_not(link: Path) -> None:
    small(link, "a")
    for name in (".bundle-dead", ".bundle-mine-dead"):
        (link.parent / name / "documents").mkdir(parents=True)
    (link.parent / ".bundle-link").symlink_to("bundle-0")
    (link.parent / ".bundle-history").write_text("half")
    (link.parent / ".other-dead").mkdir()
    with staged(link) as living:
        (living / "note.txt").write_text("b")
        small(link, "c")
        assert beside(link) >= {living.name, ".other-dead"}
        assert not {name for name in beside(link) if "dead" in name and "bundle" in name}
        place(living, link, seal(living, {"note": "b"}))
    assert served(link) == "b"
    assert {name for name in beside(link) if name.startswith(".")} == {".other-dead"}


def test_many_who_publish_at_once_leave_one_whole_bundle(link: Path) -> None:
    small(link, "first")
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(read_manifest(link.resolve())[0]["note"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: small(link, str(number % 5)), range(40)))
    done.set()
    watcher.join()
    assert seen <= {"first", *"01234"}
    assert served(link) in "01234"
    assert len(beside(link)) <= KEPT
    rollback_to = link.with_name("bundle.history").read_text().split()
    assert len(rollback_to) == len(set(rollback_to)) == KEPT


# --- the commands ---


def test_the_commands_say_what_is_served(make: Make, link: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [by_hash(make(name)).id for name in "ab"]
    for name, bundle_id in zip("ab", ids, strict=True):
        assert main(["publish", str(link.parents[1] / "made" / name), "--bundle", str(link)]) == 0
        assert capsys.readouterr().out == f"{link}: serves {bundle_id}\n"
    assert main(["rollback", "--bundle", str(link)]) == 0
    assert capsys.readouterr().out == f"{link}: serves {ids[0]}\n"
    assert main(["rollback", "--bundle", str(link)]) == 1
    assert capsys.readouterr().err == (
        f"report-qa index: {link}: found no bundle before this one, expected one that was kept; "
        "'report-qa index publish' serves any other\n"
    )


@pytest.mark.parametrize("command", [["publish", "nowhere"], ["rollback"]])
def test_a_command_without_a_bundle_says_so_in_one_line(
    command: list[str], link: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--bundle", str(link)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not link.parent.exists()


def test_a_disk_that_is_full_is_one_line(
    make: Make, link: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(make("a"), link)

    def full(path: object, *_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    assert main(["publish", str(link), "--bundle", str(link)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device; what was served still is" in line


def test_windows_is_told_what_to_do(make: Make, link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make("a")
    monkeypatch.setattr(indexer.publication, "fcntl", None)
    with pytest.raises(
        BundleError, match=r"found a system without file locks \(Windows\), expected Linux or"
    ):
        publish(source, link)
    assert served(source) == "a"
