"""Network → int8 ONNX: how every model that is served leaves torch."""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

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


def move_words(path: Path) -> None:
    """Move a model's word vectors into a file beside it, where models that have the same ones share it.

    They are half of a small model. What looks up token ids is called by the file's name, `words-*.npy`, and
    is found there as external data by whatever loads the model.
    """
    import onnx
    from onnx import external_data_helper, numpy_helper

    model = onnx.load(path)
    nodes = model.graph.node
    looked_up = {node.input[0] for node in nodes if node.op_type == "Gather" and node.input[1] == "input_ids"}
    for table in model.graph.initializer:
        if table.name not in looked_up or not table.raw_data:
            continue
        file = path.with_name(f"words-{hashlib.sha256(table.raw_data).hexdigest()[:12]}.npy")
        np.save(file, numpy_helper.to_array(table))
        for node in nodes:
            node.input[:] = [file.name if name == table.name else name for name in node.input]
        length = len(table.raw_data)
        external_data_helper.set_external_data(table, file.name, file.stat().st_size - length, length)
        table.name = file.name
        table.ClearField("raw_data")
    onnx.save(model, path)


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Write a tokenizer that neither pads nor truncates: the same one is then the same file for any model."""
    bare = Tokenizer.from_str(tokenizer.to_str())
    bare.no_padding()
    bare.no_truncation()
    bare.save(str(path))


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
