"""Lessons → the reader (`indexer/reader/`), by one command with a fixed seed.

The body is the encoder's. Question and window go through it together; three heads are learned at once:
whether the window answers, which of its sentences does, and which words are the answer (or none, as in
SQuAD 2.0: Rajpurkar et al. 2018). Windows are chosen as serving chooses them, so that what is refused
here is what retrieval would have shown.
"""

import copy
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from eval.lessons import Lesson, Right
from eval.training import disturbed
from indexer.cross_encoder import FILES, MAX_TOKENS, PairLogits
from indexer.embedding import PassageEncoder
from indexer.export import export_quantized, save_tokenizer
from service.reader import reading, window, window_text

LEARNING_RATE = 8e-5
WARM_UP = 0.06
GROUPS = 7
"""Questions of one step."""
WRONG = 3
"""Windows that do not answer, for each question."""
HARD = 8
"""They are drawn from the question's so many most similar ones."""
ROUNDS = (("round-1", 3, 0.1, False), ("round-2", 1, 0.25, True))
"""Questions written for this, in the order in which they came: the folder, how many times it is gone through
with all that came before it, beside what share of the outside questions, and whether coarsely."""
LEVELS = 64
"""Steps of a served weight on either side of zero: int8 in reduced range."""
SENTENCE_WEIGHT, SPAN_WEIGHT, CHOICE_WEIGHT = 1.0, 0.3, 0.5
DEPTH = 6
"""Windows that a held-out question is judged by."""
SAVE_EVERY = 250
JUDGED_ARTICLES = 8
"""Every so-manieth article with unanswerable questions is held out."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

TALK = 0.2
"""Share of questions about reports that come with talk around them or after another question."""
_TALK = (
    ("Hi there! ", ""),
    ("Quick question: ", ""),
    ("Hello, I am new to this. ", " Thanks!"),
    ("Sorry if this is a silly question, but ", ""),
    ("I am writing a paper for my class and my teacher wants sources. ", ""),
    ("Can you help me? My boss asked me this in the meeting and I had no idea. ", " Thank you so much."),
    ("I skimmed the thing twice and still can't find it. ", ""),
    ("ok so i've been reading about this all evening and there's one thing i don't get. ", " any idea?"),
    ("", " Please quote the passage."),
    ("My friend and I were arguing about this yesterday, and we could not agree. ", ""),
)

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Group:
    """A question with the windows that are read for it in one step: `(passage, first, last)`."""

    lesson: int
    question: str
    windows: tuple[tuple[int, int, int], ...]
    right: Right
    answer: str | None


@dataclass(frozen=True)
class Phase:
    """Lessons to go through `epochs` times, each time beside a `share` of the questions of `repeated` ones.

    Where some are repeated, questions come as in a conversation: see `talk`. `coarse`: the network learns to
    read with its weights as coarse as they are served.
    """

    name: str
    lessons: Sequence[Lesson]
    epochs: int = 1
    repeated: Sequence[Lesson] = ()
    share: float = 0.0
    coarse: bool = False


class Network(nn.Module):
    """The encoder's transformer with a head for the pair and three for its tokens."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body
        width = body.config.hidden_size
        self.answers = nn.Linear(width, 1)
        self.tokens = nn.Linear(width, 3)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[n]` that the window answers, and by token `[n, t, 3]`: evidence, start, end."""
        hidden = self.body(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        return self.answers(hidden[:, 0])[:, 0], self.tokens(hidden)


class ReaderTrainer:
    """A reader under training. `progress` is called with a line now and then."""

    def __init__(
        self, encoder: PassageEncoder, seed: int, checkpoint: Path, progress: Callable[[str], None]
    ) -> None:
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self._encoder, self._seed, self._checkpoint, self._progress = encoder, seed, checkpoint, progress
        self.tokenizer = encoder.tokenizer
        self.network = Network(copy.deepcopy(encoder.network))  # the encoder itself goes on choosing windows
        for parameter in self.network.body.embeddings.parameters():
            parameter.requires_grad = False
        self.network.eval()  # and stays so: dropout takes a third of a step, and the epochs are few
        self._plan = ""

    def train(self, phases: Sequence[Phase]) -> None:
        """Go through phases in order.

        Raises:
            ValueError: if the checkpoint is of another training.
        """
        counted = [
            (
                phase.name,
                phase.epochs,
                phase.share,
                phase.coarse,
                [_size(x) for x in (*phase.lessons, *phase.repeated)],
            )
            for phase in phases
        ]
        self._plan = hashlib.sha256(repr((self._seed, counted)).encode()).hexdigest()
        reached = self._load()[0] if self._checkpoint.is_file() else 0
        for number, phase in enumerate(phases[reached:], start=reached):
            self._phase(number, phase)

    def _phase(self, number: int, phase: Phase) -> None:
        random = Random(self._seed + number)
        name, lessons, repeated = phase.name, phase.lessons, phase.repeated
        every = [*lessons, *repeated]
        known = self._known(every)
        groups: list[Group] = []
        for _ in range(phase.epochs):
            epoch = [g for i in range(len(lessons)) for g in self._groups(every, i, known[i], random, 1.0)]
            if repeated:
                epoch = [replace(group, question=talk(group, epoch, random)) for group in epoch]
            for i in range(len(lessons), len(every)):
                epoch += self._groups(every, i, known[i], random, phase.share)
            random.shuffle(epoch)
            groups += epoch
        steps = [groups[first : first + GROUPS] for first in range(0, len(groups), GROUPS)]
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
        done = self._resume(number, optimizer)
        self._progress(f"{name}: {len(groups)} questions, {len(steps)} steps, {done} done")
        start, smooth = time.monotonic(), 0.0
        for at in range(done, len(steps)):
            torch.manual_seed(self._seed * 1_000_003 + number * 100_003 + at)
            share = at / len(steps)
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(
                1, share / WARM_UP + 0.01, (1 - share) * 1.05
            )
            with coarse(self.network) if phase.coarse else nullcontext():
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = self._loss(every, steps[at])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            smooth += (loss.item() - smooth) * max(0.02, 1 / (at - done + 1))
            if (at + 1) % 50 == 0:
                rate = (time.monotonic() - start) / (at + 1 - done)
                self._progress(f"{name} {at + 1}/{len(steps)}: loss {smooth:.3f}, {rate:.2f} s a step")
            if (at + 1) % SAVE_EVERY == 0 or at + 1 == len(steps):
                self._save(number, at + 1, optimizer)

    def _save(self, phase: int, step: int, optimizer: torch.optim.Optimizer) -> None:
        partial = self._checkpoint.with_suffix(".partial")
        torch.save((self._plan, phase, step, self.network.state_dict(), optimizer.state_dict()), partial)
        partial.replace(self._checkpoint)

    def _resume(self, phase: int, optimizer: torch.optim.Optimizer) -> int:
        """Take up what was learned so far; returns how many steps of a phase that is."""
        if not self._checkpoint.is_file():
            return 0
        saved, step, network, state = self._load()
        self.network.load_state_dict(network)
        if saved < phase:
            return 0
        optimizer.load_state_dict(state)
        return step

    def _load(self) -> tuple[int, int, dict[str, Any], dict[str, Any]]:
        plan, *saved = torch.load(self._checkpoint, weights_only=True)
        if plan != self._plan:
            raise ValueError(
                f"{self._checkpoint}: found a checkpoint of other lessons or another seed, expected one of "
                "these; remove it, or name another --checkpoint"
            )
        phase, step, network, state = saved
        return phase, step, network, state

    def _known(self, lessons: Sequence[Lesson]) -> list[dict[str, NDArray[np.int64]]]:
        """For each lesson and question: its sentences `[n, 2]` (passage, sentence), most similar first."""
        known = []
        for lesson in lessons:
            places = np.array([(p, s) for p, found in enumerate(lesson.passages) for s in range(len(found))])
            sentences = self._plain([lesson.passages[p][s] for p, s in places])
            asked = [question for question, _ in (*lesson.questions, *lesson.silent)]
            scores = self._plain(asked) @ sentences.T
            best = np.argsort(-scores, axis=1, kind="stable")[:, : 4 * HARD]
            known.append({question: places[row] for question, row in zip(asked, best, strict=True)})
        return known

    def _plain(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            return self._encoder.encode(texts)

    def _groups(
        self,
        lessons: Sequence[Lesson],
        at: int,
        known: dict[str, NDArray[np.int64]],
        random: Random,
        share: float,
    ) -> list[Group]:
        lesson, groups = lessons[at], []
        for questions, answered in ((lesson.questions, True), (lesson.silent, False)):
            for question, places in questions:
                if random.random() >= share:
                    continue
                right = places if answered else frozenset()
                chosen = self._chosen(lesson, known[question], places, random)
                wrong = self._wrong(lesson, known[question], right, chosen, random)
                groups.append(
                    Group(
                        at, disturbed(question, random), (chosen, *wrong), right,
                        lesson.answers.get(question) if answered else None,
                    )
                )  # fmt: skip
        return groups

    def _chosen(
        self, lesson: Lesson, similar: NDArray[np.int64], places: Right, random: Random
    ) -> tuple[int, int, int]:
        """A window around one of the places; now and then around a neighbour, if the place is in it."""
        p, s = random.choice(sorted(places))
        if s < 0:  # judged as a whole: the sentence that looks most like the question
            s = next((int(b) for a, b in similar if a == p), 0)
        sentences = lesson.passages[p]
        beside = min(max(s + random.choice((-1, 1)), 0), len(sentences) - 1)
        first, last = window(sentences, beside)
        if random.random() < 0.75 or not first <= s < last:
            first, last = window(sentences, s)
        return p, first, last

    def _wrong(
        self,
        lesson: Lesson,
        similar: NDArray[np.int64],
        right: Right,
        chosen: tuple[int, int, int],
        random: Random,
    ) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        whole = {p for p, s in right if s < 0}
        for p, s in similar.tolist():
            first, last = window(lesson.passages[p], s)
            holds = p in whole or any(a == p and first <= b < last for a, b in right)
            if not holds and (p, first, last) != chosen and (p, first, last) not in found:
                found.append((p, first, last))
            if len(found) == HARD:
                break
        return random.sample(found, min(WRONG, len(found)))

    def _loss(self, lessons: Sequence[Lesson], groups: Sequence[Group]) -> Tensor:
        pairs = [(group, place) for group in groups for place in group.windows]
        batch = self.encode(
            [group.question for group, _ in pairs],
            [_text(lessons[group.lesson], place)[0] for group, place in pairs],
        )
        answers, tokens = self.network(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        answers, tokens = answers.float(), tokens.float()
        labels = torch.tensor([float(_holds(group.right, place)) for group, place in pairs])
        loss = functional.binary_cross_entropy_with_logits(answers, labels)
        at, choices = 0, []
        for group in groups:
            logits, mine = (some[at : at + len(group.windows)] for some in (answers, labels))
            at += len(group.windows)
            if group.right and len(group.windows) > 1:
                choices.append(torch.logsumexp(logits, 0) - torch.logsumexp(logits[mine > 0], 0))
        if choices:
            loss = loss + CHOICE_WEIGHT * torch.stack(choices).mean()
        return loss + self._token_loss(lessons, pairs, labels, tokens, batch)

    def _token_loss(
        self,
        lessons: Sequence[Lesson],
        pairs: Sequence[tuple[Group, tuple[int, int, int]]],
        labels: Tensor,
        tokens: Tensor,
        batch: Any,
    ) -> Tensor:
        """Of each sentence, whether it is evidence; of each window, where the answer begins and ends."""
        scores, targets, starts, ends = [], [], [], []
        for row, (group, (p, first, last)) in enumerate(pairs):
            lesson = lessons[group.lesson]
            _, spans = _text(lesson, (p, first, last))
            places, second = batch["offset_mapping"][row], batch["token_type_ids"][row] == 1
            inside = second & (places[:, 1] > places[:, 0])
            if not any(s < 0 for _, s in group.right):
                for s, (begin, end) in zip(range(first, last), spans, strict=True):
                    mine = inside & (places[:, 0] >= begin) & (places[:, 1] <= end)
                    if mine.any():
                        scores.append(tokens[row, mine, 0].mean())
                        targets.append(float((p, s) in group.right))
            span = (0, 0) if not labels[row] else _answer(group, lesson, (p, first), spans, places, inside)
            starts.append(span[0] if span else -100)
            ends.append(span[1] if span else -100)
        loss = torch.zeros(())
        if scores:
            loss = SENTENCE_WEIGHT * functional.binary_cross_entropy_with_logits(
                torch.stack(scores), torch.tensor(targets)
            )
        beside = (batch["token_type_ids"] == 0) | (batch["attention_mask"] == 0)
        barred = beside & (torch.arange(tokens.shape[1]) > 0)
        for channel, wanted in ((1, starts), (2, ends)):
            logits = tokens[:, :, channel].masked_fill(barred, -1e4)
            loss = loss + SPAN_WEIGHT / 2 * functional.cross_entropy(logits, torch.tensor(wanted))
        return loss

    def encode(self, questions: Sequence[str], windows: Sequence[str]) -> Any:
        """Pairs as the network reads them; a question that is too long is cut, then the window."""
        return self.tokenizer(
            list(questions), list(windows), padding=True, truncation=True, max_length=MAX_TOKENS,
            return_offsets_mapping=True, return_tensors="pt",
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write the reader as int8 ONNX with its tokenizer."""
        folder.mkdir(parents=True, exist_ok=True)
        batch = self.encode(["Who?"], ["She did."])
        example = tuple(batch[name] for name in INPUTS)
        network, tokenizer = (folder / file for file in FILES)
        export_quantized(self.network, example, INPUTS, ("answers", "tokens"), network)
        save_tokenizer(self.tokenizer.backend_tokenizer, tokenizer)
        sums = [f"{hashlib.sha256((folder / file).read_bytes()).hexdigest()}  {file}\n" for file in FILES]
        (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")

    @torch.no_grad()
    def judge(self, lessons: Sequence[Lesson]) -> dict[str, float]:
        """By the best of a question's windows: AUROC answered against silent, and the first choice right."""
        best: list[tuple[float, bool]] = []
        windows = sentences = total = 0
        for lesson, known in zip(lessons, self._known(lessons), strict=True):
            for questions, answered in ((lesson.questions, True), (lesson.silent, False)):
                for question, right in questions:
                    places = list(dict.fromkeys(
                        (int(p), *window(lesson.passages[p], s)) for p, s in known[question].tolist()
                    ))[:DEPTH]  # fmt: skip
                    batch = self.encode(
                        [question] * len(places), [_text(lesson, place)[0] for place in places]
                    )
                    answers, tokens = self.network(
                        batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]
                    )
                    top = int(answers.argmax())
                    best.append((float(answers[top]), answered))
                    if answered:
                        total += 1
                        windows += _holds(right, places[top])
                        p, first, _ = places[top]
                        second = batch["token_type_ids"][top] == 1
                        pair = PairLogits(
                            float(answers[top]),
                            batch["offset_mapping"][top][second].numpy(),
                            tokens[top][second].numpy(),
                            float(tokens[top, 0, 1:].sum()),
                        )
                        scores = reading(first, _text(lesson, places[top])[1], pair).sentences
                        sentences += (p, first + int(np.argmax(scores))) in right
        found = {"window": round(windows / total, 3), "sentence": round(sentences / total, 3)}
        if any(not answered for _, answered in best):
            scores_, truth = zip(*best, strict=True)
            found["auroc"] = round(float(roc_auc_score(truth, scores_)), 3)
        return found


@contextmanager
def coarse(network: nn.Module) -> Iterator[None]:
    """Round weights to what they will be served as, and back at the end.

    Gradients go past the rounding as if it were not there (straight-through estimator: Bengio, Léonard &
    Courville 2013). Without it int8 cost .03 of the AUROC for false premises.
    """
    weights = [module.weight for module in network.modules() if isinstance(module, nn.Linear)]
    exact = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight in weights:
            step = weight.abs().amax(1, keepdim=True) / LEVELS
            weight.copy_(torch.round(weight / step) * step)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, exact, strict=True):
                weight.copy_(before)


def _size(lesson: Lesson) -> tuple[str, int, int]:
    return lesson.name, len(lesson.questions), len(lesson.silent)


def talk(group: Group, groups: Sequence[Group], random: Random) -> str:
    """A question as it may come in a conversation: mostly alone, else with talk, or after another one."""
    kind = random.random()
    if kind < TALK / 2:
        before, after = random.choice(_TALK)
        return f"{before}{group.question}{after}"
    if kind < TALK:
        for _ in range(20):
            other = random.choice(groups)
            if other.lesson == group.lesson and other.question != group.question:
                return f"{other.question} {group.question}"
    return group.question


def _text(lesson: Lesson, place: tuple[int, int, int]) -> tuple[str, list[Place]]:
    p, first, last = place
    return window_text(lesson.heads[p] if lesson.heads else "", lesson.passages[p][first:last])


def _holds(right: Right, place: tuple[int, int, int]) -> bool:
    p, first, last = place
    return any(a == p and (s < 0 or first <= s < last) for a, s in right)


def _answer(
    group: Group,
    lesson: Lesson,
    start: Place,
    spans: Sequence[Place],
    places: Tensor,
    inside: Tensor,
) -> tuple[int, int] | None:
    """First and last token of the answer in a window that holds it; None if its words are not there."""
    p, first = start
    if not group.answer:
        return None
    for number, (begin, _) in enumerate(spans):
        found = lesson.passages[p][first + number].find(group.answer)
        if (p, first + number) in group.right and found >= 0:
            left, right = begin + found, begin + found + len(group.answer)
            mine = torch.nonzero(inside & (places[:, 0] < right) & (places[:, 1] > left))[:, 0]
            if len(mine):
                return int(mine[0]), int(mine[-1])
    return None


def reader_card(result: dict[str, Any], counts: dict[str, int], phases: Sequence[Phase], command: str) -> str:
    """What stands beside the reader: data, recipe and figures."""
    recipe = "; ".join(
        f"{phase.name}, {'once' if phase.epochs == 1 else f'{phase.epochs} times'}"
        + (f" beside {phase.share:.0%} of what came first" if phase.repeated else "")
        + (", with weights as coarse as served" if phase.coarse else "")
        for phase in phases
    )
    data = "\n".join(f"| {name} | {number} |" for name, number in counts.items())
    return _CARD.format(
        command=command, data=data, recipe=recipe, result=json.dumps(result, indent=2), **globals()
    )


_CARD = """# The reader that ships

A cross-encoder: question and up to {MAX_TOKENS} tokens of a report are read together. The body is
all-MiniLM-L6-v2 (Apache 2.0) with frozen word embeddings; `answers` says whether the text answers,
`tokens` which sentence does, and where the answer's words begin and end. int8 per channel, reduced range.
Made by `{command}`.

In phases: {recipe}.
AdamW {LEARNING_RATE}, {GROUPS} questions a step with {WRONG} wrong windows each, bfloat16, one thread.

| questions learned from, answerable or not | number |
|---|---|
{data}

No question on a report that ships, and no test split of a collection, was read. `eval/written` holds
questions written for this on other government reports, the World Factbook and encyclopedia articles (the
texts stay in their collections). By the best of {DEPTH} windows of each question, on what was held out:

```json
{result}
```

`window`: the first window holds evidence; `sentence`: the likeliest sentence of it is evidence; `auroc`:
answerable against unanswerable questions.

Licences of what it was learned from: US government works (public domain), SQuAD 2.0 and Wikipedia
(CC BY-SA 4.0), SciFact (claims CC BY 4.0, abstracts ODC-By 1.0), FeedbackQA (Apache 2.0).

Limits: English; a question in another language is read as its gloss. Facts that need arithmetic, or two
places read together, are beyond it.
"""
