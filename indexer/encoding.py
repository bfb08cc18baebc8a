"""Texts → embeddings, on all cores, and only those that were not made before.

What a text's embedding depends on is its key: the text, the encoder, the precision, the code that encodes
and the packages and kind of CPU it runs on. Nothing else does, so that a build that goes on, or one of a
corpus that changed little, gives the bytes of a build from nothing.
"""

import hashlib
import importlib.metadata
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.adapter import SCALE
from indexer.embedding import EncoderSource, PassageEncoder, Precision, instructions, one_thread
from indexer.late import TokenVectors, quantize
from indexer.store import EmbeddingStore

_MANY = 1_000
"""Up to so many texts are encoded in this process in fp32: a small corpus is then the same bytes on CPUs
with bf16 and without, and other processes would take longer to start than they save."""
_SAMPLE = 12
_NEAR = 0.9999
"""Least cosine between bf16 and fp32."""
_FASTER = 1.3
"""How much faster bf16 must be. A CPU that has it is two to three times as fast, one that has not is slower:
what is between never comes up, so that the choice is the same each time."""
_TELL_EVERY = 5.0
_CODE = ("embedding.py", "encoding.py", "late.py", "adapter.py", "distilled.py")
_PACKAGES = ("torch", "transformers", "tokenizers", "sentence-transformers", "numpy")

Progress = Callable[[str], None]
Text = str | tuple[str, ...]
"""What is encoded: a line, or a passage as its sentences: vectors of it, of them and of their tokens."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What texts are encoded in, and what a sample of them showed: cosine to fp32 and times as fast.

    How fast it was is told, and not kept in a bundle: it would never be the same bytes again.
    """

    precision: Precision
    cosine: float = 1.0
    speed: float = 1.0


class Encoding:
    """The embeddings of texts, in a store. `choice` is what they were encoded in."""

    def __init__(self, source: EncoderSource, store: EmbeddingStore, choice: Choice) -> None:
        self.choice = choice
        self._source, self._store = source, store
        self._identity = _identity(source, choice.precision)

    def make(self, texts: Sequence[Text], progress: Progress) -> None:
        """Encode the texts that the store lacks, and drop from it what none of them needs."""
        keys = {text: self._key(text) for text in dict.fromkeys(texts)}
        missing = [text for text, key in keys.items() if key not in self._store]
        if len(missing) < len(keys):
            progress(f"{len(keys) - len(missing):,} of {len(keys):,} texts were encoded before")
        told = _Told(missing, progress)
        for text, payload in zip(
            missing, _encoded(self._source, self.choice.precision, missing), strict=True
        ):
            self._store.add(keys[text], payload)
            told.done(text)
        self._store.keep(set(keys.values()))

    def vector(self, text: Text) -> NDArray[np.float32]:
        """A text's unit vector `[dimension]`, which was made."""
        return _unpack(self._store[self._key(text)])[0]

    def vectors(self, texts: Sequence[Text]) -> NDArray[np.float32]:
        """Unit vectors `[len(texts), dimension]` of texts that were made."""
        return np.stack([self.vector(text) for text in texts])

    def sentences(self, passages: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """Unit vectors `[sentences, dimension]` of all sentences of passages, in order."""
        return np.concatenate([_unpack(self._store[self._key(passage)])[1] for passage in passages])

    def tokens(self, passages: Sequence[tuple[str, ...]]) -> Iterator[list[TokenVectors]]:
        """The token vectors of each passage's sentences, passage by passage."""
        for passage in passages:
            yield _unpack(self._store[self._key(passage)])[2]

    def _key(self, text: Text) -> bytes:
        kind, parts = ("text", (text,)) if isinstance(text, str) else ("passage", text)
        digest = hashlib.sha256(self._identity + kind.encode())
        for part in parts:
            digest.update(b"\0" + part.encode())
        return digest.digest()


def choose(source: EncoderSource, model: PassageEncoder, texts: Sequence[Text]) -> Choice:
    """Encode in bf16 if there is much to encode, this machine is faster at it, and it stays near fp32."""
    if len(texts) <= _MANY:
        return Choice("fp32")
    step = max(1, len(texts) // _SAMPLE)
    sample = [text if isinstance(text, str) else " ".join(text) for text in texts[::step][:_SAMPLE]]
    other = PassageEncoder(source, "bf16")
    with one_thread():
        cosines = np.sum(model.encode(sample) * other.encode(sample), axis=1)
        speed = _least_seconds(model, sample) / _least_seconds(other, sample)
    precision: Precision = "bf16" if cosines.min() >= _NEAR and speed >= _FASTER else "fp32"
    return Choice(precision, round(float(cosines.min()), 6), round(speed, 2))


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _least_seconds(model: PassageEncoder, texts: Sequence[str]) -> float:
    """CPU seconds for a few texts, the least of three tries: what else runs here does not count."""
    tries = []
    for _ in range(3):
        start = time.process_time()
        model.encode(texts)
        tries.append(time.process_time() - start)
    return min(tries)


def _identity(source: EncoderSource, precision: Precision) -> bytes:
    code = b"".join(Path(__file__).with_name(name).read_bytes() for name in _CODE)
    versions = [importlib.metadata.version(name) for name in _PACKAGES]
    parts = [
        source.weights_sha256,
        source.settings_sha256,
        source.adapter_sha256,
        source.distilled_sha256,
        SCALE,
        precision,
        *versions,
        platform.machine(),
        instructions(),
    ]
    return hashlib.sha256(repr(parts).encode() + code).digest()


def _encoded(source: EncoderSource, precision: Precision, texts: Sequence[Text]) -> Iterator[bytes]:
    """Each text's payload, in order."""
    if not texts:
        return
    if len(texts) <= _MANY or cores() == 1:
        with one_thread():
            model = PassageEncoder(source, precision)
            yield from (_payload(model, text) for text in texts)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(cores(), _begin, (source, precision)) as pool:
        yield from pool.imap(_work, texts, chunksize=16)


_worker: PassageEncoder
_alone: AbstractContextManager[None]


def _begin(source: EncoderSource, precision: Precision) -> None:
    global _worker, _alone
    _alone = one_thread()  # kept for as long as the process lives: it ends when nothing refers to it
    _alone.__enter__()
    _worker = PassageEncoder(source, precision)


def _work(text: Text) -> bytes:
    return _payload(_worker, text)


def _payload(model: PassageEncoder, text: Text) -> bytes:
    """What a text is encoded to, as bytes: see `_unpack`."""
    if isinstance(text, str):
        return _pack(model.encode([text])[0], np.zeros((0, model.dimension), dtype=np.float32), [])
    vector, tokens = model.encode_passage(text)
    return _pack(vector, model.encode_sentences(text), tokens)


def _pack(
    vector: NDArray[np.float32], sentences: NDArray[np.float32], tokens: Sequence[TokenVectors]
) -> bytes:
    width = tokens[0].vectors.shape[1] if tokens else 0
    head = np.array([len(vector), width, len(tokens), *(len(one.ids) for one in tokens)], dtype=np.uint32)
    parts: list[NDArray[Any]] = [head, vector, sentences]
    for one in tokens:
        numbers, scale = quantize(one.vectors)
        parts += [one.ids.astype(np.uint32), scale, numbers]
    return b"".join(part.tobytes() for part in parts)


def _unpack(payload: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32], list[TokenVectors]]:
    """A text's vector; of a passage also the vectors of its sentences, and the tokens of each."""
    dimension, width, sentences = np.frombuffer(payload, np.uint32, 3)
    lengths = np.frombuffer(payload, np.uint32, sentences, 12)
    place = 12 + 4 * int(sentences)
    vector = np.frombuffer(payload, np.float32, dimension, place)
    place += vector.nbytes
    each = np.frombuffer(payload, np.float32, sentences * dimension, place).reshape(sentences, dimension)
    place += each.nbytes
    tokens = []
    for length in map(int, lengths):
        ids = np.frombuffer(payload, np.uint32, length, place)
        scale = np.frombuffer(payload, np.float32, length, place + 4 * length)[:, None]
        numbers = np.frombuffer(payload, np.int8, length * int(width), place + 8 * length)
        place += 8 * length + len(numbers)
        tokens.append(TokenVectors(ids.astype(np.int64), numbers.reshape(length, -1) * scale))
    return vector, each, tokens


class _Told:
    """Says every few seconds how much is done, and how long the rest will take."""

    def __init__(self, texts: Sequence[Text], progress: Progress) -> None:
        self._progress = progress
        self._left = sum(map(_length, texts))
        self._all, self._texts, self._done = self._left, len(texts), 0
        self._start = self._last = time.monotonic()

    def done(self, text: Text) -> None:
        """Count a text."""
        self._done += 1
        self._left -= _length(text)
        now = time.monotonic()
        if now - self._last < _TELL_EVERY:
            return
        self._last = now
        took, made = now - self._start, max(self._all - self._left, 1)
        self._progress(
            f"encoded {self._done:,} of {self._texts:,} texts, {self._done / took:.0f} a second, "
            f"about {_duration(took * self._left / made)} left"
        )


def _length(text: Text) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
