"""Lessons → the encoder's adapter (`indexer/adapter.safetensors`), by one command with a fixed seed.

The loss is what serving does: a question's tokens are matched to the tokens of each passage and each
sentence (MaxSim, weighted by IDF), and the right ones should win among all of the lesson. Beside it,
with less weight, the same for whole-passage vectors. Questions are disturbed as people type them.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from eval.lessons import Lesson, Right
from indexer.embedding import PassageEncoder
from indexer.lexical import is_stopword

RANK = 32
LEARNING_RATE = 4e-4
WARM_UP = 60
BATCH = 20
"""Questions of one step; all are of one lesson."""
MAX_TOKENS = 176
TEMPERATURE, POOLED_TEMPERATURE = 0.03, 0.05
SENTENCE_WEIGHT, POOLED_WEIGHT = 0.7, 0.3
REPEATS = 3
"""How often the reports, which are like what is served, are gone through; the others are once."""


class Adapted(nn.Module):
    """A linear layer with a low-rank change that is learned; the layer itself is not."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.A = nn.Parameter(torch.randn(RANK, layer.in_features) / math.sqrt(layer.in_features))
        self.B = nn.Parameter(torch.zeros(layer.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output and the change."""
        changed: Tensor = self.layer(x) + functional.linear(functional.linear(x, self.A), self.B)
        return changed


class Trainer:
    """A network under training. `progress` is called with a line now and then."""

    def __init__(self, encoder: PassageEncoder, seed: int, progress: Callable[[str], None]) -> None:
        torch.manual_seed(seed)
        torch.set_num_threads(1)  # more would make the sums depend on the machine
        self._random = Random(seed)
        self._progress = progress
        self._network, self._tokenizer = encoder.network, encoder.tokenizer
        for parameter in self._network.parameters():
            parameter.requires_grad = False
        self._adapted = {}
        for name, module in list(self._network.encoder.named_modules()):
            for part, layer in list(module.named_children()):
                if isinstance(layer, nn.Linear):
                    adapted = Adapted(layer)
                    setattr(module, part, adapted)
                    self._adapted[".".join(filter(None, ("encoder", name, part)))] = adapted

    def train(
        self, reports: Sequence[Lesson], others: Sequence[Lesson], judge: Sequence[Lesson]
    ) -> dict[str, Any]:
        """Train; returns how right the first choice is for `judge` before and after."""
        steps = self._steps(reports, others)
        parameters = [p for layer in self._adapted.values() for p in (layer.A, layer.B)]
        optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
        before, start, smooth = self.judge(judge), time.monotonic(), 0.0
        self._progress(f"{len(steps)} steps; held-out reports before: {before}")
        for number, (lesson, questions) in enumerate(steps, start=1):
            rate = min(1.0, number / WARM_UP) * 0.5 * (1 + math.cos(math.pi * number / len(steps)))
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * rate
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = self._loss(lesson, questions)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            smooth += (loss.item() - smooth) * max(0.03, 1 / number)
            if number % 50 == 0:
                self._progress(f"step {number}: loss {smooth:.3f}, {time.monotonic() - start:.0f} s")
        return {"before": before, "after": self.judge(judge), "steps": len(steps)}

    def save(self, path: Path) -> None:
        """Write the adapter, as half floats."""
        factors = {
            f"{name}.{factor}": getattr(layer, factor).detach().half().contiguous()
            for name, layer in self._adapted.items()
            for factor in ("A", "B")
        }
        save_file(factors, path)

    @torch.no_grad()
    def judge(self, lessons: Sequence[Lesson]) -> dict[str, float]:
        """Share of questions whose best passage is right, and whose best sentence in it is."""
        passages = sentences = total = 0
        for lesson in lessons:
            by_passage, by_sentence, _, owner = self._scores(lesson, [q for q, _ in lesson.questions])
            for row, (_, right) in enumerate(lesson.questions):
                best = int(by_passage[row].argmax())
                inside = by_sentence[row].masked_fill(owner != best, -torch.inf)
                sentence = int(inside.argmax()) - int((owner < best).sum())
                passages += any(p == best for p, _ in right)
                sentences += (best, sentence) in right
                total += 1
        return {"passage": round(passages / total, 3), "sentence": round(sentences / total, 3)}

    def _steps(
        self, reports: Sequence[Lesson], others: Sequence[Lesson]
    ) -> list[tuple[Lesson, list[tuple[str, Right]]]]:
        steps = []
        for lesson in [*list(reports) * REPEATS, *others]:
            questions = list(lesson.questions)
            self._random.shuffle(questions)
            batches = range(0, len(questions), BATCH) if lesson in reports else range(1)
            steps += [(lesson, questions[first : first + BATCH]) for first in batches]
        self._random.shuffle(steps)
        return steps

    def _loss(self, lesson: Lesson, questions: Sequence[tuple[str, Right]]) -> Tensor:
        asked = [disturbed(question, self._random) for question, _ in questions]
        by_passage, by_sentence, pooled, owner = self._scores(lesson, asked)
        firsts = [int((owner < p).sum()) for p in range(len(lesson.passages))]
        right_passage = torch.zeros(by_passage.shape, dtype=torch.bool)
        right_sentence = torch.zeros(by_sentence.shape, dtype=torch.bool)
        for row, (_, right) in enumerate(questions):
            for p, s in right:
                right_passage[row, p] = True
                if s >= 0:
                    right_sentence[row, firsts[p] + s] = True
        loss = _surprise(by_passage / TEMPERATURE, right_passage).mean()
        loss = loss + POOLED_WEIGHT * _surprise(pooled / POOLED_TEMPERATURE, right_passage).mean()
        marked = right_sentence.any(1)
        if marked.any():
            surprise = _surprise(by_sentence[marked] / TEMPERATURE, right_sentence[marked])
            loss = loss + SENTENCE_WEIGHT * surprise.mean()
        return loss

    def _scores(self, lesson: Lesson, asked: Sequence[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """MaxSim by passage `[q, p]` and by sentence `[q, s]`, cosine by passage `[q, p]`, owners `[s]`."""
        ids, tokens, vectors, pooled = self._encode([" ".join(p) for p in lesson.passages])
        asked_ids, asked_tokens, asked_vectors, asked_pooled = self._encode(asked)
        segments, owner, first = torch.full(ids.shape, -1), [], 0
        for row, sentences in enumerate(lesson.passages):
            ends = torch.tensor([len(s) + 1 for s in sentences]).cumsum(0)
            starts = tokens[row, :, 0].contiguous()
            segments[row] = first + torch.searchsorted(ends, starts, right=True).clamp(max=len(sentences) - 1)
            owner += [row] * len(sentences)
            first += len(sentences)
        own, words = torch.tensor(owner), tokens[..., 1] > tokens[..., 0]
        asked_words = asked_tokens[..., 1] > asked_tokens[..., 0]
        frequency = Counter(i for r in range(len(ids)) for i in set(ids[r][words[r]].tolist()))
        n = len(ids)
        idf = [
            math.log1p((n - frequency[i] + 0.5) / (frequency[i] + 0.5))
            for i in asked_ids[asked_words].tolist()
        ]
        asker = asked_words.nonzero()[:, 0]
        weight = torch.tensor(idf)
        weight = weight / (torch.zeros(len(asked)).index_add(0, asker, weight)[asker] + 1e-6)
        similar = (asked_vectors[asked_words] @ vectors[words].T).float()
        nowhere = torch.full((len(similar), first), -1.0)
        by_sentence = nowhere.scatter_reduce(1, segments[words].expand(len(similar), -1), similar, "amax")
        nowhere = torch.full((len(similar), n), -1.0)
        by_passage = nowhere.scatter_reduce(1, own.expand(len(similar), -1), by_sentence, "amax")

        def weighted(best: Tensor) -> Tensor:
            return torch.zeros(len(asked), best.shape[1]).index_add(0, asker, best * weight[:, None])

        return weighted(by_passage), weighted(by_sentence), asked_pooled @ pooled.T, own

    def _encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Token ids `[n, t]`, their places `[n, t, 2]` (empty for marks), unit vectors, and their means."""
        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS,
            return_offsets_mapping=True, return_tensors="pt",
        )  # fmt: skip
        mask = batch["attention_mask"]
        hidden = self._network(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state.float()
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        unit = functional.normalize
        return batch["input_ids"], batch["offset_mapping"], unit(hidden, dim=-1), unit(pooled, dim=-1)


def disturbed(question: str, random: Random) -> str:
    """A question as somebody else might type it: mostly as it is, else as keywords or with slips."""
    kind = random.random()
    if kind < 0.72:
        return question
    words = question.split()
    if kind < 0.82:
        return " ".join(w for w in words if not is_stopword(w.strip("?.,!"))) or question
    return " ".join(
        _slip(w, random) if len(w) > 3 and w.isalpha() and random.random() < 0.3 else w for w in words
    )


def _slip(word: str, random: Random) -> str:
    """Drop, swap or double one letter inside a word."""
    at, kind = random.randrange(1, len(word) - 1), random.random()
    if kind < 0.4:
        return word[:at] + word[at + 1 :]
    if kind < 0.7:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at] + word[at:]


def _surprise(scores: Tensor, right: Tensor) -> Tensor:
    """-log of the probability that softmax gives to what is right, by row."""
    return torch.logsumexp(scores, 1) - torch.logsumexp(scores.masked_fill(~right, -1e4), 1)


def model_card(result: dict[str, Any], counts: dict[str, int], command: str) -> str:
    """What stands beside the adapter: data, recipe and figures."""
    data = "\n".join(f"| {name} | {number} |" for name, number in counts.items())
    return _CARD.format(command=command, data=data, result=json.dumps(result, indent=2), **globals())


_CARD = """# The adapter of all-MiniLM-L6-v2

Low-rank factors (rank {RANK}, half floats) for every linear layer of the encoder; merged at build.
Made by `{command}`: AdamW {LEARNING_RATE}, seed 0, one thread, bfloat16. Questions on reports, and those in
`eval/written`, are gone through {REPEATS} times, the others once.

| questions learned from | number |
|---|---|
{data}

No question on a report that ships, and no test split of a collection, was read. Share of questions whose
first passage and first sentence by late interaction are right, on reports held out of training:

```json
{result}
```

Limits: English; learned from government reports, encyclopedia paragraphs and health pages; a question
typed in another language is as foreign to it as to the encoder that it adapts.
"""
