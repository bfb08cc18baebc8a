from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.faults import MUTATIONS, Mutation, Sound
from eval.mutations import Proof, prove, table
from eval.questions import QUESTIONS, load_questions
from indexer.bundle import Bundle
from indexer.embedding import EncoderError

QUICK = (
    *("excerpts off by one", "offsets off by one", "threshold 0", "threshold 1"),
    *("stale calibration: confidence", "last bits of another machine", "questions in another order"),
)
"""Those that need no build; `python -m eval mutations` has them all, on every question."""


@pytest.fixture(scope="module")
def sound(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    texts = {document.id: document.text for document in bundle.documents.values()}
    questions = load_questions(QUESTIONS, texts)[::8]
    return Sound(Path("corpus"), bundle, questions, tmp_path_factory.mktemp("mutations"))


@pytest.fixture(scope="module")
def proofs(sound: Sound) -> Sequence[Proof]:
    return prove(sound, [m for m in MUTATIONS if m.name in QUICK], lambda _: None)


@pytest.mark.parametrize("name", QUICK)
def test_the_gate_catches_a_fault_and_lets_a_harmless_change_pass(proofs: Sequence[Proof], name: str) -> None:
    (proof,) = (proof for proof in proofs if proof.mutation.name == name)
    assert proof.verdict is not None
    assert proof.proven, proof.verdict.failures


def test_a_build_that_refuses_a_fault_has_caught_it(sound: Sound) -> None:
    def refused(_: Sound) -> object:
        raise EncoderError("cosine too low")

    few = Sound(sound.corpus, sound.bundle, sound.questions[:3], sound.folder)
    fault = Mutation("bad encoder", True, refused)  # type: ignore[arg-type]
    (proof,) = prove(few, [fault], lambda _: None)
    assert proof.proven and not proof.passed
    assert "| bad encoder | fail | failed | | | refused by the build: cosine too low |" in table([proof])
    assert table([proof]).endswith("1 of 1 as they must be.")


def test_what_the_gate_gets_wrong_is_named(sound: Sound) -> None:
    few = Sound(sound.corpus, sound.bundle, sound.questions[:3], sound.folder)
    blind = Mutation("no fault at all", True, next(m.change for m in MUTATIONS if "order" in m.name))
    proofs = prove(few, [blind], lambda _: None)
    assert table(proofs).endswith("0 of 1 as they must be; wrong: no fault at all.")


def test_every_mutation_has_a_name_of_its_own() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert {mutation.fault for mutation in MUTATIONS} == {True, False}
    assert set(QUICK) <= {mutation.name for mutation in MUTATIONS}
