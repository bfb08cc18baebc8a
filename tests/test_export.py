"""What leaves torch computes what torch computes."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import BertConfig, BertModel

from indexer.export import _one_text, export_quantized

LONGEST = 40


@pytest.fixture(scope="module")
def network() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48,
        max_position_embeddings=LONGEST, hidden_dropout_prob=0, attention_probs_dropout_prob=0,
    )  # fmt: skip
    return BertModel(config)


@pytest.mark.parametrize("length", [1, 2, 7, LONGEST])
@pytest.mark.parametrize("typed", [False, True])
@torch.no_grad()
def test_one_text_without_padding_is_computed_as_bert_does(
    network: BertModel, length: int, typed: bool
) -> None:
    ids = torch.randint(0, 60, (1, length))
    types = {"token_type_ids": torch.randint(0, 2, (1, length))} if typed else {}
    expected = network(input_ids=ids, **types)
    with _one_text(network):
        found = network(input_ids=ids, attention_mask=torch.ones_like(ids), **types)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.pooler_output, expected.pooler_output, atol=1e-5, rtol=1e-5)
    again = network(input_ids=ids, **types)
    assert torch.equal(again.last_hidden_state, expected.last_hidden_state), "it is left as it was"


def test_what_is_exported_reads_texts_of_any_length(network: BertModel, tmp_path: Path) -> None:
    """Traced with four tokens, it must not have taken their number for a constant."""
    path = tmp_path / "network.onnx"
    names = ("input_ids", "token_type_ids")

    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = network

        def forward(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.bert(input_ids=ids, token_type_ids=types).last_hidden_state
            return states

    example = (torch.zeros((1, 4), dtype=torch.int64),) * 2
    export_quantized(Tokens(), example, names, ("tokens",), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for length in (1, 3, 9, LONGEST):
        ids, types = random.integers(1, 60, (1, length)), random.integers(0, 2, (1, length))
        with torch.no_grad():
            expected = network(input_ids=torch.tensor(ids), token_type_ids=torch.tensor(types))[0][0].numpy()
        found = session.run(None, dict(zip(names, (ids, types), strict=True)))[0][0]
        assert found.shape == (length, 24)
        cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
        assert cosines.min() > 0.98
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert "DynamicQuantizeMatMul" in kinds, (
        "operators are fused where they are written, not where they are read"
    )
    assert "Where" not in kinds, "no mask is computed"
