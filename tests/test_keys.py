from pathlib import Path

import pytest

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
