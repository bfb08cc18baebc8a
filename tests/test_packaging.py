import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("indexer", "service", "eval")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "lock").glob("*.txt"))


def run(*command: str | Path, **environment: str) -> str:
    """Run a command and return what it printed; fail with all of that if it failed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command} exited {done.returncode}:\n{done.stdout}"
    return done.stdout


def pins(lock: Path) -> dict[str, tuple[Requirement, list[str]]]:
    """Each package of a lock file: what is required, and the hashes it may have."""
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in re.split(r"\n(?=\S)", "\n".join(lines)):
        pin, *hashes = re.split(r"\s*\\\n\s*", entry.strip())
        requirement = Requirement(pin)
        found[canonicalize_name(requirement.name)] = requirement, hashes
    return found


PINS = {lock.stem: pins(lock) for lock in LOCKS}


# --- the wheel ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (made,) = folder.iterdir()
    return made


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    about = {name for name in held if name.startswith("report_qa-0.1.0.dist-info/")}
    assert held - about == expected
    assert {name.split("/", 1)[1] for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_wheel_runs_where_the_repository_is_not(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env/bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel)
    # The locked packages are lent by this environment, but not its link to the repository:
    # a folder on PYTHONPATH does not have its .pth files read.
    lent = {"PYTHONPATH": sysconfig.get_path("purelib")}
    where = run(python, "-P", "-c", "import service; print(service.__file__)", **lent)
    assert where.startswith(str(tmp_path))
    assert "serve" in run(tmp_path / "env/bin/report-qa", "--help", **lent)


# --- the locks ---


def test_every_dependency_is_locked() -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    extras = project["optional-dependencies"]
    build = extras["build"] + groups["install"]
    asked = {
        ("serve",): project["dependencies"],
        ("serve", "build", "torch"): build + PROJECT["build-system"]["requires"],
        ("serve", "traces"): extras["traces"],
        ("serve", "build", "test"): groups["test"],
        ("bench",): groups["bench"],
    }
    for locks, requirements in asked.items():
        locked = {name: pin for lock in locks for name, (pin, _) in PINS[lock].items()}
        for requirement in map(Requirement, requirements):
            pin = locked[canonicalize_name(requirement.name)]
            (version,) = pin.specifier
            assert requirement.specifier.contains(version.version), f"{requirement} but {pin}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_locked(package: str) -> None:
    """An import that only works because it happens to be installed here fails elsewhere."""
    locks = ("serve", "traces") if package == "service" else ("serve", "build", "torch")
    locked = {name for lock in locks for name in PINS[lock]}
    known, distributions = {*sys.stdlib_module_names, *PACKAGES}, packages_distributions()
    peers = ROOT / "eval" / "speed" / "peers.py"  # runs in the benchmarks' environment
    for path in {*(ROOT / package).rglob("*.py")} - {peers}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            else:
                continue
            for module in {name.partition(".")[0] for name in modules} - known:
                sources = {canonicalize_name(name) for name in distributions.get(module, ())}
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert sources & locked, f"{place} imports {module}, not in lock/ for {package}/"


@pytest.mark.parametrize("lock", PINS)
def test_every_pin_is_exact_and_hashed(lock: str) -> None:
    for pin, hashes in PINS[lock].values():
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin
        assert hashes, pin
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", item) for item in hashes), pin


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_names_a_host_or_a_folder(lock: Path) -> None:
    address_path_or_option = r"://|\s@\s|(^|\s)/|--(?!hash=)"
    assert not re.search(address_path_or_option, lock.read_text())


def test_no_package_is_in_two_locks() -> None:
    """The benchmarks may share packages with the tests: their environment sees no test tools."""
    assert not PINS["bench"].keys() & {*PINS["serve"], *PINS["build"], *PINS["torch"], *PINS["cuda"]}
    names = [name for lock, found in PINS.items() if lock != "bench" for name in found]
    assert {name for name in names if names.count(name) > 1} == {"torch"}


def test_serving_needs_no_torch() -> None:
    heavy = {"torch", "transformers", "sentence-transformers", "scipy", "onnx"}
    assert not heavy & PINS["serve"].keys()


def test_torch_is_one_release_in_two_builds_and_only_linux_takes_cuda() -> None:
    ((larger, _),), ((smaller, _),) = PINS["torch"].values(), PINS["torch-cpu"].values()
    assert str(smaller) == f"{larger}+cpu"
    for pin, _ in PINS["cuda"].values():
        assert pin.marker
        assert not pin.marker.evaluate({"sys_platform": "darwin"}), pin


def test_nothing_is_missing_here() -> None:
    """The locks are installed without resolving: this shows that, together, they are complete."""
    run(sys.executable, "-m", "pip", "check")


# --- the commands ---


def test_the_image_starts_the_service_with_options_that_it_has() -> None:
    command = re.findall(r"^CMD \[(.*)\]", (ROOT / "Dockerfile").read_text(), re.M)[-1]
    options = set(re.findall(r'"(--\w+)"', command))
    known = run(sys.executable, "-m", "service", "serve", "--help")
    assert options <= set(re.findall(r"--\w+", known))


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_a_python_that_does_not_run_is_named_in_one_line(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "lock", tmp_path / "lock")
    done = subprocess.run(
        ["make", ".venv/.made", "PYTHON=python3.0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert not (tmp_path / ".venv").exists()
    assert done.stderr.startswith("no Python 3.11, 3.12 or 3.13 found (python3.0 does not run); ")
