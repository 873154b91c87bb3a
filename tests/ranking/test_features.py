"""Signatures and sketches: the bound bounds, padding counts for nothing, projections keep what they promise."""

import pytest
import torch

from prism_photonics.ranking.features import (
    Bound,
    MeanAndBound,
    MeanKey,
    PrincipalProjection,
    RandomProjection,
    SoftenedBound,
    sketch,
)
from prism_photonics.ranking.signatures import mean_key, query_sketch
from prism_photonics.units import InputError


def dot(features, keys, valid, queries):
    return features.of_queries(queries, keys.shape[1], 0) @ features.of_blocks(keys, valid, 0).transpose(-1, -2)


def test_mean_keys_and_sketches_are_those_of_the_numpy_room(bank):
    keys, valid, queries = bank
    flat = keys.flatten(2, 3).double().numpy()
    assert MeanKey().of_blocks(keys, valid, 0).numpy() == pytest.approx(mean_key(flat, block=4), abs=1e-6)
    assert sketch(queries, 2).numpy() == pytest.approx(query_sketch(queries.numpy(), 2), abs=1e-6)


def test_the_bound_is_quests_sum_of_the_larger_products(bank):
    keys, valid, queries = bank
    q = sketch(queries, 2)[:, :, :, None]
    low, high = keys.amin(3)[:, :, None], keys.amax(3)[:, :, None]
    textbook = torch.maximum(q * low, q * high).sum(-1)
    assert dot(Bound(), keys, valid, queries).numpy() == pytest.approx(textbook.numpy(), abs=1e-5)


def test_no_key_of_a_block_scores_above_its_bound(bank):
    keys, valid, queries = bank
    exact = torch.einsum("bhqd,bhntd->bhqnt", sketch(queries, 2), keys).amax(-1)
    assert (dot(Bound(), keys, valid, queries) >= exact - 1e-5).all()


def test_the_light_of_the_bound_is_never_negative(bank):
    _, _, queries = bank
    halves = Bound().of_queries(queries, 2, 0)
    assert (halves >= 0).all()
    assert halves.shape[-1] == 2 * queries.shape[-1] == Bound().width(8)
    assert (halves[..., :8] - halves[..., 8:]).numpy() == pytest.approx(sketch(queries, 2).numpy())


@pytest.mark.parametrize("features", [MeanKey(), Bound(), MeanAndBound()], ids=lambda f: type(f).__name__)
def test_padding_counts_for_nothing(bank, features):
    keys, valid, _ = bank
    valid = valid.clone()
    valid[0, 0, :3], valid[1, 2] = False, False
    signatures = features.of_blocks(keys, valid, 0)
    disturbed = torch.where(valid[:, None, :, :, None], keys, 1e6)
    assert torch.equal(features.of_blocks(disturbed, valid, 0), signatures)
    assert (signatures[1, :, 2] == 0).all()
    alone = features.of_blocks(keys[:1, :, :1, 3:], torch.ones(1, 1, 1, dtype=torch.bool), 0)
    assert signatures[:1, :, :1].numpy() == pytest.approx(alone.numpy())


@pytest.mark.parametrize(
    "features", [MeanKey(), Bound(), MeanAndBound(), SoftenedBound()], ids=lambda f: type(f).__name__
)
def test_a_signature_follows_its_keys_by_their_gradient_with_padding_and_without(bank, features):
    (keys, valid, queries) = (each.double() if each.is_floating_point() else each for each in bank)
    padded = valid.clone()
    padded[0, 0, :3] = False
    for shown in (torch.ones_like(valid), padded):
        leaf = keys.clone().requires_grad_()
        dot(features, leaf, shown, queries).square().sum().backward()
        assert leaf.grad is not None
        slope = torch.zeros_like(leaf)
        slope[0, 0, 1, 2, 3] = 1e-6
        up, down = (dot(features, keys + step, shown, queries).square().sum() for step in (slope, -slope))
        assert float(leaf.grad[0, 0, 1, 2, 3]) == pytest.approx(float(up - down) / 2e-6, rel=1e-5, abs=1e-6)


def test_all_principal_axes_together_rank_as_without_projection(bank):
    keys, valid, queries = bank
    pca = PrincipalProjection(MeanKey(), 8)
    pca.fit(keys.flatten(2, 3), queries, layer=0, block=4)
    assert dot(pca, keys, valid, queries).numpy() == pytest.approx(
        dot(MeanKey(), keys, valid, queries).numpy(), abs=1e-4
    )


def test_the_first_principal_axis_is_where_the_blocks_differ():
    keys = torch.zeros(1, 1, 40, 2, 4)
    keys[..., 2] = torch.linspace(-3, 3, 40)[None, None, :, None]
    keys += 0.01 * torch.randn(keys.shape, generator=torch.Generator().manual_seed(0))
    pca = PrincipalProjection(MeanKey(), 1)
    pca.fit(keys.flatten(2, 3), torch.zeros(1, 1, 1, 4), layer=0, block=2)
    assert pca.matrix(0, 1, 4)[0, :, 0].abs().numpy() == pytest.approx([0, 0, 1, 0], abs=0.02)


def test_random_projections_keep_dot_products_on_average(bank):
    keys, valid, queries = bank
    exact = dot(MeanKey(), keys, valid, queries)
    draws = torch.stack([dot(RandomProjection(MeanKey(), 4, seed), keys, valid, queries) for seed in range(400)])
    error = (draws.mean(0) - exact).abs() / (draws.std(0) / 20)
    assert error.mean() < 1.2
    assert draws.std(0).min() > 0.1


def test_a_projection_without_calibration_says_so(bank):
    keys, valid, _ = bank
    with pytest.raises(InputError, match=r"PCA of layer 3: got no calibration.*call fit\(\)"):
        PrincipalProjection(MeanKey(), 4).of_blocks(keys, valid, 3)
