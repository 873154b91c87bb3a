"""What all keys share changes no choice, whatever writes the blocks, and whenever they were written."""

import dataclasses

import numpy as np
import pytest
import torch

from prism_photonics.ranking.catalog import NAMES, make_selectors
from prism_photonics.ranking.centre import MEMORY_BLOCKS, Centre, centred, shared_part, token_features
from prism_photonics.ranking.compare import bundle_scores
from prism_photonics.ranking.evaluate import ideal_scores
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.hierarchical import Hierarchical
from prism_photonics.ranking.keys import KeyCache
from prism_photonics.ranking.paged import PagedSignatures
from prism_photonics.ranking.readers import BankReader, ChipReader, Place
from prism_photonics.ranking.recall import recall_at_k
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.units import InputError

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


def test_blocks_that_fill_the_memory_at_once_are_written_less_their_own_median():
    earlier, later = (
        torch.randn(1, 2, MEMORY_BLOCKS, DIMS, generator=torch.Generator().manual_seed(n)) for n in (1, 2)
    )
    later = later + 20.0
    shown = torch.ones(1, MEMORY_BLOCKS, dtype=torch.bool)
    centre = Centre()
    centre.take(earlier, shown)
    assert torch.equal(centre.take(later, shown), later.median(2).values)
    # One that stands for padding among them is no number: what came before counts on.
    padded = Centre()
    padded.take(earlier, shown)
    shown[0, 0] = False
    of_both = torch.cat([earlier, later[:, :, 1:]], 2).median(2).values
    assert torch.equal(padded.take(later, shown), of_both)


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
        selector = make_selectors([name], demo_bundle(8), dims=8, group=2)[name]
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


def scales_of(features, keys):
    """Scales of blocks that are written at once, per KV head and feature."""
    blocks, shown = features.of_blocks(keys, whole(keys), 0), whole(keys).any(-1)
    centre = Centre()
    centre.take(blocks, shown)
    return centre.scales(blocks, shown, token_features(features, keys, whole(keys), 0))[0]


def test_scales_are_powers_of_two_of_the_spread_and_change_no_float_score(scene):
    keys, query, _ = scene
    wide = torch.ones(DIMS)
    wide[[5, 9]] = torch.tensor([64.0, 0.25])
    assert torch.equal(scales_of(Bound(), keys * wide), torch.cat([wide, wide]).expand(2, -1))
    constant = torch.where(torch.arange(DIMS) == 3, 1.0, keys)
    assert torch.equal(scales_of(MeanKey(), constant), torch.ones(2, DIMS))
    assert torch.equal(scales_of(MeanKey(), torch.zeros_like(keys)), torch.ones(2, DIMS))
    selector = FeatureSelector("float", MeanKey())
    scores = selector.score(query, selector.sign(keys * wide, whole(keys), Place(0)), 0)
    features = MeanKey().of_blocks(keys * wide, whole(keys), 0)
    want = MeanKey().of_queries(query, 2, 0) @ (features - features.median(2, keepdim=True).values).mT
    assert torch.allclose(scores, want, rtol=1e-5, atol=1e-4)


MAKERS = {
    "mean": lambda reader: FeatureSelector("s", MeanKey(), reader),
    "bound": lambda reader: FeatureSelector("s", Bound(), reader),
    "hierarchy": lambda reader: Hierarchical("s", Bound(), reader=reader),
    "hierarchy of means": lambda reader: Hierarchical("s", MeanKey(), coarse="mean", reader=reader),
}


def page_by_page(selector, keys, valid, query):
    """The choice when each block is written as it completes."""
    centre = Centre()
    parts = [
        selector.sign(keys[:, :, n : n + 1], valid[:, n : n + 1], Place(0, n, centre=centre)) for n in range(BLOCKS)
    ]
    scores = selector.score(query, torch.cat(parts, 2), 0)
    return selector.choose(scores, 8, torch.ones_like(scores, dtype=torch.bool))


@pytest.fixture(scope="module")
def questions():
    """Many queries, for a share that one turn of the noise does not change."""
    return torch.randn(1, 4, 8, DIMS, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_channels_that_come_to_spread_far_after_the_first_sequence_cost_the_chip_no_block(
    scene, questions, demo_bundle, make
):
    keys, wide = scene[0], torch.ones(DIMS)
    wide[[3, 9]] = 1000.0
    chip = make(ChipReader(demo_bundle(DIMS)))
    choice(chip, keys, questions)
    got = choice(chip, keys * wide, questions / wide)
    assert shared(got, choice(make(None), keys * wide, questions / wide)) >= 0.85


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_first_block_of_one_token_tells_no_spread_and_costs_no_block(scene, questions, demo_bundle, make):
    keys, wide = scene[0], torch.ones(DIMS)
    wide[[3, 9]] = 1000.0
    valid = whole(keys).clone()
    valid[:, 0, 1:] = False
    got, want = (
        page_by_page(make(reader), keys * wide, valid, questions / wide)
        for reader in (ChipReader(demo_bundle(DIMS)), None)
    )
    assert shared(got, want) >= 0.85


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "page by page"])
def test_a_shared_vector_that_drifts_far_or_jumps_costs_the_chip_few_blocks(
    scene, questions, demo_bundle, make, at_once
):
    keys = scene[0]
    asked = questions.clone()
    asked[..., 3] /= 200.0
    jump = 500.0 * (torch.arange(BLOCKS) >= BLOCKS // 2)
    # A jump loses the blocks that are written before the scale has followed; a drift does not outrun it.
    for moved, least in ((torch.linspace(0, 30, BLOCKS), 0.9), (torch.linspace(0, 300, BLOCKS), 0.9), (jump, 0.7)):
        there = keys.clone()
        there[..., 3] += moved[None, None, :, None]
        chip = make(ChipReader(demo_bundle(DIMS)))
        want = choice(make(None), there, asked)
        got = choice(chip, there, asked) if at_once else page_by_page(chip, there, whole(there), asked)
        assert shared(got, want) >= (0.8 if at_once else least)


@pytest.mark.parametrize(("features", "least"), [(MeanKey, 0.95), (Bound, 0.93)])
def test_real_keys_written_page_by_page_lose_few_blocks_against_float(demo_bundle, features, least):
    cache = KeyCache.load(None)
    keys = torch.as_tensor(np.asarray(cache.keys, np.float32)).unflatten(2, (BLOCKS, TOKENS))
    queries = torch.as_tensor(np.asarray(cache.queries, np.float32))
    chip, ideal = (FeatureSelector("s", features(), reader) for reader in (ChipReader(demo_bundle(DIMS)), None))
    for each in (slice(0, 4), slice(4, 8)):
        part = (keys[each], whole(keys[each]), queries[each])
        assert shared(page_by_page(chip, *part), page_by_page(ideal, *part)) >= least


def test_one_selector_serves_models_of_other_shapes_and_sequences_of_other_scales(scene):
    keys, query, _ = scene
    selector = FeatureSelector("float", MeanKey())
    want = choice(selector, keys, query)
    choice(selector, keys[:, :1, ..., :8], query[:, :1, ..., :8])
    assert torch.equal(choice(selector, keys, query), want)
    wide = torch.ones(DIMS)
    wide[5] = 512.0
    both = torch.cat([keys, keys * wide])
    scores = selector.score(torch.cat([query, query / wide]), selector.sign(both, whole(both), Place(0)), 0)
    assert torch.equal(scores[0], scores[1])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_keys_and_queries_that_are_not_finite_are_refused_and_padding_may_hold_them(scene, make, bad):
    keys, query, _ = scene
    keys, valid = keys.clone(), whole(keys).clone()
    want = choice(make(None), keys, query)
    keys[0, 1, 5, 3, 2] = bad
    with pytest.raises(InputError, match=r"layer 7: keys \(.*\) \(0, 1, 5, 3, 2\): got (nan|-?inf), want finite"):
        make(None).sign(keys, valid, Place(7))
    valid[:, 5, 3] = False
    selector = make(None)
    signatures = selector.sign(keys, valid, Place(7))
    scores = selector.score(query, signatures, 7)
    assert shared(selector.choose(scores, 8, torch.ones_like(scores, dtype=torch.bool)), want) > 0.8
    asked = query.clone()
    asked[0, 2, 0, 1] = bad
    with pytest.raises(InputError, match=r"layer 7: queries \(.*\) \(0, 2, 0, 1\): got (nan|-?inf), want") as caught:
        selector.score(asked, signatures, 7)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("size", [1e20, 1e30])
def test_scores_beyond_the_largest_float_are_refused_not_chosen_from(scene, make, size):
    keys, query, _ = scene
    with pytest.raises(InputError, match="scores: got NaN or infinity, want numbers"):
        choice(make(None), keys * size, query * size)


def test_the_numpy_path_gives_far_channels_a_scale_too(demo_bundle):
    cache = KeyCache.load(None)
    wide = np.ones(cache.keys.shape[-1])
    wide[[3, 9]] = 1024.0
    first = dataclasses.replace(cache, keys=cache.keys.astype(float), queries=cache.queries.astype(float))
    moved = dataclasses.replace(first, keys=first.keys * wide, queries=first.queries / wide)
    scores = [bundle_scores(demo_bundle(8), each) for each in (first, moved)]
    ideal = ideal_scores(first, block=16)
    plain, got = (float(recall_at_k(each, ideal, k=8).mean()) for each in scores)
    assert got > plain - 0.03
