"""Questions with known outcomes → `indexer/calibration.json`: how channels are fused, and what is sure.

Only dev questions are used. Three fits, each a maximum of likelihood:

* `fusion`: weights of the channels such that exp(score), as a share of the sum over the candidates, is
  the probability that a passage is the one that answers (a conditional logit, McFadden 1974).
* `answer`: the same over the sentences of the passage that answers.
* `confidence`: a similarity tells questions about the report from small talk, but cannot see a near
  miss, which repeats the report's own words. So it is the product of the probability that a question
  is about the report (logistic regression, answerable against off-topic questions) and the share of
  questions about the report that the report answers.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from eval.judging import holds
from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import Answerer, confidence_features
from service.retriever import CHANNELS, SENTENCE_CHANNELS, Matches, Retriever

ANSWERABLE_REFUSED = 0.04
"""Share of answerable dev questions that the threshold may refuse."""
_SHRINKAGE = 1e-4

Choice = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Features of alternatives `[n, channels]`, and which of them are right `[n]`."""


def calibrate(bundle: Bundle, questions: Sequence[Question]) -> dict[str, Any]:
    """Fit on the dev questions among those given; returns the content of `calibration.json`.

    Raises:
        ValueError: if there is no answerable or no off-topic dev question to fit on.
    """
    dev = [q for q in questions if q.split == "dev" and any(char.isalnum() for char in q.question)]
    singles = [question for question in dev if question.kind != "dialogue"]
    off = np.array([question.kind == "off" for question in singles])
    answerable = np.array([question.answerable for question in singles])
    if not off.any() or not answerable.any():
        raise ValueError(
            f"found {answerable.sum()} answerable and {off.sum()} off-topic dev questions; "
            "expected some of each"
        )
    answerer, retriever = Answerer(bundle), Retriever(bundle)
    found = [(q, answerer.retrieve(q.question, [q.document_id], q.history)) for q in dev if q.answerable]
    matches = [(q, retriever.match(query, [q.document_id])) for q, (query, _) in found]
    passages = [_passages(bundle, question, match) for question, match in matches]
    sentences = [choice for q, match in matches for choice in _sentences(bundle, q, match)]
    retrieved = [answerer.retrieve(q.question, [q.document_id])[1] for q in singles]
    rows = [confidence_features(retrieval) for retrieval in retrieved]
    names = list(rows[0])
    features = np.array([[row[name] for name in names] for row in rows])

    plain = off | answerable
    about = LogisticRegression(C=10).fit(features[plain], answerable[plain])
    share = float(answerable.sum() / (~off).sum())
    confidence = share * about.predict_proba(features)[:, 1]
    return {
        "fusion": _named(CHANNELS, fit_choice(passages)),
        "answer": _named(SENTENCE_CHANNELS, fit_choice(sentences)),
        "confidence": {
            "share": round(share, 4),
            "intercept": round(float(about.intercept_[0]), 4),
            **_named(names, about.coef_[0]),
        },
        "threshold": round(float(np.quantile(confidence[answerable], ANSWERABLE_REFUSED)), 4),
        "fitted_on": {"answerable": len(found), "off_topic": int(off.sum()), "split": "dev"},
    }


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
