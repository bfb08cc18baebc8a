import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from indexer import reading
from indexer.build import build_bundle
from indexer.bundle import open_bundle
from indexer.cross_encoder import FILES, MAX_TOKENS, CrossEncoder
from indexer.embedding import ADAPTED_ENCODER, BASE_ENCODER, find_encoder
from indexer.reading import DEFAULT_READER, SHIPPED, ReaderError, add_reader, reader_sha256
from service.answer import Answerer, Mode

CORPUS = Path(__file__).parents[1] / "corpus"


def test_the_reader_that_ships_is_what_its_hashes_say(tmp_path: Path) -> None:
    described = add_reader(DEFAULT_READER, tmp_path / "reader")
    assert described
    assert described["sha256"] == reader_sha256(DEFAULT_READER)
    assert sum((SHIPPED / file).stat().st_size for file in FILES) <= 25_000_000
    assert (SHIPPED / "README.md").is_file()


def test_a_reader_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SHIPPED, tmp_path / "shipped")
    with (tmp_path / "shipped" / "reader.json").open("a") as file:
        file.write(" ")
    monkeypatch.setattr(reading, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(ReaderError, match=r"reader\.json: found sha256 \w+, expected \w+; check"):
        add_reader(DEFAULT_READER, tmp_path / "reader")


def test_no_reader_is_none(tmp_path: Path) -> None:
    assert add_reader(None, tmp_path / "reader") is None
    assert not (tmp_path / "reader").exists()


@pytest.fixture(scope="module")
def hub_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder as the hub has them: one score, no word on sentences."""
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(3)
    shape = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    shape.num_labels = 1
    BertForSequenceClassification(shape).save_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(find_encoder(BASE_ENCODER).folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_cross_encoder_of_the_hub_scores_pairs_as_it_did(hub_model: Path, tmp_path: Path) -> None:
    described = add_reader(str(hub_model), tmp_path / "reader")
    assert described is not None
    assert described["sentences"] is False
    from sentence_transformers import CrossEncoder as Original

    original = Original(str(hub_model), device="cpu", max_length=MAX_TOKENS)
    pairs = [("When did it fall?", "It fell in June."), ("Who?", "Gold is dug here.")]
    expected = original.predict(pairs, activation_fn=torch.nn.Identity())
    exported = CrossEncoder(tmp_path / "reader")
    for (question, text), score in zip(pairs, expected, strict=True):
        found = exported.read(question, text)
        assert found.answers == pytest.approx(float(score), abs=0.05)
        assert len(found.tokens) == 0


def test_what_is_no_cross_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ReaderError, match=r"reader .*nowhere: .*expected the folder or the hub name of a"):
        add_reader(str(tmp_path / "nowhere"), tmp_path / "reader")


MODES: tuple[Mode, ...] = ("accurate", "fast")


@pytest.mark.parametrize("name", [None, "hub"])
def test_without_a_reader_that_is_calibrated_nothing_is_read(
    name: str | None, hub_model: Path, tmp_path: Path
) -> None:
    build_bundle(CORPUS, tmp_path / "bundle", reader=str(hub_model) if name else None)
    answerer = Answerer(open_bundle(tmp_path / "bundle"))
    question = "How much did Wagner cost Mali each month?"
    slow, fast = (answerer.answer(question, mode=mode) for mode in MODES)
    assert slow.answerable
    assert slow.citations == fast.citations
    assert not any("reader" in result.candidate.scores for result in slow.results)


def test_without_a_reader_and_a_smaller_network_answers_are_the_fast_ones(tmp_path: Path) -> None:
    build_bundle(CORPUS, tmp_path / "bundle", ADAPTED_ENCODER, None)
    answerer = Answerer(open_bundle(tmp_path / "bundle"))
    slow, fast = (answerer.answer("How much did Wagner cost Mali each month?", mode=mode) for mode in MODES)
    assert slow == fast
    assert slow.answerable
