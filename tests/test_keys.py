import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from indexer.bundle import Bundle
from service.app import create_app
from service.keys import Keys, new_key


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keys"
    path.write_text(text, "utf-8")
    return path


def test_a_new_key_is_good_and_its_file_does_not_hold_it(tmp_path: Path) -> None:
    made = {name: new_key(name) for name in ("old", "new-2026")}
    path = written(tmp_path, "# servers\n\n" + "".join(f"{line}\n" for _, line in made.values()))
    keys = Keys.read(path)
    for name, (key, _) in made.items():
        assert keys.name(key) == name
        assert key not in path.read_text()
    assert len({key for key, _ in made.values()}) == 2


@pytest.mark.parametrize("wrong", ["", " ", "rqa_", "é", "\ud800", "0" * 64])
def test_anything_else_is_not(tmp_path: Path, wrong: str) -> None:
    key, line = new_key("a")
    keys = Keys.read(written(tmp_path, line))
    for given in (wrong, key + wrong, key[:-1], key.upper()):
        if given != key:
            assert keys.name(given) is None


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "é", "a\nb", "#"])
def test_a_name_that_cannot_stand_in_the_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a key; expected"):
        new_key(name)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "found no key"),
        ("# none\n", "found no key"),
        ("a b\n", "line 1: found something else"),
        (f"a {'0' * 64}\nb {'A' * 64}\n", "line 2: found something else"),
        (f"a {'0' * 64}\na {'1' * 64}\n", "line 2: found a second 'a'"),
    ],
)
def test_a_bad_file_is_named_by_line(tmp_path: Path, text: str, named: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=named) as refused:
        Keys.read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found no file that can be read"):
        Keys.read(tmp_path / "keys")


# --- the file changes while the service runs ---

OLD, OLD_LINE = new_key("old")
NEW, NEW_LINE = new_key("new")


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.keys.EVERY", 0.0)


def names(keys: Keys) -> list[str | None]:
    return [keys.name(OLD), keys.name(NEW)]


@pytest.mark.usefixtures("watchful")
def test_a_line_that_is_added_or_removed_counts_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, OLD_LINE)
    keys = Keys.read(path)
    assert names(keys) == ["old", None]
    written(tmp_path, f"{OLD_LINE}\n{NEW_LINE}\n")
    assert names(keys) == ["old", "new"]
    other = tmp_path / "other"
    other.write_text(NEW_LINE)
    other.replace(path)  # as editors do
    assert names(keys) == [None, "new"]
    written(tmp_path, "# none\n")
    assert names(keys) == [None, None]
    assert not keys.trouble()
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} has changed; good keys from now on: {number}" for number in (2, 1, 0)
    ]


@pytest.mark.usefixtures("watchful")
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda path: path.write_text("a b"), "line 1: found something else"),
        (lambda path: path.write_bytes(b"\xff"), "found no file that can be read"),
        (Path.unlink, "No such file"),
    ],
)
def test_a_file_that_is_spoilt_is_told_once_and_the_keys_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object], named: str
) -> None:
    path = written(tmp_path, OLD_LINE)
    keys = Keys.read(path)
    spoil(path)
    for _ in range(3):
        assert keys.name(OLD) == "old"
        assert named in str(keys.trouble())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    written(tmp_path, NEW_LINE)
    assert names(keys) == [None, "new"]
    assert not keys.trouble()


@pytest.mark.usefixtures("watchful")
def test_a_file_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys.read(written(tmp_path, OLD_LINE))
    keys.name(OLD)
    monkeypatch.setattr(Path, "read_text", None)
    assert keys.name(OLD) == "old"
    assert not keys.trouble()


def test_the_file_is_not_looked_at_for_each_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.keys.EVERY", 1e9)
    keys = Keys.read(written(tmp_path, OLD_LINE))
    monkeypatch.setattr(Path, "stat", None)
    assert names(keys) == ["old", None]


@pytest.mark.usefixtures("watchful")
def test_keys_from_a_pipe_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    keys = Keys.read(written(tmp_path, OLD_LINE))
    written(tmp_path, "")
    assert names(keys) == ["old", None]


@pytest.mark.usefixtures("watchful")
def test_a_key_dies_with_its_line_and_readyz_tells_of_a_spoilt_file(bundle: Bundle, tmp_path: Path) -> None:
    path = written(tmp_path, f"{OLD_LINE}\n{NEW_LINE}\n")
    client = TestClient(create_app(bundle, keys=Keys.read(path)))
    old = {"Authorization": f"Bearer {OLD}"}
    assert client.get("/v1/documents", headers=old).status_code == 200
    written(tmp_path, NEW_LINE)
    assert client.get("/v1/documents", headers=old).status_code == 401
    assert client.get("/readyz").json() == {"status": "ok"}
    path.unlink()
    ready = client.get("/readyz").json()
    assert (ready["status"], str(path) in ready["detail"]) == ("degraded", True)
    assert "report_qa_degraded 1.0" in client.get("/metrics").text
