"""The proof of `open_bundle`: a bundle in which anything was changed is refused, in one line.

Every file of a real bundle is changed in every way below, again and again at other places; a mutant that
opens would be served.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from indexer.bundle import BundleError, open_bundle

Change = Callable[[bytes, Random], bytes]


@dataclass
class Mutants:
    """The mutants of one kind: how many were tried, and each that was not refused as it should be."""

    kind: str
    tried: int = 0
    served: int = 0
    failures: list[str] = field(default_factory=list)


# --- changes of one file's bytes ---


def _flip_a_bit(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _flip_many_bits(data: bytes, random: Random) -> bytes:
    for _ in range(random.randint(2, 16)):
        data = _flip_a_bit(data, random)
    return data


def _run(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data))
    return start, random.randint(start + 1, min(len(data), start + 4096))


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def _cut_from_the_middle(data: bytes, random: Random) -> bytes:
    start, end = _run(data, random)
    return data[:start] + data[end:]


def _lengthen(data: bytes, random: Random) -> bytes:
    tail = random.choice([b"\0", b"\n", data, random.randbytes(512)])
    return data + tail[: random.randint(1, len(tail))]


def _duplicate_a_run(data: bytes, random: Random) -> bytes:
    start, end = _run(data, random)
    return data[:end] + data[start:end] + data[end:]


def _zero_a_run(data: bytes, random: Random) -> bytes:
    start, end = _run(data, random)
    return data[:start] + bytes(end - start) + data[end:]


def _scramble_a_run(data: bytes, random: Random) -> bytes:
    start, end = _run(data, random)
    return data[:start] + random.randbytes(end - start) + data[end:]


def _rotate(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[at:] + data[:at]


CHANGES: Mapping[str, Change] = {
    "a bit flipped": _flip_a_bit,
    "several bits flipped": _flip_many_bits,
    "cut short": _cut,
    "a run cut out": _cut_from_the_middle,
    "lengthened": _lengthen,
    "a run duplicated": _duplicate_a_run,
    "a run zeroed": _zero_a_run,
    "a run scrambled": _scramble_a_run,
    "rotated": _rotate,
}

# --- changes of the folder ---


def _swap(file: Path, other: Path, random: Random) -> None:
    data = file.read_bytes()
    file.write_bytes(other.read_bytes())
    other.write_bytes(data)


def _copy_over(file: Path, other: Path, random: Random) -> None:
    shutil.copyfile(other, file)


def _remove(file: Path, other: Path, random: Random) -> None:
    file.unlink()


def _rename(file: Path, other: Path, random: Random) -> None:
    file.rename(f"{file}.{random.randrange(1_000)}")


def _add_a_copy(file: Path, other: Path, random: Random) -> None:
    shutil.copyfile(file, f"{file}.{random.randrange(1_000)}")


def _make_a_folder(file: Path, other: Path, random: Random) -> None:
    file.unlink()
    file.mkdir()


def _link_to_nowhere(file: Path, other: Path, random: Random) -> None:
    file.unlink()
    file.symlink_to(f"nowhere-{random.randrange(1_000)}")


FOLDER_CHANGES: Mapping[str, Callable[[Path, Path, Random], None]] = {
    "swapped with another file": _swap,
    "another file in its place": _copy_over,
    "removed": _remove,
    "renamed": _rename,
    "copied beside": _add_a_copy,
    "a folder in its place": _make_a_folder,
    "a link to nowhere in its place": _link_to_nowhere,
}


def prove(
    bundle: Path, scratch: Path, number: int, random: Random, progress: Callable[[str], None]
) -> list[Mutants]:
    """Make `number` mutants of a bundle in `scratch`, which does not exist yet, and open each.

    Raises:
        BundleError: if the bundle is not sound to begin with, or the last mutant left a trace.
    """
    open_bundle(bundle)
    folder = shutil.copytree(bundle.resolve(), scratch)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kinds = {kind: Mutants(kind) for kind in (*CHANGES, *FOLDER_CHANGES)}
    for trial in range(number):
        name = names[trial % len(names)]
        mutants = kinds[list(kinds)[trial // len(names) % len(kinds)]]
        other = random.choice([each for each in names if each != name])
        _mutate(folder / name, folder / other, mutants.kind, random)
        _judge(folder, f"{name}, trial {trial}", mutants)
        _mend(bundle.resolve(), folder, names, (name, other))
        if (trial + 1) % 500 == 0:
            progress(f"{trial + 1} of {number} mutants")
    open_bundle(folder)
    return list(kinds.values())


def _mutate(file: Path, other: Path, kind: str, random: Random) -> None:
    if kind in FOLDER_CHANGES:
        FOLDER_CHANGES[kind](file, other, random)
        return
    before = data = file.read_bytes()
    while data == before:
        data = CHANGES[kind](before, random)
    file.write_bytes(data)


def _judge(folder: Path, what: str, mutants: Mutants) -> None:
    mutants.tried += 1
    try:
        open_bundle(folder)
    except BundleError as error:
        if "\n" in str(error) or not str(error).startswith(str(folder)):
            mutants.failures.append(f"{what}: refused with {str(error)!r}")
    except Exception as error:  # any of them is a fault of the opener
        mutants.failures.append(f"{what}: {type(error).__name__}: {error}")
    else:
        mutants.served += 1
        mutants.failures.append(f"{what}: served")


def _mend(sound: Path, folder: Path, names: Sequence[str], touched: Sequence[str]) -> None:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name in touched and path.is_dir():
            path.rmdir()
        elif path.is_symlink() or (name not in names and not path.is_dir()):
            path.unlink()
    for name in touched:
        shutil.copyfile(sound / name, folder / name)


def table(mutants: Sequence[Mutants]) -> str:
    """The mutants as a Markdown table, and how many were served."""
    lines = [
        "| every file of the bundle, in turn | tried | refused in one line | served |",
        "|---|---|---|---|",
    ]
    for each in mutants:
        refused = each.tried - len(each.failures)
        lines.append(f"| {each.kind} | {each.tried} | {refused} | {each.served} |")
    tried, served = sum(each.tried for each in mutants), sum(each.served for each in mutants)
    failures = [f"- {each.kind}: {failure}" for each in mutants for failure in each.failures]
    summary = f"{tried} mutants, {served} served, {len(failures)} not refused in one line."
    return "\n".join([*lines, "", summary, *failures])
