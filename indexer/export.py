"""Network → int8 ONNX: how every model that is served leaves torch."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_OPSET = 17


def export_quantized(
    network: Any, example: Sequence[Any], inputs: Sequence[str], outputs: Sequence[str], path: Path
) -> None:
    """Write a torch module as ONNX with int8 weights per channel, activations quantised when it runs.

    Reduced range, so that a CPU without VNNI does not saturate.

    Args:
        network: What is called with `example`.
        example: One tensor `[batch, tokens]` for each input.
        inputs: Their names.
        outputs: Names of what it returns; those that begin with `token` have an axis of tokens.
        path: The file to write.
    """
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    full = path.with_suffix(".full")
    batch = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings(), torch.no_grad(), _plain_attention(network):
        warnings.simplefilter("ignore")  # the tracer warns of every shape it takes for a constant
        torch.onnx.export(
            network,
            tuple(example),
            str(full),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: batch for name in inputs}
            | {name: batch if name.startswith("token") else {0: "batch"} for name in outputs},
            opset_version=_OPSET,
            dynamo=False,
        )
    logging.getLogger().addFilter(_is_no_preprocessing_advice)
    quantize_dynamic(full, path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    logging.getLogger().removeFilter(_is_no_preprocessing_advice)
    full.unlink()


@contextmanager
def _plain_attention(network: Any) -> Iterator[None]:
    """Attention as products and a softmax: a tenth faster in ONNX Runtime than what torch's own becomes."""
    from transformers import PreTrainedModel

    models = [module for module in network.modules() if isinstance(module, PreTrainedModel)]
    before = [model.config._attn_implementation for model in models]
    for model in models:
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        for model, kind in zip(models, before, strict=True):
            model.set_attn_implementation(kind)


def _is_no_preprocessing_advice(record: logging.LogRecord) -> bool:
    return "run pre-processing before quantization" not in record.getMessage()
