import errno
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from eval.__main__ import main
from eval.operations.crashes import (
    Trials,
    Yard,
    cut_short,
    failing_at_every_step,
    killed,
    killed_at_every_step,
    small_yard,
    table,
    without_permission,
)

# Newer Pythons warn of a fork beside threads; the copy of this process touches files and nothing else.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # what is killed here is a process, not the machine


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    folder = tmp_path_factory.mktemp("crashes")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # what is tried without permission should get as far as the link
    return small_yard(folder)


TRIALS: dict[str, Callable[[Yard], Trials]] = {
    "build, killed": lambda yard: killed(yard, "build", 2, Random(0), print),
    "publish, killed": lambda yard: killed(yard, "publish", 2, Random(0), print),
    "publish, killed at every step": lambda yard: killed_at_every_step(yard, "publish", 4),
    "rollback, killed at every step": lambda yard: killed_at_every_step(yard, "rollback", 3),
    "rollback, read-only": lambda yard: failing_at_every_step(yard, "rollback", errno.EROFS, 3),
    "build, files cut": lambda yard: cut_short(yard, "build", Random(0), 4),
    "publish, no permission": lambda yard: without_permission(yard, "publish"),
}


@pytest.mark.parametrize("name", TRIALS)
def test_a_whole_bundle_is_served_whatever_a_process_dies_of(yard: Yard, name: str) -> None:
    trials = TRIALS[name](yard)
    assert trials.failures == []
    assert trials.cut > 0


def test_a_disk_that_fills_up_at_any_step_leaves_a_whole_bundle(yard: Yard) -> None:
    trials = failing_at_every_step(yard, "build", errno.ENOSPC, 5)
    assert trials.failures == []
    assert trials.tried > 6  # from the first folder that is made to the last file that is removed
    assert 0 < trials.turned < trials.tried


def _link_made_anew(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)


def test_a_link_that_is_gone_for_a_moment_is_found_out(tmp_path: Path) -> None:
    with mock.patch("indexer.publication._turn", _link_made_anew):
        trials = killed_at_every_step(small_yard(tmp_path), "rollback")
    assert len(trials.failures) == 1
    assert "found no bundle" in trials.failures[0]
    assert table([trials]).splitlines()[-2:] == [
        f"{trials.tried} trials, {trials.cut} of them cut short; 1 left anything but a whole bundle.",
        f"- {trials.name}: {trials.failures[0]}",
    ]


def test_leftovers_that_nobody_removes_are_found_out(tmp_path: Path) -> None:
    with mock.patch("indexer.publication._remove_leftovers"):
        trials = killed_at_every_step(small_yard(tmp_path), "build", 5)
    assert any("the next one at work left .bundle-" in failure for failure in trials.failures)


def test_the_command_writes_the_table(tmp_path: Path) -> None:
    file = tmp_path / "crashes.md"
    with mock.patch("eval.operations.crashes.failures", return_value=[Trials("x", 3, 2, 1, 1)]):
        assert main(["crashes", "--kills", "0", "--markdown", str(file)]) == 0
    assert "| x | 3 | 2 | 1 | 1 | 0 |" in file.read_text()
    assert "| build: killed at a random instant |" in file.read_text()
    with mock.patch("eval.operations.crashes.failures", return_value=[Trials("x", failures=["gone"])]):
        assert main(["crashes", "--kills", "0"]) == 1


def test_a_bundle_that_is_not_there_is_told_before_anything_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock.patch("eval.operations.crashes.kills", side_effect=AssertionError("tried")):
        assert main(["crashes", "--real", "1", "--bundle", str(tmp_path)]) == 1
    assert f"{tmp_path}: found no bundle, expected" in capsys.readouterr().err
