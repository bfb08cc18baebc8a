import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "indexer": {"indexer"},
    "service": {"indexer", "service"},
    "eval": {"indexer", "service", "eval"},
}
HTTP = {"fastapi", "starlette", "uvicorn", "prometheus_client"}
TRAINING = {"torch", "transformers", "sentence_transformers", "huggingface_hub"}
TRAINS = {
    *("indexer/embedding.py", "indexer/adapter.py", "indexer/distilled.py", "indexer/export.py"),
    *("indexer/reading.py", "eval/training.py", "eval/distillation.py", "eval/reader_training.py"),
    *("eval/speed/peers.py", "eval/speed/encoding.py"),
}
HTTP_LAYER = (
    "admission app connection documents door errors keys lanes log metrics operations questions rates "
    "schemas settings website"
).split()
NO_NUMBERS = {f"service/{name}.py" for name in HTTP_LAYER}
NO_HTTP = {f"service/{name}.py" for name in ("retriever", "answer", "citations", "suggestions")}
VAGUE = {"utils", "util", "common", "core", "helpers", "helper", "misc"}
MODULES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level package of everything that a module names to be imported, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." if node.level else str(node.module).split(".")[0]


def breaches(name: str, source: str) -> list[str]:
    """What a module may not import, as `file:line: why`."""
    package = name.split("/")[0]
    forbidden = {other: f"{package} may not import {other}" for other in {*MAY_IMPORT, "tests"}}
    for allowed in MAY_IMPORT[package]:
        del forbidden[allowed]
    forbidden["."] = "write imports from the top: from indexer.bundle import …"
    if name in NO_NUMBERS:
        forbidden |= dict.fromkeys(("numpy", "faiss", "onnxruntime"), "the HTTP layer does not calculate")
    if name in NO_HTTP or package == "indexer":
        forbidden |= dict.fromkeys(HTTP, "HTTP stays in app.py and what it is made of")
    if name not in TRAINS:
        forbidden |= dict.fromkeys(TRAINING, f"only {', '.join(sorted(TRAINS))}")
    return [f"{name}:{line}: {forbidden[top]}" for line, top in imports(source) if top in forbidden]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    found = breaches(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "source", "line"),
    [
        ("indexer/build.py", "import json\nimport service.answer\n", 2),
        ("service/answer.py", "def f():\n    from eval.run import run\n", 2),
        ("service/answer.py", "from fastapi import Request\n", 1),
        ("service/app.py", "import numpy as np\n", 1),
        ("service/retriever.py", "try:\n    import torch\nexcept ImportError:\n    pass\n", 2),
        ("indexer/encoder.py", "import sentence_transformers.util\n", 1),
        ("service/pages.py", "from . import app\n", 1),
        ("eval/run.py", "from tests.conftest import ROOT\n", 1),
    ],
)
def test_a_breach_is_named_by_file_and_line(name: str, source: str, line: int) -> None:
    (found,) = breaches(name, source)
    assert found.startswith(f"{name}:{line}: ")


def test_the_files_that_rules_name_exist() -> None:
    for name in NO_NUMBERS | NO_HTTP | TRAINS:
        assert (ROOT / name).is_file(), name


def test_no_room_has_a_vague_name() -> None:
    vague = [path for path in MODULES if VAGUE & {path.stem, *path.relative_to(ROOT).parts}]
    assert not vague
