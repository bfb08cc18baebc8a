import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from indexer.distilled import DIRECTIONS, DISTILLED, STEP, distilled_sha256, load_directions, smaller
from indexer.embedding import ADAPTED_ENCODER, PassageEncoder, find_encoder


@pytest.fixture(scope="module")
def encoder() -> PassageEncoder:
    return PassageEncoder(find_encoder())


@pytest.fixture(scope="module")
def adapted() -> PassageEncoder:
    return PassageEncoder(find_encoder(ADAPTED_ENCODER))


def test_what_ships_is_known_by_its_hash() -> None:
    assert distilled_sha256() == hashlib.sha256(DISTILLED.read_bytes()).hexdigest()


def test_weights_are_the_integers_that_int8_in_reduced_range_has(encoder: PassageEncoder) -> None:
    found = load_file(DISTILLED)
    steps = {name.removesuffix(STEP) for name in found if name.endswith(STEP)}
    assert steps
    for name in steps:
        assert found[name].dtype == torch.int8
        assert found[name].abs().max() <= 64
    weight = dict(smaller(encoder.network).encoder.named_parameters())[min(steps)]
    assert torch.equal(weight, found[min(steps)].float() * found[min(steps) + STEP])


def test_the_smaller_network_has_fewer_layers_and_the_encoders_word_embeddings(
    encoder: PassageEncoder,
) -> None:
    small, large = smaller(encoder.network), encoder.network
    assert 0 < len(small.encoder.layer) < len(large.encoder.layer)
    for one, other in zip(small.embeddings.parameters(), large.embeddings.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_encoder_itself_is_left_as_it_was(encoder: PassageEncoder, adapted: PassageEncoder) -> None:
    before = encoder.encode(["gold"])
    smaller(encoder.network)
    assert np.array_equal(encoder.encode(["gold"]), before)
    assert np.array_equal(adapted.encode(["gold"]), before)


def test_another_encoders_layers_are_refused(encoder: PassageEncoder, tmp_path: Path) -> None:
    found = load_file(DISTILLED)
    name = next(name for name in found if name.endswith(STEP)).removesuffix(STEP)
    found[name] = found[name][:, :-1].contiguous()
    save_file(found, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors: .*it belongs to another encoder"):
        smaller(encoder.network, tmp_path / "other.safetensors")


def test_directions_are_orthogonal_and_of_length_one() -> None:
    directions = load_directions()
    assert directions.shape[0] < directions.shape[1]
    torch.testing.assert_close(directions @ directions.T, torch.eye(len(directions)), atol=2e-3, rtol=0)


def test_tokens_keep_their_likeness_with_fewer_numbers(
    encoder: PassageEncoder, adapted: PassageEncoder
) -> None:
    """What late interaction compares: cosines of tokens of different sentences."""
    sentences = [["Gold is dug in Kayes."], ["Cotton was sold for less than the farmers had paid."]]
    short, full = (
        [np.concatenate([one.vectors for one in model.encode_passage(found)[1]]) for found in sentences]
        for model in (encoder, adapted)
    )
    assert short[0].shape[1] == encoder.token_dimension == len(load_directions())
    assert full[0].shape[1] == adapted.token_dimension == adapted.dimension
    cosines: list[Any] = [(one[0] @ one[1].T).ravel() for one in (short, full)]
    assert np.abs(cosines[0] - cosines[1]).mean() < 0.1
    assert np.corrcoef(*cosines)[0, 1] > 0.8


def test_directions_are_no_part_of_the_network(encoder: PassageEncoder) -> None:
    assert not any(DIRECTIONS in name for name in smaller(encoder.network).state_dict())
