from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoTokenizer, BertConfig, BertModel

from eval import reader_training
from eval.lessons import Lesson
from eval.reader_training import Group, Phase, ReaderTrainer, reader_card, talk
from indexer.cross_encoder import CrossEncoder
from indexer.embedding import BASE_ENCODER, PassageEncoder, find_encoder

RIVER = Lesson(
    "RIVER",
    (
        ("The Niger rose in May.", "It fell in June."),
        ("Gold is dug here.", "Cotton is grown.", "Nobody left."),
        ("A hill stood there.", "It stood long."),
    ),
    (
        ("When did the river rise?", frozenset({(0, 0)})),
        ("What fell?", frozenset({(0, 1)})),
        ("Where is gold?", frozenset({(1, 0)})),
    ),
    heads=("Rivers", "Mines", ""),
    silent=(("How deep is the Niger?", frozenset({(0, 0)})),),
    answers={"When did the river rise?": "in May", "Where is gold?": "elsewhere"},
)
WHOLE = Lesson("JUDGED", RIVER.passages, (("cotton", frozenset({(1, -1)})),))


@dataclass
class TinyEncoder:
    """Stands for PassageEncoder: the real tokenizer before a network that learns in no time."""

    network: nn.Module
    tokenizer: Any

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.no_grad():
            batch = self.tokenizer(list(texts), padding=True, return_tensors="pt")
            pooled: Tensor = self.network(**batch).last_hidden_state.float().mean(1)
        return cast(NDArray[np.float32], nn.functional.normalize(pooled, dim=-1).numpy())


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(find_encoder(BASE_ENCODER).folder)


def trainer(tokenizer: Any, checkpoint: Path, seed: int = 0) -> ReaderTrainer:
    torch.manual_seed(7)
    shape = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    tiny = TinyEncoder(cast(nn.Module, BertModel(shape)).eval(), tokenizer)
    return ReaderTrainer(cast(PassageEncoder, tiny), seed, checkpoint, lambda line: None)


def weights(trained: ReaderTrainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trained.network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


PHASES = [Phase("outside", [RIVER, WHOLE]), Phase("reports", [RIVER], 3, [WHOLE], 0.1)]


def test_training_repeats_with_its_seed_and_leaves_word_embeddings_alone(
    tokenizer: Any, tmp_path: Path
) -> None:
    made = []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        reader = trainer(tokenizer, tmp_path / name, seed)
        before = weights(reader)
        reader.train(PHASES)
        made.append(weights(reader))
        changed = {name for name, tensor in made[-1].items() if not torch.equal(tensor, before[name])}
        assert not any("embeddings" in name for name in changed)
        assert {"answers.weight", "tokens.weight"} <= changed
    assert same(made[0], made[1])
    assert not same(made[0], made[2])


def test_training_that_was_stopped_goes_on_where_it_was(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_training, "SAVE_EVERY", 1)
    monkeypatch.setattr(reader_training, "GROUPS", 1)
    straight = trainer(tokenizer, tmp_path / "straight")
    straight.train(PHASES)

    class StoppedError(Exception):
        pass

    steps = 0
    loss = ReaderTrainer._loss

    def stops(self: ReaderTrainer, *arguments: Any) -> Tensor:
        nonlocal steps
        steps += 1
        if steps in (3, 9):
            raise StoppedError
        return loss(self, *arguments)

    monkeypatch.setattr(ReaderTrainer, "_loss", stops)
    for _ in range(2):
        with pytest.raises(StoppedError):
            trainer(tokenizer, tmp_path / "stopped").train(PHASES)
    resumed = trainer(tokenizer, tmp_path / "stopped")
    resumed.train(PHASES)
    assert same(weights(resumed), weights(straight))


def test_a_checkpoint_of_another_training_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    trainer(tokenizer, tmp_path / "checkpoint").train(PHASES)
    for other, phases in ((0, [Phase("outside", [RIVER])]), (1, PHASES)):
        reader = trainer(tokenizer, tmp_path / "checkpoint", seed=other)
        with pytest.raises(ValueError, match="found a checkpoint of other lessons or another seed, expected"):
            reader.train(phases)


def test_training_lowers_the_loss(tokenizer: Any, tmp_path: Path) -> None:
    reader = trainer(tokenizer, tmp_path / "checkpoint")
    groups = reader._groups([RIVER], 0, reader._known([RIVER])[0], Random(0), 1.0)
    with torch.no_grad():
        before = reader._loss([RIVER], groups).item()
    reader.train([Phase("reports", [RIVER] * 12, 3, [WHOLE], 0.1)])
    with torch.no_grad():
        assert reader._loss([RIVER], groups).item() < before


def test_a_question_is_read_with_one_right_window_or_the_near_one_and_wrong_ones(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_training, "disturbed", lambda question, random: question)
    reader = trainer(tokenizer, tmp_path / "checkpoint")
    (known,) = reader._known([RIVER])
    groups = reader._groups([RIVER], 0, known, Random(0), 1.0)
    assert [group.question for group in groups] == [q for q, _ in (*RIVER.questions, *RIVER.silent)]
    for group in groups:
        held = [any(p == a and first <= b < last for a, b in group.right) for p, first, last in group.windows]
        assert held == [bool(group.right), *[False] * (len(held) - 1)]
        assert len(set(group.windows)) == len(group.windows) > 1
    assert groups[-1].windows[0][0] == 0  # the passage that comes near
    assert groups[-1].answer is None


def test_the_words_of_an_answer_are_found_among_the_tokens(tokenizer: Any, tmp_path: Path) -> None:
    reader = trainer(tokenizer, tmp_path / "checkpoint")
    text, spans = reader_training._text(RIVER, (0, 0, 2))
    batch = reader.encode(["When?"], [text])
    places, inside = batch["offset_mapping"][0], batch["token_type_ids"][0] == 1
    asked = Group(0, "When?", ((0, 0, 2),), frozenset({(0, 0)}), "in May")
    found = reader_training._answer(asked, RIVER, (0, 0), spans, places, inside)
    assert found
    assert tokenizer.decode(batch["input_ids"][0, found[0] : found[1] + 1]) == "in may"
    for answer in ("in July", "in June", None):  # nowhere, in another sentence, not known
        other = replace(asked, answer=answer)
        assert reader_training._answer(other, RIVER, (0, 0), spans, places, inside) is None


def test_a_saved_reader_says_what_the_network_says(tokenizer: Any, tmp_path: Path) -> None:
    reader = trainer(tokenizer, tmp_path / "checkpoint")
    reader.save(tmp_path / "reader")
    text, _ = reader_training._text(RIVER, (1, 0, 3))
    batch = reader.encode(["Where is gold?"], [text])
    with torch.no_grad():
        answers, tokens = reader.network(*(batch[name] for name in reader_training.INPUTS))
    found = CrossEncoder(tmp_path / "reader").read("Where is gold?", text)
    assert found.answers == pytest.approx(answers.item(), abs=0.1)
    second = (batch["token_type_ids"][0] == 1) & (batch["offset_mapping"][0].sum(1) > 0)
    np.testing.assert_allclose(found.tokens, tokens[0][second].numpy(), atol=0.15)


def test_judging_counts_first_windows_first_sentences_and_silence(tokenizer: Any, tmp_path: Path) -> None:
    reader = trainer(tokenizer, tmp_path / "checkpoint")
    found = reader.judge([RIVER])
    assert set(found) == {"window", "sentence", "auroc"}
    assert found["sentence"] <= found["window"] <= 1
    assert 0 <= found["auroc"] <= 1
    assert set(reader.judge([WHOLE])) == {"window", "sentence"}


def test_talk_keeps_the_question_whole() -> None:
    groups = [Group(n % 2, f"Question {n}?", (), frozenset(), None) for n in range(6)]
    said = [talk(groups[0], groups, Random(seed)) for seed in range(200)]
    assert all("Question 0?" in text for text in said)
    assert 120 < said.count("Question 0?") < 190
    followed = {text for text in said if text.endswith(" Question 0?") and text.startswith("Question")}
    assert followed == {"Question 2? Question 0?", "Question 4? Question 0?"}


def test_the_card_tells_data_recipe_and_figures() -> None:
    phases = [Phase("outside", [RIVER]), Phase("reports", [RIVER], 3, [WHOLE], 0.1)]
    card = reader_card(
        {"held-out reports": {"auroc": 0.5}}, {"crs_qa": 7}, phases, "python -m eval train-reader"
    )
    assert "outside, once; reports, 3 times beside 10% of what came first" in card
    assert "| crs_qa | 7 |" in card
    assert "`python -m eval train-reader`" in card
    assert '"auroc": 0.5' in card
