"""The offline line: corpus → documents → passages → embeddings → bundle."""

import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from indexer.bundle import BundleError, verify_bundle, write_bundle
from indexer.documents import Document, read_document
from indexer.embedding import DEFAULT_ENCODER, EncoderSource, PassageEncoder, find_encoder
from indexer.encoding import Encoding, Text, choose
from indexer.english import English
from indexer.late import LateIndex
from indexer.lexical import K1, METHOD, B, LexicalIndex
from indexer.passages import SPLITTER, encoding_sentences, encoding_text, split_document
from indexer.publication import place, staged
from indexer.reading import DEFAULT_READER, add_reader, reader_sha256
from indexer.reports import Report, read_corpus
from indexer.store import EmbeddingStore

_PACKAGES = (
    "bm25s",
    "faiss-cpu",
    "numpy",
    "onnx",
    "onnxruntime",
    "PyStemmer",
    "symspellpy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)
_HERE = Path(__file__).parent


def build_bundle(
    corpus: Path,
    bundle: Path,
    encoder: str = DEFAULT_ENCODER,
    reader: str | None = DEFAULT_READER,
    *,
    force: bool = False,
    store: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> str:
    """Build the bundle of a corpus, unless the one in place was built from the same inputs.

    Args:
        corpus: Folder with one folder per report.
        bundle: The link that will point to the new bundle.
        encoder: A packaged model's name, a model folder, or a hub model's name.
        reader: The reader that ships, a cross-encoder's folder or hub name, or None for no reader.
        force: Build even if nothing changed.
        store: File of embeddings made before, for builds that go on or that change little; None: none.
        progress: Called with a line for people at each step.

    Returns:
        The bundle's id.

    Raises:
        CorpusError: if a report cannot be used.
        EncoderError: if the model cannot be used.
        BundleError: if `bundle` is something else than a bundle.
    """
    reports = read_corpus(corpus)
    source = find_encoder(encoder)
    inputs = _inputs(reports, source, reader)
    if not force and (current := _current(bundle, inputs)):
        progress(f"bundle is up to date: {current}")
        return current

    progress(f"reading {len(reports)} report(s) from {corpus}")
    documents = [read_document(report) for report in reports]
    split = [split_document(document) for document in documents]
    passages = [passage for found, _ in split for passage in found]
    by_id = {document.id: document for document in documents}
    sentences = [tuple(encoding_sentences(by_id[passage.document_id], passage)) for passage in passages]
    passage_texts = [" ".join(parts) for parts in sentences]
    sentence_texts = [sentence for parts in sentences for sentence in parts]

    progress(f"loading {source.id}")
    model = PassageEncoder(source)
    progress(f"encoding {len(passage_texts)} passages and {len(sentence_texts)} sentences")
    smalltalk = _smalltalk()
    texts: list[Text] = [*sentences, *smalltalk]
    choice = choose(source, model, texts)
    if choice.speed != 1:  # it was tried
        progress(f"encoding in {choice.precision}; bf16 is {choice.speed} times as fast on this machine")

    with (
        EmbeddingStore(store) as kept,
        tempfile.TemporaryDirectory() as folder,
        staged(bundle) as sealed,
    ):
        encoding = Encoding(source, kept, choice)
        encoding.make(texts, progress)
        progress("exporting the query encoder")
        description = model.export(Path(folder), sentence_texts)
        reading = add_reader(reader, Path(folder))
        progress("writing the bundle")
        manifest = {
            "inputs": inputs,
            "encoder": description | {"passages": {"precision": choice.precision, "cosine": choice.cosine}},
            "reader": reading,
            "splitter": SPLITTER,
            "lexical": {"method": METHOD, "k1": K1, "b": B},
            "calibration": _calibration(description, reading),
            "counts": {
                "documents": len(documents),
                "passages": len(passages),
                "sentences": len(sentence_texts),
            },
            "documents": [_entry(document) for document in documents],
        }
        bundle_id = write_bundle(
            sealed,
            manifest,
            [(document, furniture) for document, (_, furniture) in zip(documents, split, strict=True)],
            passages,
            encoding.vectors(sentences),
            encoding.sentences(sentences),
            encoding.vectors(smalltalk),
            LexicalIndex.build(passage_texts),
            LateIndex.build(encoding.tokens(sentences), model.vocabulary),
            _english(),
            Path(folder),
        )
        place(sealed, bundle, bundle_id)
    progress(f"built {bundle_id}: {len(passages)} passages, {len(sentence_texts)} sentences")
    return bundle_id


def _calibration(encoder: Mapping[str, Any], reader: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was fitted; about reading only what was fitted with this very reader, and so for `fast`."""
    calibration: dict[str, Any] = json.loads((_HERE / "calibration.json").read_bytes())
    if calibration.get("fast", {}).get("distilled_sha256") != encoder["distilled_sha256"]:
        calibration.pop("fast", None)
    if reader is None or calibration.get("reading", {}).get("reader_sha256") != reader["sha256"]:
        calibration.pop("reading", None)
    return calibration


def _english() -> English:
    path = resources.files("symspellpy") / "frequency_dictionary_en_82_765.txt"
    fields = path.read_text("utf-8-sig").split()
    return English.of(dict(zip(fields[::2], map(int, fields[1::2]), strict=True)))


def _smalltalk() -> list[str]:
    lines = (_HERE / "smalltalk.txt").read_text("utf-8").splitlines()
    return [encoding_text(line) for line in lines if line and not line.startswith("# ")]


def _entry(document: Document) -> dict[str, Any]:
    report = document.report
    return {
        "id": report.id,
        "metadata": report.metadata(),
        "sha256": document.sha256,
        "source_sha256": report.source_sha256,
        "characters": len(document.text),
        "suggestions": list(report.suggestions),
        "repairs": [[repair.rule, repair.count, repair.reason] for repair in report.repairs],
    }


def _inputs(reports: list[Report], source: EncoderSource, reader: str | None) -> dict[str, Any]:
    """All that decides the bundle's bytes: what is compared to know whether it is up to date."""
    corpus = hashlib.sha256(repr(reports).encode()).hexdigest()
    code = hashlib.sha256()
    for path in sorted([*_HERE.glob("*.py"), _HERE / "calibration.json", _HERE / "smalltalk.txt"]):
        code.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return {
        "corpus_sha256": corpus,
        "code_sha256": code.hexdigest(),
        "encoder": source.id,
        "weights_sha256": source.weights_sha256,
        "settings_sha256": source.settings_sha256,
        "adapter_sha256": source.adapter_sha256,
        "distilled_sha256": source.distilled_sha256,
        "reader": reader and [reader, reader_sha256(reader)],
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _current(bundle: Path, inputs: dict[str, Any]) -> str | None:
    """The id of the bundle in place, if it is sound and was built from these inputs."""
    try:
        manifest, bundle_id = verify_bundle(bundle)
    except BundleError:
        return None
    return bundle_id if manifest["inputs"] == inputs else None
