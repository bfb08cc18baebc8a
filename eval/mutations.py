"""The proof of the gate: seeded faults must fail it, and harmless changes must not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.asking import Ask
from eval.faults import Mutation, Sound, deep
from eval.gate import Verdict, accept, compare
from eval.questions import Question
from eval.run import Run, run
from eval.stages import measure_stages
from indexer.embedding import EncoderError

_MADE = {"bundle_id": "", "command": "", "date": "", "machine": ""}


@dataclass(frozen=True)
class Proof:
    """What the gate said of a mutation; without a verdict it was refused before it could be asked."""

    mutation: Mutation
    verdict: Verdict | None
    refusal: str = ""

    @property
    def passed(self) -> bool:
        """Whether the gate let it pass."""
        return self.verdict is not None and self.verdict.passed

    @property
    def proven(self) -> bool:
        """Whether the gate did what it is for."""
        return self.passed != self.mutation.fault


def prove(sound: Sound, mutations: Sequence[Mutation], progress: Callable[[str], None]) -> list[Proof]:
    """Put each mutation before the gate, with the sound bundle as the baseline."""
    baseline, _ = accept(_asked(sound, deep(sound.bundle)), "the sound bundle", None, set_floors=True)
    proofs = []
    for mutation in mutations:
        try:
            verdict = compare(baseline, _asked(sound, mutation.change(sound)))
            proofs.append(Proof(mutation, verdict))
        except EncoderError as error:
            proofs.append(Proof(mutation, None, str(error)))
        progress(_row(proofs[-1]))
    return proofs


def _asked(sound: Sound, ask: Ask) -> Run:
    """A run with its stages; every question is asked once for both."""
    replies: dict[str, Mapping[str, Any]] = {}

    def once(question: Question) -> Mapping[str, Any]:
        if question.id not in replies:
            replies[question.id] = ask(question)
        return replies[question.id]

    outcomes = run(sound.questions, once, sound.texts)
    weights = sound.bundle.manifest["calibration"]["fusion"]
    return Run(_MADE, tuple(outcomes), {"stages": measure_stages(weights, sound.questions, once)})


def table(proofs: Sequence[Proof]) -> str:
    """The proofs as a Markdown table, and how many stand."""
    wrong = [proof.mutation.name for proof in proofs if not proof.proven]
    summary = f"{len(proofs) - len(wrong)} of {len(proofs)} as they must be"
    lines = ["| change | must | gate | lost | gained | why |", "|---|---|---|---|---|---|"]
    lines += [_row(proof) for proof in proofs]
    return "\n".join([*lines, "", f"{summary}{'; wrong: ' + ', '.join(wrong) if wrong else ''}."])


def _row(proof: Proof) -> str:
    verdict = proof.verdict
    must = "fail" if proof.mutation.fault else "pass"
    did = "passed" if proof.passed else "failed"
    if verdict is None:
        return f"| {proof.mutation.name} | {must} | {did} | | | refused by the build: {proof.refusal} |"
    why = "; ".join(verdict.failures[:1])
    more = f" (and {len(verdict.failures) - 1} more)" if len(verdict.failures) > 1 else ""
    counts = f"{len(verdict.lost)} | {len(verdict.gained)}"
    return f"| {proof.mutation.name} | {must} | {did} | {counts} | {why}{more} |"
