"""The query encoder: text → unit vectors, in ONNX Runtime. No torch in here: this file serves."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

FILES = ("model.onnx", "tokenizer.json")
"""What a saved model consists of."""
FAST_MODEL = "fast.onnx"
"""Beside them, if the encoder has one: the smaller network, which reads the same tokens."""
_SLOWER = "SkipLayerNormFusion"
"""What ONNX Runtime makes of a sum and its layer norm takes four times as long as the two do: without it a
reader is a tenth faster (8.9 → 8.0 ms for 83 tokens on an AMD EPYC)."""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query as unit vectors: `vector` `[dim]` for the whole, `tokens` `[n, token_dim]` for its tokens.

    `ids` `[n]` are the token ids; the marks at the beginning and the end are left out.
    """

    vector: NDArray[np.float32]
    ids: NDArray[np.int64]
    tokens: NDArray[np.float32]


def open_model(folder: Path) -> tuple[onnxruntime.InferenceSession, Any]:
    """An ONNX model that runs on one thread, and its tokenizer, without padding, from a folder of `FILES`."""
    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return open_session(folder / "model.onnx"), tokenizer


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX model that runs on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=[_SLOWER]
    )


class QueryEncoder:
    """A sentence encoder, one text at a time on one thread.

    One text at a time, because activations are quantised per run: in a batch, an answer would depend
    on what was asked beside it.
    """

    def __init__(self, folder: Path, dimension: int, max_tokens: int, prompt: str) -> None:
        self._session, self._tokenizer = open_model(folder)
        self._tokenizer.enable_truncation(max_tokens)
        self._prompt = prompt
        self.dimension = dimension
        smaller = folder / FAST_MODEL
        self._fast = open_session(smaller) if smaller.is_file() else self._session

    @classmethod
    def load(cls, folder: Path, description: Mapping[str, Any]) -> "QueryEncoder":
        """Load from a bundle's folder, given the manifest's description of the encoder."""
        return cls(folder, description["dimension"], description["max_tokens"], description["query_prompt"])

    def encode(self, text: str, *, fast: bool = False) -> EncodedQuery:
        """Encode one query. Text past `max_tokens` is not read.

        With `fast`, by the smaller network, if there is one.
        """
        encoding = self._tokenizer.encode(self._prompt + text)
        inputs = {
            "input_ids": np.array([encoding.ids], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask], dtype=np.int64),
        }
        session = self._fast if fast else self._session
        vector, tokens = session.run(["sentence_embedding", "token_embeddings"], inputs)
        words = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
        return EncodedQuery(vector[0], inputs["input_ids"][0][words], tokens[0][words])
