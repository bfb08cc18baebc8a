"""Fit the confidence: questions with known outcomes → `indexer/calibration.json`.

A similarity tells questions about the report from small talk; it cannot see a near miss, which repeats
the report's own words. So the confidence is the product of two things: the probability that a question
is about the report (a logistic regression over similarities, answerable against off-topic questions),
and the share of questions about the report that the report answers. Only dev questions are used, and
no turn of a dialogue, which means little without the turns before it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from eval.questions import Question
from indexer.bundle import Bundle
from service.answer import confidence_features
from service.retriever import Retriever

ANSWERABLE_REFUSED = 0.04
"""Share of answerable dev questions that the threshold may refuse."""


def calibrate(bundle: Bundle, questions: Sequence[Question]) -> dict[str, Any]:
    """Fit on the dev questions among those given; returns the content of `calibration.json`.

    Raises:
        ValueError: if there is no answerable or no off-topic dev question to fit on.
    """
    dev = [q for q in questions if q.split == "dev" and q.kind != "dialogue"]
    dev = [question for question in dev if any(char.isalnum() for char in question.question)]
    off = np.array([question.kind == "off" for question in dev])
    answerable = np.array([question.answerable for question in dev])
    if not off.any() or not answerable.any():
        raise ValueError(
            f"found {answerable.sum()} answerable and {off.sum()} off-topic dev questions; "
            "expected some of each"
        )
    retriever = Retriever(bundle)
    rows = [confidence_features(retriever.retrieve(q.question, [q.document_id])) for q in dev]
    names = list(rows[0])
    features = np.array([[row[name] for name in names] for row in rows])

    plain = off | answerable
    about = LogisticRegression(C=10).fit(features[plain], answerable[plain])
    share = float(answerable.sum() / (~off).sum())
    confidence = share * about.predict_proba(features)[:, 1]
    return {
        "fusion": bundle.manifest["calibration"]["fusion"],
        "confidence": {
            "share": round(share, 4),
            "intercept": round(float(about.intercept_[0]), 4),
            **{name: round(float(w), 4) for name, w in zip(names, about.coef_[0], strict=True)},
        },
        "threshold": round(float(np.quantile(confidence[answerable], ANSWERABLE_REFUSED)), 4),
        "fitted_on": {"answerable": int(answerable.sum()), "silent": int((~answerable).sum())},
    }


def write_calibration(calibration: dict[str, Any], path: Path) -> None:
    """Write the calibration for people to read and for the next build to take up."""
    path.write_text(json.dumps(calibration, indent=2) + "\n", "utf-8")
