"""Network → int8 ONNX: how every model that is served leaves torch."""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

_OPSET = 17
_SLOWER = "SkipLayerNormFusion"
"""What ONNX Runtime makes of a sum and its layer norm takes four times as long as the two do: without it a
reader is a tenth faster (8.9 → 8.0 ms for 83 tokens on an AMD EPYC)."""


def export_quantized(
    network: Any, example: Sequence[Any], inputs: Sequence[str], outputs: Sequence[str], path: Path
) -> None:
    """Write a torch module as ONNX with int8 weights per channel, activations quantised when it runs.

    Reduced range, so that a CPU without VNNI does not saturate. For one text at a time, without padding: of
    several in a batch, an answer would depend on what is asked beside it.

    Args:
        network: What is called with `example`.
        example: One tensor `[1, tokens]` for each input.
        inputs: Their names. One that the result does not depend on, as a mask of nothing may be, is left out.
        outputs: Names of what it returns; those that begin with `token` have an axis of tokens.
        path: The file to write.
    """
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    full, plain = path.with_suffix(".full"), path.with_suffix(".plain")
    tokens = {1: "tokens"}
    with warnings.catch_warnings(), torch.no_grad(), _plain_attention(network), _one_text(network):
        warnings.simplefilter("ignore")  # the tracer warns of every shape it takes for a constant
        torch.onnx.export(
            network,
            tuple(example),
            str(full),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: tokens for name in inputs}
            | {name: tokens for name in outputs if name.startswith("token")},
            opset_version=_OPSET,
            dynamo=False,
        )
    logging.getLogger().addFilter(_is_no_preprocessing_advice)
    quantize_dynamic(full, plain, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    logging.getLogger().removeFilter(_is_no_preprocessing_advice)
    _optimize(plain, path)
    full.unlink()
    plain.unlink()


def _optimize(path: Path, into: Path) -> None:
    """Write a model with its operators fused, so that whoever opens it need not: it was half of the time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(into)
    options.log_severity_level = 3  # it warns that what is written is meant for machines like this one
    onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=[_SLOWER]
    )


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


@contextmanager
def _one_text(network: Any) -> Iterator[None]:
    """Have what is BERT compute one text `[tokens, dimension]` without mask or batch, to the same result.

    That is 110 operators instead of 180 in three layers; for a question, they are much of the time.
    """
    from transformers import BertModel

    models = [module for module in network.modules() if isinstance(module, BertModel)]
    for model in models:
        model.forward = partial(_read, model)
    try:
        yield
    finally:
        for model in models:
            del model.forward


def _read(model: Any, input_ids: Any, token_type_ids: Any = None, **_: Any) -> Any:
    """What `BertModel.forward` returns for one text that is not padded."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    known, heads = model.embeddings, model.config.num_attention_heads
    words, types = known.word_embeddings(input_ids)[0], known.token_type_embeddings.weight
    places = known.position_embeddings.weight[: words.shape[0]] + types[0]
    if token_type_ids is not None:  # a look-up of two rows would be quantised, and each time undone
        places = places + token_type_ids[0, :, None] * (types[1] - types[0])
    states = known.LayerNorm(words + places)
    width = model.config.hidden_size // heads  # not a shape, which would be worked out when it runs
    for layer in model.encoder.layer:
        own, mixed = layer.attention.self, layer.attention.output
        query, key, value = (
            part(states).view(-1, heads, width).transpose(0, 1) for part in (own.query, own.key, own.value)
        )
        shares = (query @ key.transpose(1, 2) / width**0.5).softmax(-1)
        found = (shares @ value).transpose(0, 1).reshape(-1, heads * width)
        states = mixed.LayerNorm(mixed.dense(found) + states)
        states = layer.output.LayerNorm(layer.output.dense(layer.intermediate(states)) + states)
    states = states[None]
    return BaseModelOutputWithPooling(
        last_hidden_state=states, pooler_output=model.pooler(states) if model.pooler else None
    )


def _is_no_preprocessing_advice(record: logging.LogRecord) -> bool:
    return "run pre-processing before quantization" not in record.getMessage()
