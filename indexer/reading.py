"""The build side of the reader: find one, and put it into a bundle as ONNX."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from indexer.cross_encoder import FILES, MAX_TOKENS
from indexer.embedding import folder_sha256
from indexer.export import export_quantized, move_words, save_tokenizer

SHIPPED = Path(__file__).parent / "reader"
"""The reader that ships; its `README.md` says what it was trained on, and what it gains."""
DEFAULT_READER = "report-qa-reader"


class ReaderError(RuntimeError):
    """A reader cannot be found, or is not the one expected."""


def reader_sha256(name: str) -> str | None:
    """SHA-256 of the reader that ships or of all in a folder; None of one that is yet to be fetched."""
    if name == DEFAULT_READER:
        return _sha256(SHIPPED / FILES[0])
    return folder_sha256(Path(name), {".safetensors", ".json", ".txt"}) if Path(name).is_dir() else None


def add_reader(name: str | None, folder: Path) -> dict[str, Any] | None:
    """Put a reader into `folder`, as `CrossEncoder` reads it; returns the manifest's description of it.

    Args:
        name: The reader that ships, a sentence-transformers CrossEncoder's folder or hub name, or None.
        folder: Where `FILES` and the words go.

    Raises:
        ReaderError: if there is no such reader, or it is not a cross-encoder with one score.
    """
    if name is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    if name != DEFAULT_READER:
        return _export(name, folder)
    expected = dict(line.split()[::-1] for line in (SHIPPED / "SHA256SUMS").read_text().splitlines())
    for file in FILES:
        if (found := _sha256(SHIPPED / file)) != expected[file]:
            raise ReaderError(
                f"{SHIPPED / file}: found sha256 {found}, expected {expected[file]}; check the file out again"
            )
        shutil.copy(SHIPPED / file, folder / file)
    move_words(folder / FILES[0])
    return {"id": name, "sha256": expected[FILES[0]], "max_tokens": MAX_TOKENS, "sentences": True}


def _export(name: str, folder: Path) -> dict[str, Any]:
    import torch
    from sentence_transformers import CrossEncoder

    try:
        model = CrossEncoder(name, device="cpu", num_labels=1)
    except Exception as error:  # whatever the folder or the hub holds decides which library fails, and how
        raise ReaderError(
            f"reader {name}: {str(error).splitlines()[0]}; expected the folder or the hub name of a "
            "cross-encoder with one score; unset HF_HUB_OFFLINE to download"
        ) from None
    batch = model.tokenizer(["Who?"], ["She did."], return_tensors="pt")
    inputs = tuple(batch)

    class Scorer(torch.nn.Module):
        """Tensors in, one logit out."""

        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.network(**dict(zip(inputs, given, strict=True))).logits[:, 0]
            return scores

    example = tuple(batch[key] for key in inputs)
    network, tokenizer = (folder / file for file in FILES)
    export_quantized(Scorer(model.model), example, inputs, ("answers",), network)
    save_tokenizer(model.tokenizer.backend_tokenizer, tokenizer)
    digest = _sha256(network)
    move_words(network)
    return {"id": name, "sha256": digest, "max_tokens": MAX_TOKENS, "sentences": False}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
