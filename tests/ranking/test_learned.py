"""Learning through the chip: gradients reach signatures and queries, and a nuisance dimension is unlearned."""

import numpy as np
import pytest
import torch

from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.ranking.features import Bound, MeanAndBound, MeanKey
from prism_photonics.ranking.learned import LearnedProjection
from prism_photonics.units import InputError


def test_gradients_pass_straight_through_both_converters(demo_bundle):
    generator = torch.Generator().manual_seed(0)
    signatures = (torch.rand(6, 8, generator=generator) * 2 - 1).requires_grad_()
    query = torch.randn(3, 8, generator=generator).requires_grad_()
    with torch.no_grad():
        signatures /= signatures.abs().amax()
    chip = PhotonicSelector(demo_bundle(8), 2)
    chip.program(signatures, signature_scale=1.0)
    scores, _ = chip(query)
    scores.sum().backward()
    # The ideal slope of Σ q·s; the query's largest element also sets the scale, but a dot product is linear in it.
    assert query.grad.numpy() == pytest.approx(signatures.detach().sum(0).expand(3, -1).numpy(), abs=0.05)
    assert signatures.grad.numpy() == pytest.approx(query.detach().sum(0).expand(6, -1).numpy(), abs=0.05)


def test_training_changes_no_score(demo_bundle):
    generator = torch.Generator().manual_seed(0)
    signatures, query = torch.randn(6, 8, generator=generator), torch.randn(3, 8, generator=generator)
    chip = PhotonicSelector(demo_bundle(8), 2)
    chip.program(signatures)
    plain, _ = chip(query)
    learning, _ = chip(query.clone().requires_grad_())
    assert learning.detach().numpy() == pytest.approx(plain.numpy(), abs=1e-5)


def test_a_clipped_reading_has_no_slope(demo_bundle):
    chip = PhotonicSelector(demo_bundle(8, adc_full_scale=np.full(8, 0.01)), 1)
    chip.program(torch.ones(2, 8), signature_scale=1.0)
    query = torch.ones(1, 8).requires_grad_()
    chip(query)[0].sum().backward()
    # Unclipped it is 2, one per block; what is left is the common offset that is taken off in float.
    assert query.grad.abs().max() < 0.1


@pytest.fixture(scope="module")
def outliers():
    """Blocks whose one outlier the other tokens cancel: the mean key says nothing, largest and smallest do."""
    generator = torch.Generator().manual_seed(4)
    content = torch.randn(12, 1, 16, 8, generator=generator)
    keys = -content[:, :, :, None].expand(-1, -1, -1, 8, -1).clone() / 7
    keys[:, :, :, 0] = content
    keys += 0.02 * torch.randn(keys.shape, generator=generator)
    return keys.flatten(2, 3), 3 * content


@pytest.mark.parametrize("through_chip", [False, True], ids=["float", "chip"])
def test_a_learned_projection_covers_more_attention_on_held_out_sequences(outliers, demo_bundle, through_chip):
    keys, queries = outliers
    learned = LearnedProjection(MeanAndBound(), 8, demo_bundle(8) if through_chip else None)
    learned.fit(keys, queries, layer=0, block=8)
    before, after = learned.coverages[0]
    assert before < 0.2 < 0.5 < after


def test_training_that_does_not_help_leaves_the_start(outliers):
    keys, queries = outliers
    learned = LearnedProjection(Bound(), 16, steps=5)
    learned.fit(keys, queries, layer=0, block=8)
    before, after = learned.coverages[0]
    assert after == before > 0.7
    assert torch.equal(learned.project_blocks(torch.eye(16)[None, None], 0)[0, 0], torch.eye(16))


def test_a_projection_is_refused_before_it_is_trained(bank):
    keys, valid, _ = bank
    learned = LearnedProjection(MeanAndBound(), 16, first=8, steps=1)
    with pytest.raises(InputError, match="call fit"):
        learned.of_blocks(keys, valid, 0)
    with pytest.raises(InputError, match="want at least 1, 1 and 0"):
        LearnedProjection(MeanKey(), 0)
