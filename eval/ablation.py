"""Each part of retrieval taken out, or put in another way: what does not earn its place shows.

A part is taken out by patching the code, and the bundles are built again where it decides what they
hold. The weights stay those that are served. Only dev questions are asked, and those on reports that
were held out of training.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from eval.judging import holds
from eval.questions import Question, load_questions
from indexer.adapter import merge_adapter
from indexer.build import build_bundle
from indexer.bundle import Bundle, open_bundle
from indexer.embedding import ADAPTED_ENCODER, BASE_ENCODER, DEFAULT_ENCODER
from indexer.passages import Passage, Readable, encoding_sentences, reading_head
from service.answer import Answerer, Mode

MEASURED = ("Success@1", "Success@3", "Answer@1")
Right = tuple[bool, bool, bool]
"""Whether the first passage, one of the first three, and the cited sentence hold evidence."""


@dataclass(frozen=True)
class Ablation:
    """A named change: what is patched, for how long; whether bundles are built anew, with which encoder."""

    name: str
    patch: Callable[[], AbstractContextManager[object]] = nullcontext
    builds: bool = False
    encoder: str = DEFAULT_ENCODER
    mode: Mode = "fast"


@dataclass(frozen=True)
class Subject:
    """A corpus, and the questions asked of it."""

    name: str
    corpus: Path
    bundle: Path
    questions: Path


def measure(
    ablations: Sequence[Ablation], subjects: Sequence[Subject], folder: Path, progress: Callable[[str], None]
) -> str:
    """Ask every subject's questions under every change; returns a Markdown table."""
    heads = [f"{subject.name} {name}" for subject in subjects for name in MEASURED]
    lines = ["| change | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for ablation in ablations:
        cells = []
        for subject in subjects:
            with ablation.patch():
                path = subject.bundle
                if ablation.builds:
                    path = folder / subject.name / "bundle"
                    build_bundle(subject.corpus, path, ablation.encoder, force=True)
                right = list(_ask(open_bundle(path), subject.questions, ablation.mode))
            cells += [f"{mean(column):.3f}" for column in zip(*right, strict=True)]
        lines.append(f"| {ablation.name} | " + " | ".join(cells) + " |")
        progress(lines[-1])
    return "\n".join(lines)


def _ask(bundle: Bundle, folder: Path, mode: Mode) -> Iterator[Right]:
    answerer = Answerer(bundle)
    texts = {document.id: document.text for document in bundle.documents.values()}
    for question in load_questions(folder, texts):
        if question.answerable and question.split == "dev":
            yield _right(answerer, question, mode)


def _right(answerer: Answerer, question: Question, mode: Mode) -> Right:
    found = answerer.answer(question.question, 3, [question.document_id], question.history, mode).results
    spans = [(result.candidate.passage.start, result.candidate.passage.end) for result in found]
    passages = [holds(span, question.settling) for span in spans]
    cited = (found[0].citation.start, found[0].citation.end)
    return passages[0], any(passages), holds(cited, question.settling)


# --- what is changed ---


def _headed(document: Readable, passage: Passage) -> list[str]:
    """Title and heading before the first sentence, as many splitters have it."""
    first, *rest = encoding_sentences(document, passage)
    title = str(document.metadata["title"])
    return [f"{reading_head(title, passage.heading_path)}. {first}", *rest]


def _standard_scores(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    spread: NDArray[np.float64] = scores.std(axis=0) + 1e-9
    total: NDArray[np.float64] = ((scores - scores.mean(axis=0)) / spread).sum(axis=1)
    return total


def _min_max(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    span: NDArray[np.float64] = np.ptp(scores, axis=0) + 1e-9
    total: NDArray[np.float64] = ((scores - scores.min(axis=0)) / span).sum(axis=1)
    return total


def _reciprocal_ranks(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cormack, Clarke & Büttcher (2009), with their k of 60."""
    ranks = (-scores).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable") + 1
    total: NDArray[np.float64] = (1 / (60 + ranks)).sum(axis=1)
    return total


def _nothing_spelt_out() -> AbstractContextManager[object]:
    return mock.patch.multiple(
        "indexer.passages", spell_out=lambda text, names: text
    )  # the question's names stay as they are typed, too: nothing else knows them


def _patched(target: str, value: object) -> Callable[[], AbstractContextManager[object]]:
    return partial(mock.patch, target, value)


ABLATIONS = (
    Ablation("as served, with the reader", mode="accurate"),
    Ablation("without the reader (`fast`); the rest of this table too"),
    Ablation(
        "spelling not mended", _patched("service.query.Vocabulary.mend", lambda self, word, short=False: word)
    ),
    Ablation("French not glossed", _patched("service.query.gloss", lambda text: None)),
    Ablation("history not read", _patched("service.query._context", lambda text, history, vocabulary: ())),
    Ablation("names not written out in the question", _patched("service.query.write_out", lambda t, n: t)),
    Ablation("names not spelt out in passages", _nothing_spelt_out, builds=True),
    Ablation(
        "lines about the report not labelled",
        _patched("indexer.passages._label", lambda known, line: ""),
        builds=True,
    ),
    Ablation(
        "title and heading before passages", _patched("indexer.build.encoding_sentences", _headed), True
    ),
    Ablation(
        "questions by all six layers in `fast`, too, and tokens of 384 numbers",
        builds=True,
        encoder=ADAPTED_ENCODER,
    ),
    Ablation("encoder without adapter, the same", builds=True, encoder=BASE_ENCODER),
    Ablation(
        "adapter at full scale, the same",
        _patched("indexer.embedding.merge_adapter", partial(merge_adapter, scale=1.0)),
        builds=True,
        encoder=ADAPTED_ENCODER,
    ),
    Ablation("passages of 80 words", _patched("indexer.passages.MAX_WORDS", 80), builds=True),
    Ablation("passages of 320 words", _patched("indexer.passages.MAX_WORDS", 320), builds=True),
    Ablation("fused by standard scores", _patched("service.retriever.fuse", _standard_scores)),
    Ablation("fused by min-max", _patched("service.retriever.fuse", _min_max)),
    Ablation("fused by reciprocal ranks", _patched("service.retriever.fuse", _reciprocal_ranks)),
)
