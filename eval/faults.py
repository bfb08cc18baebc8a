"""Seeded faults and harmless changes: each makes, from what is sound, another way of asking.

Faults of a build are built, by code that is patched as a slip would change it; the others change what an
open bundle holds.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime.quantization
from numpy.typing import NDArray

from eval.asking import DEEPEST, Ask, in_process
from eval.questions import Question
from indexer.build import build_bundle
from indexer.bundle import Bundle, open_bundle
from indexer.embedding import PassageEncoder, find_encoder
from indexer.lexical import LexicalIndex
from indexer.nearest import NearestIndex, exact_index
from indexer.sentences import sentence_spans

deep = partial(in_process, depth=DEEPEST)
"""Ask a bundle for as many passages as it may return, so that each channel can be looked at alone."""


@dataclass(frozen=True)
class Sound:
    """What is changed: the corpus and its bundle, and what is asked. `folder` is for new bundles."""

    corpus: Path
    bundle: Bundle
    questions: Sequence[Question]
    folder: Path

    @property
    def texts(self) -> dict[str, str]:
        """Canonical text of each document."""
        return {document.id: document.text for document in self.bundle.documents.values()}

    def rebuilt(self) -> Ask:
        """Ask a bundle that is built now, by the code as it is now."""
        path = self.folder / "bundle"
        build_bundle(self.corpus, path, force=True)
        return deep(open_bundle(path))

    def calibrated(self, **changes: Any) -> Ask:
        """Ask the bundle with another calibration."""
        calibration = {**self.bundle.manifest["calibration"], **changes}
        if "threshold" in changes and "reading" in calibration:
            calibration["reading"] = {**calibration["reading"], "threshold": changes["threshold"]}
        manifest = {**self.bundle.manifest, "calibration": calibration}
        return deep(replace(self.bundle, manifest=manifest))


@dataclass(frozen=True)
class Mutation:
    """A named change, and whether the gate must fail on it. `builds` says that it takes a build."""

    name: str
    fault: bool
    change: Callable[[Sound], Ask]
    builds: bool = False


# --- faults of a build ---


def _cut_sentences(sound: Sound) -> Ask:
    def halves(text: str, *place: Any) -> list[tuple[int, int]]:
        spans = []
        for first, last in sentence_spans(text, *place):
            space = text.find(" ", (first + last) // 2, last)
            spans += [(first, space), (space + 1, last)] if space > 0 else [(first, last)]
        return spans

    with mock.patch("indexer.passages.sentence_spans", halves):
        return sound.rebuilt()


def _first_token_pooling(sound: Sound) -> Ask:
    model = sound.folder / "cls-model"
    shutil.copytree(find_encoder().folder, model)
    path = next(model.glob("*_Pooling/config.json"))
    pooling = json.loads(path.read_text())
    pooling |= {name: name == "pooling_mode_cls_token" for name in pooling if name.startswith("pooling_mode")}
    path.write_text(json.dumps(pooling))
    source = replace(find_encoder(), folder=model)  # with its adapter and all else that is served
    with mock.patch("indexer.build.find_encoder", lambda name: source):
        return sound.rebuilt()


def _per_tensor(sound: Sound) -> Ask:
    quantize = onnxruntime.quantization.quantize_dynamic

    def coarse(*arguments: Any, **options: Any) -> None:
        quantize(*arguments, **{**options, "per_channel": False})

    with mock.patch("onnxruntime.quantization.quantize_dynamic", coarse):
        return sound.rebuilt()


# --- faults of what a bundle holds ---


def _shuffled_vectors(sound: Sound) -> Ask:
    random = np.random.default_rng(0)
    return deep(
        replace(
            sound.bundle,
            passage_index=exact_index(random.permutation(sound.bundle.passage_index.rows)),
            sentence_index=exact_index(random.permutation(sound.bundle.sentence_index.rows)),
        )
    )


def _moved_excerpts(sound: Sound) -> Ask:
    passages = tuple(
        replace(p, sentences=tuple((start + 1, min(end + 1, p.end)) for start, end in p.sentences))
        for p in sound.bundle.passages
    )
    return deep(replace(sound.bundle, passages=passages))


def _moved_offsets(sound: Sound) -> Ask:
    ask = deep(sound.bundle)

    def moved(question: Question) -> Mapping[str, Any]:
        reply = ask(question)
        for citation in reply["citations"]:
            citation["start_char_index"] += 1
            citation["end_char_index"] += 1
        return reply

    return moved


def _without_bm25(sound: Sound) -> Ask:
    """An index that knows no word."""
    return deep(replace(sound.bundle, lexical=LexicalIndex.build(["nothing"] * len(sound.bundle.passages))))


def _weights_of_other_channels(sound: Sound) -> Ask:
    fusion = sound.bundle.manifest["calibration"]["fusion"]
    values = list(fusion.values())
    return sound.calibrated(fusion=dict(zip(fusion, values[1:] + values[:1], strict=True)))


def _stale_confidence(sound: Sound) -> Ask:
    """Fitted to similarities that ran .3 higher: the intercept is that much lower."""
    confidence = dict(sound.bundle.manifest["calibration"]["confidence"])
    weights = [weight for name, weight in confidence.items() if name not in {"share", "intercept"}]
    shift = 0.3 * sum(weight for weight in weights if weight > 0)
    return sound.calibrated(confidence={**confidence, "intercept": confidence["intercept"] - shift})


# --- harmless changes ---


def _small_batches(sound: Sound) -> Ask:
    encode = PassageEncoder.encode

    def by_sevens(self: PassageEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
        parts = [encode(self, texts[start : start + 7]) for start in range(0, len(texts), 7)]
        return np.concatenate(parts)

    with mock.patch.object(PassageEncoder, "encode", by_sevens):
        return sound.rebuilt()


def _two_threads(sound: Sound) -> Ask:
    """Two threads for a question instead of one, which add in another order."""
    session = onnxruntime.InferenceSession

    def parallel(path: str, options: Any, **others: Any) -> Any:
        options.intra_op_num_threads = 2
        return session(path, options, **others)

    with mock.patch("onnxruntime.InferenceSession", parallel):
        return sound.rebuilt()


def _other_machine(sound: Sound) -> Ask:
    """Other kernels: every vector differs in its last bits."""
    random = np.random.default_rng(0)

    def noisy(index: NearestIndex) -> NearestIndex:
        noise = random.normal(scale=1e-6, size=index.rows.shape).astype(np.float32)
        return exact_index(index.rows + noise)

    return deep(
        replace(
            sound.bundle,
            passage_index=noisy(sound.bundle.passage_index),
            sentence_index=noisy(sound.bundle.sentence_index),
            smalltalk_index=noisy(sound.bundle.smalltalk_index),
        )
    )


def _other_order(sound: Sound) -> Ask:
    """Every question is asked after another one than before: nothing may be remembered."""
    ask = deep(sound.bundle)
    questions = list(sound.questions)
    Random(0).shuffle(questions)
    replies = {question.id: ask(question) for question in questions}
    return lambda question: replies[question.id]


MUTATIONS = (
    Mutation("splitter cuts sentences", True, _cut_sentences, builds=True),
    Mutation("excerpts off by one", True, _moved_excerpts),
    Mutation("offsets off by one", True, _moved_offsets),
    Mutation("BM25 dropped", True, _without_bm25),
    Mutation("first-token pooling instead of mean", True, _first_token_pooling, builds=True),
    Mutation("int8 per tensor", True, _per_tensor, builds=True),
    Mutation("threshold 0", True, lambda sound: sound.calibrated(threshold=0.0)),
    Mutation("threshold 1", True, lambda sound: sound.calibrated(threshold=1.0)),
    Mutation("shuffled vectors", True, _shuffled_vectors),
    Mutation("stale calibration: channels", True, _weights_of_other_channels),
    Mutation("stale calibration: confidence", True, _stale_confidence),
    Mutation("built again", False, lambda sound: sound.rebuilt(), builds=True),
    Mutation("built in batches of 7", False, _small_batches, builds=True),
    Mutation("two threads", False, _two_threads, builds=True),
    Mutation("last bits of another machine", False, _other_machine),
    Mutation("questions in another order", False, _other_order),
)
