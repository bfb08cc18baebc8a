"""How fast passages are encoded, beside sentence-transformers in fp32, and how near the vectors are."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.speed.fleet import CONTROL, OURS
from eval.speed.rows import Bar, Row
from indexer.embedding import BASE_ENCODER, PassageEncoder, find_encoder
from indexer.encoding import Encoding, choose
from indexer.store import EmbeddingStore

BASELINE = "sentence-transformers"
MANY = 2_000
"""Passages from which on the bar is for encoding: with fewer, starting the processes takes longer."""


def encoding_row(texts: Sequence[str], rounds: int, say: Callable[[str], None]) -> Row:
    """Passages per second as a build encodes them and as sentence-transformers does, in alternating blocks.

    Ours includes starting the processes and loading the encoder in each; theirs is loaded before.
    """
    from sentence_transformers import SentenceTransformer

    source = find_encoder(BASE_ENCODER)
    theirs: Any = SentenceTransformer(str(source.folder), device="cpu")
    choice = choose(source, PassageEncoder(source), list(texts))

    def baseline() -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = theirs.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

    def mine() -> NDArray[np.float32]:
        with EmbeddingStore(None) as store:
            encoding = Encoding(source, store, choice)
            encoding.make(list(texts), lambda line: None)
            return encoding.vectors(list(texts))

    systems: dict[str, Callable[[], NDArray[np.float32]]] = {
        OURS: mine,
        BASELINE: baseline,
        CONTROL: mine,
    }
    rates: dict[str, list[float]] = {name: [] for name in systems}
    vectors = {}
    for turn in range(rounds):
        for name in [*systems][:: -1 if turn % 2 else 1]:
            start = time.perf_counter()
            vectors[name] = systems[name]()
            rates[name].append(len(texts) / (time.perf_counter() - start))
        say(", ".join(f"{name} {found[-1]:.1f} passages per second" for name, found in rates.items()))
    cosines = np.sum(vectors[OURS] * vectors[BASELINE], axis=1)
    near = f"cosine {cosines.mean():.6f} on average, {cosines.min():.6f} at least"
    name = f"encoded in {choice.precision}, {len(texts)} passages, {near}"
    return Row(name, "1/s", "higher", rates, (Bar(3.0, BASELINE),) if len(texts) >= MANY else ())
