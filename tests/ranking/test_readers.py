"""A chip behind the reader: blocks are written once, errors stay, noise is fresh, an ideal chip is exact."""

import dataclasses

import numpy as np
import pytest
import torch

from prism_photonics.export.read import Bundle
from prism_photonics.ranking.features import Bound, MeanKey
from prism_photonics.ranking.impair import impaired, reading_snr_dB, widened
from prism_photonics.ranking.readers import BankReader, ChipReader, FloatReader, Place
from prism_photonics.units import InputError


def read(reader, features, bank, place=None):
    keys, valid, queries = bank
    state = reader.write(features.of_blocks(keys, valid, 0), place or Place(0))
    return reader.read(features.of_queries(queries, keys.shape[1], 0), state)


@pytest.mark.parametrize("features", [MeanKey(), Bound()], ids=["mean_key", "bound"])
@pytest.mark.parametrize("channels", [8, 16, 32])
def test_an_ideal_chip_scores_as_float_in_one_slice_or_several(bank, quiet_bundle, features, channels):
    exact = read(FloatReader(), features, bank)
    assert read(ChipReader(quiet_bundle(channels)), features, bank).numpy() == pytest.approx(exact.numpy(), abs=2e-4)


def test_blocks_written_one_by_one_stand_as_blocks_written_at_once(bank, demo_bundle):
    keys, valid, _ = bank
    reader, signatures = ChipReader(demo_bundle(8), seed=3), MeanKey().of_blocks(keys, valid, 1)
    whole = reader.write(signatures, Place(1))
    parts = [reader.write(signatures[:, :, n : n + 1], Place(1, n)) for n in range(6)]
    assert torch.equal(torch.cat(parts, 2), whole)


def test_every_block_head_sequence_and_layer_has_its_own_programming_error(demo_bundle):
    reader = ChipReader(demo_bundle(8), seed=3)
    same = torch.ones(2, 2, 3, 8)
    errors = torch.cat([reader.write(same, Place(layer))[..., 2:10].flatten(0, 2) for layer in (0, 1)])
    assert len(torch.unique(errors, dim=0)) == 2 * 2 * 3 * 2
    shifted = reader.write(same[:1], Place(0, 0, sequence=1))
    assert torch.equal(shifted[0], reader.write(same, Place(0))[1])


def test_a_programming_error_is_the_stream_of_where_its_block_stands(demo_bundle):
    chip = demo_bundle(8)
    state = ChipReader(chip, seed=3).write(torch.ones(1, 2, 3, 8), Place(4, 6, sequence=5))
    for head in (0, 1):
        places = [[0, 6 + block, 2 * 5 + head, 4] for block in range(3)]
        error = [
            np.random.Generator(np.random.Philox(key=3, counter=place)).standard_normal((1, 8)) for place in places
        ]
        stands = chip.program(np.ones((3, 8)), 0, error=np.array(error), signature_scale=1.0, row=np.array([6, 7, 0]))
        assert np.allclose(state[0, head, :, 2:10], stands.weights[:, 0], atol=1e-6)
        assert state[0, head, :, 1].tolist() == [6, 7, 0]


def test_reading_twice_gives_two_noises_around_one_realised_weight(bank, demo_bundle):
    keys, valid, queries = bank
    chip = demo_bundle(8, weight_error_std=np.full(8, 0.05))
    reader = ChipReader(chip, seed=1)
    state = reader.write(MeanKey().of_blocks(keys, valid, 0), Place(0))
    sketches = MeanKey().of_queries(queries, 2, 0)
    reads = torch.stack([reader.read(sketches, state) for _ in range(60)])
    exact = FloatReader().read(sketches, MeanKey().of_blocks(keys, valid, 0))
    noise, offset = reads.std(0), (reads.mean(0) - exact).abs()
    assert (noise > 0).all()
    # The programming error does not average out.
    assert offset.mean() > 3 * noise.mean() / 60**0.5


def test_blocks_are_programmed_when_they_are_written_and_never_when_they_are_read(bank, demo_bundle, monkeypatch):
    keys, valid, queries = bank
    reader = ChipReader(demo_bundle(8), seed=1)
    state = reader.write(MeanKey().of_blocks(keys, valid, 0), Place(0))
    sketches = MeanKey().of_queries(queries, 2, 0)

    def refused(*_, **__):
        raise AssertionError("programmed again")

    monkeypatch.setattr(Bundle, "program", refused)
    first, second = reader.read(sketches, state), reader.read(sketches, state)
    assert torch.isfinite(first).all()
    assert not torch.equal(first, second)


def test_blocks_drift_by_numbers_of_their_own_and_one_of_the_bank_wherever_they_are_read(bank, quiet_bundle):
    drift = {
        "drift_mean": np.zeros((1, 2, 8)),
        "drift_common": np.full((1, 8), 0.03),
        "drift_own": np.full((1, 8), 0.02),
    }
    chip = dataclasses.replace(quiet_bundle(8), drift_time_s=np.array([100.0]), **drift)
    keys, valid, queries = bank
    signatures, sketches = MeanKey().of_blocks(keys, valid, 0), MeanKey().of_queries(queries, 2, 0)
    aged, fresh = ChipReader(chip, seed=1, t_since_program_s=100.0), ChipReader(chip, seed=1)
    state = aged.write(signatures, Place(0))
    moved = aged.read(sketches, state) - fresh.read(sketches, fresh.write(signatures, Place(0)))
    assert 0.02 < moved.std() < 1.0
    assert torch.allclose(aged.read(sketches, state[:, :, 2:4]), aged.read(sketches, state)[..., 2:4], atol=1e-5)
    one = aged.write(signatures[:, :, 2:3], Place(0, 2))
    assert torch.equal(one, state[:, :, 2:3])


def test_a_page_stays_on_its_row_whichever_pages_are_read_with_it(demo_bundle):
    excluded = np.zeros((8, 8), bool)
    excluded[3] = True  # a dead row: what stands there scores minus infinity
    reader = ChipReader(demo_bundle(8, excluded=excluded), seed=1)
    signatures = torch.cat([torch.zeros(1, 1, 1, 8), torch.ones(1, 1, 4, 8)], 2)
    state = reader.write(signatures, Place(0, pages=(3, 2, 11, 5, 16)))
    queries = torch.ones(1, 1, 1, 8)
    dead = reader.read(queries, state)[0, 0, 0] == -torch.inf
    assert dead.tolist() == [True, False, True, False, False]
    assert (reader.read(queries, state[:, :, 2:3])[0, 0, 0] == -torch.inf).all()
    with pytest.raises(InputError, match="row: got 3 to 8, want 0 to 7"):
        demo_bundle(8).program(np.ones((2, 8)), 0, row=np.array([8, 3]))


def test_a_bank_scorer_is_handed_each_bank_and_its_shape_is_checked(bank):
    seen = []

    def score_bank(signatures, queries, number):
        seen.append(number)
        return queries @ signatures.T

    exact = read(FloatReader(), MeanKey(), bank)
    assert read(BankReader(score_bank, rows=8, channels=8), MeanKey(), bank).numpy() == pytest.approx(
        exact.numpy(), abs=1e-5
    )
    assert seen == [0, 1, 2, 3]
    with pytest.raises(InputError, match="one score per query and block"):
        read(BankReader(lambda s, q, n: np.zeros((1, 1)), rows=8, channels=8), MeanKey(), bank)


def test_the_dual_rail_bound_costs_twice_the_slices_on_the_same_chip(demo_bundle):
    narrow, wide = ChipReader(demo_bundle(32)), ChipReader(demo_bundle(64))
    assert narrow.cost(64, MeanKey().width(32)) == {"signature_bytes": 0, "pages": 8, "passes": 16}
    assert narrow.cost(64, Bound().width(32))["passes"] == 32
    assert wide.cost(64, Bound().width(32))["passes"] == 16
    assert FloatReader().cost(64, 32)["signature_bytes"] == 64 * 32 * 2


def test_a_dual_rail_chip_scores_the_bound_in_one_shot_of_the_signed_query(bank, quiet_bundle):
    exact = read(FloatReader(), Bound(), bank)
    for channels in (8, 16):
        chip = dataclasses.replace(quiet_bundle(channels), encoding="dual_rail")
        reader = ChipReader(chip, halves=True)
        assert read(reader, Bound(), bank).numpy() == pytest.approx(exact.numpy(), abs=2e-4)
        assert reader.cost(64, 16)["passes"] == 8 * 16 / channels
        # Signed signatures still go on the same chip, s and -s.
        signed = read(FloatReader(), MeanKey(), bank)
        assert read(ChipReader(chip), MeanKey(), bank).numpy() == pytest.approx(signed.numpy(), abs=2e-4)
    with pytest.raises(InputError, match="want dual_rail"):
        ChipReader(quiet_bundle(8), halves=True)


def test_less_light_lowers_the_signal_to_noise_ratio_and_widening_keeps_the_statistics(demo_bundle):
    chip = demo_bundle(8)
    ladder = [reading_snr_dB(impaired(chip, light=light)) for light in (1.0, 0.1, 0.01)]
    assert ladder[0] > ladder[1] + 10 > ladder[2] + 20
    wide = widened(chip, 32)
    assert wide.weight_error_std.shape == (32,)
    assert wide.noise_floor == pytest.approx(2 * chip.noise_floor)
    with pytest.raises(InputError, match="want a multiple of 8"):
        widened(chip, 12)
    with pytest.raises(InputError, match="some light"):
        impaired(chip, light=0.0)


def test_dies_take_turns_from_text_to_text(bank, demo_bundle):
    first, second = demo_bundle(8), dataclasses.replace(demo_bundle(8), weight_bias=np.full(8, 0.05))
    several = ChipReader(first, seed=3, others=[second])
    for text, die in enumerate([first, second, first, second]):
        alone = ChipReader(die, seed=3)
        several.restart(text)
        alone.restart(text)
        assert torch.equal(read(several, MeanKey(), bank), read(alone, MeanKey(), bank))
    assert not torch.equal(read(ChipReader(first), MeanKey(), bank), read(ChipReader(second), MeanKey(), bank))
    with pytest.raises(InputError, match="calibrate dies of one design"):
        ChipReader(first, others=[demo_bundle(16)])
