import json
import re
from html.parser import HTMLParser

import pytest
from outcomes import MADE, MIXED, QUESTIONS, TEXTS, baseline, changed

from eval.gate import compare
from eval.measures import ReliabilityBin, risk_coverage
from eval.plots import history_plot, reliability_plot, risk_coverage_plot, whisker
from eval.questions import Question
from eval.report import html_report
from eval.run import Run
from eval.statistics import Interval

HISTORY = [
    {
        "date": "2026-01-01",
        "reason": "the <first>",
        "bundle_id": "sha256:0123456789abcdef",
        "questions": 100,
        "measures": {"Success@1": 0.5, "Answer@1": 0.4},
    }
]


@pytest.fixture(scope="module")
def page() -> str:
    after = Run(MADE, tuple(changed(12, right=False)), {"robustness": {"typo": [0.5, 0.4, 0.6]}})
    old = baseline(MIXED)
    return html_report(after, QUESTIONS, TEXTS, compare(old, after), old.run, HISTORY)


class Tags(HTMLParser):
    """Collects every attribute that would make a browser ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href", "srcset", "data", "action"} and not str(value).startswith("#"):
                self.asked.append(f"<{tag} {name}={value}>")


def test_the_page_asks_for_nothing_and_forbids_it(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.asked == []
    assert "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page


def test_the_page_says_why_the_gate_failed_and_what_flipped(page: str) -> None:
    assert "<b>Gate failed</b> 12 questions lost, 0 gained" in page
    assert "Answer@1 on 60 answerable questions fell from 0.667 to 0.467" in page
    assert "<!--=" not in page


def test_every_question_is_in_the_page_with_evidence_and_what_came_back(page: str) -> None:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    rows = {row["id"]: row for row in json.loads(data)}
    assert len(rows) == len(MIXED)
    assert rows["q1"]["change"] == "lost"
    assert rows["q1"]["evidence"] == "“The coup came in 2020.”"
    assert rows["q1"]["question"] == QUESTIONS["q1"].question
    assert (rows["q0"]["right"], rows["q0"]["change"], rows["q0"]["rank"]) == (False, "", 0)


def test_text_of_a_question_cannot_end_the_script_or_become_a_tag() -> None:
    evil = Question("q1", "R", "</script><b>x", "fact", "dev", "f", True, None, ((0, 22),), ())
    outcome = next(o for o in MIXED if o.id == "q1")
    page = html_report(Run(MADE, (outcome,)), {"q1": evil}, TEXTS, history=HISTORY)
    assert "</script><b>" not in page
    assert "the &lt;first&gt;" in page
    assert "not compared with the baseline" in page


def test_plots_place_the_unit_square_by_hand() -> None:
    plot = reliability_plot([ReliabilityBin(0.4, 0.5, 4, 0.5, 1.0)])
    assert '<circle class="dot" cx="186.0" cy="12.0" r="8.5">' in plot
    assert "confidence 0.50: 1.00 of 4 answerable" in plot
    curve = risk_coverage_plot({"now": risk_coverage([0.9, 0.1], [True, False])})
    assert "now: area 0.250" in curve
    assert 'd="M186.0 212.0L328.0 112.0' in curve
    assert history_plot({"A": [0.0, 1.0]}).count("<circle") == 2


def test_a_whisker_spans_its_interval() -> None:
    drawn = whisker(Interval(0.5, 0.25, 1.0), before=0.75)
    assert 'd="M25.0 7H100.0"' in drawn and 'cx="50.0"' in drawn and 'd="M75.0 2v10"' in drawn
