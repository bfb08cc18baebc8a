import gzip
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.speed import scale
from eval.speed.asked import ask
from eval.speed.fleet import ACCURATE, CONTROL, NAIVE, OURS, SAME, FleetError, System, ours, resident, running
from eval.speed.installed import size
from eval.speed.load import Load, LoadError, distinct, drive, request
from eval.speed.page import READING, keep_reading, speed_page
from eval.speed.peers import Naive
from eval.speed.rows import BEST_PEER, Bar, Row, order
from eval.speed.run import Result
from eval.speed.scale import IndexAlone, Size, growth_plot, measure_index, scale_page
from eval.speed.texts import first_words, read_questions, read_texts, write_corpus
from indexer.bundle import Bundle
from indexer.embedding import BASE_ENCODER, DEFAULT_ENCODER, find_encoder
from indexer.reports import read_corpus
from indexer.store import EmbeddingStore

# --- rows ---


def row(control: list[float], naive: list[float], *bars: Bar) -> Row:
    return Row("p50", "ms", "lower", {OURS: [2.0, 4.0], CONTROL: control, NAIVE: naive}, bars)


def test_a_ratio_is_the_geometric_mean_over_the_rounds() -> None:
    slower = row([2.0, 4.0], [8.0, 64.0])  # 4 and 16 times as long
    assert slower.ratio("naive").mean == pytest.approx(8)
    assert (slower.ratio("naive").low, slower.ratio("naive").high) == pytest.approx((4, 16))
    assert slower.others == ["naive"]


def test_each_mode_has_its_own_ratio() -> None:
    both = Row("p50", "ms", "lower", {OURS: [2.0], ACCURATE: [20.0], NAIVE: [30.0], "chroma": [10.0]})
    assert both.others == [NAIVE, "chroma"]
    assert both.ratio(NAIVE).mean == pytest.approx(15)
    assert both.ratio(NAIVE, ACCURATE).mean == pytest.approx(1.5)
    assert both.ratio(ACCURATE).mean == pytest.approx(10)


@pytest.mark.parametrize(
    ("bar", "hardest", "reached"),
    [
        (Bar(8.0), NAIVE, True),  # 30 over 2
        (Bar(16.0), NAIVE, False),
        (Bar(6.0, BEST_PEER), "chroma", False),  # 10 over 2
        (Bar(1.0, of=ACCURATE), NAIVE, True),  # 30 over 20
        (Bar(1.0, BEST_PEER, ACCURATE), "chroma", False),  # 10 over 20
        (Bar(1.0, "txtai"), None, False),  # not measured
    ],
)
def test_a_bar_is_judged_by_the_system_that_is_hardest_to_beat(
    bar: Bar, hardest: str | None, reached: bool
) -> None:
    values = {OURS: [2.0], ACCURATE: [20.0], NAIVE: [30.0], "chroma": [10.0], "lancedb": [40.0]}
    found = Row("p50", "ms", "lower", values, (bar,))
    assert (found.hardest(bar), found.reached(bar)) == (hardest, reached)


def test_a_bar_is_reached_by_the_lower_end_of_the_interval() -> None:
    found = row([2.0, 4.0], [8.0, 64.0])  # 4 and 16 times, 8 on average
    assert found.reached(Bar(4.0))
    assert not found.reached(Bar(8.0))


def test_where_more_is_better_the_ratio_is_the_other_way_round() -> None:
    rates = Row("answers", "1/s", "higher", {OURS: [100.0], "naive": [20.0]})
    assert rates.ratio("naive").mean == pytest.approx(5)
    assert rates.control is None
    assert not rates.void


@pytest.mark.parametrize(("factor", "void"), [(1.0, False), (1.09, False), (1.11, True), (0.9, True)])
def test_a_row_is_void_if_this_service_is_not_as_fast_as_itself(factor: float, void: bool) -> None:
    assert row([2 * factor, 4 * factor], [8.0, 16.0]).void is void


def test_every_system_has_its_turn_in_every_round_and_goes_first_and_last_in_turn() -> None:
    rounds = [order("ABC", turn) for turn in range(6)]
    assert all(sorted(found) == ["A", "B", "C"] for found in rounds)
    assert ["".join(found) for found in rounds] == ["ABC", "CBA", "BCA", "ACB", "CAB", "BAC"]


# --- load ---


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.integers(0, 10**6), st.integers(1, 50))
def test_no_question_is_asked_twice(questions: list[str], first: int, count: int) -> None:
    asked = list(islice(distinct(questions, first), count))
    assert len(set(asked)) == count
    assert all(any(text.startswith(question) for question in questions) for text in asked)


Serve = Callable[[bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves every request of every connection with the given bytes, on a port of its own."""
    listening = socket.create_server(("127.0.0.1", 0))

    def connection(sock: socket.socket, reply: bytes) -> None:
        with sock:
            while sock.recv(65_536):
                sock.sendall(reply)

    def accept(reply: bytes) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=connection, args=(sock, reply), daemon=True).start()

    def start(reply: bytes) -> int:
        threading.Thread(target=accept, args=(reply,), daemon=True).start()
        port: int = listening.getsockname()[1]
        return port

    yield start
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def reply(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def test_every_request_is_timed(serve: Serve) -> None:
    load = drive(serve(reply(200)), map(request, islice(distinct(["When?"]), 7)), clients=3)
    assert len(load.milliseconds) == 7
    assert load.refused == 0
    assert load.rate == pytest.approx(7 / load.seconds)


def test_an_answer_in_pieces_is_one_answer(serve: Serve) -> None:
    port = serve(reply(200, b"x" * 3_000_000))
    assert len(drive(port, iter([request("When?")] * 2)).milliseconds) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_counted_and_not_timed(serve: Serve, status: int) -> None:
    load = drive(serve(reply(status)), iter([request("When?")]))
    assert (load.milliseconds, load.refused, load.share_refused) == ([], 1, 1.0)


def test_refusals_are_no_answers_in_the_rate() -> None:
    load = Load([20.0, 30.0, 40.0], refused=9, seconds=1.5)
    assert load.rate == pytest.approx(2)
    assert load.share_refused == pytest.approx(0.75)


def test_another_status_ends_the_run(serve: Serve) -> None:
    with pytest.raises(LoadError, match="found status 500"):
        drive(serve(reply(500)), iter([request("When?")]))


def test_a_broken_connection_ends_the_run(serve: Serve) -> None:
    port = serve(b"no HTTP\r\n\r\n")
    with pytest.raises(LoadError, match="expected an answer with its length"):
        drive(port, iter([request("When?")]))


# --- fleet ---


@pytest.mark.parametrize(
    ("name", "mode"), [(OURS, "fast"), (CONTROL, "fast"), (ACCURATE, "accurate"), (SAME, "fast")]
)
def test_this_service_is_asked_in_the_mode_of_its_row(name: str, mode: str, tmp_path: Path) -> None:
    body = ours(name, tmp_path, tmp_path).request("When?").partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {"query": "When?", "limit": 3, "mode": mode}


@pytest.mark.parametrize(("name", "encoder"), [(OURS, DEFAULT_ENCODER), (SAME, BASE_ENCODER)])
def test_one_of_these_services_has_the_encoder_of_the_peers(name: str, encoder: str, tmp_path: Path) -> None:
    command = ours(name, tmp_path, tmp_path).build
    assert command[command.index("--encoder") + 1] == encoder


def test_a_peer_is_asked_for_no_mode(tmp_path: Path) -> None:
    body = System(NAIVE, (), (), tmp_path, (), tmp_path / "log").request("When?").partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {"query": "When?", "limit": 3}


def test_a_service_that_ends_by_itself_is_named_with_what_it_said(tmp_path: Path) -> None:
    command = ("sh", "-c", "echo no such port; exit 1")
    system = System("naive", (), command, tmp_path, (), tmp_path / "log")
    with pytest.raises(FleetError, match=r"naive: found no answer .*no such port"), running(system, 1, "?"):
        pass


def test_the_memory_of_a_group_that_is_gone_is_none() -> None:
    assert resident(2**22 + 1) == 0


def test_what_two_packages_need_is_counted_once() -> None:
    assert size(["fastapi"]) > size(["pydantic"]) > 0
    assert size(["fastapi", "pydantic"]) == size(["fastapi"])
    assert size(['fastapi; python_version < "3"', "no-such-package"]) == 0


def test_the_naive_service_finds_the_nearest_passage(tmp_path: Path) -> None:
    peer = Naive(tmp_path, find_encoder(BASE_ENCODER).folder)
    peer.build(["Gold is dug in Kayes.", "Cotton grows.", "The river rose."])
    peer.open()
    ((text, score), _) = peer.search("Where is gold mined?", 2)
    assert text == "Gold is dug in Kayes."
    assert 0.3 < score < 1


# --- texts ---


def test_every_long_text_of_a_folder_is_read_once(tmp_path: Path) -> None:
    long, other = "word " * 60, "other " * 60
    lines = [{"_id": "1", "text": long}, {"_id": "2", "text": "a query"}, {"_id": "3", "question": long}]
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    again = [{"_id": "4", "text": long}, {"_id": "5", "text": other}]
    (tmp_path / "deep" / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, again)).encode()))
    assert read_questions(tmp_path, 9) == [long]
    found = list(read_texts(tmp_path))
    assert found == [long, other]
    write_corpus(found, tmp_path / "corpus")
    assert [report.id for report in read_corpus(tmp_path / "corpus")] == ["T000000", "T000001"]


@pytest.mark.parametrize(("words", "count"), [(1, 1), (3, 1), (4, 2), (99, 3)])
def test_texts_are_taken_until_there_are_enough_words(words: int, count: int) -> None:
    texts = ["one two three", "four", "five six"]
    assert list(first_words(texts, words)) == texts[:count]


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found no row with a text .* in any \*\.jsonl"):
        list(read_texts(tmp_path))
    with pytest.raises(ValueError, match="found no row with a question"):
        read_questions(tmp_path, 9)


# --- scale ---


def test_a_small_bundle_finds_all_that_exact_search_finds(bundle_path: Path) -> None:
    asked = ask(bundle_path, ["Who is Mali's president?", "When did France withdraw?"])
    assert asked["recall"] == 1
    assert 0 < asked["p50"] <= asked["p95"]


def test_a_size_is_measured_once_and_none_encodes_what_a_smaller_one_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"The river Bani rose by {number} metres. " * 15 for number in range(16)]
    rows = [{"text": text, "question": f"How far is {number}?"} for number, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    said: list[str] = []
    runs: list[list[str]] = []

    def stands_in(*arguments: str, show: bool = False) -> str:
        runs.append([*arguments])
        if arguments[1] == "eval.speed.asked":
            return json.dumps({"p50": 4.0})
        where = {name: Path(value) for name, value in pairwise(arguments) if name.startswith("--")}
        with EmbeddingStore(where["--store"]) as store:
            for report in read_corpus(where["--corpus"]):
                key = hashlib.sha256(report.source).digest()
                if key not in store:
                    store.add(key, b"vector")
        where["--bundle"].mkdir()
        counts, indexes = {"passages": 1, "sentences": 2}, {"sentences": {"kind": "flat"}}
        manifest = {"files": {}, "counts": counts, "indexes": indexes}
        (where["--bundle"] / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        return ""

    monkeypatch.setattr(scale, "_run", stands_in)
    work = tmp_path / "work"
    first = list(scale.measure_sizes(tmp_path, 10_000, work, said.append))
    assert [size.encoded for size in first] == [1, 3, 12]
    assert len(runs) == 6
    assert list(scale.measure_sizes(tmp_path, 10_000, work, said.append)) == first
    assert len(runs) == 6


def test_an_index_alone_is_as_large_as_asked_for(bundle: Bundle) -> None:
    alone = measure_index(bundle, 1_234, lambda line: None)
    assert alone.vectors == 1_234
    assert alone.about == {"kind": "flat"}
    assert alone.megabytes == pytest.approx(1_234 * 384 * 4 / 1e6, rel=0.001)


def test_growth_is_tabulated_and_plotted(tmp_path: Path) -> None:
    asked = {"open": 0.1, "p50": 4.0, "p95": 8.0, "accurate": 20.0, "own": 100.0, "mapped": 50.0}
    sizes = [
        Size("small", 1_000, 4_000, 900, 20.0, 40.0, "flat", asked | {"recall": 1.0}),
        Size(
            "large", 16_000, 64_000, 16_000, 320.0, 640.0, "PQ8x4fs", asked | {"p50": 5.0, "recall": 0.9875}
        ),
    ]
    alone = IndexAlone(1_000_000, 60.0, 392.0, 1.5, {"kind": "PQ8x4fs", "ranked": 400})
    page = scale_page(sizes, [alone], "made by hand", tmp_path)
    assert (
        "| 16,000 | 64,000 | PQ8x4fs | 16,000 | 320 | 50 | 640 | 0.1 | 5.0 | 8.0 | 20.0 | 100 | 50 | 0.9875 |"
        in page
    )
    assert "| p50 in `fast`, 16,000 passages over 1,000 | 1.25 | at most 1.3 | yes |" in page
    assert "| recall@5 of exact search, 16,000 passages | 0.9875 | at least 0.99 | no |" in page
    assert "| 1,000,000 | PQ8x4fs | 60 | 392 | 1.50 | ranked 400 |" in page
    ElementTree.fromstring((tmp_path / "scale.svg").read_text("utf-8"))
    assert growth_plot(sizes[:1])  # one size is a point


# --- page ---


def test_the_page_says_what_was_reached_and_plots_it(tmp_path: Path) -> None:
    met = row([2.0, 4.0], [20.0, 40.0], Bar(8.0), Bar(11.0), Bar(6.0, BEST_PEER))
    page = speed_page(Result((met,), 50_000, 23), "made by hand", tmp_path)
    assert "| p50: report-qa against naive | 10.00 (10.00 to 10.00) | 8 | yes |" in page
    assert "| p50: report-qa against naive | 10.00 (10.00 to 10.00) | 11 | no |" in page
    assert "best peer" not in page  # there is none
    assert "**1 of 2 bars reached.**" in page
    assert "Void" not in page
    plot = ElementTree.fromstring((tmp_path / "speed-0.svg").read_text("utf-8"))
    assert "10.0" in {element.text for element in plot.iter()}


def test_a_void_row_is_named_and_meets_nothing(tmp_path: Path) -> None:
    void = row([3.0, 6.0], [20.0, 40.0], Bar(8.0))
    page = speed_page(Result((void,), 50_000, 23), "made by hand", tmp_path)
    assert "**Void**: the control is beyond ±10% in: p50." in page
    assert "| p50: report-qa against naive | 10.00 (10.00 to 10.00) | 8 | void |" in page


def test_the_page_shows_both_modes_and_who_was_refused(tmp_path: Path) -> None:
    values = {OURS: [100.0], ACCURATE: [20.0], NAIVE: [10.0], "chroma": [5.0]}
    bars = (Bar(8.0), Bar(1.0, BEST_PEER, ACCURATE))
    found = Row("answers", "1/s", "higher", values, bars, {ACCURATE: 0.125})
    page = speed_page(Result((found,), 50_000, 23), "made by hand", tmp_path)
    assert "| answers: report-qa, accurate against best peer (chroma) | 4.00 | 1 | yes |" in page
    assert "| system | median | range | report-qa better by | report-qa, accurate better by |" in page
    assert "| report-qa, accurate | 20 |  | 5.00 |  |" in page
    assert "| naive | 10 |  | 10.00 | 2.00 |" in page
    assert "Refused, of all that was asked: report-qa, accurate 12.5%." in page


def test_a_reading_stays_when_the_page_is_made_again() -> None:
    assert keep_reading("new\n", f"old\n\n{READING}\n\nMine.\n") == f"new\n\n{READING}\n\nMine.\n"
    assert keep_reading("new\n", "old\n") == "new\n"
