import json
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from eval.questions import Question
from indexer.bundle import Bundle, open_bundle
from service.answer import Answerer
from service.app import create_app
from service.schemas import AnswerRequest
from service.served import Shelf

ASKED = {"query": "How much did Wagner cost Mali each month?", "limit": 2}
Turn = Callable[[Path], None]


@pytest.fixture
def link(tmp_path: Path, bundle_path: Path) -> Path:
    link = tmp_path / "bundle"
    link.symlink_to(bundle_path.resolve())
    return link


def turn(link: Path, folder: Path) -> None:
    """Make the link lead elsewhere, as publishing does: in one step."""
    new = link.with_name("new")
    new.symlink_to(folder.resolve())
    new.replace(link)


@pytest.fixture
def damaged(tmp_path: Path, shelf_path: Path) -> Path:
    """A copy of the other bundle with one bit wrong in its vectors."""
    folder = tmp_path / "damaged"
    shutil.copytree(shelf_path.resolve(), folder)
    vectors = folder / "passages.faiss"
    vectors.chmod(0o644)
    data = bytearray(vectors.read_bytes())
    data[-1] ^= 1
    vectors.write_bytes(data)
    return folder


def test_the_very_same_question_is_answered_from_memory_and_no_other(
    bundle: Bundle, questions: list[Question]
) -> None:
    shelf = Shelf(bundle)
    dialogue = next(question for question in questions if question.history)
    history = [dict(turn) for turn in dialogue.history]
    asked = [
        {"query": dialogue.question},
        {"query": dialogue.question, "history": history},
        {"query": dialogue.question, "history": history[1:]},
        {"query": dialogue.question, "limit": 5},
        {"query": dialogue.question, "mode": "fast"},
        {"query": dialogue.question, "documents": ["IF10116"]},
    ]
    bodies = [AnswerRequest.model_validate(body) for body in asked]
    first = [shelf.now.answer(body) for body in bodies]
    assert shelf.now.remembered.cache_info().hits == 0
    again = [shelf.now.answer(body) for body in bodies]
    assert shelf.now.remembered.cache_info().hits == len(bodies)
    assert all(one is other for one, other in zip(first, again, strict=True))
    fresh = Answerer(bundle)
    assert first[1] == fresh.answer(dialogue.question, history=history)
    assert first[3] == fresh.answer(dialogue.question, 5)


def test_an_answer_after_a_long_history_is_not_kept(bundle: Bundle) -> None:
    shelf = Shelf(bundle)
    history = [{"role": "user", "content": "word " * 900}]
    body = AnswerRequest.model_validate({"query": "Who is the president?", "history": history})
    before = shelf.now.remembered.cache_info().currsize
    assert shelf.now.answer(body) == shelf.now.answer(body)
    assert shelf.now.remembered.cache_info().currsize == before


def test_another_bundle_is_served_when_the_link_leads_to_it(link: Path, shelf_path: Path) -> None:
    shelf = Shelf(open_bundle(link), link)
    shelf.close()
    first = shelf.now
    shelf.look()
    assert shelf.now is first
    turn(link, shelf_path)
    shelf.look()
    assert shelf.now.bundle.id == open_bundle(shelf_path).id != first.bundle.id
    assert {document for _, document in shelf.now.starters} == {"FESTIVAL", "IF10116"}
    assert shelf.trouble is None


def test_a_bundle_that_is_not_sound_is_refused_once_and_the_old_one_goes_on(
    link: Path, bundle_path: Path, shelf_path: Path, damaged: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(open_bundle(link), link)
    shelf.close()
    first = shelf.now
    turn(link, damaged)
    for _ in range(100):
        shelf.look()
    assert shelf.now is first
    assert shelf.trouble and "passages.faiss" in shelf.trouble
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    turn(link, bundle_path)
    shelf.look()
    assert shelf.now is first
    assert not shelf.trouble
    turn(link, shelf_path)
    shelf.look()
    assert shelf.now is not first


def test_a_bundle_that_is_gone_is_told_and_goes_on(link: Path) -> None:
    shelf = Shelf(open_bundle(link), link)
    shelf.close()
    link.unlink()
    shelf.look()
    assert shelf.trouble and "found no bundle" in shelf.trouble


def test_readyz_says_degraded_and_why_while_questions_are_answered(
    link: Path, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.served.EVERY", 0.01)
    bundle = open_bundle(link)
    with TestClient(create_app(bundle, follow=link)) as client:
        assert client.get("/readyz").json() == {"status": "ok"}
        turn(link, damaged)
        while (ready := client.get("/readyz").json())["status"] == "ok":
            pass
        assert ready["status"] == "degraded"
        assert "passages.faiss" in ready["detail"]
        assert client.post("/v1/answer", json=ASKED).json()["bundle_id"] == bundle.id
        metrics = client.get("/metrics").text
        assert "report_qa_degraded 1.0" in metrics
        assert f'report_qa_bundle_info{{bundle_id="{bundle.id}"}} 1.0' in metrics


def test_no_question_fails_and_no_answer_is_mixed_while_bundles_are_exchanged(
    link: Path, bundle_path: Path, shelf_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.served.EVERY", 0.001)
    folders = [bundle_path, shelf_path]
    ids = [open_bundle(folder).id for folder in folders]
    bodies = {  # "gold and money" has the festival's passages in one bundle only
        path: body | {"query": "gold and money"}
        for path, body in (("/v1/answer", ASKED), ("/v1/search", {"limit": 50}))
    }
    found: list[tuple[str, int, Any]] = []
    done = threading.Event()

    def ask(client: TestClient) -> None:
        while not done.is_set():
            for path, body in bodies.items():
                reply = client.post(path, json=body)
                found.append((path, reply.status_code, reply.json()))

    with TestClient(create_app(open_bundle(link), lanes=2, follow=link, queue_limit=60.0)) as client:
        quiet: dict[tuple[str, str], Any] = {}
        askers = [threading.Thread(target=ask, args=(client,)) for _ in range(3)]
        for asker in askers:
            asker.start()
        for number in range(1, 7):
            turn(link, folders[number % 2])
            while client.get("/v1/index").json()["bundle_id"] != ids[number % 2]:
                pass
        done.set()
        for asker in askers:
            asker.join()
    assert {status for _, status, _ in found} == {200}
    assert {body["bundle_id"] for _, _, body in found} == set(ids)
    for path, _, body in found:  # an answer is wholly the one that its bundle gives, always
        body["usage"] = body["request_id"] = body["id"] = None
        assert quiet.setdefault((path, body["bundle_id"]), body) == body, json.dumps(body)
    assert len(quiet) == 4
