import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import MADE, MIXED, QUESTIONS, TEXTS, baseline, changed, outcome

from eval.gate import Baseline, Verdict, accept, compare, load_baseline, read_history
from eval.judging import Outcome
from eval.junit import junit
from eval.run import Run, RunError
from eval.summary import summarize
from eval.tables import run_tables, verdict_text


def verdict(before: Sequence[Outcome], after: Sequence[Outcome]) -> Verdict:
    return compare(baseline(before), Run(MADE, tuple(after)))


def test_the_same_run_passes_without_a_flip() -> None:
    same = verdict(MIXED, MIXED[::-1])
    assert same.passed and not same.lost and not same.gained and not same.notes
    assert {c.measure for c in same.comparisons if c.p == 1 and c.mark == ""} == {
        *("Success@1", "RR@10", "nDCG@10", "Answer@1", "Answered right", "Refused right", "Brier")
    }


def test_one_lost_question_passes_and_is_listed() -> None:
    found = verdict(MIXED, changed(1, right=False))
    assert found.passed
    assert [flip.id for flip in found.lost] == ["q1"]


def test_many_lost_questions_fail_with_the_reason() -> None:
    found = verdict(MIXED, changed(12, right=False))
    assert not found.passed
    assert len(found.lost) == 12
    (answer,) = (reason for reason in found.failures if reason.startswith("Answer@1 on"))
    assert answer.startswith("Answer@1 on 60 answerable questions fell from 0.667 to 0.467 (p 0.00")


def test_answers_traded_for_others_fail_and_a_clear_gain_passes_though_some_are_lost() -> None:
    lost = {o.id: o for o in changed(4, right=False)}
    gained = changed(4, right=True)
    traded = [lost[o.id] if MIXED[n].right else o for n, o in enumerate(gained)]
    assert verdict(MIXED, traded).failures == (
        "4 of 100 questions were lost, more than 1%, and 4 gained, no more than chance would",
    )
    better = [lost[o.id] if MIXED[n].right else o for n, o in enumerate(changed(20, right=True))]
    found = verdict(MIXED, better)
    assert (len(found.lost), len(found.gained), found.passed) == (4, 20, True)


def test_gains_pass_however_many() -> None:
    found = verdict(MIXED, changed(20, right=True))
    assert found.passed
    assert (len(found.lost), len(found.gained)) == (0, 20)
    assert {c.mark for c in found.comparisons if c.group == "answerable"} == {"better"}


def test_a_confidence_that_got_worse_fails_though_no_answer_changed() -> None:
    after = [replace(o, confidence=0.05 if o.answerable else 0.95) for o in MIXED]
    found = verdict(MIXED, after)
    assert not found.lost
    assert [reason[:5] for reason in found.failures] == ["Brier"]
    assert "less is better" in found.failures[0]


def staged(success: float | None) -> Run:
    stages = {} if success is None else {"lexical alone": {"Success@3": success}, "all": {"Success@3": 0.9}}
    return Run(MADE, tuple(MIXED), {"stages": stages})


@pytest.mark.parametrize(("success", "passed"), [(0.75, True), (0.71, True), (0.69, False), (0.2, False)])
def test_a_channel_that_got_worse_alone_fails_though_the_others_hide_it(success: float, passed: bool) -> None:
    before = Baseline(staged(0.75), {})
    assert compare(before, staged(success)).passed == passed


def test_a_channel_that_is_gone_fails() -> None:
    gone = Run(MADE, tuple(MIXED), {"stages": {"all": {"Success@3": 0.9}}})
    assert compare(Baseline(staged(0.75), {}), gone).failures == (
        "Success@3 of lexical alone fell from 0.750 to 0.000",
    )


def test_channels_that_were_not_looked_at_are_noted() -> None:
    found = compare(Baseline(staged(0.75), {}), staged(None))
    assert found.passed
    assert found.notes == ("the channels were not looked at one by one",)


def test_one_citation_that_is_not_verbatim_fails() -> None:
    after = [replace(MIXED[0], verbatim=False), *MIXED[1:]]
    assert verdict(MIXED, after).failures == ("Verbatim of all questions is 0.990, below its floor of 1.000",)


def test_a_kind_below_its_floor_fails_though_the_whole_does_not() -> None:
    few = [outcome(n, kind="keyword") for n in range(100, 106)]
    lost = [outcome(n, n > 102, kind="keyword") for n in range(100, 106)]
    found = verdict([*MIXED, *few], [*MIXED, *lost])
    assert "Success@1 of keyword questions is 0.500, below its floor of 1.000" in found.failures
    assert not any("on 66 answerable" in reason for reason in found.failures)


def test_questions_taken_away_or_changed_fail_and_new_ones_do_not() -> None:
    gone = verdict(MIXED, MIXED[1:])
    assert gone.failures == (
        "1 questions of the baseline were taken away (q0); if that is meant, accept it with a reason",
    )
    other = verdict(MIXED, [replace(MIXED[0], fingerprint="1"), *MIXED[1:]])
    assert "1 questions of the baseline were changed (q0)" in other.failures[0]
    new = verdict(MIXED, [*MIXED, outcome(200), outcome(201, right=False)])
    assert (new.passed, new.notes) == (True, ("2 new questions, 1 of them right",))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_gate_counts_every_flip_and_never_fails_what_lost_nothing(rows: list[tuple[bool, bool]]) -> None:
    before = [outcome(n, was) for n, (was, _) in enumerate(rows)]
    after = [outcome(n, now) for n, (_, now) in enumerate(rows)]
    found = verdict(before, after)
    assert len(found.lost) == sum(was and not now for was, now in rows)
    assert len(found.gained) == sum(now and not was for was, now in rows)
    if not found.lost:
        assert found.passed


def test_p_is_corrected_for_the_number_of_measures() -> None:
    """Six questions lost of 60: p = 2/64 by McNemar, above .05 after Holm over seven measures."""
    found = verdict(MIXED, changed(6, right=False))
    (answer,) = (c for c in found.comparisons if c.measure == "Answer@1")
    assert 2 / 64 < answer.p <= 7 * 2 / 64
    assert not any(reason.startswith("Answer@1 on") for reason in found.failures)


# --- accept ---


def test_accept_keeps_floors_unless_told_to_set_them() -> None:
    old = baseline(MIXED)
    better, _ = accept(Run(MADE, tuple(changed(20, right=True))), "a better reader", old, set_floors=False)
    assert better.floors == old.floors
    anew, _ = accept(Run(MADE, tuple(changed(20, right=True))), "a better reader", old, set_floors=True)
    assert anew.floors["fact"]["Success@1"] > old.floors["fact"]["Success@1"]


def test_accept_refuses_what_is_below_a_floor_or_not_verbatim_or_without_reason() -> None:
    old = baseline(MIXED)
    worse = Run(MADE, tuple(changed(30, right=False)))
    with pytest.raises(ValueError, match=r"below its floor of .*; --set-floors sets new floors"):
        accept(worse, "it is faster", old, set_floors=False)
    assert accept(worse, "it is faster", old, set_floors=True)[0].run is worse
    broken = Run(MADE, (replace(MIXED[0], verbatim=False), *MIXED[1:]))
    with pytest.raises(ValueError, match=r"Verbatim of all questions is 0\.990"):
        accept(broken, "it is faster", old, set_floors=True)
    for reason in ("", "better"):
        with pytest.raises(ValueError, match="expected a sentence that says why"):
            accept(worse, reason, old, set_floors=True)


def test_a_baseline_and_its_history_are_read_back(tmp_path: Path) -> None:
    accepted, line = accept(Run(MADE, tuple(MIXED)), "the first one", None, set_floors=False)
    accepted.save(tmp_path / "baseline.json")
    (tmp_path / "history.jsonl").write_text(line * 2)
    again = load_baseline(tmp_path / "baseline.json")
    assert again.floors == accepted.floors
    assert compare(again, accepted.run).passed
    first, second = read_history(tmp_path / "history.jsonl")
    assert first == second == json.loads(line)
    assert (first["reason"], first["date"], first["bundle_id"]) == ("the first one", "2026-01-01", "sha256:0")
    assert read_history(tmp_path / "none.jsonl") == []


def test_a_run_is_no_baseline(tmp_path: Path) -> None:
    Run(MADE, tuple(MIXED)).save(tmp_path / "run.json")
    with pytest.raises(RunError, match=r"run\.json: found no floors; expected a baseline"):
        load_baseline(tmp_path / "run.json")


# --- what people and machines read ---


def test_the_verdict_lists_what_was_lost_with_evidence_and_what_came_back() -> None:
    after = [replace(o, excerpt="Gold is dug.") if not o.right else o for o in changed(12, right=False)]
    text = verdict_text(verdict(MIXED, after), QUESTIONS, TEXTS)
    assert text.startswith("## FAILED: 12 questions lost, 0 gained;")
    assert "### Lost: 12" in text
    assert (
        "(q1, fact)\n  - evidence: “The coup came in 2020.”\n"
        "  - was: “The coup came in 2020.”\n  - now: “Gold is dug.”"
    ) in text


def test_junit_fails_only_what_the_baseline_had_right() -> None:
    from xml.etree import ElementTree

    after = Run(MADE, tuple(changed(12, right=False)))
    compared = ElementTree.fromstring(junit(after, QUESTIONS, TEXTS, verdict(MIXED, after.outcomes)))
    assert (compared.get("tests"), compared.get("failures"), compared.get("skipped")) == ("101", "13", "40")
    (gate,) = (case for case in compared if case.get("name") == "gate")
    assert "Answer@1 on 60 answerable questions fell" in str(gate[0].text)
    alone = ElementTree.fromstring(junit(Run(MADE, tuple(MIXED)), QUESTIONS, TEXTS))
    assert (alone.get("tests"), alone.get("failures"), alone.get("skipped")) == ("100", "40", "0")
    (case,) = (case for case in alone if str(case.get("name")).startswith("q60 "))
    assert case[0].get("message") == "answered, though the report does not say"
    assert "evidence: the report does not say: It is not said" in str(case[0].text)


def test_a_run_is_told_in_one_table_by_kind() -> None:
    run = Run(
        MADE, tuple(MIXED), {"stages": {"all": {"RR@10": 0.5}}, "robustness": {"typo": [0.5, 0.4, 0.6]}}
    )
    table = run_tables(run, summarize(run.outcomes))
    assert "| fact | 60 | 0.67 [" in table
    assert "| near (silent) | 40 |  |  |  |  |  |  |  |  | 0.50 [" in table
    assert "- citations: verbatim 1.000, whole sentences 1.000, holding evidence 0.500 (of" in table
    assert "typed otherwise: typo 0.500 [0.400–0.600]" in table
    assert "| all | 0.500 |" in table


def test_a_run_of_one_sort_of_question_has_no_refusal_measures() -> None:
    answerable = [o for o in MIXED if o.answerable]
    assert "AUROC" not in run_tables(Run(MADE, tuple(answerable)), summarize(answerable))
    with pytest.raises(ValueError, match="found no question to measure; expected one or more"):
        summarize([])
