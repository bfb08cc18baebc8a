"""Question and text read together by an ONNX model: what the writer of a bundle and its reader agree on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.encoder import Models

FILES = ("reader.onnx", "reader.json")
"""What a saved reader consists of: the network and the tokenizer."""
MAX_TOKENS = 128
"""What is read of question and text together."""


@dataclass(frozen=True, slots=True)
class PairLogits:
    """What a model says of one pair. A model that only scores pairs has no tokens.

    `answers`: for the whole; `places` `[n, 2]`: where the text's tokens stand in it, in order; `tokens`
    `[n, 3]`: evidence, start and end; `nothing`: start and end at no token.
    """

    answers: float
    places: NDArray[np.int64]
    tokens: NDArray[np.float32]
    nothing: float


class CrossEncoder:
    """A pair at a time on one thread, so that no answer depends on what is read beside it."""

    def __init__(self, folder: Path, models: Models | None = None) -> None:
        models = models or Models()
        network, tokenizer = FILES
        self._session, self._tokenizer = (
            models.session(folder / network),
            models.tokenizer(folder / tokenizer),
        )
        self._room = MAX_TOKENS - self._tokenizer.num_special_tokens_to_add(True)
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self._outputs = [entry.name for entry in self._session.get_outputs()]

    def read(self, question: str, text: str) -> PairLogits:
        """Read one pair. What does not fit into `MAX_TOKENS` is cut from the longer of the two."""
        first, second = (self._tokenizer.encode(part, add_special_tokens=False) for part in (question, text))
        first.truncate(max(self._room - len(second), self._room // 2))
        second.truncate(self._room - len(first))
        encoding = self._tokenizer.post_process(first, second)
        given = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        inputs = {name: np.array([given[name]], dtype=np.int64) for name in self._inputs}
        found = dict(zip(self._outputs, self._session.run(None, inputs), strict=True))
        answers = float(found["answers"].ravel()[0])
        if "tokens" not in found:
            return PairLogits(answers, np.zeros((0, 2), np.int64), np.zeros((0, 3), np.float32), 0.0)
        tokens = found["tokens"][0]
        second = np.array([number == 1 for number in encoding.sequence_ids])
        places = np.array(encoding.offsets, dtype=np.int64)[second]
        return PairLogits(answers, places, tokens[second], float(tokens[0, 1] + tokens[0, 2]))
