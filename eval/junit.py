"""A run → JUnit XML, which every CI service shows: one test a question, and one for the gate itself."""

from collections.abc import Mapping
from xml.etree import ElementTree as Xml

from eval.gate import Verdict
from eval.judging import Outcome
from eval.questions import Question
from eval.run import Run
from eval.tables import evidence_of, returned


def junit(
    run: Run, questions: Mapping[str, Question], texts: Mapping[str, str], verdict: Verdict | None = None
) -> str:
    """Write a run as JUnit XML.

    Without a verdict a question that is not answered right has failed. With one, only a question that was
    right in the baseline has failed; the others that are wrong are known, and are skipped.
    """
    suite = Xml.Element("testsuite", name="report-qa eval")
    lost = {flip.id for flip in verdict.lost} if verdict else set()
    for outcome in run.outcomes:
        question = questions[outcome.id]
        name = f"{outcome.id} {question.question.strip()}"
        case = Xml.SubElement(suite, "testcase", classname=f"eval.{outcome.kind}", name=name)
        case.set("time", f"{outcome.took_ms / 1_000:.4f}")
        if not outcome.right:
            known = verdict is not None and outcome.id not in lost
            sign = Xml.SubElement(case, "skipped" if known else "failure")
            sign.set("message", "wrong in the baseline too" if known else _message(outcome))
            sign.text = (
                f"evidence: {evidence_of(question, texts)}\n"
                f"returned: {returned(outcome.answered, outcome.excerpt)}"
            )
    if verdict:
        case = Xml.SubElement(suite, "testcase", classname="eval", name="gate")
        if not verdict.passed:
            Xml.SubElement(case, "failure", message=verdict.headline).text = "\n".join(verdict.failures)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    suite.set("errors", "0")
    suite.set("timestamp", run.made["date"])
    for element in suite.iter():
        for key, value in element.attrib.items():
            element.set(key, _printable(value))
        element.text = _printable(element.text) if element.text else element.text
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _message(outcome: Outcome) -> str:
    if not outcome.answerable:
        return "answered, though the report does not say"
    return "answered with something else" if outcome.answered else "not answered, though the report says"


def _printable(text: str) -> str:
    """XML 1.0 has no control characters, and questions of the kind `off` have some."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
