"""The encoder → a smaller one for questions (`indexer/query_encoder.safetensors`), by one seeded command.

A question is encoded while somebody waits; passages are not. So questions asked in `fast` get a network
with fewer layers, which learns to give them the vectors that the encoder gives them (Hinton et al. 2015,
"Distilling the knowledge in a neural network"; for questions alone: Campos et al. 2023, "Quick dense
retrievers consume KALE"). Passages stay as they are. Beside it, the directions in which token vectors differ
most, to keep them with fewer numbers.
"""

import copy
import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from eval.collection import read_rows
from eval.lessons import Lesson
from eval.reader_training import LEVELS, coarse
from eval.training import disturbed
from indexer.distilled import DIRECTIONS, STEP
from indexer.embedding import PassageEncoder, one_thread
from indexer.lexical import is_stopword
from indexer.sentences import sentence_spans

LAYERS = (0, 2, 5)
"""Layers of the encoder that the smaller one begins with."""
NUMBERS = 128
"""Numbers of a token vector that is kept, of the encoder's 384."""
LEARNING_RATE = 8e-4
WARM_UP = 0.03
STEP_TOKENS = 2_560
"""Tokens of one step, about."""
QUESTIONS = 0.5
"""Share of questions among the texts learned from; the rest are sentences, and pieces of them."""
MAX_TOKENS = 160
BUCKET = 64
"""Steps whose texts are sorted by length together, so that little is padded."""
SENTENCES = 20_000
"""Sentences that say how rare a token is."""
SAMPLE = 2_000
"""Passages whose token vectors say in which directions those differ."""


_READ, _TAKEN = 40_000, 150
"""Characters that are read of a text, and sentences that are taken from it."""


def asked(lessons: Sequence[Lesson]) -> list[str]:
    """All questions of lessons, answered there or not, each once."""
    return sorted({question for lesson in lessons for question, _ in (*lesson.questions, *lesson.silent)})


def plain_sentences(
    corpora: Sequence[Path], without: Collection[str], lessons: Sequence[Lesson]
) -> list[str]:
    """Sentences of corpus files (`.jsonl[.gz]`), but for texts of some ids or numbers, and of lessons."""
    found = []
    for path in corpora:
        for _, row in read_rows(path):
            if row["_id"] not in without and row.get("number") not in without:
                text = row["text"][:_READ]
                spans = sentence_spans(text, 0, len(text))
                plain = [text[start:end] for start, end in spans if _is_plain(text[start:end])]
                found += plain[:_TAKEN]
    return found + [s for lesson in lessons for p in lesson.passages for s in p if _is_plain(s)]


def _is_plain(sentence: str) -> bool:
    return 4 <= len(sentence.split()) <= 60


class Distillation:
    """A smaller network that learns from an encoder. `progress` is called with a line now and then."""

    def __init__(self, encoder: PassageEncoder, seed: int, progress: Callable[[str], None]) -> None:
        torch.manual_seed(seed)
        self._random, self._progress = Random(seed), progress
        self._encoder, self._tokenizer = encoder, encoder.tokenizer
        self._large = encoder.network.eval()
        self.network = copy.deepcopy(self._large)
        self.network.encoder.layer = nn.ModuleList(self.network.encoder.layer[i] for i in LAYERS)
        for parameter in self._large.parameters():
            parameter.requires_grad = False
        for parameter in self.network.embeddings.parameters():
            parameter.requires_grad = False

    def train(self, questions: Sequence[str], sentences: Sequence[str], steps: int) -> None:
        """Learn for so many steps from questions, and from sentences as if they were some."""
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
        weights = self._importance(sentences)
        start, smooth = time.monotonic(), 0.0
        for at, texts in zip(range(steps), self._batches(questions, sentences), strict=False):
            share = at / steps
            rate = min(1.0, share / WARM_UP + 0.01) * 0.5 * (1 + math.cos(math.pi * share))
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * rate
            with one_thread(), coarse(self.network):
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = self._loss(texts, weights)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            smooth += (loss.item() - smooth) * max(0.02, 1 / (at + 1))
            if (at + 1) % 100 == 0:
                each = (time.monotonic() - start) / (at + 1)
                self._progress(f"step {at + 1} of {steps}: loss {smooth:.4f}, {each:.2f} s a step")

    @torch.no_grad()
    def directions(self, lessons: Sequence[Lesson]) -> Tensor:
        """The `NUMBERS` directions in which the token vectors of passages are longest: `[NUMBERS, dim]`."""
        passages = [" ".join(passage) for lesson in lessons for passage in lesson.passages]
        passages = self._random.sample(passages, min(SAMPLE, len(passages)))
        moment = torch.zeros(self._encoder.dimension, self._encoder.dimension, dtype=torch.float64)
        with one_thread():
            for passage in passages:
                _, tokens, ids = self._vectors(self._large, [passage])
                moment += tokens[ids >= 0].double().T @ tokens[ids >= 0].double()
            _, vectors = torch.linalg.eigh(moment)
        directions: Tensor = vectors.flip(1)[:, :NUMBERS].T.float().contiguous()
        return directions

    @torch.no_grad()
    def judge(self, questions: Sequence[str]) -> dict[str, float]:
        """Mean cosine to the encoder's vectors, of questions and of their tokens, coarse as it is served."""
        with one_thread(), coarse(self.network):
            found = [self._cosines([question]) for question in questions]
        whole, tokens = (torch.cat([pair[i] for pair in found]) for i in (0, 1))
        return {"questions": round(whole.mean().item(), 4), "tokens": round(tokens.mean().item(), 4)}

    def save(self, path: Path, directions: Tensor) -> None:
        """Write layers and directions: weights as the integers that they are served as, and their steps."""
        state = self.network.encoder.state_dict()
        linear = {f"{n}.weight" for n, m in self.network.encoder.named_modules() if isinstance(m, nn.Linear)}
        found = {DIRECTIONS: directions.half()}
        for name, value in state.items():
            if name in linear:
                step = value.abs().amax(1, keepdim=True) / LEVELS
                found[name] = torch.round(value / step).to(torch.int8)
                found[name + STEP] = step
            else:
                found[name] = value
        save_file({name: value.contiguous() for name, value in found.items()}, path)

    def _batches(self, questions: Sequence[str], sentences: Sequence[str]) -> Iterator[list[str]]:
        """Texts of about `STEP_TOKENS` tokens, without end, in a mixed order."""
        while True:
            texts: list[tuple[int, str]] = []
            room = BUCKET * STEP_TOKENS
            while room > 0:
                kind, given = (
                    (self._asked, questions)
                    if self._random.random() < QUESTIONS
                    else (self._piece, sentences)
                )
                text = kind(given)
                length = min(MAX_TOKENS, len(self._tokenizer.tokenize(text)) + 2)
                texts.append((length, text))
                room -= length
            texts.sort()
            batches: list[list[str]] = [[]]
            for length, text in texts:
                if batches[-1] and (len(batches[-1]) + 1) * length > STEP_TOKENS:
                    batches.append([])
                batches[-1].append(text)
            self._random.shuffle(batches)
            yield from batches

    def _asked(self, questions: Sequence[str]) -> str:
        question = disturbed(self._random.choice(questions), self._random)
        return question if self._random.random() < 0.9 else f"{self._random.choice(questions)} {question}"

    def _piece(self, sentences: Sequence[str]) -> str:
        """A sentence, some of its words, or several sentences: messages can be long."""
        sentence = self._random.choice(sentences)
        words = sentence.split()
        kind = self._random.random()
        if kind < 0.05:
            return " ".join(self._random.choices(sentences, k=4))
        if kind < 0.3:
            return sentence
        first = self._random.randrange(len(words))
        piece = words[first : first + self._random.randint(2, 14)]
        if kind < 0.6:
            piece = [word for word in piece if not is_stopword(word.strip("?.,!;:()"))] or piece
        return " ".join(piece)

    def _importance(self, sentences: Sequence[str]) -> Tensor:
        """How rare each token is among sentences, `[vocabulary]`: MaxSim weighs a question's tokens so."""
        sample = sentences[:: max(1, len(sentences) // SENTENCES)]
        frequency = torch.zeros(len(self._tokenizer))
        for ids in self._tokenizer(list(sample), truncation=True, max_length=MAX_TOKENS)["input_ids"]:
            frequency[list(set(ids))] += 1
        importance: Tensor = ((len(sample) - frequency + 0.5) / (frequency + 0.5)).log1p()
        return importance

    def _loss(self, texts: Sequence[str], importance: Tensor) -> Tensor:
        whole, tokens, ids = self._cosines(texts)
        weights = importance[ids]
        return (1 - whole).mean() + ((1 - tokens) * weights).sum() / weights.sum()

    def _cosines(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Cosines between the two networks' vectors: of texts `[n]`, of their tokens `[all]`, whose ids."""
        with torch.no_grad():
            whole, tokens, _ = self._vectors(self._large, texts)
        mine, my_tokens, ids = self._vectors(self.network, texts)
        words = ids >= 0
        return (whole * mine).sum(-1), (tokens[words] * my_tokens[words]).sum(-1), ids[words]

    def _vectors(self, network: Any, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors of texts `[n, dim]`, of tokens `[n, t, dim]`, and ids of these, -1 for marks."""
        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS,
            return_special_tokens_mask=True, return_tensors="pt",
        )  # fmt: skip
        mask = batch["attention_mask"]
        hidden = network(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state.float()
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        unit = functional.normalize
        ids = batch["input_ids"].masked_fill(batch["special_tokens_mask"] == 1, -1)
        return unit(pooled, dim=-1), unit(hidden, dim=-1), ids


def distilled_card(result: Mapping[str, float], counts: Mapping[str, int], steps: int, command: str) -> str:
    """What stands beside the weights: data, recipe and figures."""
    data = "\n".join(f"| {name} | {number:,} |" for name, number in counts.items())
    return _CARD.format(
        command=command, data=data, steps=steps, result=json.dumps(result), layers=len(LAYERS), **globals()
    )


_CARD = """# What encodes questions in `fast`

Layers {LAYERS} of all-MiniLM-L6-v2 with its adapter (`adapter.md`), trained on to give a question, and each
of its tokens, the vectors that all six give it; word embeddings are the encoder's own. In the same file are
the {NUMBERS} directions in which token vectors, of passages and of questions, are kept (principal components,
not centred). Weights are the integers that they are served as, seven bits, each row with its step.
Made by `{command}`: {steps} steps of about {STEP_TOKENS:,} tokens, AdamW {LEARNING_RATE}, bfloat16, one
thread.

| learned from | number |
|---|---|
{data}

Half of the texts are questions, disturbed as people type them; the rest sentences and pieces of sentences.
What is learned is the encoder's vectors: no judgement of what answers what is read. No question on a report
that ships, and no test split of a collection, was among them. Mean cosine to the encoder's vectors, for
questions on reports held out of training and for their tokens:

```json
{result}
```

`eval/results/ablation.md` has what it costs, beside all six layers. Where it is not near to the encoder on a
report's own sentences (`indexer/embedding.py`), a bundle is built without it. Limits: English, as the
encoder's; a text of more than {MAX_TOKENS} tokens is longer than any that was learned from.
"""
