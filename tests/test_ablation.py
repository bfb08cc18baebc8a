import re
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from eval import ablation
from eval.ablation import ABLATIONS, Ablation, Subject, measure
from eval.questions import QUESTIONS
from indexer.bundle import Bundle
from indexer.embedding import BASE_ENCODER
from service.answer import Answerer

CORPUS = QUESTIONS.parents[1] / "corpus"


@pytest.fixture(scope="module")
def subject(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The report, and a tenth of its questions."""
    folder = tmp_path_factory.mktemp("questions")
    lines = (QUESTIONS / "IF10116" / "answerable.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "some.jsonl").write_text("".join(lines[::10]), "utf-8")
    return Subject("report", CORPUS, bundle_path, folder)


def row(table: str, name: str) -> list[float]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {name} |"))
    return [float(cell) for cell in line.split("|")[2:-1]]


def test_a_part_without_which_nothing_is_found_is_seen_to_be_worth_much(
    subject: Subject, tmp_path: Path
) -> None:
    blind = partial(
        mock.patch, "service.retriever.fuse", lambda scores, weights: np.arange(len(scores), dtype=float)
    )
    changes = [Ablation("as served"), Ablation("blind", blind)]
    told: list[str] = []
    table = measure(changes, [subject], tmp_path, told.append)
    assert table.splitlines()[0] == "| change | report Success@1 | report Success@3 | report Answer@1 |"
    assert told == table.splitlines()[2:]
    served, without = row(table, "as served"), row(table, "blind")
    assert served[0] > without[0] + 0.4
    assert served[0] <= served[1]


def test_what_decides_the_bundle_is_built_again_and_the_one_that_is_served_stays(
    subject: Subject, tmp_path: Path
) -> None:
    before = (subject.bundle / "manifest.json").read_bytes()
    measure([Ablation("base", builds=True, encoder=BASE_ENCODER)], [subject], tmp_path, lambda line: None)
    assert (subject.bundle / "manifest.json").read_bytes() == before
    assert (tmp_path / "report" / "bundle" / "manifest.json").is_file()


@pytest.mark.parametrize("change", [a for a in ABLATIONS if not a.builds], ids=lambda a: a.name)
def test_each_change_of_the_code_can_still_be_asked(change: Ablation, bundle: Bundle) -> None:
    history = [{"role": "user", "content": "Who leads MINUSMA?"}]
    with change.patch():
        answerer = Answerer(bundle)
        for question in ("When did Frnace leave?", "Qui est le president du Mali?", "And when did it end?"):
            assert answerer.answer(question, history=history, mode=change.mode).results


def test_each_change_has_a_name_of_its_own() -> None:
    names = [change.name for change in ABLATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[^|]+", name) for name in names)


SCORES = np.array([[0.9, 1.0], [0.5, 9.0], [0.1, 2.0]])
WEIGHTS = np.ones(2)


def test_fusions_by_hand() -> None:
    assert ablation._min_max(SCORES, WEIGHTS) == pytest.approx([1 + 0, 0.5 + 1, 0 + 0.125])
    assert ablation._reciprocal_ranks(SCORES, WEIGHTS) == pytest.approx(
        [1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62]
    )
    spread = np.array([1, 9, 2]).std()
    assert ablation._standard_scores(SCORES, WEIGHTS)[1] == pytest.approx(5 / spread)
