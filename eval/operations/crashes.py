"""The proof of `indexer/publication.py`: whatever a build or a publish dies of, a whole bundle is served.

Each trial runs in a process of its own, which is killed at a random instant, or before one chosen file
operation, or whose file operations fail from a chosen one on, as on a disk that is full. Then the link
must open as one of the bundles that were made, whole, and the next one at work must succeed, clean up,
and be able to roll back. Small bundles, written by the same code, make thousands of trials affordable.
"""

import errno
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from types import SimpleNamespace
from unittest import mock

import numpy as np

from indexer.bundle import BundleError, read_manifest, seal, verify_bundle, write_bundle
from indexer.documents import read_document
from indexer.english import English
from indexer.late import LateIndex, TokenVectors
from indexer.lexical import LexicalIndex
from indexer.passages import split_document
from indexer.publication import KEPT, place, publish, rollback, staged
from indexer.reports import read_report

_DONE, _REFUSED = 0, 1
_CHANGES = {"open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod"}
_UNPRIVILEGED = 65534
_BUNDLES = KEPT + 4
Action = Callable[[], object]


@dataclass
class Trials:
    """What came of one kind of trial. `turned`: the link was already on the new bundle."""

    name: str
    tried: int = 0
    cut: int = 0
    turned: int = 0
    leftovers: int = 0
    failures: list[str] = field(default_factory=list)


class Yard:
    """A link, and what may be served under it. Bundles are made from numbers; few, so that they recur."""

    def __init__(self, folder: Path, write: Callable[[int, Path], str], check: object = None) -> None:
        self.link = folder / "served" / "bundle"
        self._made = folder / "made"
        self._write = write
        self._check = check
        self._next = 0
        self.known = [write(number, self._made / str(number)) for number in range(_BUNDLES)]
        for _ in range(KEPT):
            self.alone(self.build())

    def build(self) -> Action:
        """Write the next bundle beside the link and place it, as `index build` does."""
        number = self._number()

        def action() -> None:
            with staged(self.link) as folder:
                place(folder, self.link, self._write(number, folder))

        return action

    def publish(self) -> Action:
        """Publish the next bundle."""
        source = self._made / str(self._number())
        return lambda: self._checked(lambda: publish(source, self.link))

    def rollback(self) -> Action:
        """Roll back."""
        return lambda: self._checked(lambda: rollback(self.link))

    def alone(self, action: Action) -> None:
        """Run an action to its end, in a process of its own; without waiting for the disk, to be quick."""

        def quick() -> None:
            with mock.patch("os.fsync"):
                action()

        _finish(quick)

    def served(self) -> str:
        """The id of what is served, every byte of it verified."""
        bundle_id = verify_bundle(self.link.resolve())[1]
        if bundle_id not in self.known:
            raise BundleError(self.link, bundle_id, "a bundle that was made")
        return bundle_id

    def leftovers(self) -> list[str]:
        """What should not stand beside the link."""
        names = sorted(path.name for path in self.link.parent.iterdir())
        kept = [name for name in names if name.startswith("bundle-")]
        return [name for name in names if name.startswith(".")] + kept[KEPT:]

    def _number(self) -> int:
        """A bundle that is not there yet."""
        self._next = (self._next + 1) % _BUNDLES
        folder = f"{self.link.name}-{self.known[self._next].removeprefix('sha256:')[:16]}"
        return self._number() if self.link.with_name(folder).exists() else self._next

    def _checked(self, action: Action) -> None:
        if self._check is None:
            action()
        else:
            with mock.patch("indexer.publication.open_bundle", self._check):
                action()


# --- what dies, and of what ---


def killed(yard: Yard, kind: str, number: int, random: Random, progress: Callable[[str], None]) -> Trials:
    """Kill an action at random instants of the time that it takes, until `number` were cut short."""
    make = getattr(yard, kind)
    takes = median(_timed(yard, make) for _ in range(5))
    trials = Trials(f"{kind}: killed at a random instant")
    while trials.cut < number and not trials.failures:
        _prepare(yard)
        before = yard.served()
        process = _child(make())
        time.sleep(random.uniform(0, takes))
        os.kill(process, signal.SIGKILL)
        _judge(yard, trials, process, before)
        if trials.tried % 500 == 0:
            progress(f"{trials.name}: {trials.cut} of {number} cut short")
    return trials


def killed_at_every_step(yard: Yard, kind: str, stride: int = 1) -> Trials:
    """Kill an action before its first change of a file, `stride` changes later, and so on to the last."""

    def kill(_: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    return _at_every_step(yard, kind, f"{kind}: killed before each file operation", kill, stride)


def failing_at_every_step(yard: Yard, kind: str, error: int, stride: int = 1) -> Trials:
    """Let every change of a file fail from the first on, from `stride` changes later on, and so on."""

    def fail(path: str) -> None:
        raise OSError(error, os.strerror(error), path)

    name = f"{kind}: {os.strerror(error)} ({errno.errorcode[error]}), from each file operation on"
    return _at_every_step(yard, kind, name, fail, stride)


def cut_short(yard: Yard, kind: str, random: Random, number: int) -> Trials:
    """Let the kernel end every file at a random length (RLIMIT_FSIZE), so that writes fail half-way."""
    trials = Trials(f"{kind}: files cut at a random length (EFBIG)")
    for _ in range(number):
        _prepare(yard)
        before = yard.served()
        limit = partial(_limited, getattr(yard, kind)(), int(2 ** random.uniform(0, 16)))
        _judge(yard, trials, _child(limit), before)
    return trials


def without_permission(yard: Yard, kind: str) -> Trials:
    """Take away the right to write into the folder that the link is in."""
    trials = Trials(f"{kind}: no permission to write")
    _prepare(yard)
    before = yard.served()
    folder, mode = yard.link.parent, yard.link.parent.stat().st_mode

    folder.chmod(0o555)
    try:
        process = _child(partial(_unprivileged, getattr(yard, kind)()))
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    finally:
        folder.chmod(mode)
    _judge(yard, trials, None, before, status)
    return trials


def _at_every_step(yard: Yard, kind: str, name: str, act: Callable[[str], None], stride: int) -> Trials:
    trials = Trials(name)
    for step in count(1, stride):
        _prepare(yard)
        before = yard.served()
        reached, told = os.pipe()

        process = _child(partial(_disturbed, getattr(yard, kind)(), step, told, act))
        os.close(told)
        with os.fdopen(reached, "rb") as pipe:
            was_reached = bool(pipe.read())
        if not was_reached:
            os.waitpid(process, 0)
            break
        _judge(yard, trials, process, before)
    return trials


def _disturbed(action: Action, step: int, told: int, act: Callable[[str], None]) -> None:
    """Run an action, and from its change number `step` on do `act` before each, having told so."""
    left = step

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _CHANGES and (event != "open" or _writes(arguments)):
            left -= 1
            if left <= 0:
                os.write(told, b"x")
                act(str(arguments[0]))

    sys.addaudithook(hook)
    action()


def _limited(action: Action, longest: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))
    action()


def _unprivileged(action: Action) -> None:
    if os.geteuid() == 0:  # whom no permission binds
        os.setuid(_UNPRIVILEGED)
    action()


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _child(action: Action) -> int:
    """Run an action in a copy of this process; its process id."""
    process = os.fork()
    if process:
        return process
    status = _REFUSED + 1
    try:
        action()
        status = _DONE
    except (OSError, BundleError):
        status = _REFUSED
    finally:
        os._exit(status)


def _timed(yard: Yard, make: Callable[[], Action]) -> float:
    _prepare(yard)
    start = time.perf_counter()
    _finish(make())
    return time.perf_counter() - start


def _finish(action: Action) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(_child(action), 0)[1])
    if status != _DONE:
        raise RuntimeError(f"an action that nothing disturbs ended with status {status}")


def _prepare(yard: Yard) -> None:
    """Have bundles to roll back to."""
    for _ in range(KEPT - 1):
        yard.alone(yard.build())


def _judge(yard: Yard, trials: Trials, process: int | None, before: str, status: int = 0) -> None:
    """See what a trial left, then let the next one at work clean up and roll back."""
    trials.tried += 1
    if process is not None:
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    trials.cut += status != _DONE
    try:
        if status not in {_DONE, _REFUSED, -signal.SIGKILL}:
            raise RuntimeError(f"ended with status {status}: neither done nor refused in one line")
        trials.turned += yard.served() != before
        trials.leftovers += bool(yard.leftovers())
        yard.alone(yard.rollback())
        yard.served()
        if left := yard.leftovers():
            raise RuntimeError(f"the next one at work left {', '.join(left)}")
    except (BundleError, RuntimeError, OSError) as error:
        trials.failures.append(str(error))


KINDS = ("build", "publish", "rollback")


def kills(yard: Yard, number: int, random: Random, progress: Callable[[str], None]) -> list[Trials]:
    """Random kills of each kind of action, `number` of them in all that cut one short."""
    return [killed(yard, kind, -(-number // len(KINDS)), random, progress) for kind in KINDS]


def failures(yard: Yard, random: Random) -> Iterator[Trials]:
    """Each kind of action killed, and failing, at every step; cut short; without permission."""
    for kind in KINDS:
        yield killed_at_every_step(yard, kind)
        for error in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO):
            yield failing_at_every_step(yard, kind, error)
        yield cut_short(yard, kind, random, 30)
        yield without_permission(yard, kind)


# --- the bundles ---


def small_yard(folder: Path) -> Yard:
    """Bundles of a report of one sentence and vectors of 4 dimensions, with a file for an encoder.

    They are written by the code that writes any bundle; only the encoder would not open, so that
    publishing verifies their hashes and no more.
    """
    models = folder / "models"
    models.mkdir(parents=True)
    (models / "encoder.onnx").write_bytes(bytes(range(256)) * 64)

    made = []
    for number in range(_BUNDLES):
        report = folder / "corpus" / f"R{number}"
        report.mkdir(parents=True)
        (report / "source.md").write_text(f"The river rose {number} times. It fell again.", "utf-8")
        (report / "report.toml").write_text(f'id = "R{number}"\ntitle = "River"\n', "utf-8")
        made.append(_write_small(report, models))
    return Yard(folder, lambda number, target: made[number](target), by_hash)


def real_yard(folder: Path, bundle: Path) -> Yard:
    """Copies of a real bundle, which publishing opens; they differ in nothing but their id."""
    real = bundle.resolve()
    manifest = dict(read_manifest(real)[0])
    del manifest["files"]

    def write(number: int, target: Path) -> str:
        names = verify_bundle(real)[0]["files"]
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(real / name, target / name)
        return seal(target, manifest | {"number": number})

    return Yard(folder, write)


def by_hash(path: Path) -> SimpleNamespace:
    """Stands for `open_bundle` where nothing is asked of a bundle but to be whole."""
    manifest, bundle_id = verify_bundle(path)
    return SimpleNamespace(id=bundle_id, manifest=manifest)


def _write_small(report: Path, models: Path) -> Callable[[Path], str]:
    """What writes a small bundle into a folder.

    All is indexed before, in this process: bm25s reports progress under a lock that all copies of a
    process share, and that would stay locked for ever once one of them is killed.
    """
    document = read_document(read_report(report))
    passages, furniture = split_document(document)
    row = np.full((1, 4), 0.5, dtype=np.float32)
    sentences = [[TokenVectors(np.array([0]), row) for _ in passage.sentences] for passage in passages]
    lexical = LexicalIndex.build([document.text] * len(passages))
    late = LateIndex.build(sentences, 1)

    def write(target: Path) -> str:
        target.mkdir(parents=True, exist_ok=True)
        return write_bundle(
            target,
            {"documents": [], "counts": {}},
            [(document, furniture)],
            passages,
            np.repeat(row, len(passages), axis=0),
            np.repeat(row, sum(map(len, sentences)), axis=0),
            row,
            lexical,
            late,
            English.of({"river": 1}),
            models,
        )

    return write


def table(trials: Sequence[Trials]) -> str:
    """The trials as a Markdown table, and how many failed."""
    lines = [
        "| trial | tried | cut short | link turned by then | leftovers, all removed | not whole |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(each) for each in trials]
    wrong = [f"- {each.name}: {failure}" for each in trials for failure in each.failures]
    total, cut = sum(each.tried for each in trials), sum(each.cut for each in trials)
    lines += [
        "",
        f"{total} trials, {cut} of them cut short; {len(wrong)} left anything but a whole bundle.",
    ]
    return "\n".join([*lines, *wrong])


def _row(trials: Trials) -> str:
    found = f"{trials.turned} | {trials.leftovers} | {len(trials.failures)}"
    return f"| {trials.name} | {trials.tried} | {trials.cut} | {found} |"
