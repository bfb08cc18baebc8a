import re
from dataclasses import replace
from pathlib import Path

import pytest

from eval.__main__ import main
from eval.calibrate import Asked
from eval.frontier import MEASURED, WAYS, Point, Way, frontier_page, frontier_plot, measure
from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import Answerer
from service.reader import DEPTH, WINDOW_WORDS

KINDS = ("fact", "paraphrase", "near", "falsepremise", "off")


@pytest.fixture(scope="module")
def asked(bundle: Bundle, questions: list[Question]) -> Asked:
    """A few dev questions of each kind that is needed."""
    dev = [question for question in questions if question.split == "dev"]
    return Asked(bundle, [q for kind in KINDS for q in [q for q in dev if q.kind == kind][:6]])


def windows(answerer: Answerer, question: str) -> list[int]:
    """Words of each window that is read for a question, its sentences alone."""
    _, retrieval = answerer.retrieve(question)
    read = answerer._reader.read(question, retrieval.candidates) if answerer._reader else []
    found = {}
    for item in read:
        passage = retrieval.candidates[item.candidate].passage
        last = item.reading.first + len(item.reading.sentences)
        spans = passage.sentences[item.reading.first : last]
        text = answerer.bundle.documents[passage.document_id].text[spans[0][0] : spans[-1][1]]
        found[id(item.reading)] = len(text.split())
    return list(found.values())


def test_a_way_decides_how_much_is_read_and_only_for_a_while(bundle: Bundle) -> None:
    answerer, question = Answerer(bundle), "What do Mali's neighbours think of its transition?"
    before = windows(answerer, question)
    assert 1 < len(before) <= DEPTH
    with Way("one", depth=1).applied():
        assert len(windows(answerer, question)) == 1
    with Way("long", words=90).applied():
        assert max(windows(answerer, question)) > WINDOW_WORDS
    assert windows(answerer, question) == before


def test_every_way_is_measured_on_every_corpus_and_takes_its_time(asked: Asked) -> None:
    told: list[str] = []
    ways = [Way("none", mode="fast"), Way("one", depth=1), Way("six", depth=6, words=90)]
    points = measure(ways, [asked, replace(asked, questions=asked.questions[::2])], told.append)
    assert [point.way for point in points] == ways
    assert len(told) == len(ways)
    assert all(len(point.worth) == 2 and len(point.worth[0]) == len(MEASURED) for point in points)
    assert all(0 <= value <= 1 for point in points for worth in point.worth for value in worth)
    assert points[0].worth != points[1].worth


def test_another_reader_can_be_named(asked: Asked, bundle_path: Path) -> None:
    told: list[str] = []
    same = Way("same", reader=bundle_path / "models")
    shipped, other = measure([Way("shipped"), same], [asked], told.append)
    assert shipped.worth == other.worth


def test_the_page_has_a_row_and_a_dot_for_each(tmp_path: Path) -> None:
    points = [
        Point(way, 5.0 + number, ((0.9, 0.8, 0.7 + number / 50, 0.6),)) for number, way in enumerate(WAYS)
    ]
    page = frontier_page(points, ["report"], tmp_path)
    for point in points:
        assert f"| {point.way.name} | {point.milliseconds:.1f} | 0.900 | 0.800 |" in page
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', frontier_plot(points, ["report"]))
    assert len(dots) == len(points)
    assert [float(x) for x, _ in dots] == sorted(float(x) for x, _ in dots)
    assert [float(y) for _, y in dots] == sorted((float(y) for _, y in dots), reverse=True)
    assert (tmp_path / "frontier.svg").read_text("utf-8") == frontier_plot(points, ["report"])


@pytest.mark.parametrize("given", ["nothing", "name=", "name=nowhere"])
def test_what_names_no_reader_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frontier", "--reader", given]) == 1
    told = capsys.readouterr().err
    assert f"--reader is {given!r}; expected NAME=FOLDER, a folder with reader.onnx and reader.json" in told
