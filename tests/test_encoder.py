import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from indexer.bundle import Bundle
from indexer.cross_encoder import FILES as READER_FILES
from indexer.cross_encoder import CrossEncoder
from indexer.embedding import PassageEncoder, find_encoder
from indexer.encoder import FAST_MODEL, FILES, WORDS, Models, QueryEncoder
from indexer.export import move_words

ODD = ["", " ", "?", "🪙👩🏽\u200d🚀", "שלום", "\u202e", "\ufffd", "\0", "a" * 5_000, "word " * 2_000]


@pytest.fixture(scope="module")
def folder(bundle_path: Path) -> Path:
    return bundle_path / "models"


def load(folder: Path, **description: object) -> QueryEncoder:
    return QueryEncoder.load(folder, {"dimension": 384, "max_tokens": 256, "query_prompt": "", **description})


@pytest.mark.parametrize("text", ["Who is Mali's president?", *ODD])
def test_vectors_have_length_one(bundle: Bundle, text: str) -> None:
    query = bundle.encoder.encode(text)
    assert query.vector.shape == (bundle.encoder.dimension,)
    assert query.vector.dtype == np.float32
    assert np.linalg.norm(query.vector) == pytest.approx(1, abs=1e-5)
    assert query.tokens.shape == (len(query.ids), bundle.late.dimension)
    np.testing.assert_allclose(np.linalg.norm(query.tokens, axis=1), 1, atol=1e-5)


def test_a_word_is_one_token_and_marks_are_none(bundle: Bundle) -> None:
    assert len(bundle.encoder.encode("gold").ids) == 1
    assert len(bundle.encoder.encode("").ids) == 0


def test_text_past_the_last_token_is_not_read(folder: Path) -> None:
    encoder = load(folder, max_tokens=8)  # six words between the two marks
    six = encoder.encode("one two three four five six")
    more = encoder.encode("one two three four five six seven eight")
    assert np.array_equal(six.vector, more.vector)
    assert len(more.ids) == 6
    assert not np.array_equal(six.vector, encoder.encode("one two three four five").vector)


def test_a_prompt_goes_before_the_question_and_nothing_else_does(folder: Path) -> None:
    prompted = load(folder, query_prompt="query: ").encode("gold")
    assert np.array_equal(prompted.vector, load(folder).encode("query: gold").vector)
    assert not np.array_equal(prompted.vector, load(folder).encode("gold").vector)


@settings(max_examples=20)
@given(st.lists(st.text(max_size=40), max_size=4))
def test_a_vector_does_not_depend_on_what_was_asked_before(bundle: Bundle, before: list[str]) -> None:
    fresh = bundle.encoder.encode("Who is Mali's president?")
    for text in [*before, *ODD]:
        bundle.encoder.encode(text)
    again = bundle.encoder.encode("Who is Mali's president?")
    assert np.array_equal(fresh.vector, again.vector)
    assert np.array_equal(fresh.tokens, again.tokens)


def test_two_processes_would_agree(bundle: Bundle, folder: Path) -> None:
    other = QueryEncoder.load(folder, bundle.manifest["encoder"])
    text = "How much did Mali agree to pay the Wagner Group?"
    assert np.array_equal(bundle.encoder.encode(text).vector, other.encode(text).vector)


def test_the_bundle_holds_the_files_that_an_encoder_needs(folder: Path) -> None:
    (words,) = folder.glob(WORDS)  # those of all three networks
    expected = {*FILES, FAST_MODEL, *READER_FILES, words.name}
    assert {path.name for path in folder.iterdir()} == expected


def test_models_that_have_words_in_common_hold_them_once(
    folder: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    load = np.load

    def counted(path: Path, **options: Any) -> Any:
        opened.append(path)
        return load(path, **options)

    monkeypatch.setattr(np, "load", counted)
    models = Models()
    encoder = QueryEncoder.load(folder, bundle.manifest["encoder"], models)
    reader = CrossEncoder(folder, models)
    assert opened == list(folder.glob(WORDS))
    assert encoder._tokenizer is reader._tokenizer
    for fast in (False, True):
        found, expected = (one.encode("gold", fast=fast).vector for one in (encoder, bundle.encoder))
        assert np.array_equal(found, expected)


def test_the_words_of_a_model_are_those_of_the_file(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "models")
    (words,) = copy.glob(WORDS)
    np.save(words, np.roll(np.load(words), 1, axis=0))
    assert not np.array_equal(load(folder).encode("gold").vector, load(copy).encode("gold").vector)


def test_a_model_loads_by_itself_with_the_words_beside_it(folder: Path, bundle: Bundle) -> None:
    session = onnxruntime.InferenceSession(folder / FILES[0], providers=["CPUExecutionProvider"])
    ids = [[101, *bundle.encoder.encode("gold").ids, 102]]
    given = {"input_ids": np.array(ids)}
    vector = session.run(["sentence_embedding"], given)[0][0]
    assert vector @ bundle.encoder.encode("gold").vector == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("fast", "mean", "least"), [(False, 0.98, 0.96), (True, 0.92, 0.85)])
def test_queries_are_encoded_much_as_sentence_transformers_does(
    bundle: Bundle, *, fast: bool, mean: float, least: float
) -> None:
    """Int8 and fewer layers cost something; the questions are not the texts that parity is measured on."""
    questions = [question for entry in bundle.manifest["documents"] for question in entry["suggestions"]]
    questions += ["gold", "Who forced the UN mission out?", "What is JNIM?", "how many troops left in 2022"]
    original = PassageEncoder(find_encoder()).encode(questions)
    encoded = [bundle.encoder.encode(question, fast=fast).vector for question in questions]
    cosines = [vector @ row for vector, row in zip(encoded, original, strict=True)]
    assert np.mean(cosines) >= mean
    assert min(cosines) >= least


def test_parity_of_the_bundle_is_above_its_floor(bundle: Bundle) -> None:
    for name, mean, least in (("parity", 0.98, 0.96), ("fast_parity", 0.92, 0.85)):
        parity = bundle.manifest["encoder"][name]
        assert parity["texts"] == bundle.manifest["counts"]["sentences"]
        assert mean <= parity["mean_cosine"] <= 1
        assert least <= parity["min_cosine"] <= parity["mean_cosine"]


def test_both_networks_read_the_same_tokens(bundle: Bundle) -> None:
    slow, fast = (bundle.encoder.encode("Who is Mali's president?", fast=fast) for fast in (False, True))
    assert np.array_equal(slow.ids, fast.ids)
    assert slow.tokens.shape == fast.tokens.shape
    assert not np.array_equal(slow.vector, fast.vector)


def test_without_a_smaller_network_the_encoder_itself_is_as_fast_as_it_gets(
    folder: Path, tmp_path: Path
) -> None:
    for path in [folder / name for name in FILES] + list(folder.glob(WORDS)):
        shutil.copy(path, tmp_path)
    encoder = load(tmp_path)
    assert np.array_equal(encoder.encode("gold").vector, encoder.encode("gold", fast=True).vector)


def test_words_are_moved_wherever_they_are_used(tmp_path: Path) -> None:
    """Some models multiply with their words, too, or look them up twice."""
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["one"]),
        helper.make_node("Gather", ["table", "input_ids"], ["other"]),
        helper.make_node("Add", ["one", "other"], ["sum"]),
        helper.make_node("Transpose", ["table"], ["turned"]),
        helper.make_node("MatMul", ["sum", "turned"], ["found"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(table, "table")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "m.onnx")
    ids = {"input_ids": np.array([2, 0])}
    expected = 2 * table[[2, 0]] @ table.T
    assert np.array_equal(Models().session(tmp_path / "m.onnx").run(None, ids)[0], expected)
    move_words(tmp_path / "m.onnx")
    assert len(list(tmp_path.glob(WORDS))) == 1
    assert np.array_equal(Models().session(tmp_path / "m.onnx").run(None, ids)[0], expected)
