import json
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertModel

import eval.distillation
from eval.distillation import Distillation, asked, distilled_card, plain_sentences
from eval.lessons import Lesson
from eval.reader_training import coarse
from indexer.distilled import DIRECTIONS, load_directions, smaller
from indexer.embedding import BASE_ENCODER, PassageEncoder, find_encoder

LESSON = Lesson(
    "RIVER",
    (("The Niger rose in May and fell.",), ("Gold is dug here by hand.", "Short.")),
    (("When did the river rise?", frozenset({(0, 0)})), ("Where is gold?", frozenset({(1, 0)}))),
    silent=(("Who sold the gold?", frozenset({(1, 0)})), ("Where is gold?", frozenset({(1, 0)}))),
)
QUESTIONS = asked([LESSON])
SENTENCES = [sentence for passage in LESSON.passages for sentence in passage]


class TinyEncoder:
    """Stands for PassageEncoder: the real tokenizer before a network that learns in no time."""

    dimension = 32

    def __init__(self, tokenizer: Any) -> None:
        torch.manual_seed(7)
        shape = BertConfig(hidden_size=32, num_hidden_layers=6, num_attention_heads=2, intermediate_size=48)
        self.network, self.tokenizer = cast(Any, BertModel(shape)).eval(), tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(find_encoder(BASE_ENCODER).folder)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eval.distillation, "STEP_TOKENS", 64)
    monkeypatch.setattr(eval.distillation, "BUCKET", 2)
    monkeypatch.setattr(eval.distillation, "NUMBERS", 8)


def made(tokenizer: Any, seed: int = 0, steps: int = 0) -> Distillation:
    encoder = cast(PassageEncoder, TinyEncoder(tokenizer))
    distillation = Distillation(encoder, seed, lambda line: None)
    distillation.train(QUESTIONS, SENTENCES, steps)
    return distillation


def saved(distillation: Distillation, path: Path) -> dict[str, torch.Tensor]:
    distillation.save(path, distillation.directions([LESSON]))
    return load_file(path)


def test_it_comes_nearer_to_the_encoder(tokenizer: Any) -> None:
    before, after = made(tokenizer).judge(QUESTIONS), made(tokenizer, steps=40).judge(QUESTIONS)
    assert after["questions"] > before["questions"]
    assert after["tokens"] > before["tokens"]


def test_it_repeats_with_its_seed(tokenizer: Any, tmp_path: Path) -> None:
    one, again, other = (saved(made(tokenizer, seed, 3), tmp_path / "it") for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_the_encoder_and_the_word_embeddings_do_not_learn(tokenizer: Any) -> None:
    encoder = TinyEncoder(tokenizer)
    before = {name: value.clone() for name, value in encoder.network.state_dict().items()}
    distillation = Distillation(cast(PassageEncoder, encoder), 0, lambda line: None)
    distillation.train(QUESTIONS, SENTENCES, 3)
    assert all(torch.equal(before[name], value) for name, value in encoder.network.state_dict().items())
    learned = distillation.network.state_dict()
    embeddings = [name for name in learned if name.startswith("embeddings.")]
    assert all(torch.equal(learned[name], before[name]) for name in embeddings)


def test_what_is_saved_is_the_network_as_coarse_as_it_is_served(tokenizer: Any, tmp_path: Path) -> None:
    distillation = made(tokenizer, steps=3)
    saved(distillation, tmp_path / "it")
    opened = smaller(TinyEncoder(tokenizer).network, tmp_path / "it")
    assert len(opened.encoder.layer) == len(eval.distillation.LAYERS)
    batch = tokenizer(["Where is gold?"], return_tensors="pt")
    with torch.no_grad(), coarse(cast(nn.Module, distillation.network)):
        expected = distillation.network(**batch).last_hidden_state
        torch.testing.assert_close(opened(**batch).last_hidden_state, expected, atol=1e-5, rtol=1e-4)


def test_directions_keep_most_of_what_token_vectors_are(tokenizer: Any, tmp_path: Path) -> None:
    distillation = made(tokenizer)
    assert saved(distillation, tmp_path / "it")[DIRECTIONS].shape == (8, 32)
    directions = load_directions(tmp_path / "it")
    _, tokens, ids = distillation._vectors(distillation._large, [" ".join(p) for p in LESSON.passages])
    kept = (tokens[ids >= 0] @ directions.T).square().sum()
    other = (tokens[ids >= 0] @ torch.linalg.qr(torch.randn(32, 8))[0]).square().sum()
    assert kept > other
    assert kept > 0.5 * tokens[ids >= 0].square().sum()


def test_marks_are_no_tokens(tokenizer: Any) -> None:
    _, tokens, ids = made(tokenizer)._vectors(TinyEncoder(tokenizer).network, ["gold", "Where is gold?"])
    assert tokens.shape[:2] == ids.shape
    assert [int((row >= 0).sum()) for row in ids] == [1, 4]


def test_rare_tokens_count_more(tokenizer: Any) -> None:
    importance = made(tokenizer)._importance(["gold is here now", "cotton is here now", "salt is sold now"])
    now, gold = tokenizer.convert_tokens_to_ids(["now", "gold"])
    assert importance[gold] > importance[now] > 0


def test_every_question_is_asked_once() -> None:
    assert QUESTIONS == ["When did the river rise?", "Where is gold?", "Who sold the gold?"]


def test_sentences_of_held_out_texts_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"_id": "A", "number": "R1", "text": "The river rose in May. It fell."},
        {"_id": "B", "number": "R2", "text": "The market was closed in June."},
        {"_id": "C", "text": "Nobody came to the market then."},
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    river, came = "The river rose in May.", "Nobody came to the market then."
    assert plain_sentences([path], {"R2"}, []) == [river, came]
    assert plain_sentences([path], {"A", "B"}, [LESSON]) == [came, *SENTENCES[:2]]


def test_a_piece_is_made_of_words_of_the_sentences(tokenizer: Any) -> None:
    distillation = made(tokenizer)
    distillation._random = Random(3)
    words = {word for sentence in SENTENCES for word in sentence.split()}
    pieces = {distillation._piece(SENTENCES) for _ in range(200)}
    assert all(piece.split() and set(piece.split()) <= words for piece in pieces)
    assert len(pieces) > 20


def test_the_card_says_how_it_was_made() -> None:
    card = distilled_card({"questions": 0.9}, {"river": 4_000}, 30, "python -m eval it")
    assert "Made by `python -m eval it`: 30 steps" in card
    assert "| river | 4,000 |" in card
    assert '{"questions": 0.9}' in card
