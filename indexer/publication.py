"""Which bundle is served: the link that people name, and the sealed folders beside it.

    bundle -> bundle-9c820cad74d2d08e    the link, always turned by one rename
    bundle-9c820cad74d2d08e/             what is served; its name is the head of its id
    bundle-1f02c6a1e0b7d355/             what was served before, to roll back to
    bundle.history                       their names in the order in which they were published

`.bundle-*` is somebody at work, or what a killed process left; the next one at work removes it. Nothing
looks at the time of a file, so that no clock can mislead it. Whoever changes any of it holds a lock on
the folder that the link is in, which ends with its process.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from indexer.bundle import MANIFEST, SEAL, BundleError, flush, open_bundle, verify_bundle

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

KEPT = 3
"""Bundles on the disk at most: the one that is served and two to roll back to."""


def publish(source: Path, link: Path) -> str:
    """Serve a bundle that was made elsewhere: verify it, copy it beside the link, turn the link.

    Args:
        source: A sealed folder, or a link to one; it is left alone.
        link: What a service is told to serve.

    Returns:
        The bundle's id.

    Raises:
        BundleError: if it is not whole, or `link` is something else than a bundle link. What was served
            still is.
    """
    bundle = open_bundle(source)
    with staged(link) as folder:
        for name in (*bundle.manifest["files"], MANIFEST, SEAL):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        for path in [*folder.rglob("*"), folder]:
            flush(path)
        _, copied = verify_bundle(folder)
        if copied != bundle.id:
            raise BundleError(source, copied, f"{bundle.id} as before it was copied", "publish it again")
        place(folder, link, copied)
    return copied


def rollback(link: Path) -> str:
    """Serve again what was served before: verify it and turn the link.

    Returns:
        The id of the bundle that is served now.

    Raises:
        BundleError: if none was kept, or it is not whole. What was served still is.
    """
    with _locked(link):
        _remove_leftovers(link)
        before = _published(link)[:-1]
        if not before:
            remedy = "'report-qa index publish' serves any other"
            raise BundleError(link, "no bundle before this one", "one that was kept", remedy)
        target = link.with_name(before[-1])
        bundle_id = open_bundle(target).id
        if target != _folder(link, bundle_id):
            raise BundleError(target, bundle_id, "the bundle that its name tells")
        _turn(link, target)
        _drop_all_but(link, _history(link))  # those after it may be read right now
    return bundle_id


@contextmanager
def staged(link: Path) -> Iterator[Path]:
    """An empty folder beside the link to make a bundle in; gone afterwards, unless it was placed."""
    if link.exists() and not link.is_symlink():
        raise BundleError(link, "a file or folder", "a bundle link, or nothing", "name another --bundle path")
    link.parent.mkdir(parents=True, exist_ok=True)
    with _locked(link):
        _remove_leftovers(link)
        folder = Path(tempfile.mkdtemp(prefix=f".{link.name}-", dir=link.parent))
        working = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(working)


def place(folder: Path, link: Path, bundle_id: str) -> None:
    """Serve a sealed folder that was staged, and drop those before it that are more than KEPT.

    A crash at any point leaves the link on the bundle before or on this one, both whole; only a damaged
    bundle that is served is removed before the same one takes its place.
    """
    target = _folder(link, bundle_id)
    with _locked(link):
        if not _holds(target, bundle_id):  # else it has the same bytes, and may be read right now
            shutil.rmtree(target, ignore_errors=True)
            folder.chmod(0o755)
            folder.rename(target)
            flush(link.parent)
        published = [name for name in _published(link) if name not in {"", target.name}]
        published = [*published, target.name][-KEPT:]
        # Before the link is turned: a name that was never served is forgotten, one that is missing is lost.
        _write_history(link, published)
        _turn(link, target)
        _drop_all_but(link, published)


def _folder(link: Path, bundle_id: str) -> Path:
    return link.with_name(f"{link.name}-{bundle_id.removeprefix('sha256:')[:16]}")


def _published(link: Path) -> list[str]:
    """What was served, oldest first; the last is served now, `""` if that is not ours."""
    history = _history(link)
    served = link.readlink().name if link.is_symlink() else ""
    # Names after it in the history were rolled back, or never served.
    before = history[: history.index(served)] if served in history else history
    return [*before, served if _ours(link).fullmatch(served) else ""]


def _history(link: Path) -> list[str]:
    file = _history_file(link)
    lines = file.read_text("utf-8", errors="replace").splitlines() if file.is_file() else []
    return [name for name in lines if _ours(link).fullmatch(name)]


def _write_history(link: Path, published: list[str]) -> None:
    written = link.with_name(f".{link.name}-history")
    written.write_text("".join(f"{name}\n" for name in published), "utf-8")
    flush(written)
    written.replace(_history_file(link))


def _history_file(link: Path) -> Path:
    return link.with_name(f"{link.name}.history")


def _turn(link: Path, target: Path) -> None:
    turned = link.with_name(f".{link.name}-link")
    turned.unlink(missing_ok=True)
    turned.symlink_to(target.name)
    turned.replace(link)
    flush(link.parent)


def _drop_all_but(link: Path, kept: list[str]) -> None:
    ours = _ours(link)
    for path in link.parent.iterdir():
        if ours.fullmatch(path.name) and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _ours(link: Path) -> re.Pattern[str]:
    return re.compile(re.escape(link.name) + "-[0-9a-f]{16}")


def _holds(folder: Path, bundle_id: str) -> bool:
    try:
        return verify_bundle(folder)[1] == bundle_id
    except BundleError:
        return False


def _remove_leftovers(link: Path) -> None:
    """Remove what a killed process was making: nobody holds its lock any more."""
    for path in link.parent.glob(f".{_escaped(link.name)}-*"):
        if path.is_symlink() or path.is_file():  # of a turn, which the lock of the whole folder covers
            path.unlink()
            continue
        with suppress(OSError):  # held by one at work, or not ours to remove
            handle = _lock(path, wait=False)
            shutil.rmtree(path, ignore_errors=True)
            os.close(handle)


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)  # what glob would take for a pattern


@contextmanager
def _locked(link: Path) -> Iterator[None]:
    """Alone with the link and all that is beside it."""
    handle = _lock(link.parent)
    try:
        yield
    finally:
        os.close(handle)


def _lock(folder: Path, *, wait: bool = True) -> int:
    if fcntl is None:
        raise BundleError(
            folder,
            "a system without file locks (Windows)",
            "Linux or macOS",
            "build and publish there; 'report-qa serve --bundle' takes the sealed folder itself anywhere",
        )
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle
