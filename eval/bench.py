"""A collection → how well each stage finds what people judged relevant, beside published figures.

Three stages work on whole documents, as the published figures do: BM25, dense (the base encoder, in fp32)
and their fusion. `full` is the service's own retriever over a bundle of the collection; a document is where
its best passage is. Vectors and bundles are kept in a cache folder and found again by content.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from eval.asking import in_process
from eval.collection import Judged, Spans
from eval.judging import Outcome
from eval.measures import MEASURES, judge_ranking, judge_run
from eval.run import Run, run
from eval.summary import summarize
from eval.tables import run_tables
from indexer.adapter import ADAPTER
from indexer.build import build_bundle
from indexer.bundle import open_bundle
from indexer.embedding import BASE_ENCODER, PassageEncoder, find_encoder
from indexer.lexical import LexicalIndex, terms
from indexer.passages import encoding_text
from service.answer import Answerer

MEASURED = ("nDCG@10", "R@100")
_DEPTH = 1_000
Floats = NDArray[np.float64]
Progress = Callable[[str], None]


def bench_table(
    judged: Judged | None,
    spans: Spans | None,
    folder: Path,
    cache: Path,
    stages: Sequence[str],
    progress: Progress,
) -> str:
    """All that is measured of a collection as Markdown, with what its README says is published."""
    parts = []
    if judged:
        rows = bench_judged(judged, cache / "judged", stages, progress)
        parts.append(
            f"{len(judged.documents)} documents, {len(judged.queries)} queries ({judged.source})\n\n"
            f"| stage | {' | '.join(MEASURED)} |\n|---|{'---|' * len(MEASURED)}\n"
            + "\n".join(
                f"| {stage} | {' | '.join(f'{values[name]:.4f}' for name in MEASURED)} |"
                for stage, values in rows.items()
            )
        )
    if spans and "full" in stages:
        outcomes = bench_spans(spans, cache / "spans", progress)
        about = f"{len(spans.texts)} texts, {len(outcomes)} questions, each asked of its own text"
        made = {"collection": folder.name}
        parts.append(f"{about}\n\n{run_tables(Run(made, tuple(outcomes)), summarize(outcomes))}")
    if "full" in stages and folder.name in learned_from():
        parts.append(
            "The adapter learned from questions of this collection (`indexer/adapter.md`): what the full "
            "pipeline gets here is no test of it."
        )
    if published := _published(folder):
        parts.append(f"From the collection's README:\n\n{published}")
    return "\n\n".join(parts)


def learned_from() -> set[str]:
    """Names of the collections that the shipped adapter was trained on, as its card lists them."""
    card = ADAPTER.with_suffix(".md").read_text("utf-8")
    return set(re.findall(r"^\| (\w+) \| \d+ \|$", card, re.MULTILINE))


def _published(folder: Path) -> str:
    """The README's paragraph and table that begin with the word Published."""
    path = folder / "README.md"
    text = path.read_text("utf-8") if path.is_file() else ""
    start = text.find("Published")
    return text[start:].strip() if start >= 0 else ""


def bench_judged(
    judged: Judged, cache: Path, stages: Sequence[str], progress: Progress
) -> dict[str, dict[str, float]]:
    """Each stage's measures on a judged collection: stage → measure → mean over its queries."""
    ids = list(judged.documents)
    found: dict[str, dict[str, float]] = {}
    scores: dict[str, Floats] = {}
    if {"bm25", "fusion"} & set(stages):
        progress("indexing words")
        scores["bm25"] = _bm25(judged)
    if {"dense", "fusion"} & set(stages):
        scores["dense"] = _dense(judged, cache, progress)
    if "fusion" in stages:
        scores["fusion"] = _standard(scores["bm25"]) + _standard(scores["dense"])
    for stage in (stage for stage in ("bm25", "dense", "fusion") if stage in stages):
        run_ = {
            query: {ids[row]: float(values[row]) for row in np.argsort(-values, kind="stable")[:_DEPTH]}
            for query, values in zip(judged.queries, scores[stage], strict=True)
        }
        rankings = judge_run(judged.qrels, run_).values()
        found[stage] = {name: mean(map(MEASURES[name], rankings)) for name in MEASURED}
    if "full" in stages:
        found["full"] = _full(judged, cache, progress)
    return found


def bench_spans(spans: Spans, cache: Path, progress: Progress) -> list[Outcome]:
    """Ask every question of its own text through the whole service, and judge the answers.

    Raises:
        ValueError: if a text is changed by indexing, so that its spans point elsewhere.
    """
    ids = {title: f"t{number:04d}" for number, title in enumerate(spans.texts)}
    texts = {ids[title]: text for title, text in spans.texts.items()}
    bundle = open_bundle(_bundle(texts, cache, progress))
    for id_, text in texts.items():
        if bundle.documents[id_].text != text:
            raise ValueError(f"text {id_} is not the one indexed; expected Unicode NFC with \\n line ends")
    questions = [replace(q, document_id=ids[q.document_id]) for q in spans.questions]

    def told(done: int, total: int) -> None:
        if done % 500 == 0:
            progress(f"asked {done} of {total} questions")

    return run(questions, in_process(bundle), texts, told)


def _bm25(judged: Judged) -> Floats:
    index = LexicalIndex.build(list(judged.documents.values()))
    return np.stack([index.scores(terms(query)) for query in judged.queries.values()]).astype(np.float64)


def _dense(judged: Judged, cache: Path, progress: Progress) -> Floats:
    vectors = []
    for what, texts in (("documents", judged.documents), ("queries", judged.queries)):
        source = find_encoder(BASE_ENCODER)
        digest = _digest([source.weights_sha256, *texts.values()])
        path = cache / f"{what}-{digest}.npy"
        if not path.is_file():
            progress(f"encoding {len(texts)} {what}")
            encoded = PassageEncoder(source).encode([encoding_text(text) for text in texts.values()])
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, encoded)
        vectors.append(np.load(path))
    documents, queries = vectors
    scores: Floats = (queries @ documents.T).astype(np.float64)
    return scores


def _standard(scores: Floats) -> Floats:
    """Standard scores of each row, so that a cosine and a BM25 score can be added."""
    spread = scores.std(axis=1, keepdims=True)
    standard: Floats = (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    return standard


def _full(judged: Judged, cache: Path, progress: Progress) -> dict[str, float]:
    ids = {f"d{number:06d}": id_ for number, id_ in enumerate(judged.documents)}
    texts = {ours: judged.documents[theirs] for ours, theirs in ids.items()}
    answerer = Answerer(open_bundle(_bundle(texts, cache, progress)))
    progress(f"retrieving for {len(judged.queries)} queries")
    rankings = []
    for query, text in judged.queries.items():
        _, retrieval = answerer.retrieve(text)
        found = (candidate.passage.document_id for candidate in retrieval.candidates)
        rankings.append(judge_ranking([ids[id_] for id_ in dict.fromkeys(found)], judged.qrels[query]))
    return {name: mean(map(MEASURES[name], rankings)) for name in MEASURED}


def _bundle(texts: Mapping[str, str], cache: Path, progress: Progress) -> Path:
    """The bundle of a corpus with one report for each text that is not blank."""
    corpus = cache / f"corpus-{_digest([*texts, *texts.values()])}"
    if not corpus.is_dir():
        unfinished = corpus.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        for id_, text in texts.items():
            if text.strip():
                (unfinished / id_).mkdir(parents=True)
                (unfinished / id_ / "source.txt").write_bytes(text.encode())
                (unfinished / id_ / "report.toml").write_text(f'id = "{id_}"\ntitle = "{id_}"\n')
        unfinished.rename(corpus)
    build_bundle(corpus, cache / "bundle", progress=progress)
    return cache / "bundle"


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]
