from pathlib import Path
from random import Random
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.__main__ import main
from eval.operations.mutants import CHANGES, FOLDER_CHANGES, Mutants, prove, table
from indexer.bundle import BundleError


def test_no_mutant_of_a_bundle_is_served(bundle_path: Path, tmp_path: Path) -> None:
    files = sum(path.is_file() for path in bundle_path.resolve().rglob("*"))
    number = files * len({*CHANGES, *FOLDER_CHANGES})  # each of them to each file
    found = prove(bundle_path, tmp_path / "mutant", number, Random(0), lambda _: None)
    assert [failure for each in found for failure in each.failures] == []
    assert {each.kind for each in found if each.tried} == {*CHANGES, *FOLDER_CHANGES}
    assert f"{number} mutants, 0 served, 0 not refused in one line." in table(found)


def test_an_opener_that_does_not_look_is_found_out(bundle_path: Path, tmp_path: Path) -> None:
    with mock.patch("indexer.bundle._verify_files"):
        found = prove(bundle_path, tmp_path / "mutant", 21, Random(0), lambda _: None)
    served = sum(each.served for each in found)
    assert 0 < served < 21
    assert f"21 mutants, {served} served" in table(found)


def test_a_bundle_that_is_not_sound_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        prove(tmp_path, tmp_path / "mutant", 1, Random(0), lambda _: None)


@given(st.sampled_from(sorted(CHANGES)), st.binary(min_size=2, max_size=300), st.integers(0, 999))
def test_a_change_takes_any_bytes_and_gives_bytes(kind: str, data: bytes, seed: int) -> None:
    changed = CHANGES[kind](data, Random(seed))
    if kind == "cut short":
        assert len(changed) < len(data)
    if kind == "a bit flipped":
        assert sum((a ^ b).bit_count() for a, b in zip(data, changed, strict=True)) == 1
    if kind == "lengthened":
        assert changed.startswith(data) and len(changed) > len(data)


def test_the_command_fails_if_one_was_served(tmp_path: Path) -> None:
    for failures, status in (([], 0), (["x: served"], 1)):
        with mock.patch("eval.operations.mutants.prove", return_value=[Mutants("cut", 2, 0, failures)]):
            assert main(["mutants", "--number", "2", "--markdown", str(tmp_path / "m.md")]) == status
    assert "- cut: x: served" in (tmp_path / "m.md").read_text()
