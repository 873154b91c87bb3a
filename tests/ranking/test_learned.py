"""Learning through the chip: gradients reach signatures and queries, and a nuisance dimension is unlearned."""

import numpy as np
import pytest
import torch

from prism_photonics.export.torch import PhotonicSelector
from prism_photonics.ranking.features import Bound, MeanAndBound, MeanKey
from prism_photonics.ranking.learned import LearnedProjection, _mass
from prism_photonics.ranking.needle import Vocabulary
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.ranking.table import Point, table
from prism_photonics.units import InputError

FULL = ["full_attention"] * 2


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


def test_what_is_learned_from_is_the_attention_as_the_layer_scales_and_caps_it(outliers):
    keys, queries = outliers
    cut = keys.unflatten(2, (-1, 8))
    grouped = torch.einsum("bhqd,bhtd->bhqt", queries, keys)
    for form, logits in (
        ({"scaling": None, "softcap": None}, grouped * 8**-0.5),
        ({"scaling": 0.02, "softcap": None}, grouped * 0.02),
        ({"scaling": 3.0, "softcap": 0.5}, 0.5 * torch.tanh(3.0 * grouped / 0.5)),
    ):
        wanted = logits.softmax(-1).unflatten(-1, (-1, 8)).sum(-1)
        assert torch.allclose(_mass(queries, cut, **form), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "change", "form"),
    [
        ("llama", {}, (8**-0.5, None)),
        ("gemma2", {"query_pre_attn_scalar": 4, "attn_logit_softcapping": 7.0, "layer_types": FULL}, (0.5, 7.0)),
    ],
)
def test_the_table_trains_on_each_models_own_scaling_and_cap(tiny, kind, change, form):
    told = []

    class Listening(FeatureSelector):
        def fit(self, keys, queries, **said):
            told.append((said["scaling"], said["softcap"]))

    selectors = {"listening": Listening("listening", MeanKey())}
    selectors["listening"].trained = True
    model, points = tiny(kind, vocab_size=128, **change), [Point(128, 8, 2, trials=1)]
    table(kind, model, Vocabulary.of_any(128), selectors=selectors, points=points)
    assert told == [form] * 2
