import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, BertConfig, BertModel

from eval.lessons import Lesson
from eval.training import RANK, Trainer, _slip, disturbed, model_card
from indexer.adapter import merge_adapter
from indexer.embedding import BASE_ENCODER, PassageEncoder, find_encoder
from indexer.lexical import is_stopword

LESSON = Lesson(
    "RIVER",
    (
        ("The Niger rose in May.", "It fell in June."),
        ("Gold is dug here.", "Cotton is grown.", "Nobody left."),
    ),
    (
        ("When did the river rise?", frozenset({(0, 0)})),
        ("What fell?", frozenset({(0, 1)})),
        ("Where is gold?", frozenset({(1, 0)})),
        ("Is anything grown or dug?", frozenset({(1, 0), (1, 1)})),
    ),
)
WHOLE = Lesson("JUDGED", LESSON.passages, (("cotton", frozenset({(1, -1)})),))


@dataclass
class TinyEncoder:
    """Stands for PassageEncoder: the real tokenizer before a network that learns in no time."""

    network: nn.Module
    tokenizer: Any


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(find_encoder(BASE_ENCODER).folder)


def network(hidden: int = 32) -> nn.Module:
    """The same weights each time."""
    torch.manual_seed(7)
    shape = BertConfig(hidden_size=hidden, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    return cast(nn.Module, BertModel(shape)).eval()


@torch.no_grad()
def output(net: nn.Module, tokenizer: Any) -> Tensor:
    batch = tokenizer(["The Niger rose in May.", "Where is gold?"], padding=True, return_tensors="pt")
    return cast(Tensor, net(**batch).last_hidden_state)


def trained(tokenizer: Any, seed: int = 0) -> tuple[Trainer, nn.Module, dict[str, Any]]:
    net = network()
    trainer = Trainer(cast(PassageEncoder, TinyEncoder(net, tokenizer)), seed, lambda line: None)
    return trainer, net, trainer.train([LESSON], [WHOLE], [LESSON])


def adapter(trainer: Trainer, path: Path) -> dict[str, Tensor]:
    trainer.save(path)
    return load_file(path)


def test_training_changes_the_adapter_and_nothing_else(tokenizer: Any, tmp_path: Path) -> None:
    trainer, net, result = trained(tokenizer)
    assert result["steps"] == 4  # the report three times, what is judged as a whole once
    factors = adapter(trainer, tmp_path / "adapter")
    layers = [name for name, part in network().named_modules() if isinstance(part, nn.Linear)]
    encoder = {name for name in layers if name.startswith("encoder.")}
    assert {key.rpartition(".")[0] for key in factors} == encoder
    assert all(tensor.dtype == torch.float16 for tensor in factors.values())
    assert all(RANK in tensor.shape for tensor in factors.values())
    assert any(factors[f"{name}.B"].count_nonzero() for name in encoder)
    after = {re.sub(r"\.layer(?=\.(?:weight|bias)$)", "", name): t for name, t in net.state_dict().items()}
    assert all(torch.equal(tensor, after[name]) for name, tensor in network().state_dict().items())


def test_training_repeats_with_its_seed(tokenizer: Any, tmp_path: Path) -> None:
    one, again, other = (adapter(trained(tokenizer, seed)[0], tmp_path / "adapter") for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_loss(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.training.disturbed", lambda question, random: question)
    net = network()
    trainer = Trainer(cast(PassageEncoder, TinyEncoder(net, tokenizer)), 0, lambda line: None)
    with torch.no_grad():
        before = trainer._loss(LESSON, LESSON.questions).item()
    trainer.train([LESSON] * 15, [], [LESSON])
    with torch.no_grad():
        assert trainer._loss(LESSON, LESSON.questions).item() < before


def test_a_merged_adapter_is_the_trained_network(tokenizer: Any, tmp_path: Path) -> None:
    trainer, net, _ = trained(tokenizer)
    trainer.save(tmp_path / "adapter")
    merged = network()
    untrained = output(merged, tokenizer)
    merge_adapter(merged, tmp_path / "adapter", scale=1)
    error = (output(merged, tokenizer) - output(net, tokenizer)).abs().max().item()
    change = (output(net, tokenizer) - untrained).abs().max().item()
    assert error < 1e-4
    assert change > 20 * error


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            "narrow",
            r"adapter: layer encoder\.layer\.0\.\S+: found shape \(16, 16\), expected shape \(32, 32\); ",
        ),
        ("foreign", r"adapter: layer decoder\.dense: found no such layer, expected shape \(32, 32\); "),
    ],
)
def test_an_adapter_of_another_network_is_refused(
    tokenizer: Any, tmp_path: Path, spoil: str, message: str
) -> None:
    trainer, _, _ = trained(tokenizer)
    factors = adapter(trainer, tmp_path / "adapter")
    if spoil == "foreign":
        factors |= {"decoder.dense.A": torch.ones(RANK, 32), "decoder.dense.B": torch.ones(32, RANK)}
        save_file(factors, tmp_path / "adapter")
    net = network(16 if spoil == "narrow" else 32)
    before = output(net, tokenizer)
    with pytest.raises(ValueError, match=message + "the adapter belongs to another encoder") as refusal:
        merge_adapter(net, tmp_path / "adapter")
    assert "\n" not in str(refusal.value)
    assert torch.equal(output(net, tokenizer), before)


def test_the_first_choice_is_judged_by_passage_and_by_sentence(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(cast(PassageEncoder, TinyEncoder(network(), tokenizer)), 0, lambda line: None)
    by_passage = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])
    # Right; the wrong sentence; right although another passage's sentence is better; the wrong passage.
    by_sentence = torch.tensor(
        [[0.9, 0.1, 0, 0, 0], [0.9, 0.1, 0, 0, 0], [1.0, 0, 0.9, 0, 0], [0.1, 0.2, 0.9, 0, 0]]
    )
    owner = torch.tensor([0, 0, 1, 1, 1])
    monkeypatch.setattr(trainer, "_scores", lambda lesson, asked: (by_passage, by_sentence, None, owner))
    assert trainer.judge([LESSON]) == {"passage": 0.75, "sentence": 0.5}


def test_scores_are_those_of_serving(tokenizer: Any) -> None:
    """MaxSim by a plain loop over one question, one passage and one sentence at a time."""
    net = network()
    trainer = Trainer(cast(PassageEncoder, TinyEncoder(net, tokenizer)), 0, lambda line: None)
    with torch.no_grad():
        by_passage, by_sentence, pooled, owner = trainer._scores(LESSON, ["cotton", "Where is gold?"])
    assert owner.tolist() == [0, 0, 1, 1, 1]
    assert by_passage.shape == pooled.shape == (2, 2)
    with torch.no_grad():
        _, places, vectors, _ = trainer._encode([" ".join(passage) for passage in LESSON.passages])
        _, _, asked, _ = trainer._encode(["cotton"])
    word = asked[0, 1]  # after the mark at the beginning
    best = []
    for p, passage in enumerate(LESSON.passages):
        start = 0
        for sentence in passage:
            end = start + len(sentence)
            inside = (places[p, :, 0] >= start) & (places[p, :, 1] <= end) & (places[p, :, 1] > start)
            best.append((vectors[p][inside] @ word).max().item())
            start = end + 1
    assert by_sentence[0].tolist() == pytest.approx(best, abs=1e-5)
    assert by_passage[0].tolist() == pytest.approx([max(best[:2]), max(best[2:])], abs=1e-5)


# --- questions as people type them ---

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=9)


@given(st.lists(words, min_size=1, max_size=9), st.integers(0, 99))
def test_a_disturbed_question_is_made_of_its_own_words(asked: list[str], seed: int) -> None:
    question = " ".join(asked)
    typed = disturbed(question, Random(seed)).split()
    rest = iter(question.split())
    for word in typed:  # in order; a word of three letters or fewer is as it was
        assert any(set(word) <= set(one) and (len(one) > 3 or word == one) for one in rest)


@given(st.integers(0, 999))
def test_keywords_are_what_is_left_without_function_words(seed: int) -> None:
    question = "How many people are in need of aid in the north?"
    typed = disturbed(question, Random(seed))
    kept = [word for word in question.split() if not is_stopword(word.strip("?.,!"))]
    assert typed == " ".join(kept) or len(typed.split()) == len(question.split())


def test_questions_are_mostly_left_as_they_are() -> None:
    random = Random(0)
    question = "Which armed groups were active in the north?"
    typed = [disturbed(question, random) for _ in range(400)]
    assert 0.65 < typed.count(question) / 400 < 0.85
    assert len(set(typed)) > 20
    assert [disturbed("who", Random(seed)) for seed in range(40)] == ["who"] * 40  # never nothing at all


@given(st.text("abcdefgh0123456789", min_size=4, max_size=12), st.integers(0, 99))
def test_a_slip_is_one_inside_the_word(word: str, seed: int) -> None:
    slipped = _slip(word, Random(seed))
    assert abs(len(slipped) - len(word)) <= 1
    assert (slipped[0], set(slipped) <= set(word)) == (word[0], True)


# --- the model card ---


def test_the_model_card_names_data_recipe_and_result() -> None:
    card = model_card({"after": {"passage": 0.5}}, {"reports": 12, "squad": 34}, "eval train --seed 0")
    assert "| reports | 12 |\n| squad | 34 |" in card
    assert "`eval train --seed 0`" in card
    assert f"rank {RANK}" in card
    assert '"passage": 0.5' in card
    assert "{" not in card.replace(card[card.index("```json") : card.rindex("```")], "")
