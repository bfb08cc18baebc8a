from collections.abc import Mapping
from typing import Any

from eval.questions import Question
from eval.stages import Scored, measure_stages, rank_by, stages_of

WEIGHTS = {"dense": 2.0, "lexical": 1.0, "late": 0.0, "sentence": -1.0}
A = Scored("a", 1, {"dense": 0.9, "lexical": 0.1}, relevant=False)
B = Scored("b", 2, {"dense": 0.1, "lexical": 0.9}, relevant=True)


def test_stages_are_each_channel_alone_and_all_but_it() -> None:
    stages = stages_of(WEIGHTS)
    assert stages["sentence alone"] == {"sentence": 1.0}  # a channel that is subtracted ranks by itself too
    assert stages["all but dense"] == {"lexical": 1.0, "sentence": -1.0}
    assert len(stages) == 6  # a channel without weight is no stage
    assert list(stages_of({"dense": 1.0, "lexical": 1.0})) == ["dense alone", "lexical alone"]


def test_passages_are_ranked_by_weighted_scores_then_by_id() -> None:
    assert rank_by([A, B], {"lexical": 1.0}) == ["b", "a"]
    assert rank_by([A, B], {"dense": 1.0, "lexical": 0.5}) == ["a", "b"]
    assert rank_by([B, A], {"dense": 1.0, "lexical": 1.0}) == ["a", "b"]


def test_each_stage_is_measured_from_one_answer_a_question() -> None:
    question = Question("q", "R", "When?", "fact", "dev", "f", True, None, ((10, 20),), ())
    silent = Question("s", "R", "Who?", "near", "dev", "g", False, None, (), ())
    asked = []

    def ask(question: Question) -> Mapping[str, Any]:
        asked.append(question.id)
        passages = [(A, 0), (B, 10)]
        return {
            "citations": [{"start_char_index": start} for _, start in passages],
            "results": [
                {
                    "passage_id": p.passage_id,
                    "document_id": "R",
                    "rank": p.rank,
                    "scores": p.scores,
                    "text": "x" * 10,
                    "heading_path": [],
                    "highlights": [[0, 10]],
                    "citation": number,
                }
                for number, (p, _) in enumerate(passages)
            ],
        }

    table = measure_stages({"dense": 1.0, "lexical": 1.0}, [question, silent], ask)
    assert asked == ["q"]
    assert table["dense alone"]["Success@1"] == 0
    assert table["lexical alone"]["Success@1"] == 1
    assert table["as served"] == table["dense alone"]
    assert table["as served"]["RR@10"] == 0.5
    assert measure_stages({"dense": 1.0}, [silent], ask) == {}
