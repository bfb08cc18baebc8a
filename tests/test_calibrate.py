from dataclasses import replace

import numpy as np
import pytest

from eval.calibrate import ANSWERABLE_REFUSED, SURE, Asked, calibrate, fit_choice, read_for
from eval.frontier import Way
from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import Answerer
from service.reader import FEATURES


@pytest.fixture(scope="module")
def asked(bundle: Bundle, questions: list[Question]) -> Asked:
    """A third of the dev questions: enough to fit on."""
    return Asked(bundle, [question for question in questions if question.split == "dev"][::3])


def test_the_channel_that_tells_right_from_wrong_gets_the_weight() -> None:
    random = np.random.default_rng(0)
    choices = []
    for _ in range(60):
        features = random.normal(size=(5, 2))
        right = np.arange(5) == np.argmax(features[:, 0] + random.normal(scale=0.3, size=5))
        choices.append((features, right))
    telling, other = fit_choice(choices)
    assert telling > 2
    assert abs(other) < telling / 3


def test_choices_without_a_right_one_say_nothing() -> None:
    some = [(np.array([[1.0], [0.0], [0.5]]), np.array([True, False, False])),
            (np.array([[0.2], [0.9], [0.1]]), np.array([True, False, False]))]  # fmt: skip
    none = (np.array([[3.0], [7.0]]), np.array([False, False]))
    assert fit_choice([*some, none]) == pytest.approx(fit_choice(some))


def test_what_is_fitted_repeats_and_refuses_few_of_what_is_answered(asked: Asked) -> None:
    fitted = calibrate(asked)
    assert fitted == calibrate(asked)
    manifest = {**asked.bundle.manifest, "calibration": fitted}
    answerer = Answerer(replace(asked.bundle, manifest=manifest))
    answers = [
        answerer.answer(question.question, 1, [question.document_id])
        for question in asked.questions
        if question.answerable and not question.history
    ]
    refused = np.mean([not answer.answerable for answer in answers])
    assert refused <= ANSWERABLE_REFUSED + 2 / len(answers)
    assert set(fitted["reading"]["ranking"]) == set(FEATURES)
    best = [answer.results[0].candidate.reading for answer in answers]
    ended = np.mean([found is not None and found.answers >= fitted["reading"]["sure"] for found in best])
    assert ended == pytest.approx(1 - SURE, abs=0.1)
    assert fitted["reading"]["reader_sha256"] == asked.bundle.manifest["reader"]["sha256"]


def test_what_is_fitted_on_is_read_as_serving_reads(asked: Asked) -> None:
    calibration = asked.bundle.manifest["calibration"]
    sure, answerer = calibration["reading"]["sure"], Answerer(asked.bundle)
    cut = 0
    for question in asked.questions[::4]:
        query, retrieval = answerer.retrieve(question.question, [question.document_id], question.history)
        (item,) = read_for(replace(asked, questions=[question]), calibration)
        served = answerer.read(query, retrieval)
        ranked = item.until(sure).ranked(calibration["reading"]["ranking"])
        assert ranked.candidates == served.candidates
        cut += len(item.until(sure).sentences) < len(item.sentences)
    assert cut > 0


def test_questions_that_are_held_out_are_fitted_on_too(asked: Asked) -> None:
    more = calibrate(replace(asked, questions=asked.questions[::2]), asked)
    assert more["reading"]["fitted_on"]["answerable"] > more["fitted_on"]["answerable"]


def test_without_a_reader_nothing_is_said_of_reading(asked: Asked) -> None:
    assert "reading" not in calibrate(replace(asked, bundle=replace(asked.bundle, reader=None)))


def test_the_smaller_network_has_a_fit_of_its_own_and_goes_by_it(asked: Asked) -> None:
    fitted = calibrate(replace(asked, bundle=replace(asked.bundle, reader=None)))
    fast = fitted["fast"]
    assert fast["distilled_sha256"] == asked.bundle.manifest["encoder"]["distilled_sha256"]
    assert all(fast[name] != fitted[name] for name in ("fusion", "answer", "confidence", "threshold"))
    manifest = {**asked.bundle.manifest, "calibration": fitted | {"fast": fast | {"threshold": 1.0}}}
    answerer = Answerer(replace(asked.bundle, reader=None, manifest=manifest))
    question = next(question.question for question in asked.questions if question.kind == "fact")
    assert answerer.answer(question, mode="accurate").answerable
    assert not answerer.answer(question, mode="fast").answerable


def test_questions_that_cannot_tell_are_refused(asked: Asked) -> None:
    on_topic = [question for question in asked.questions if question.kind != "off"]
    with pytest.raises(ValueError, match=r"found [0-9]+ answerable and 0 off-topic dev questions; expected"):
        calibrate(replace(asked, questions=on_topic))


def test_the_calibration_that_ships_is_of_the_networks_that_ship(bundle: Bundle) -> None:
    calibration, encoder = bundle.manifest["calibration"], bundle.manifest["encoder"]
    assert calibration["reading"]["reader_sha256"] == bundle.manifest["reader"]["sha256"]
    assert calibration["fast"]["distilled_sha256"] == encoder["distilled_sha256"]


def test_what_is_always_the_same_does_not_spoil_the_fit(asked: Asked) -> None:
    with Way("one", depth=1).applied():
        weights = calibrate(asked)["reading"]["confidence"]
    assert abs(weights["passages"]) < 5
    assert weights["answers"] > 0.05
