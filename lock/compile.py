"""Pins what pyproject.toml asks for, with hashes, for every platform: `make lock`.

All but the benchmarks is resolved once, then split by who needs it, so the parts cannot disagree:

    serve.txt       a serving process
    build.txt       what making a bundle adds
    traces.txt      what sending traces adds to serve.txt alone
    test.txt        what the tests add
    bench.txt       what the benchmarks add, which compare with others: no pin above heeds it
    torch-cpu.txt   torch as PyTorch builds it for CPUs, where pip can find that
    torch.txt       torch as PyPI has it
    cuda.txt        what the latter needs beside, on Linux

Pins stay as they are unless pyproject.toml forbids them; `--upgrade` takes the newest of all.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).parent
ROOT = LOCK.parent

# PyTorch's own index has CPU builds that PyPI lacks: a third of the size, and no CUDA beside them.
# They need a file of their own: of two files with a listed hash, pip takes the one whose address
# states it, so next to PyPI's it would never take one that lies in a folder.
TORCH_CPU = {
    "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl": (
        "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
    ),
}

# The parts in the order of need: a package belongs to the first one that asks for it.
PARTS = {
    "serve": ["pyproject.toml"],
    "build": ["pyproject.toml", "--extra", "build", "--group", "install"],
    "traces": ["pyproject.toml", "--extra", "traces"],
    "test": [
        *["pyproject.toml", "--extra", "build", "--extra", "traces"],
        *["--group", "install", "--group", "test"],
    ],
}
BENCH = ["pyproject.toml", "--extra", "build", "--group", "bench"]
TITLES = {
    "serve": "What a serving process needs.",
    "build": "What making a bundle adds to serve.txt; torch stands in torch.txt.",
    "traces": "What sending traces adds to serve.txt.",
    "test": "What the tests add to serve.txt, build.txt and traces.txt.",
    "bench": "What the benchmarks compare with; in an environment of its own that sees the other locks.",
    "torch-cpu": "torch as PyTorch builds it for CPUs. The hashes are of",
    "torch": "torch as PyPI has it: every file of this release.",
    "cuda": "What PyPI's build of torch for Linux needs beside it; a CPU build needs none of it.",
}
CUDA = re.compile(r"(cuda|nvidia|triton)\b")


def resolve(uv: str, sources: list[str], output: Path, *options: str) -> dict[str, str]:
    """Resolves the sources and returns each package's entry by name."""
    command = [uv, "pip", "compile", "--quiet", *sources, "--universal", "--python-version=3.11"]
    # One version of a package for all Pythons: the same numpy, the same answers.
    command += ["--fork-strategy=fewest", "--generate-hashes", "--no-header", *options]
    subprocess.run([*command, f"--output-file={output}"], cwd=ROOT, check=True)
    entries = re.split(r"^(?=[A-Za-z0-9])", output.read_text(), flags=re.MULTILINE)[1:]
    return {entry.split("==")[0]: entry for entry in entries}


def cpu_build(entry: str) -> str:
    """The entry of torch's CPU builds, from that of torch."""
    pin = entry.split()[0] + "+cpu"
    for wheel in TORCH_CPU:
        if not wheel.startswith(pin.replace("==", "-")):
            sys.exit(f"lock/compile.py: TORCH_CPU has {wheel}, but the pin is {pin}")
    names = "".join(f"#   {wheel}\n" for wheel in TORCH_CPU)
    hashes = [f"    --hash=sha256:{sha256}" for sha256 in TORCH_CPU.values()]
    return names + " \\\n".join([pin, *hashes]) + "\n"


def main() -> None:
    """Writes every lock file."""
    uv, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "all.txt")
        old = [LOCK / f"{part}.txt" for part in TITLES if part not in {"torch-cpu", "bench"}]
        pins.write_text("".join(path.read_text() for path in old if path.exists()))
        entries = resolve(uv, PARTS["test"], pins, *options)
        owner: dict[str, str] = {}
        bench = Path(folder, "bench")
        bench.write_text((LOCK / "bench.txt").read_text() if (LOCK / "bench.txt").exists() else "")
        for part, sources in PARTS.items():
            needed = resolve(uv, sources, Path(folder, part), f"--constraint={pins}")
            owner |= {name: part for name in needed if name not in owner}
            if part == "traces" and (lent := {name for name in needed if owner[name] == "build"}):
                sys.exit(f"lock/compile.py: build.txt has {lent}, which traces.txt needs beside serve.txt")
        compared = resolve(uv, BENCH, bench, f"--constraint={pins}", *options)
        # What the tests have too stands in both files: the benchmarks' environment sees no test tools.
        beside = {
            name: re.sub(r"^ +# +-c .*\n", "", entry, flags=re.MULTILINE)  # names the constraint's folder
            for name, entry in compared.items()
            if owner.get(name, "test") in {"test", "traces"}
        }
    owner |= {name: "cuda" for name in owner if CUDA.match(name)} | {"torch": "torch"}
    entries["torch-cpu"], owner["torch-cpu"] = cpu_build(entries["torch"]), "torch-cpu"
    for part, title in TITLES.items():
        chosen = [entry for name, entry in entries.items() if owner[name] == part]
        chosen = list(beside.values()) if part == "bench" else chosen
        head = f"# Written by `make lock` from pyproject.toml, not by hand.\n# {title}\n"
        (LOCK / f"{part}.txt").write_text(head + "".join(chosen))
        print(f"lock/{part}.txt: {len(chosen)} packages")


if __name__ == "__main__":
    main()
