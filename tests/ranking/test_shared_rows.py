"""Rows that several selectors read are written once; each reads with noise of its own."""

import torch

from prism_photonics.ranking.catalog import make_selectors
from prism_photonics.ranking.centre import Centre
from prism_photonics.ranking.features import MeanKey
from prism_photonics.ranking.readers import ChipReader, Place
from prism_photonics.ranking.selectors import FeatureSelector
from prism_photonics.ranking.shared_rows import SharedRows, WrittenOnce

KV_HEADS, GROUP, DIMS, TOKENS, BLOCKS = 2, 3, 8, 4, 10


class Counted(FeatureSelector):
    """Counts how often it signs."""

    signed = 0

    def sign(self, keys, valid, place):
        self.signed += 1
        return super().sign(keys, valid, place)


def made(demo_bundle):
    chip = demo_bundle(DIMS)
    writer = Counted("rows", MeanKey(), ChipReader(chip, seed=1))
    once = WrittenOnce(writer)
    return writer, [SharedRows(FeatureSelector("one", MeanKey(), ChipReader(chip, seed=seed)), once) for seed in (1, 2)]


def drawn(seed=0):
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randn(1, KV_HEADS, BLOCKS, TOKENS, DIMS, generator=generator)
    return keys, torch.ones(1, BLOCKS, TOKENS, dtype=torch.bool)


def test_the_same_keys_are_written_once_and_others_anew(demo_bundle):
    writer, (first, second) = made(demo_bundle)
    keys, valid = drawn()
    state = first.sign(keys, valid, Place(0))
    assert torch.equal(second.sign(keys.clone(), valid, Place(0)), state)
    assert writer.signed == 1
    alone = FeatureSelector("alone", MeanKey(), ChipReader(demo_bundle(DIMS), seed=1)).sign(keys, valid, Place(0))
    assert torch.equal(state, alone)
    for other, place in ((keys, Place(1)), (keys, Place(0, sequence=3)), (drawn(1)[0], Place(0))):
        assert not torch.equal(first.sign(other, valid, place), state)
    assert writer.signed == 4
    hidden = valid.clone()
    hidden[:, 0, 0] = False
    second.sign(keys, hidden, Place(0))
    assert writer.signed == 5


def test_a_running_centre_and_a_new_start_are_never_answered_from_memory(demo_bundle):
    writer, (first, second) = made(demo_bundle)
    keys, valid = drawn()
    for _ in range(2):
        first.sign(keys, valid, Place(0, centre=Centre()))
    assert writer.signed == 2
    first.sign(keys, valid, Place(0))
    second.restart(4)
    second.sign(keys, valid, Place(0))
    assert writer.signed == 4


def test_no_more_than_one_sequence_is_held_however_many_are_asked(demo_bundle):
    _, (first, second) = made(demo_bundle)
    for number in range(3):
        for layer in (0, 1):
            keys, valid = drawn(number)
            place = Place(layer, sequence=number)
            assert first.sign(keys, valid, place) is second.sign(keys, valid, place)
            assert len(first.writer._kept) == layer + 1


def test_each_selector_reads_what_is_written_with_noise_of_its_own(demo_bundle):
    _, (first, second) = made(demo_bundle)
    keys, valid = drawn()
    queries = torch.randn(1, KV_HEADS * GROUP, 5, DIMS)
    read = [each.score(queries, each.sign(keys, valid, Place(0)), 0) for each in (first, second)]
    alone = FeatureSelector("alone", MeanKey(), ChipReader(demo_bundle(DIMS), seed=1))
    assert torch.equal(read[0], alone.score(queries, alone.sign(keys, valid, Place(0)), 0))
    assert not torch.equal(read[0], read[1])
    assert float((read[0] - read[1]).abs().max()) < 0.5 * float(read[0].std())


def test_the_softened_rows_of_all_selectors_of_a_chip_are_the_same_rows(demo_bundle):
    names = ("photonic_soft_rows", "photonic_soft_rows_refined", "photonic_soft_parts_refined")
    selectors = make_selectors(names, demo_bundle(2 * DIMS, encoding="dual_rail"), dims=DIMS, group=GROUP)
    keys = torch.randn(1, KV_HEADS, 4, 32, DIMS)
    valid = torch.ones(1, 4, 32, dtype=torch.bool)
    rows, refined, _ = (each.sign(keys, valid, Place(0)) for each in selectors.values())
    width = rows.shape[-1]
    assert torch.equal(refined[..., -width:], rows)  # behind the keys that the second stage reads
