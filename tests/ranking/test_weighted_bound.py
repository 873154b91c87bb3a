"""Weights of a bound, fitted to a frozen model, find its attention better than the plain bound; on a chip as well."""

import pytest
import torch
from safetensors.torch import save

from prism_photonics.ranking.features import Bound
from prism_photonics.ranking.needle.models import load_model
from prism_photonics.ranking.needle.tokens import Vocabulary, needle_sequence
from prism_photonics.ranking.per_head import PerHead
from prism_photonics.ranking.pretrained.cached import CachedText, Selection
from prism_photonics.ranking.pretrained.fit_bound import bound_lessons, fit_bound, scores_of
from prism_photonics.ranking.readers import ChipReader, Place
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.ranking.weighted_bound import BoundWeights, WeightedBound
from prism_photonics.units import InputError

torch.set_num_threads(1)
BLOCK = 16


@pytest.fixture(scope="module")
def model():
    return load_model("needle:plain")[0]


@pytest.fixture(scope="module")
def taught(model):
    def ids(seed):
        sequence = needle_sequence(Vocabulary.needle(), tokens=512, needles=8, seed=seed)
        return [*sequence.context.tolist(), int(sequence.question[0]), int(sequence.answer[0])]

    made = [bound_lessons(model, ids(seed), blocks=(BLOCK,), last=2, seed=seed, queries=100) for seed in range(4)]
    return [lesson for each in made for lesson in each[BLOCK]]


@pytest.fixture(scope="module")
def fitted(taught):
    return fit_bound(taught[:3], steps=60)


def missed(weights, lesson):
    """Cross entropy of the heads' shares against their attention on the blocks, nats."""
    every = torch.arange(lesson.queries.shape[2])
    shares = scores_of(weights, lesson, every).masked_fill(~lesson.open_, -torch.inf).log_softmax(-1)
    return -float((lesson.mass * shares.masked_fill(~lesson.open_, 0.0)).sum() / lesson.mass.sum())


def test_plain_weights_are_the_plain_bound_read_by_every_head():
    generator = torch.Generator().manual_seed(0)
    keys, queries = torch.randn(1, 2, 6, 4, 8, generator=generator), torch.randn(1, 4, 3, 8, generator=generator)
    valid = torch.ones(1, 6, 4, dtype=torch.bool)
    plain = BoundWeights.plain(2, group=2, dims=8)
    alone = WeightedBound("plain", BoundWeights(plain.middle, plain.mean, plain.width, plain.query, plain.rest - 1e9))
    want = PerHead("bound", FeatureSelector("bound", Bound()), group=2)
    got, wanted = (each.score(queries, each.sign(keys, valid, Place(0)), 0) for each in (alone, want))
    assert torch.allclose(got, wanted, atol=1e-5)


def test_fitted_weights_follow_the_attention_of_a_text_that_was_not_seen(taught, fitted):
    heads, group, _, dims = taught[0].queries.shape
    plain = BoundWeights.plain(heads, group=group, dims=dims)
    assert missed(fitted, taught[3]) < 0.8 * missed(plain, taught[3])


def test_weights_are_fitted_through_a_chip_as_well(taught, demo_bundle):
    heads, group, _, dims = taught[0].queries.shape
    through = fit_bound(taught[:3], bundle=demo_bundle(64), steps=40)
    assert missed(through, taught[3]) < 0.9 * missed(BoundWeights.plain(heads, group=group, dims=dims), taught[3])


def test_read_by_a_chip_nearly_the_same_attention_is_held(model, fitted, demo_bundle):
    sequence = needle_sequence(Vocabulary.needle(), tokens=512, needles=8, seed=50)
    text = CachedText(model, sequence.context.tolist())
    rows = [WeightedBound("float", fitted), WeightedBound("chip", fitted, ChipReader(demo_bundle(64)))]
    held = [0.0, 0.0]
    for asked, answer in zip(sequence.question.tolist(), sequence.answer.tolist(), strict=True):
        said = text.question([asked]).answers([answer], [Selection(each, BLOCK, 4) for each in rows])
        held = [before + float(one.coverage.mean()) / 8 for before, one in zip(held, said, strict=True)]
    assert held[1] == pytest.approx(held[0], abs=0.05)


def test_weights_are_kept_in_a_file_and_damaged_or_foreign_ones_are_refused(fitted, tmp_path):
    fitted.save(tmp_path / "bound.safetensors")
    read = BoundWeights.load(tmp_path / "bound.safetensors")
    assert all(torch.equal(value, getattr(read, name)) for name, value in vars(fitted).items())
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="no readable safetensors"):
        BoundWeights.load(tmp_path / "bad.safetensors")
    (tmp_path / "odd.safetensors").write_bytes(save({**vars(fitted), "mean": fitted.mean[:1].contiguous()}))
    with pytest.raises(InputError, match="want finite mean, middle"):
        BoundWeights.load(tmp_path / "odd.safetensors")


def test_a_model_that_they_were_not_fitted_to_is_refused(fitted):
    selector, valid = WeightedBound("fitted", fitted), torch.ones(1, 3, 4, dtype=torch.bool)
    with pytest.raises(InputError, match="layer 2 of 2 KV heads and 32 dimensions"):
        selector.sign(torch.zeros(1, 2, 3, 4, 32), valid, Place(2))
    with pytest.raises(InputError, match="16 dimensions"):
        selector.sign(torch.zeros(1, 2, 3, 4, 16), valid, Place(0))


def test_shifted_blocks_of_one_text_are_lessons_of_their_own(model):
    ids = list(range(3, 203))
    found = bound_lessons(model, ids, blocks=(32, 64), last=2, seed=0, queries=20)
    assert [len(found[block]) for block in (32, 64)] == [1, 2]
    plain, shifted = found[64]
    assert (plain.mean.shape[1], shifted.mean.shape[1]) == (3, 2)
    assert torch.equal(found[32][0].top[:, 1:5].unflatten(1, (2, 2)).amax(2), shifted.top)
    assert (shifted.mass[..., ~shifted.open_] == 0).all()
