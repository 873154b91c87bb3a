"""The signature's scale: what clips least where nothing is noisy, smaller under noise, and as good as brute force."""

import dataclasses

import jax
import numpy as np
import pytest

from prism_photonics.programming.scale import NoiseLevel, choose_scale
from prism_photonics.programming.tiles import WeightRange
from prism_photonics.units import InputError

BLOCKS, DIMS, K = 96, 16, 12
RANGE = WeightRange(-0.45, 0.75)


@pytest.fixture(scope="module")
def signatures():
    return np.random.default_rng(0).standard_normal((BLOCKS, DIMS))


def choice(signatures, *, weight_std, read_std, encoding="two_shot", **more):
    noise = NoiseLevel(weight_std, read_std, adc_full_scale=8.0, adc_bits=16)
    return choose_scale(signatures, noise=noise, weight_range=RANGE, channels=8, encoding=encoding, **({"k": K} | more))


@pytest.mark.parametrize("encoding", ["offset", "two_shot", "dual_rail"])
def test_without_noise_the_largest_signature_fills_the_range_and_nothing_is_lost(signatures, encoding):
    found = choice(signatures, weight_std=0.0, read_std=0.0, encoding=encoding)
    assert found.scale == np.abs(signatures).max()
    assert found.clipped_share == 0.0
    assert found.recall[-1] > 0.99


def test_noise_asks_for_a_smaller_scale_and_gains_by_it(signatures):
    found = choice(signatures, weight_std=0.02, read_std=0.15)
    assert found.scale < 0.8 * np.abs(signatures).max()
    assert 0.0 < found.clipped_share < 0.2
    assert found.recall.max() > found.recall[-1] + 0.02


def test_the_choice_is_as_good_as_brute_force_over_the_behavioral_model(signatures, make_model):
    """The same chip as the exported model simulates it, every scale tried with other queries and other noise."""
    weight_std, read_std = 0.02, 0.15
    zero = dict.fromkeys(("noise_shot", "noise_rin", "noise_common", "leak"), 0.0)
    model = make_model(
        **zero, noise_floor=read_std, weight_centre=RANGE.centre, weight_span=RANGE.span, encoding="two_shot",
        dac_bits=12, adc_bits=16, weight_bias=np.zeros(8), weight_error_std=np.full(8, weight_std),
        adc_full_scale=np.full(8, 8.0),
    )  # fmt: skip
    found = choice(signatures, weight_std=weight_std, read_std=read_std)
    queries = np.random.default_rng(8).standard_normal((200, DIMS))
    wanted = np.argsort(-(queries @ signatures.T), axis=1)[:, :K]
    recall = []
    for scale in found.scales:
        seen = []
        for draw in range(3):
            program_key, read_key = jax.random.split(jax.random.key(draw))
            clipped = np.clip(signatures, -scale, scale)
            written = model.program(clipped, program_key, signature_scale=float(scale) * (1 + 1e-12))
            scores = np.asarray(model.scores(queries, written, read_key))
            chosen = np.argsort(-scores, axis=1)[:, :K]
            seen.append((chosen[:, :, None] == wanted[:, None, :]).any(-1).mean())
        recall.append(np.mean(seen))
    recall = np.array(recall)
    best = recall[found.scales == found.scale][0]
    assert best > recall.max() - 0.01
    assert best > recall[-1] + 0.02
    # What is expected of these queries is what happens to them.
    told = choice(signatures, weight_std=weight_std, read_std=read_std, queries=queries)
    assert np.array_equal(told.scales, found.scales)
    assert told.recall == pytest.approx(recall, abs=0.03)


def test_what_the_calibration_left_out_is_no_noise(made_up):
    from prism_photonics.characterize.accuracy import Validation

    whole = Validation.read(made_up / "record" / "validation.nc")
    out = np.zeros(whole.commanded.shape[1:], bool)
    out[0] = True
    measured, reads = whole.measured.copy(), whole.reads.copy()
    measured[:, 0], reads[..., 0] = 0.3, 0.0
    rest = dataclasses.replace(whole, excluded=out, measured=measured, reads=reads)
    error = (whole.measured - whole.commanded)[:, 1]
    noise = rest.noise_level
    assert noise.weight_std == pytest.approx(np.sqrt((error**2 - whole.measured_std[:, 1] ** 2).mean()), rel=1e-12)
    assert noise.read_std == pytest.approx(np.sqrt(whole.reads.var(axis=1, ddof=1)[:, 1].mean()), rel=1e-12)


def test_signatures_of_nothing_and_wrong_questions_are_told(signatures):
    assert choice(np.zeros((BLOCKS, DIMS)), weight_std=0.1, read_std=0.1).scale == 1.0
    with pytest.raises(InputError, match="want 1 to 95"):
        choice(signatures, weight_std=0.1, read_std=0.1, k=BLOCKS)
    with pytest.raises(InputError, match=r"finite numbers of shape \(queries, 16\)"):
        choice(signatures, weight_std=0.1, read_std=0.1, queries=np.full((4, DIMS), np.nan))
