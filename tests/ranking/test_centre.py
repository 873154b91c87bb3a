"""What all keys share changes no choice, whatever writes the blocks, and whenever they were written."""

import dataclasses

import numpy as np
import pytest
import torch

from prism_photonics.ranking.catalog import NAMES, make_selectors
from prism_photonics.ranking.centre import MEMORY_BLOCKS, Centre, centred, channel_scales, shared_part
from prism_photonics.ranking.compare import bundle_scores
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.hierarchical import Hierarchical
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.paged import PagedSignatures
from prism_photonics.ranking.readers import BankReader, ChipReader, Place
from prism_photonics.ranking.selectors import FeatureSelector

BLOCKS, TOKENS, DIMS = 64, 16, 32
NORMS = (22.0, 100.0, 605.0, 921.0)


@pytest.fixture(scope="module")
def scene():
    """Keys of 64 blocks for 2 KV heads, a query of 4 heads, and a direction that stays put."""
    g = torch.Generator().manual_seed(0)
    keys = torch.randn(1, 2, BLOCKS, TOKENS, DIMS, generator=g)
    keys = keys + 0.5 * torch.randn(1, 2, BLOCKS, 1, DIMS, generator=g)
    shape = torch.zeros(DIMS)
    shape[[12, 15, 29]] = torch.tensor([0.7, -0.5, 0.5])
    return keys, torch.randn(1, 4, 1, DIMS, generator=g), shape


def whole(keys):
    return torch.ones(keys.shape[0], *keys.shape[2:4], dtype=torch.bool)


def choice(selector, keys, query, k=8):
    scores = selector.score(query, selector.sign(keys, whole(keys), Place(0)), 0)
    return selector.choose(scores, k, torch.ones_like(scores, dtype=torch.bool))


def shared(got, want):
    """Share of the wanted blocks that were got."""
    return float((got[..., :, None] == want[..., None, :]).any(-1).float().mean())


@pytest.mark.parametrize("features", [MeanKey, Bound])
@pytest.mark.parametrize("norm", NORMS)
def test_a_vector_that_all_keys_share_costs_the_chip_no_block(scene, demo_bundle, features, norm):
    keys, query, shape = scene
    want = choice(FeatureSelector("float", features()), keys, query)
    chip = FeatureSelector("chip", features(), ChipReader(demo_bundle(8)))
    plain, moved = (shared(choice(chip, each, query), want) for each in (keys, keys + norm * shape))
    assert moved >= plain - 0.13 >= 0.7  # one block of eight: read noise is drawn anew


@pytest.mark.parametrize("features", [MeanKey, Bound])
def test_a_shared_vector_is_taken_off_before_a_circuit_scores_and_put_back_never(scene, features):
    keys, query, shape = scene
    written = []

    def score(signatures, queries, bank):
        written.append(np.abs(signatures).max())
        return queries @ signatures.T

    selector = FeatureSelector("circuit", features(), BankReader(score, rows=8, channels=8))
    want = choice(selector, keys, query)
    assert torch.equal(choice(selector, keys + 605.0 * shape, query), want)
    assert max(written) < 5


def test_a_shared_vector_costs_a_hierarchy_no_block(scene, demo_bundle):
    keys, query, shape = scene
    want = choice(Hierarchical("float", MeanKey(), coarse="mean", keep=0.5), keys, query)
    chip = Hierarchical("chip", MeanKey(), coarse="mean", keep=0.5, reader=ChipReader(demo_bundle(8)))
    assert shared(choice(chip, keys + 605.0 * shape, query), want) >= 0.7


def test_a_shared_vector_costs_the_numpy_path_no_block(demo_bundle):
    cache = KeyCache.load(None)
    bundle = demo_bundle(8)
    cache = dataclasses.replace(cache, keys=cache.keys.astype(float), queries=cache.queries.astype(float))
    first = bundle_scores(bundle, cache)
    offset = np.zeros(cache.keys.shape[-1])
    offset[[3, 7]] = 400.0, -450.0
    moved = bundle_scores(bundle, dataclasses.replace(cache, keys=cache.keys + offset))
    sketch = cache.queries.reshape(*cache.queries.shape[:1], cache.keys.shape[1], -1, *cache.queries.shape[2:]).sum(2)
    assert moved - (sketch @ offset)[..., None] == pytest.approx(first, abs=1e-3 * np.abs(first).max())


@pytest.mark.parametrize("features", [MeanKey, Bound])
def test_blocks_written_long_ago_against_another_mean_remain_comparable(scene, features):
    keys, query, shape = scene
    # The shared vector turns while the context grows: the early blocks stand against other references.
    turning = torch.linspace(0, 40, BLOCKS)[None, None, :, None, None] * shape + keys
    selector, centre = FeatureSelector("float", features()), Centre()
    parts, references = [], []
    for n in range(BLOCKS):
        block = turning[:, :, n : n + 1]
        parts.append(selector.sign(block, whole(block), Place(0, n, centre=centre)))
        references.append(centre.reference)
    scores = selector.score(query, torch.cat(parts, 2), 0)
    want = selector.score(query, selector.sign(turning, whole(turning), Place(0)), 0)
    level = scores - want
    assert level.numpy() == pytest.approx(level[..., :1].expand_as(level).numpy(), abs=1e-4)
    assert 3 < len(torch.stack(references).unique(dim=0)) < BLOCKS / 2


def test_a_context_that_does_not_drift_takes_a_handful_of_references(scene):
    keys, _, shape = scene
    centre, features = Centre(), MeanKey().of_blocks(keys + 605.0 * shape, whole(keys), 0)
    seen = [centre.take(features[:, :, n : n + 1], torch.ones(1, 1, dtype=torch.bool)) for n in range(BLOCKS)]
    assert max(len(torch.stack(seen)[:, 0, head].unique(dim=0)) for head in range(2)) <= 6
    far = (centre.reference - features.median(2).values).norm(dim=-1)
    assert (far < 0.6 * (features - features.mean(2, keepdim=True)).norm(dim=-1).mean()).all()


def test_the_reference_follows_a_context_whose_shared_vector_jumps(scene):
    keys, _, shape = scene
    features = torch.cat([MeanKey().of_blocks(keys + n * shape, whole(keys), 0) for n in (0, 605, 605, 605)], 2)
    centre = Centre()
    for block in features.split(1, 2):
        centre.take(block, torch.ones(1, 1, dtype=torch.bool))
    assert features.shape[2] - BLOCKS > MEMORY_BLOCKS
    spread = (features[:, :, :BLOCKS] - features[:, :, :BLOCKS].mean(2, keepdim=True)).norm(dim=-1).mean()
    assert (centre.reference - features[:, :, -BLOCKS:].mean(2)).norm(dim=-1).max() < spread


def test_padding_is_no_part_of_the_mean_and_each_sequence_has_its_own(scene):
    keys, _, shape = scene
    both = torch.cat([keys, keys + 605.0 * shape])
    shown = torch.ones(2, BLOCKS, dtype=torch.bool)
    shown[1, :20] = False
    features = MeanKey().of_blocks(both, shown[:, :, None].expand(-1, -1, TOKENS), 0)
    left, reference = centred(features, shown, None)
    assert left[1, :, :20].abs().max() == 0
    want = features[1, :, 20:]
    assert torch.equal(reference[1, :, 0], want.median(1).values)
    assert torch.equal(left[1, :, 20:], want - want.median(1, keepdim=True).values)
    parts, centre = [], Centre()
    for n in range(0, BLOCKS, 4):
        parts.append(centred(features[:, :, n : n + 4], shown[:, n : n + 4], centre))
    assert max(float(left[1].abs().max()) for left, _ in parts[6:]) < 6


def test_a_centre_follows_beams(scene):
    keys, _, shape = scene
    centre = Centre()
    centre.rearrange(lambda kept: kept[[1]])  # nothing there yet
    both = MeanKey().of_blocks(torch.cat([keys, keys + 605.0 * shape]), torch.ones(2, BLOCKS, TOKENS).bool(), 0)
    before = centre.take(both, torch.ones(2, BLOCKS, dtype=torch.bool))
    centre.rearrange(lambda kept: kept[[1, 1]])
    after = centre.take(both[[1, 1]], torch.ones(2, BLOCKS, dtype=torch.bool))
    assert torch.equal(after, before[[1, 1]])


def test_a_few_blocks_of_large_keys_do_not_lead_the_reference_astray(scene):
    keys, _, shape = scene
    features = MeanKey().of_blocks(keys + 605.0 * shape, whole(keys), 0)
    features[:, :, :3] *= -40  # attention sinks
    left, _ = centred(features, torch.ones(1, BLOCKS, dtype=torch.bool), None)
    assert left[:, :, 3:].abs().max() < 5


def test_pages_of_an_engine_are_written_less_what_they_share(scene, demo_bundle):
    keys, query, shape = scene
    chip = FeatureSelector("chip", MeanKey(), ChipReader(demo_bundle(8)))
    paged, pages = PagedSignatures(chip, BLOCKS), torch.arange(BLOCKS)
    paged.sign(0, pages, (keys + 605.0 * shape)[0].permute(1, 2, 0, 3))
    scores = paged.scores(0, pages[None], query[:, :, 0])
    want = choice(FeatureSelector("float", MeanKey()), keys, query)[:, :, 0]
    assert shared(scores.topk(8, -1).indices, want) >= 0.7


def test_what_has_one_reference_is_not_shifted():
    sketches, reference = torch.ones(1, 1, 2, 3), torch.full((1, 1, 4, 3), 605.1)
    assert torch.equal(shared_part(sketches, reference), torch.zeros(1, 1, 2, 4))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("oracle", "h2o", "random")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_loses_no_choice_to_overflow_or_rounding_on_the_way(demo_bundle, name, dtype):
    g = torch.Generator().manual_seed(3)
    # Block numbers beyond 256, sums beyond 65504, and a channel a thousand times the others.
    keys = torch.randn(1, 2, 300, 4, 8, generator=g) * torch.tensor([1, 1, 1, 8000, 1, 1, 1, 1])
    query = torch.randn(1, 4, 1, 8, generator=g) * 40
    query[..., 3] = query[..., 3] / 8000
    keys, query = keys.to(dtype), query.to(dtype)
    assert torch.isfinite(keys).all()

    def told(cast):
        selector = make_selectors([name], demo_bundle(8), dims=8)[name]
        for part in (selector, *vars(selector).values()):
            if isinstance(getattr(part, "steps", None), int):
                part.steps = 2
        if selector.trained:
            selector.fit(cast(keys).flatten(2, 3), cast(query), layer=0, block=4)
        return choice(selector, cast(keys), cast(query))

    assert torch.equal(told(lambda each: each), told(lambda each: each.float()))


def test_an_empty_difference_is_read_as_zero_without_noise(demo_bundle):
    keys = torch.full((1, 1, 3, 4, 8), 605.0)
    chip = FeatureSelector("chip", MeanKey(), ChipReader(demo_bundle(8)))
    scores = chip.score(torch.randn(1, 2, 5, 8), chip.sign(keys, whole(keys), Place(0)), 0)
    assert torch.equal(scores, torch.zeros(1, 1, 5, 3))


@pytest.mark.parametrize("features", [MeanKey, Bound])
@pytest.mark.parametrize("size", [1.0, 100.0, 1000.0])
def test_a_channel_that_spreads_far_and_that_queries_weigh_little_costs_the_chip_no_block(
    scene, demo_bundle, features, size
):
    keys, query, _ = scene
    wide = torch.ones(DIMS)
    wide[5] = size
    want = choice(FeatureSelector("float", features()), keys * wide, query / wide)
    got = choice(FeatureSelector("chip", features(), ChipReader(demo_bundle(8))), keys * wide, query / wide)
    assert shared(got, want) >= 0.8


def test_scales_are_powers_of_two_of_the_spread_and_change_no_float_score(scene):
    keys, query, _ = scene
    wide = torch.ones(DIMS)
    wide[[5, 9]] = torch.tensor([64.0, 0.25])
    scales = channel_scales(Bound(), keys * wide, whole(keys), 0)
    assert torch.equal(scales, torch.cat([wide, wide]).expand(2, -1))
    constant = torch.where(torch.arange(DIMS) == 3, 1.0, keys)
    assert torch.equal(channel_scales(MeanKey(), constant, whole(keys), 0), torch.ones(2, DIMS))
    selector = FeatureSelector("float", MeanKey())
    unscaled = FeatureSelector("float", MeanKey())
    unscaled._scales[0] = torch.ones(2, DIMS)
    scores = [s.score(query, s.sign(keys * wide, whole(keys), Place(0)), 0) for s in (selector, unscaled)]
    assert torch.allclose(*scores, rtol=1e-6)
