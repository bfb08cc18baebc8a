import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer import embedding
from indexer.adapter import ADAPTER
from indexer.distilled import DISTILLED
from indexer.embedding import (
    ADAPTED_ENCODER,
    BASE_ENCODER,
    DEFAULT_ENCODER,
    EncoderError,
    EncoderSource,
    PassageEncoder,
    find_encoder,
)
from indexer.encoder import FAST_MODEL

WEIGHTS = b"not weights, but they have a hash"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture(scope="module")
def model() -> PassageEncoder:
    return PassageEncoder(find_encoder())


@pytest.fixture(scope="module")
def base() -> PassageEncoder:
    return PassageEncoder(find_encoder(BASE_ENCODER))


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that an installed package carries; returns the SHA-256 expected of it."""
    folder = tmp_path / "carrier_of_weights" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(embedding._PACKAGED, "tiny", ("carrier_of_weights", "model", SHA256))
    return SHA256


# --- find_encoder ---


def test_the_default_encoder_is_carried_by_a_package() -> None:
    source = find_encoder()
    assert source.id == DEFAULT_ENCODER
    weights = hashlib.sha256((source.folder / "model.safetensors").read_bytes()).hexdigest()
    assert source.weights_sha256 == weights == embedding._PACKAGED[BASE_ENCODER][2]


def test_the_default_encoder_is_known_by_its_adapter_too() -> None:
    for name in (DEFAULT_ENCODER, ADAPTED_ENCODER):
        assert find_encoder(name).adapter_sha256 == hashlib.sha256(ADAPTER.read_bytes()).hexdigest()
    assert find_encoder(BASE_ENCODER).adapter_sha256 is None


def test_only_the_default_encoder_was_distilled() -> None:
    assert find_encoder().distilled_sha256 == hashlib.sha256(DISTILLED.read_bytes()).hexdigest()
    assert find_encoder(ADAPTED_ENCODER).distilled_sha256 is None
    assert find_encoder(ADAPTED_ENCODER).id == ADAPTED_ENCODER


def test_the_adapter_is_merged_into_the_default_encoder(model: PassageEncoder, base: PassageEncoder) -> None:
    cosine = (model.encode(["gold"]) @ base.encode(["gold"]).T).item()
    assert 0.3 < cosine < 0.999


def test_a_packaged_encoder_is_known_by_its_hash(packaged: str) -> None:
    source = find_encoder("tiny")
    assert (source.id, source.weights_sha256, source.folder.name) == ("tiny", packaged, "model")


def test_other_weights_under_the_same_name_are_refused(packaged: str, tmp_path: Path) -> None:
    (tmp_path / "carrier_of_weights" / "model" / "model.safetensors").write_bytes(WEIGHTS[:-1])
    with pytest.raises(EncoderError) as refusal:
        find_encoder("tiny")
    message = str(refusal.value)
    found = hashlib.sha256(WEIGHTS[:-1]).hexdigest()
    assert message.startswith(f"encoder tiny: weights hash to {found}, expected {packaged}; reinstall")
    assert "\n" not in message


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(embedding._PACKAGED, "tiny", ("no_such_carrier", "model", SHA256))
    with pytest.raises(
        EncoderError, match=r"encoder tiny: package no_such_carrier is not installed; install"
    ):
        find_encoder("tiny")


def test_a_package_without_weights_is_refused(packaged: str, tmp_path: Path) -> None:
    (tmp_path / "carrier_of_weights" / "model" / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"encoder tiny: .*model holds no \.safetensors file; expected"):
        find_encoder("tiny")


def test_a_local_folder_is_an_encoder(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    assert find_encoder(str(folder)) == EncoderSource("my-model", folder, SHA256)


def test_the_hash_of_a_model_in_several_files_covers_them_all(tmp_path: Path) -> None:
    for name, data in (("model-2.safetensors", WEIGHTS[9:]), ("model-1.safetensors", WEIGHTS[:9])):
        (tmp_path / name).write_bytes(data)
    assert find_encoder(str(tmp_path)).weights_sha256 == SHA256


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"holds no \.safetensors file; expected a model folder"):
        find_encoder(str(tmp_path))


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no such model", "../nowhere"])
def test_an_unknown_name_without_a_network_is_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError) as refusal:
        find_encoder(name)
    message = str(refusal.value)
    assert message.startswith(f"encoder {name}: not packaged ({BASE_ENCODER}), no such folder")
    assert "HF_HUB_OFFLINE" in message
    assert "\n" not in message


def test_a_folder_with_weights_that_are_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    with pytest.raises(EncoderError) as refusal:
        PassageEncoder(find_encoder(str(tmp_path)))
    assert "\n" not in str(refusal.value)


def test_a_copied_model_is_the_same_encoder(base: PassageEncoder, tmp_path: Path) -> None:
    copy = shutil.copytree(base.source.folder, tmp_path / "copy")
    source = find_encoder(str(copy))
    assert source.weights_sha256 == base.source.weights_sha256
    assert np.array_equal(PassageEncoder(source).encode(["gold"]), base.encode(["gold"]))


# --- PassageEncoder ---


def test_vectors_come_in_the_order_given_and_have_length_one(model: PassageEncoder) -> None:
    texts = ["a much longer text about gold and cotton exports of Mali", "gold", "", "🪙", "gold"]
    vectors = model.encode(texts)
    assert vectors.shape == (5, model.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors, np.concatenate([model.encode([text]) for text in texts]), atol=1e-5)


def test_no_texts_are_no_rows(model: PassageEncoder) -> None:
    assert model.encode([]).shape == (0, model.dimension)


def test_an_export_that_lost_too_much_is_refused(
    base: PassageEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_PARITY_FLOOR", 1.1)
    with pytest.raises(
        EncoderError, match=r"mean cosine to the original is 0\.99\d\d, expected at least 1\.1; "
    ):
        base.export(tmp_path, ["Gold is dug here.", "Cotton grows."])


def test_for_texts_unlike_those_learned_from_there_is_no_smaller_network(
    model: PassageEncoder, tmp_path: Path
) -> None:
    english = ["France withdrew its troops.", "The court ruled in May.", "Exports of gold rose by a tenth."]
    noise = ["zq vx kj wq", "\u4e2d\u6587\u62a5\u544a\u5f88\u957f", "}{ ;; == += ["]
    for texts, distilled in ((english, model.source.distilled_sha256), (noise, None)):
        folder = tmp_path / str(distilled)
        about = model.export(folder, texts)
        assert about["distilled_sha256"] == distilled
        assert (folder / FAST_MODEL).is_file() == bool(about["fast_parity"]) == bool(distilled)
        assert about["parity"]["mean_cosine"] >= 0.97


def test_serving_does_not_import_what_building_needs() -> None:
    script = (
        "import sys, indexer.bundle\n"
        "print({'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules))"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"


def test_every_token_of_a_sentence_keeps_a_vector(model: PassageEncoder) -> None:
    passages = [["Gold is dug.", "*", "", "Cotton grows in Kayes."], ["Gold is dug."]]
    (first, mark, empty, last), (alone,) = (model.encode_passage(passage)[1] for passage in passages)
    words = model.tokenizer.tokenize
    assert [len(tokens.ids) for tokens in (first, last, alone)] == [
        len(words(text)) for text in ("Gold is dug.", "Cotton grows in Kayes.", "Gold is dug.")
    ]
    assert len(mark.ids) == len(empty.ids) == 1
    assert not empty.vectors.any()  # matches nothing
    for tokens in (first, mark, last, alone):
        np.testing.assert_allclose(np.linalg.norm(tokens.vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(first.ids, alone.ids)
    assert not np.allclose(first.vectors, alone.vectors, atol=1e-2)  # a sentence is read in its passage
    assert max(ids.max() for ids in (first.ids, last.ids)) < model.vocabulary


def test_a_passage_longer_than_the_model_reads_is_read_in_parts(model: PassageEncoder) -> None:
    sentence = "Gold and cotton and rice and millet and salt are sold here. "
    length = len(model.tokenizer.tokenize(sentence))
    _, found = model.encode_passage([sentence.strip()] * 60)
    assert [len(tokens.ids) for tokens in found] == [length] * 60
    assert all(tokens.vectors.any() for tokens in found)
