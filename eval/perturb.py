"""The same question typed otherwise, and how often it gets the same answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from eval.asking import Ask
from eval.judging import Outcome
from eval.questions import Question
from eval.run import run
from eval.statistics import Interval, bootstrap_interval

SEED = 0
SAMPLE = 150
"""Questions asked again in each way; enough for an interval of about ±.06."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def typo(text: str, random: Random) -> str:
    """One slip of the finger in one word of four letters or more: swapped, lost, doubled or wrong."""
    words = text.split(" ")
    long = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return text
    place = random.choice(long)
    word = words[place]
    at = random.randrange(1, len(word) - 1)
    slips = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + random.choice(_LETTERS) + word[at + 1 :],
    )
    words[place] = random.choice([slip for slip in slips if slip != word])
    return " ".join(words)


def casing(text: str, random: Random) -> str:
    """All in lower case, or all in capitals."""
    return random.choice([other for other in (text.lower(), text.upper()) if other != text] or [text])


def padding(text: str, random: Random) -> str:
    """Politeness and white space around it."""
    return random.choice(
        ("Hi! Could you please tell me: {}", "  {}  ", "{} Thanks in advance", "{} please")
    ).format(text)


PERTURBATIONS: Mapping[str, Callable[[str, Random], str]] = {
    "typo": typo,
    "casing": casing,
    "padding": padding,
}


def robustness(
    questions: Sequence[Question],
    outcomes: Sequence[Outcome],
    ask: Ask,
    texts: Mapping[str, str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Interval]:
    """Share of answers that stay: the same words cited, or silence again.

    Args:
        questions: What was asked; a sample of the answerable ones that no history precedes is asked again.
        outcomes: What came back for them.
        ask: Whom to ask again.
        texts: Canonical text of each document.
        progress: Called with how many ways of typing are done, of how many.
    """
    before = {outcome.id: outcome for outcome in outcomes}
    plain = [q for q in questions if q.answerable and not q.history and q.id in before]
    sample = sorted(Random(SEED).sample(plain, min(SAMPLE, len(plain))), key=lambda question: question.id)
    if not sample:
        return {}
    shares = {}
    for number, (name, perturb) in enumerate(PERTURBATIONS.items(), start=1):
        again = [replace(q, question=perturb(q.question, Random(f"{SEED} {name} {q.id}"))) for q in sample]
        same = [float(_answer(before[o.id]) == _answer(o)) for o in run(again, ask, texts)]
        shares[name] = bootstrap_interval(same, samples=2_000, clusters=[q.fact for q in sample])
        progress(number, len(PERTURBATIONS))
    return shares


def _answer(outcome: Outcome) -> tuple[bool, str]:
    return outcome.answered, outcome.excerpt if outcome.answered else ""
