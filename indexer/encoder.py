"""The query encoder: text → unit vectors, in ONNX Runtime. No torch in here: this file serves."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

FILES = ("encoder.onnx", "encoder.json")
"""What a saved encoder consists of, beside its words: the network and the tokenizer."""
FAST_MODEL = "fast.onnx"
"""Beside them, if the encoder has one: the smaller network, which reads the same tokens."""
WORDS = "words-*.npy"
"""Files of word vectors, beside the models that refer to them by this name."""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query as unit vectors: `vector` `[dim]` for the whole, `tokens` `[n, token_dim]` for its tokens.

    `ids` `[n]` are the token ids; the marks at the beginning and the end are left out.
    """

    vector: NDArray[np.float32]
    ids: NDArray[np.int64]
    tokens: NDArray[np.float32]


class Models:
    """Opens ONNX models that run on one thread, and their tokenizers; what several share is held once.

    Word vectors are mapped from their file, so that only those of words that were asked after are in memory.
    """

    def __init__(self) -> None:
        self._words: dict[Path, onnxruntime.OrtValue] = {}
        self._tokenizers: dict[bytes, Any] = {}

    def session(self, path: Path) -> onnxruntime.InferenceSession:
        """The model in a file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # each model would keep one; it is no faster with them
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # export.py did
        words = {file.name: self._mapped(file) for file in sorted(path.parent.glob(WORDS))}
        for name, value in words.items():
            options.add_initializer(name, value)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        session.kept = words  # it reads them, and does not keep them
        return session

    def _mapped(self, file: Path) -> onnxruntime.OrtValue:
        if file not in self._words:
            self._words[file] = onnxruntime.OrtValue.ortvalue_from_numpy(np.load(file, mmap_mode="r"))
        return self._words[file]

    def tokenizer(self, path: Path) -> Any:
        """The tokenizer in a file, which neither pads nor truncates."""
        data = path.read_bytes()
        digest = hashlib.sha256(data).digest()
        if digest not in self._tokenizers:
            self._tokenizers[digest] = Tokenizer.from_buffer(data)
        return self._tokenizers[digest]


class QueryEncoder:
    """A sentence encoder, one text at a time on one thread.

    One text at a time, because activations are quantised per run: in a batch, an answer would depend
    on what was asked beside it.
    """

    def __init__(
        self, folder: Path, dimension: int, max_tokens: int, prompt: str, models: Models | None = None
    ) -> None:
        models = models or Models()
        network, tokenizer = FILES
        self._session, self._tokenizer = (
            models.session(folder / network),
            models.tokenizer(folder / tokenizer),
        )
        smaller = folder / FAST_MODEL
        self._fast = models.session(smaller) if smaller.is_file() else self._session
        self._room = max_tokens - self._tokenizer.num_special_tokens_to_add(False)
        self._prompt = prompt
        self.dimension = dimension

    @classmethod
    def load(
        cls, folder: Path, description: Mapping[str, Any], models: Models | None = None
    ) -> "QueryEncoder":
        """Load from a bundle's folder of models, given the manifest's description of the encoder."""
        dimension, max_tokens = description["dimension"], description["max_tokens"]
        return cls(folder, dimension, max_tokens, description["query_prompt"], models)

    def encode(self, text: str, *, fast: bool = False) -> EncodedQuery:
        """Encode one query. Text past `max_tokens` is not read.

        With `fast`, by the smaller network, if there is one.
        """
        encoding = self._tokenizer.encode(self._prompt + text, add_special_tokens=False)
        encoding.truncate(self._room)
        encoding = self._tokenizer.post_process(encoding)
        ids = np.array([encoding.ids], dtype=np.int64)
        session = self._fast if fast else self._session
        vector, tokens = session.run(["sentence_embedding", "token_embeddings"], {"input_ids": ids})
        words = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
        return EncodedQuery(vector[0], ids[0][words], tokens[0][words])
