"""What the tests share: one bundle of the real report, built once for each run."""

from pathlib import Path

import pytest

from indexer.build import build_bundle
from indexer.bundle import Bundle, open_bundle
from indexer.documents import Document, read_document
from indexer.reports import read_report

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    build_bundle(ROOT / "corpus", path)
    return path


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    return open_bundle(bundle_path)


@pytest.fixture(scope="session")
def mali() -> Document:
    return read_document(read_report(ROOT / "corpus" / "IF10116"))
