import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.bench import bench_table, learned_from
from eval.collection import CollectionError, load_judged, load_spans

CORPUS = [
    {"_id": "gold", "title": "Mining", "text": "Gold is dug in the west."},
    {"_id": "cotton", "title": "", "text": "Cotton grows in the south."},
]
QUERIES = [
    {"_id": "1", "text": "where is gold dug"},
    {"_id": "2", "text": "cotton"},
    {"_id": "3", "text": "?"},
]
QRELS = "query-id\tcorpus-id\tscore\n1\tgold\t1\n2\tcotton\t2\n3\tgold\t0\n"
CONTEXTS = [
    {"_id": "c1", "title": "Mali", "text": "Gold is dug in the west."},
    {"_id": "c2", "title": "Mali", "text": "Cotton grows in the south."},
]
SOUTH: dict[str, Any] = {
    "id": "a",
    "question": "Where is cotton?",
    "context_id": "c2",
    "answers": ["the south"],
    "answer_starts": [16],
    "answerable": True,
}
QA = [
    SOUTH,
    SOUTH | {"id": "b", "question": "Who digs?", "answers": [], "answer_starts": [], "answerable": False},
    SOUTH | {"id": "c", "question": "What is dug?", "context_id": "c1", "answers": [], "spans": [[0, 4]]},
]


def write(folder: Path, name: str, rows: list[Any]) -> None:
    text = "\n".join(json.dumps(row) if not isinstance(row, str) else row for row in rows)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "corpus.jsonl.gz", CORPUS)
    write(tmp_path, "queries_dev.jsonl", QUERIES)
    (tmp_path / "qrels_dev.tsv").write_text(QRELS)
    write(tmp_path, "contexts.jsonl", CONTEXTS)
    write(tmp_path, "qa.jsonl", QA)
    return tmp_path


def test_a_judged_collection_is_its_queries_that_have_a_relevant_document(folder: Path) -> None:
    judged = load_judged(folder)
    assert judged
    assert judged.documents == {
        "gold": "Mining\nGold is dug in the west.",
        "cotton": "Cotton grows in the south.",
    }
    assert judged.queries == {"1": "where is gold dug", "2": "cotton"}
    assert judged.qrels == {"1": {"gold": 1}, "2": {"cotton": 2}}
    assert judged.source == "queries_dev.jsonl with qrels_dev.tsv"


def test_contexts_of_one_title_are_one_text_and_spans_are_places_in_it(folder: Path) -> None:
    spans = load_spans(folder)
    assert spans
    text = spans.texts["Mali"]
    assert text == "Gold is dug in the west.\n\nCotton grows in the south."
    evidence = [[text[start:end] for start, end in question.evidence] for question in spans.questions]
    assert evidence == [["the south"], [], ["Gold"]]
    assert [question.answerable for question in spans.questions] == [True, False, True]


def test_a_folder_without_a_layout_holds_neither(tmp_path: Path) -> None:
    assert load_judged(tmp_path) is None
    assert load_spans(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("queries.jsonl", QUERIES, None),  # no qrels.tsv goes with it: not a pair
        ("queries_dev.jsonl", QUERIES[:1], "query '2' is judged but not in queries_dev.jsonl"),
        ("queries_dev.jsonl", ["{"], r"queries_dev.jsonl:1: not JSON"),
        ("queries_dev.jsonl", [[1]], r"queries_dev.jsonl:1: found list, expected an object"),
        ("queries_dev.jsonl", [{"_id": "1"}], r"queries_dev.jsonl:1: field 'text' is None; expected text"),
        ("corpus.jsonl.gz", CORPUS[:1], r"qrels_dev.tsv:3: document 'cotton' is not in the corpus"),
        ("qrels_dev.tsv", ["head", "1 gold 1"], r"qrels_dev.tsv:2: found '1 gold 1', expected query-id"),
    ],
)
def test_a_wrong_judged_collection_is_refused_by_name(
    folder: Path, name: str, rows: list[Any], message: str | None
) -> None:
    write(folder, name, rows)
    if message is None:
        assert load_judged(folder)
    else:
        with pytest.raises(CollectionError, match=message):
            load_judged(folder)


def test_two_pairs_of_queries_and_judgements_are_one_too_many(folder: Path) -> None:
    write(folder, "queries.jsonl", QUERIES)
    (folder / "qrels.tsv").write_text(QRELS)
    with pytest.raises(CollectionError, match="found 2 pairs of queries"):
        load_judged(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context_id": "c9"}, r"qa.jsonl:1: context 'c9' is not in contexts.jsonl"),
        ({"answer_starts": [3]}, r"qa.jsonl:1: no answer stands at its offset"),
        ({"question": ""}, r"qa.jsonl:1: field 'question' is ''; expected text"),
    ],
)
def test_a_wrong_span_is_refused_by_file_and_line(folder: Path, change: dict[str, Any], message: str) -> None:
    write(folder, "qa.jsonl", [SOUTH | change])
    with pytest.raises(CollectionError, match=message):
        load_spans(folder)
    (folder / "contexts.jsonl").unlink()
    with pytest.raises(CollectionError, match=r"found qa.jsonl but no contexts.jsonl"):
        load_spans(folder)


def test_bm25_and_dense_are_measured_on_whole_documents_and_vectors_are_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "README.md").write_text("# Two\n\nPublished elsewhere:\n| a |\n")
    encoded: list[list[str]] = []

    class Counting:
        def __init__(self, source: object) -> None: ...

        def encode(self, texts: list[str]) -> object:
            """Two dimensions: is it about gold, is it about cotton."""
            encoded.append(texts)
            return np.array([["gold" in t.lower(), "cotton" in t.lower()] for t in texts], dtype=np.float32)

    monkeypatch.setattr("eval.bench.PassageEncoder", Counting)
    for _ in range(2):
        table = bench_table(
            load_judged(folder), None, folder, tmp_path / "cache", ("bm25", "dense", "fusion"), lambda _: None
        )
        for stage in ("bm25", "dense", "fusion"):
            assert f"| {stage} | 1.0000 | 1.0000 |" in table
    assert table.endswith("From the collection's README:\n\nPublished elsewhere:\n| a |")
    assert len(encoded) == 2  # documents and queries, once


@pytest.mark.parametrize("stages", [("full",)])
def test_the_whole_service_is_measured_on_a_bundle_of_the_collection(
    folder: Path, tmp_path: Path, stages: tuple[str, ...]
) -> None:
    table = bench_table(
        load_judged(folder), load_spans(folder), folder, tmp_path / "c", stages, lambda _: None
    )
    assert "| full | 1.0000 | 1.0000 |" in table
    assert "1 texts, 3 questions, each asked of its own text" in table
    assert "verbatim 1.000" in table
    assert "is no test of it" not in table


def test_the_full_pipeline_is_marked_on_a_collection_that_the_adapter_learned_from(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"crs_qa", "scifact"} <= learned_from()
    monkeypatch.setattr("eval.bench.learned_from", lambda: {folder.name})
    monkeypatch.setattr("eval.bench.bench_judged", lambda *_: {})
    for stages, marked in ((("bm25",), False), (("bm25", "full"), True)):
        table = bench_table(load_judged(folder), None, folder, tmp_path, stages, lambda _: None)
        assert ("is no test of it" in table) == marked
