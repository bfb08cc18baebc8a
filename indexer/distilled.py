"""What was distilled from the encoder that ships: a smaller one, and token vectors of fewer numbers.

Trained by `eval/distillation.py`; `query_encoder.md` says on what, and what it costs. Kept beside the weights
that it belongs to, as the adapter is.
"""

import copy
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DISTILLED = Path(__file__).parent / "query_encoder.safetensors"
DIRECTIONS = "directions"
"""Rows `[numbers, dimension]`: a token vector is kept as its products with them."""
STEP = ".step"
"""Ends the name of what a weight's integers are multiplied by, row by row."""


def distilled_sha256() -> str:
    """SHA-256 of what ships."""
    return hashlib.sha256(DISTILLED.read_bytes()).hexdigest()


def load_directions(path: Path = DISTILLED) -> "torch.Tensor":
    """The directions in which token vectors are kept, float32 `[numbers, dimension]`."""
    from safetensors.torch import load_file

    return load_file(path)[DIRECTIONS].float()


def smaller(network: Any, path: Path = DISTILLED) -> Any:
    """A copy of an encoder's network with the few layers that were trained for questions.

    Raises:
        ValueError: if the layers do not fit the network.
    """
    import torch
    from safetensors.torch import load_file

    found = load_file(path)
    weights = {
        name: value.float() * found.get(name + STEP, 1.0)
        for name, value in found.items()
        if name != DIRECTIONS and not name.endswith(STEP)
    }
    layers = 1 + max(int(name.split(".")[1]) for name in weights)
    small = copy.deepcopy(network)
    small.encoder.layer = torch.nn.ModuleList(list(small.encoder.layer)[:layers])
    try:
        small.encoder.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"{path.name}: {' '.join(str(error).split())[:200]}; it belongs to another encoder"
        ) from error
    return small
