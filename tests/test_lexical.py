import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from math import log
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.bundle import Bundle
from indexer.documents import Document
from indexer.lexical import K1, B, LexicalIndex, fold, terms
from indexer.passages import encoding_sentences

ROOT = Path(__file__).parent.parent


def bm25(texts: list[str], query: list[str]) -> list[float]:
    """The oracle: BM25 as Lucene has it, straight from Kamphuis et al. 2020, table 1."""
    documents = [Counter(terms(text)) for text in texts]
    average = sum(document.total() for document in documents) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for term in query:
            frequency = sum(term in other for other in documents)
            idf = log(1 + (len(documents) - frequency + 0.5) / (frequency + 0.5))
            length = 1 - B + B * document.total() / average
            score += idf * document[term] / (document[term] + K1 * length)
        scores.append(score)
    return scores


# --- words ---


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Goïta KÉÏTA", "goita keita"),
        ("Ke\u0301i\u0308ta", "keita"),
        ("STRASSE Straße", "strasse strasse"),
        ("ﬁrm Ⅻ ²", "firm xii 2"),
        ("Ðurić", "ðuric"),
        ("", ""),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sanctions sanctioned sanction", ["sanction"] * 3),
        ("The coup of the junta", ["coup", "junta"]),
        ("U.S. troops", ["us", "troop"]),
        ("the U.S.-backed U.S. aid", ["us", "back", "us", "aid"]),
        ("us", []),  # the pronoun is no term, the country is
        ("P.L. 117-103", ["pl", "117", "103"]),
        ("15,000 troops in 2,400", ["15000", "troop", "2400"]),
        ("one, two", ["one", "two"]),
        ("1,5", ["1", "5"]),  # no grouping
        ("Mali's junta’s coups'", ["mali", "junta", "coup"]),
        ("coup d'état", ["coup", "detat"]),
        ("Goïta", ["goita"]),
        ("Al-Qaeda snake_case", ["al", "qaeda", "snake", "case"]),
        ("$10 million", ["10", "million"]),
        ("?! — …", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.text())
@example("Goïta's U.S. 15,000")
@example("\U0001d54a")  # a mathematical S: upper case, but without a lower-case form
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(normalize("NFD", text)) == fold(normalize("NFC", text))


# --- scores ---

words = st.sampled_from("mali coup gold junta wagner sanction aid the troop 2024 2023 peace".split())
texts = st.lists(st.lists(words, max_size=12).map(" ".join), min_size=1, max_size=8)


@given(texts.filter(lambda found: any(terms(text) for text in found)), st.lists(words, max_size=6))
@example(["gold gold coup", "coup", "aid"], ["gold", "gold", "coup", "wagner"])
def test_scores_are_bm25_as_lucene_has_it(found: list[str], asked: list[str]) -> None:
    query = terms(" ".join(asked))
    np.testing.assert_allclose(LexicalIndex.build(found).scores(query), bm25(found, query), atol=1e-5)


def test_scores_by_hand() -> None:
    index = LexicalIndex.build(["gold gold coup", "coup"])
    idf = log(1 + 1.5 / 1.5)  # "gold" is in one of two
    gold = idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    assert index.scores(["gold"]) == pytest.approx([gold, 0], abs=1e-6)
    assert index.scores(["gold", "gold"]) == pytest.approx([2 * gold, 0], abs=1e-6)
    assert index.idf(["gold", "coup", "peace"]) == pytest.approx(
        [idf, log(1 + 0.5 / 2.5), log(1 + 2.5 / 0.5)]
    )


def test_scores_of_the_report_are_bm25_as_lucene_has_it(bundle: Bundle, mali: Document) -> None:
    query = terms("How much did Mali agree to pay the Wagner Group for U.S. sanctions?")
    texts = [" ".join(encoding_sentences(mali, passage)) for passage in bundle.passages]
    np.testing.assert_allclose(bundle.lexical.scores(query), bm25(texts, query), atol=1e-5)


@pytest.mark.parametrize("query", [[], ["nowhere"], ["nowhere", "never"]])
def test_a_question_without_a_known_term_scores_nothing(query: list[str]) -> None:
    index = LexicalIndex.build(["gold coup", "aid"])
    assert index.scores(query).tolist() == [0, 0]
    assert index.scores(query).dtype == np.float32


def test_a_text_without_terms_has_a_place_and_no_score() -> None:
    index = LexicalIndex.build(["the of and", "gold", "!?"])
    assert index.size == 3
    assert np.flatnonzero(index.scores(["gold"])).tolist() == [1]


# --- files ---


def test_what_is_saved_is_what_is_loaded(tmp_path: Path, bundle: Bundle) -> None:
    texts = [bundle.text(passage) for passage in bundle.passages]
    built = LexicalIndex.build(texts)
    built.save(tmp_path)
    loaded = LexicalIndex.load(tmp_path)
    query = terms("gold sanctions peace Goïta")
    assert (loaded.size, loaded.vocabulary) == (built.size, built.vocabulary)
    assert loaded.scores(query).tolist() == built.scores(query).tolist()
    assert loaded.idf(query).tolist() == built.idf(query).tolist()
    for path in tmp_path.iterdir():
        if path.suffix == ".npy":
            assert np.load(path, allow_pickle=False).dtype != object
        else:
            json.loads(path.read_bytes())


def test_files_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from indexer.lexical import LexicalIndex\n"
        "folder = Path(sys.argv[1]); folder.mkdir()\n"
        "LexicalIndex.build(['gold coup junta aid', 'peace aid sanctions', 'coup Wagner']).save(folder)\n"
    )
    digests = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", script, folder], cwd=ROOT, env=environment, check=True)
        files = sorted(folder.iterdir())
        digests.append([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])
    assert digests[0] == digests[1] != []
