"""What the tests share: one bundle of the real report, and one of two reports, each built once a run."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings
from starlette.testclient import TestClient

from eval.questions import QUESTIONS, Question, load_questions
from indexer.build import build_bundle
from indexer.bundle import Bundle, open_bundle
from indexer.documents import Document, read_document
from indexer.reports import read_report
from service.app import create_app
from service.feedback import FeedbackLog

ROOT = Path(__file__).parent.parent

# A property is right or wrong, however busy the machine that checks it is.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# Code points above U+FFFF are two UTF-16 units, and these accents have no composed form: whoever counts
# anything but code points of NFC text is wrong from the first line on.
FESTIVAL = """# 🎪 Lantern festival 🏮

The lantern festival 🏮 of Qa\u030brzin opened on 3 March with 4,200 paper boats on the river. Two bands \
🥁🎺 played x\u0302 and y\u0302 until midnight. An astronaut 👩🏽\u200d🚀 lit the first lantern!

## Money 💶

Tickets cost 7 euros, and children under twelve paid nothing 🧒🏽. The mayor, Zoë Ðurić, said that the \
festival earned 90 thousand 🪙 euros. "We shall buy a bridge 🌉," she told the newspaper. \
The music was <b>loud</b> & <script>alert(1)</script> was painted on a wall.

## Weather ⛈️

Rain fell on the second evening, and the fireworks 🎆 were put off until Sunday.
"""


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    build_bundle(ROOT / "corpus", path)
    return path


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    return open_bundle(bundle_path)


@pytest.fixture(scope="session")
def client(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    feedback = FeedbackLog(tmp_path_factory.mktemp("feedback") / "feedback.jsonl")
    return TestClient(create_app(bundle, feedback=feedback))


@pytest.fixture(scope="session")
def shelf_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the corpus beside FESTIVAL."""
    folder = tmp_path_factory.mktemp("shelf")
    shutil.copytree(ROOT / "corpus", folder / "corpus")
    festival = folder / "corpus" / "FESTIVAL"
    festival.mkdir()
    (festival / "festival.md").write_text(FESTIVAL, "utf-8")
    (festival / "report.toml").write_text('id = "FESTIVAL"\ntitle = "Lantern festival 🏮"\n', "utf-8")
    build_bundle(folder / "corpus", folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="session")
def shelf(shelf_path: Path) -> Bundle:
    return open_bundle(shelf_path)


@pytest.fixture(scope="session")
def shelf_client(shelf: Bundle) -> TestClient:
    return TestClient(create_app(shelf))


@pytest.fixture(scope="session")
def questions(bundle: Bundle) -> list[Question]:
    return load_questions(QUESTIONS, {document.id: document.text for document in bundle.documents.values()})


@pytest.fixture(scope="session")
def mali() -> Document:
    return read_document(read_report(ROOT / "corpus" / "IF10116"))
