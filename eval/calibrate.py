"""Questions with known outcomes → `indexer/calibration.json`: how channels are fused, and what is sure.

Only dev questions are used, and questions on reports that were held out of training, if they are given.
Each fit is a maximum of likelihood:

* `fusion`: weights of the channels such that exp(score), as a share of the sum over the candidates, is
  the probability that a passage is the one that answers (a conditional logit, McFadden 1974).
* `answer`: the same over the sentences of the passage that answers.
* `confidence`: a similarity tells questions about the report from small talk, but cannot see a near
  miss, which repeats the report's own words. So it is the product of the probability that a question
  is about the report (logistic regression, answerable against off-topic questions) and the share of
  questions about the report that the report answers.
* `fast`, where the bundle has a smaller network for questions: the three above, fitted with it.
* `reading`, where the bundle has a reader: `ranking`, as `fusion`, over the sentences that were read; and
  `confidence`, which takes the place of the share: the probability that a question about the report is
  one that it answers (logistic regression over what was read). Questions that another report answers are
  among those that it does not: of them, too, a similarity says little.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from eval.judging import holds
from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import Answerer, confidence_features, reading_features
from service.query import Query
from service.reader import FEATURES, Reader, ReadSentence
from service.retriever import CHANNELS, SENTENCE_CHANNELS, Matches, Retrieval, Retriever

ANSWERABLE_REFUSED = 0.04
"""Share of answerable dev questions that the threshold may refuse."""
SURE = 0.6
"""Share of the answerable questions that is not answered as surely as what ends the reading. What is read
after that is hardly ever better (`eval/results/retrieval.md`)."""
READ_REFUSED = 0.025
"""Share of answerable questions that the threshold after reading may refuse. Less than before reading: on a
report that it was not fitted on, it refuses more. `eval/results/retrieval.md` says how it was chosen."""
ELSEWHERE = 0.3
"""What a question about another report counts, beside one about this: there can be any number of them."""
SKIPPED = 0.01
"""Share of answerable dev questions that may be refused unread, as being about something else."""
_SHRINKAGE = 1e-4

Choice = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Features of alternatives `[n, channels]`, and which of them are right `[n]`."""


@dataclass(frozen=True)
class Asked:
    """Questions to fit on, and the open bundle that answers them."""

    bundle: Bundle
    questions: Sequence[Question]


def calibrate(dev: Asked, held_out: Asked | None = None) -> dict[str, Any]:
    """Fit on the dev questions among those given; returns the content of `calibration.json`.

    Args:
        dev: The questions of the report that ships.
        held_out: Questions on other reports, none of which any model was trained on.

    Raises:
        ValueError: if there is no answerable or no off-topic dev question to fit on.
    """
    questions = [q for q in dev.questions if q.split == "dev" and any(char.isalnum() for char in q.question)]
    answerable = sum(question.answerable for question in questions)
    off = sum(question.kind == "off" for question in questions)
    if not off or not answerable:
        raise ValueError(
            f"found {answerable} answerable and {off} off-topic dev questions; expected some of each"
        )
    asked = replace(dev, questions=questions)
    calibration, confidence = _before_reading(asked, fast=False)
    calibration["fitted_on"] = {"answerable": answerable, "off_topic": off, "split": "dev"}
    if distilled := dev.bundle.manifest["encoder"]["distilled_sha256"]:
        calibration["fast"] = {"distilled_sha256": distilled, **_before_reading(asked, fast=True)[0]}
    if dev.bundle.reader is None:
        return calibration
    skip = round(float(np.quantile(confidence, SKIPPED)), 4)
    return calibration | {"reading": _reading([asked, *([held_out] if held_out else [])], calibration, skip)}


def _before_reading(asked: Asked, *, fast: bool) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Fit what is known without a reader; returns the fit, and its confidence in each answerable question."""
    bundle = asked.bundle
    answerer, retriever = Answerer(bundle), Retriever(bundle)
    passages, sentences, rows = list[Choice](), list[Choice](), list[dict[str, float]]()
    for question in asked.questions:
        query, retrieval = answerer.retrieve(
            question.question, [question.document_id], question.history, fast=fast
        )
        if question.answerable:
            match = retriever.match(query, [question.document_id], fast=fast)
            passages.append(_passages(bundle, question, match))
            sentences += _sentences(bundle, question, match)
        if question.kind != "dialogue":
            rows.append(confidence_features(retrieval))
    singles = [question for question in asked.questions if question.kind != "dialogue"]
    answerable = np.array([question.answerable for question in singles])
    off = np.array([question.kind == "off" for question in singles])
    away = off | np.array([question.kind == "elsewhere" for question in singles])
    names = list(rows[0])
    features = np.array([[row[name] for name in names] for row in rows])
    plain = off | answerable
    about = LogisticRegression(C=10).fit(features[plain], answerable[plain])
    share = float(answerable.sum() / (~away).sum())
    confidence = share * about.predict_proba(features[answerable])[:, 1]
    fit = {
        "fusion": _named(CHANNELS, fit_choice(passages)),
        "answer": _named(SENTENCE_CHANNELS, fit_choice(sentences)),
        "confidence": {
            "share": round(share, 4),
            "intercept": round(float(about.intercept_[0]), 4),
            **_named(names, about.coef_[0]),
        },
        "threshold": round(float(np.quantile(confidence, ANSWERABLE_REFUSED)), 4),
    }
    return fit, confidence


def _reading(asked: Sequence[Asked], calibration: Mapping[str, Any], skip: float) -> dict[str, Any]:
    """Fit how what was read is ranked, and how sure it makes."""
    read = [item for some in asked for item in read_for(some, calibration)]
    best = [max(sentence.reading.answers for sentence in item.sentences) for item in read if item.single]
    answered = [item.question.answerable for item in read if item.single]
    sure = round(float(np.quantile(np.array(best)[answered], SURE)), 4)
    read = [item.until(sure) for item in read]
    ranking = fit_choice([(_features(item), item.right) for item in read if item.question.answerable])
    weights = _named(FEATURES, ranking)
    singles = [item for item in read if item.single]
    rows = [reading_features(item.ranked(weights)) for item in singles]
    names = list(rows[0])
    features = np.array([[row[name] for name in names] for row in rows])
    answerable = np.array([item.question.answerable for item in singles])
    scale = features.std(axis=0)
    scale[scale == 0] = 1  # what never differs tells nothing: read one window, and `passages` is always 1
    counted = np.array([ELSEWHERE if item.question.kind == "elsewhere" else 1.0 for item in singles])
    fit = LogisticRegression(C=1, max_iter=1_000).fit(features / scale, answerable, counted)
    about = np.array([item.about for item in singles])
    probable = about * fit.predict_proba(features / scale)[:, 1]
    return {
        "reader_sha256": asked[0].bundle.manifest["reader"]["sha256"],
        "ranking": weights,
        "confidence": {
            "intercept": round(float(fit.intercept_[0]), 4),
            **_named(names, fit.coef_[0] / scale),
        },
        "threshold": round(float(np.quantile(probable[answerable], READ_REFUSED)), 4),
        "skip": skip,
        "sure": sure,
        "fitted_on": {
            "answerable": int(answerable.sum()),
            "unanswerable": int((~answerable).sum()),
            "reports": len({item.question.document_id for item in singles}),
        },
    }


@dataclass(frozen=True)
class ReadQuestion:
    """A question with what was read for it, and which of the read sentences are right."""

    question: Question
    query: Query
    retrieval: Retrieval
    sentences: Sequence[ReadSentence]
    right: NDArray[np.bool_]
    about: float
    answerer: Answerer

    @property
    def single(self) -> bool:
        """Whether it is a question about reports that stands on its own."""
        return not self.question.history and self.question.kind != "off"

    def until(self, sure: float) -> "ReadQuestion":
        """What serving reads of it: nothing after a window that answers as surely."""
        last = next((s.reading for s in self.sentences if s.reading.answers >= sure), None)
        count = len(self.sentences)
        if last is not None:
            count = max(i for i, s in enumerate(self.sentences, start=1) if s.reading is last)
        return replace(self, sentences=self.sentences[:count], right=self.right[:count])

    def ranked(self, weights: Mapping[str, float]) -> Retrieval:
        """What was retrieved, in the order that reading gives it."""
        return self.answerer.rank(self.query, self.retrieval, self.sentences, weights)


def read_for(asked: Asked, calibration: Mapping[str, Any]) -> Iterator[ReadQuestion]:
    """Read for each question, under a calibration that need not know of reading yet."""
    manifest = {**asked.bundle.manifest, "calibration": calibration}
    bundle = replace(asked.bundle, manifest=manifest)
    answerer, reader = Answerer(bundle), Reader(bundle)
    for question in asked.questions:
        query, retrieval = answerer.retrieve(question.question, [question.document_id], question.history)
        sentences = reader.read(query.asked or query.text, retrieval.candidates)
        spans = [retrieval.candidates[item.candidate].passage.sentences[item.sentence] for item in sentences]
        right = np.array([holds(span, question.settling) for span in spans])
        about = answerer.confidence(question.question, retrieval) / calibration["confidence"]["share"]
        yield ReadQuestion(question, query, retrieval, sentences, right, about, answerer)


def _features(item: ReadQuestion) -> NDArray[np.float64]:
    return np.array([sentence.features for sentence in item.sentences])


def fit_choice(choices: Sequence[Choice]) -> NDArray[np.float64]:
    """Weights of a conditional logit: maximum likelihood with a slight pull to zero, `[channels]`.

    Choices without a right alternative are left out.
    """
    usable = [(features, right) for features, right in choices if right.any()]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, slope = 0.0, np.zeros_like(weights)
        for features, right in usable:
            scores = features @ weights
            odds = np.exp(scores - scores.max())
            share = odds / odds.sum()
            hit = share[right].sum()
            total -= np.log(hit + 1e-12)
            slope += share @ features - share[right] @ features[right] / (hit + 1e-12)
        n = len(usable)
        return float(total / n + _SHRINKAGE * weights @ weights), slope / n + 2 * _SHRINKAGE * weights

    start = np.ones(usable[0][0].shape[1])
    weights: NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return weights


def write_calibration(calibration: dict[str, Any], path: Path) -> None:
    """Write the calibration for people to read and for the next build to take up."""
    path.write_text(json.dumps(calibration, indent=2) + "\n", "utf-8")


def _passages(bundle: Bundle, question: Question, match: Matches) -> Choice:
    spans = [(bundle.passages[row].start, bundle.passages[row].end) for row in match.rows]
    return match.passages, np.array([holds(span, question.settling) for span in spans])


def _sentences(bundle: Bundle, question: Question, match: Matches) -> list[Choice]:
    """One choice for each passage that holds evidence: among its sentences."""
    choices = []
    for row, first, last in zip(match.rows, match.starts, match.starts[1:], strict=False):
        spans = bundle.passages[row].sentences
        right = np.array([holds(span, question.settling) for span in spans])
        choices.append((match.sentences[first:last], right))
    return choices


def _named(names: Sequence[str], weights: NDArray[np.float64]) -> dict[str, float]:
    return {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}
