"""An adapter: a small change of an encoder's weights, kept beside the weights that it changes.

Low-rank matrices (Hu et al. 2021, "LoRA"): a layer's weight W becomes W + B·A. Trained by
`eval/training.py`; merged once when the model is loaded, so that it costs nothing afterwards.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ADAPTER = Path(__file__).parent / "adapter.safetensors"
"""The adapter of all-MiniLM-L6-v2 that ships; `adapter.md` says what it was trained on and what it gains."""


SCALE = 0.75
"""How far the weights move towards the trained ones: between the base, which is better on a report unlike
those that were learned from, and the adapter, which is better on one like them (Wortsman et al. 2022,
"Robust fine-tuning of zero-shot models"); `eval/results/ablation.md` has the figures."""


def adapter_sha256() -> str:
    """SHA-256 of the adapter that ships."""
    return hashlib.sha256(ADAPTER.read_bytes()).hexdigest()


def merge_adapter(network: "torch.nn.Module", path: Path = ADAPTER, scale: float = SCALE) -> None:
    """Add an adapter to the weights of a network, `scale` of the way.

    Raises:
        ValueError: if the network lacks one of the adapter's layers, or a shape differs.
    """
    from safetensors.torch import load_file

    factors = load_file(path)
    layers = dict(network.named_modules())
    for name in sorted({key.rpartition(".")[0] for key in factors}):
        change = factors[f"{name}.B"].float() @ factors[f"{name}.A"].float()
        weight = getattr(layers.get(name), "weight", None)
        if weight is None or weight.shape != change.shape:
            found = "no such layer" if weight is None else f"shape {tuple(weight.shape)}"
            raise ValueError(
                f"{path.name}: layer {name}: found {found}, expected shape {tuple(change.shape)}; "
                "the adapter belongs to another encoder"
            )
        weight.data += scale * change
