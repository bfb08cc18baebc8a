import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.questions import Question
from indexer.bundle import Bundle
from indexer.cross_encoder import CrossEncoder, PairLogits
from indexer.passages import Passage
from service.query import Query
from service.reader import (
    FEATURES,
    UNREAD,
    WINDOW_WORDS,
    Reader,
    Reading,
    ReadSentence,
    rank_read,
    reading,
    window,
    window_text,
)
from service.retriever import Candidate, Retriever

WEIGHTS = dict(zip(FEATURES, (1.0, 0.5, 0.25), strict=True))


def words(*lengths: int) -> list[str]:
    return ["word " * length for length in lengths]


@pytest.mark.parametrize(
    ("lengths", "centre", "expected"),
    [
        ((10,), 0, (0, 1)),
        ((12, 12, 12), 1, (0, 2)),  # the one before is read first, and with it the window is full
        ((12, 6, 6, 6), 1, (0, 3)),
        ((6, 6, 6, 6), 3, (0, 4)),
        ((24, 10, 16), 1, (1, 3)),  # the one before is too long, the one after is not
        ((5, 300, 5), 1, (1, 2)),
    ],
)
def test_a_window_grows_by_whole_sentences(
    lengths: Sequence[int], centre: int, expected: tuple[int, int]
) -> None:
    assert window(words(*lengths), centre) == expected


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9), st.data())
def test_a_window_holds_its_centre_and_no_more_words_than_allowed(
    lengths: list[int], data: st.DataObject
) -> None:
    centre = data.draw(st.integers(0, len(lengths) - 1))
    first, last = window(words(*lengths), centre)
    assert 0 <= first <= centre < last <= len(lengths)
    assert last - first == 1 or sum(lengths[first:last]) <= WINDOW_WORDS


@given(st.text(max_size=9), st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1))
def test_each_sentence_stands_in_the_window_where_it_is_said_to(head: str, sentences: list[str]) -> None:
    text, spans = window_text(head, sentences)
    assert [text[start:end] for start, end in spans] == sentences
    assert text.startswith(head)


def logits(*tokens: tuple[int, int, float, float, float], nothing: float = 0.0) -> PairLogits:
    places = np.array([token[:2] for token in tokens], dtype=np.int64).reshape(-1, 2)
    values = np.array([token[2:] for token in tokens], dtype=np.float32).reshape(-1, 3)
    return PairLogits(1.5, places, values, nothing)


def test_a_sentence_is_the_mean_of_its_tokens_and_words_the_best_pair() -> None:
    found = logits((0, 3, 2, 9, -9), (4, 7, 4, 0, 1), (8, 11, -1, 2, 3), nothing=0.5)
    assert reading(7, [(0, 7), (8, 11), (12, 15)], found) == Reading(7, 1.5, (3.0, -1.0, UNREAD), 11.5)


def test_an_answer_does_not_end_before_it_begins() -> None:
    found = logits((0, 3, 0, -9, 9), (4, 7, 0, 9, -9))
    assert reading(0, [(0, 7)], found).words == 0.0


def test_a_model_without_tokens_says_the_same_of_every_sentence() -> None:
    assert reading(2, [(0, 3), (4, 7)], logits()) == Reading(2, 1.5, (1.5, 1.5), 1.5)


def candidate(name: str, score: float, *shares: float) -> Candidate:
    spans = tuple((n, n + 1) for n in range(len(shares)))
    return Candidate(Passage(name, "R", 0, len(shares), (), spans), 0, score, (), shares)


CANDIDATES = [candidate("a", 3.0, -0.1, -2.0), candidate("b", 2.0, 0.0), candidate("c", 1.0, 0.0)]


def read(row: int, sentence: int, logit: float, words: float) -> ReadSentence:
    before = CANDIDATES[row].score + CANDIDATES[row].shares[sentence]
    return ReadSentence(row, sentence, (before, logit, words), Reading(sentence, 0.0, (logit,), words))


def test_what_was_read_is_ranked_by_its_best_sentence_and_the_rest_follows_as_it_was() -> None:
    ranked = rank_read(CANDIDATES, [read(0, 0, -4, 0), read(0, 1, 2, 4), read(1, 0, 3, 3)], WEIGHTS)
    assert [(c.passage.passage_id, c.sentence) for c in ranked] == [("b", 0), ("a", 1), ("c", 0)]
    assert [c.score for c in ranked] == [2 + 1.5 + 0.75, 1 + 1 + 1, 2.0]
    assert [c.reading is not None for c in ranked] == [True, True, False]


def test_nothing_read_changes_no_order() -> None:
    assert [c.passage for c in rank_read(CANDIDATES, [], WEIGHTS)] == [c.passage for c in CANDIDATES]


@pytest.fixture(scope="module")
def reader(shelf: Bundle) -> Reader:
    return Reader(shelf)


def test_each_sentence_of_the_likeliest_windows_is_read_once(
    reader: Reader, shelf: Bundle, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.reader.ENOUGH", 1.1)
    retriever = Retriever(shelf)
    for question in questions[::80]:
        found = retriever.retrieve(Query(question.question)).candidates
        sentences = reader.read(question.question, found, depth=3)
        places = [(item.candidate, item.sentence) for item in sentences]
        assert len(set(places)) == len(places)
        assert len({item.reading for item in sentences}) == 3
        likeliest = min(
            (-c.score - share, row, s) for row, c in enumerate(found) for s, share in enumerate(c.shares)
        )
        assert likeliest[1:] in places
        assert all(math.isfinite(value) for item in sentences for value in item.features)


def test_nothing_more_is_read_once_it_is_as_good_as_certain_where_the_answer_is(
    reader: Reader, shelf: Bundle
) -> None:
    found = Retriever(shelf).retrieve(Query("gold")).candidates
    sure = [replace(found[0], score=found[1].score + 20), *found[1:]]
    assert {item.candidate for item in reader.read("gold", sure)} == {0}
    unsure = [replace(candidate, score=0.0) for candidate in found]
    assert len({item.candidate for item in reader.read("gold", unsure)}) > 1


def test_nothing_more_is_read_after_a_window_that_answers_surely(
    reader: Reader, shelf: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.reader.ENOUGH", 1.1)
    found = Retriever(shelf).retrieve(Query("When did France withdraw its troops?")).candidates
    whole = list(dict.fromkeys(item.reading for item in reader.read("When did France withdraw?", found)))
    sure = max(window.answers for window in whole)
    read = reader.read("When did France withdraw?", found, sure=sure)
    last = next(number for number, window in enumerate(whole) if window.answers == sure)
    assert list(dict.fromkeys(item.reading for item in read)) == whole[: last + 1]
    assert len(read) < len(reader.read("When did France withdraw?", found))


def test_reading_repeats(reader: Reader, shelf: Bundle) -> None:
    found = Retriever(shelf).retrieve(Query("When did France withdraw?")).candidates
    first = reader.read("When did France withdraw?", found)
    reader.read("What did tickets cost?", found)
    assert reader.read("When did France withdraw?", found) == first


# --- reading ahead ---


class Watched:
    """Reads as an encoder does, and holds whoever reads the first window until told to go on."""

    def __init__(self, encoder: CrossEncoder) -> None:
        self.encoder, self.threads = encoder, list[str]()
        self.others = threading.Semaphore(0)
        self.waits_for = 0

    def read(self, question: str, text: str) -> PairLogits:
        self.threads.append(name := threading.current_thread().name)
        if name.startswith("ahead"):
            self.others.release()
        for _ in range(self.waits_for if not name.startswith("ahead") else 0):
            assert self.others.acquire(timeout=60)
        self.waits_for = 0
        return self.encoder.read(question, text)


@pytest.fixture
def three(shelf: Bundle, monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """Candidates of which three windows are read."""
    monkeypatch.setattr("service.reader.ENOUGH", 1.1)
    return Retriever(shelf).retrieve(Query("When did France withdraw its troops?")).candidates


def watched(shelf: Bundle, cores: int) -> tuple[Reader, Watched]:
    watch = Watched(cast(CrossEncoder, shelf.reader))
    return Reader(replace(shelf, reader=cast(CrossEncoder, watch)), cores), watch


@pytest.mark.parametrize(("cores", "ahead"), [(1, 0), (2, 1), (3, 2), (8, 2)])
def test_free_cores_read_at_the_same_time_and_change_no_answer(
    reader: Reader, shelf: Bundle, three: list[Candidate], cores: int, ahead: int
) -> None:
    at_once, watch = watched(shelf, cores)
    for question in ("When did France withdraw?", "What did tickets cost?"):
        watch.waits_for = ahead  # the first window is not read before so many others are begun
        watch.threads.clear()
        assert at_once.read(question, three) == reader.read(question, three)
        assert sum(name.startswith("ahead") for name in watch.threads) == ahead


def test_a_core_that_is_taken_reads_nothing_ahead(shelf: Bundle, three: list[Candidate]) -> None:
    both, watch = watched(shelf, 2)
    inside = both._readings("When did France withdraw?", both._windows(three, 1))
    next(inside)  # somebody else is reading
    watch.threads.clear()
    both.read("What did tickets cost?", three)
    assert not any(name.startswith("ahead") for name in watch.threads)
    inside.close()
    both.read("What did tickets cost?", three)
    assert any(name.startswith("ahead") for name in watch.threads)


def test_what_fails_ahead_fails_and_frees_its_core(shelf: Bundle, three: list[Candidate]) -> None:
    class Failing(Watched):
        def read(self, question: str, text: str) -> PairLogits:
            if threading.current_thread().name.startswith("ahead"):
                raise RuntimeError("no room")
            return self.encoder.read(question, text)

    encoder = Failing(cast(CrossEncoder, shelf.reader))
    both = Reader(replace(shelf, reader=cast(CrossEncoder, encoder)), 2)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no room"):
            both.read("When did France withdraw?", three)


def test_what_is_sure_waits_for_nothing_that_was_begun(shelf: Bundle, three: list[Candidate]) -> None:
    go_on = threading.Event()

    class Slow(Watched):
        def read(self, question: str, text: str) -> PairLogits:
            if threading.current_thread().name.startswith("ahead"):
                go_on.wait(60)
            return self.encoder.read(question, text)

    both = Reader(replace(shelf, reader=cast(CrossEncoder, Slow(cast(CrossEncoder, shelf.reader)))), 2)
    read = both.read("When did France withdraw?", three, sure=-math.inf)
    assert len({item.reading for item in read}) == 1
    assert not go_on.is_set()
    go_on.set()


def test_after_reading_shares_are_of_what_was_read() -> None:
    ranked = rank_read(CANDIDATES, [read(0, 0, 2, 0), read(0, 1, 1, 0), read(1, 0, 3, 3)], WEIGHTS)
    shares = {c.passage.passage_id: [math.exp(share) for share in c.shares] for c in ranked}
    assert sum(shares["a"]) == pytest.approx(1)
    assert shares["b"] == [1.0]
    assert shares["c"] == [1.0]
    both = rank_read(CANDIDATES, [read(0, 1, 1, 0)], WEIGHTS)[0]
    assert [math.exp(share) for share in both.shares] == [0.0, 1.0]  # the first was not read
