import shutil
from pathlib import Path

import numpy as np
import pytest

import indexer.encoding
from indexer.embedding import PassageEncoder, find_encoder
from indexer.encoding import Choice, Encoding, Text, choose
from indexer.late import quantize
from indexer.store import EmbeddingStore

SOURCE = find_encoder()
PASSAGES: list[Text] = [
    ("Gold is dug in Kayes.", "Who digs it, nobody knows."),
    ("Cotton grows.",),
    ("The river rose in 2024, and it fell again when nobody looked.", "*", "It is long."),
]


@pytest.fixture(scope="module")
def model() -> PassageEncoder:
    return PassageEncoder(SOURCE)


def made(texts: list[Text], store: EmbeddingStore, lines: list[str] | None = None) -> Encoding:
    encoding = Encoding(SOURCE, store, Choice("fp32"))
    encoding.make(texts, (lines if lines is not None else []).append)
    return encoding


def test_a_passage_is_what_the_encoder_makes_of_it_and_its_sentences(model: PassageEncoder) -> None:
    passages = [passage for passage in PASSAGES if isinstance(passage, tuple)]
    with EmbeddingStore(None) as store:
        encoding = made([*PASSAGES, "Hello"], store)
        np.testing.assert_allclose(
            encoding.vectors(PASSAGES), model.encode([" ".join(p) for p in passages]), atol=1e-5
        )
        np.testing.assert_allclose(encoding.vector("Hello"), model.encode(["Hello"])[0], atol=1e-5)
        sentences = [sentence for passage in passages for sentence in passage]
        np.testing.assert_allclose(encoding.sentences(passages), model.encode(sentences), atol=1e-5)
        expected = [model.encode_passage(passage)[1] for passage in passages]
        for found, wanted in zip(encoding.tokens(passages), expected, strict=True):
            for one, other in zip(found, wanted, strict=True):
                assert np.array_equal(one.ids, other.ids)
                numbers, scale = quantize(other.vectors)
                np.testing.assert_allclose(one.vectors, numbers * scale, atol=1e-6)


def test_an_embedding_does_not_depend_on_what_else_is_encoded() -> None:
    with EmbeddingStore(None) as alone, EmbeddingStore(None) as among:
        one, all_ = made(PASSAGES[2:], alone), made([*reversed(PASSAGES)], among)
        assert alone[one._key(PASSAGES[2])] == among[all_._key(PASSAGES[2])]


def test_other_processes_make_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingStore(None) as here, EmbeddingStore(None) as there:
        made(PASSAGES, here)
        monkeypatch.setattr(indexer.encoding, "_MANY", 0)
        monkeypatch.setattr(indexer.encoding, "cores", lambda: 2)
        encoding = made(PASSAGES, there)
        for passage in PASSAGES:
            assert here[encoding._key(passage)] == there[encoding._key(passage)]


def test_what_was_made_before_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingStore(tmp_path / "store") as store:
        made(PASSAGES, store)
    monkeypatch.setattr(indexer.encoding, "PassageEncoder", None)
    with EmbeddingStore(tmp_path / "store") as store:
        lines: list[str] = []
        made(PASSAGES[1:], store, lines)
        assert lines == ["2 of 2 texts were encoded before"]


def test_a_sentence_is_not_taken_for_a_passage_nor_another_precision_for_this_one() -> None:
    with EmbeddingStore(None) as store:
        fp32, bf16 = (Encoding(SOURCE, store, Choice(precision)) for precision in ("fp32", "bf16"))
        keys = {fp32._key("A"), fp32._key(("A",)), fp32._key(("A", "")), bf16._key("A")}
        assert len(keys) == 4


def test_an_embedding_depends_on_all_of_the_model_folder(tmp_path: Path) -> None:
    folder = shutil.copytree(SOURCE.folder, tmp_path / "model")
    source = find_encoder(str(folder))
    keys = []
    for pooling in ("{}", '{"pooling_mode_cls_token": true}'):
        next(folder.glob("*_Pooling/config.json")).write_text(pooling)
        with EmbeddingStore(None) as store:
            keys.append(Encoding(source, store, Choice("fp32"))._key("gold"))
    assert keys[0] != keys[1]


def test_few_texts_are_encoded_in_fp32(model: PassageEncoder) -> None:
    assert choose(SOURCE, model, PASSAGES) == Choice("fp32")


@pytest.mark.parametrize(
    ("faster", "near", "precision"), [(0, 0.999, "bf16"), (9e9, 0, "fp32"), (0, 2, "fp32")]
)
def test_many_are_encoded_in_bf16_if_that_is_faster_and_near(
    model: PassageEncoder, monkeypatch: pytest.MonkeyPatch, faster: float, near: float, precision: str
) -> None:
    monkeypatch.setattr(indexer.encoding, "_MANY", 0)
    monkeypatch.setattr(indexer.encoding, "_FASTER", faster)
    monkeypatch.setattr(indexer.encoding, "_NEAR", near)
    choice = choose(SOURCE, model, PASSAGES)
    assert choice.precision == precision
    assert 0.999 < choice.cosine <= 1.0001


def test_progress_tells_how_much_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.encoding, "_TELL_EVERY", 0.0)
    lines: list[str] = []
    with EmbeddingStore(None) as store:
        made(PASSAGES, store, lines)
    assert len(lines) == 3
    assert lines[0].startswith("encoded 1 of 3 texts, ")
    assert lines[-1].endswith("about 0 s left")
