"""What time, dead rings and a permuted comb do to scores, by the plain NumPy reader and by JAX alike."""

from functools import partial

import jax.random as jr
import numpy as np
import pytest

from prism_photonics.codec import arithmetic
from prism_photonics.export.read import load
from prism_photonics.export.write import write
from prism_photonics.units import InputError

DRIFT = {
    "drift_time_s": np.array([1.0, 4.0, 100.0]),
    "drift_mean": np.stack([np.full((2, 8), v) for v in (0.01, 0.02, 0.05)]),
    "drift_common": np.stack([np.full(8, v) for v in (0.01, 0.02, 0.03)]),
    "drift_own": np.stack([np.full(8, v) for v in (0.02, 0.04, 0.09)]),
}


@pytest.fixture
def exact(ideal):
    """An ideal chip with the finest converters that a bundle may have."""
    return partial(ideal, dac_bits=32, adc_bits=32)


@pytest.fixture
def read(tmp_path):
    """``read(model)``: its bundle, read back."""
    return lambda model: load(write(model, tmp_path / "bundle"))


def draw(blocks=24, dims=8, queries=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((blocks, dims)), rng.standard_normal((queries, dims))


def test_jax_and_numpy_drift_alike(make_model, read):
    model = make_model(**DRIFT)
    bundle, (signatures, query) = read(model), draw()
    shape = model.error_shape(signatures)
    rng = np.random.default_rng(1)
    error, drift, noise = rng.standard_normal(shape), rng.standard_normal(shape), rng.standard_normal((1, 6, 24, 1))
    numbers = {"error": error, "drift": drift, "common_drift": 0.7}
    by_jax, by_numpy = model.program(signatures, **numbers), bundle.program(signatures, 0, **numbers)
    for t in (0.0, 0.5, 4.0, 50.0):
        found = bundle.read(query, by_numpy, noise=noise, t_since_program_s=t)
        assert found == pytest.approx(
            np.asarray(model.scores(query, by_jax, noise=noise, t_since_program_s=t)), abs=1e-9
        )


def test_a_random_walk_spreads_with_the_root_of_time(exact, read):
    walk = {name: 0.0 * value for name, value in DRIFT.items()}
    walk |= {"drift_time_s": np.array([100.0]), "drift_own": np.full((1, 8), 0.1)}
    walk |= {"drift_mean": np.zeros((1, 2, 8)), "drift_common": np.zeros((1, 8))}
    bundle, (signatures, query) = read(exact(**walk)), draw(blocks=400)
    exact = bundle.scores(query, signatures, 3)
    spread = [np.std(bundle.scores(query, signatures, 3, t_since_program_s=t) - exact) for t in (1.0, 4.0, 100.0)]
    assert spread[1] / spread[0] == pytest.approx(2.0, rel=1e-4)
    assert spread[2] / spread[0] == pytest.approx(10.0, rel=1e-4)


def test_a_time_that_was_not_measured_is_refused(make_model, read):
    signatures, query = draw()
    for model, t, message in (
        (make_model(), 1.0, "drift was not measured"),
        (make_model(**DRIFT), 101.0, "at most 100 s"),
        (make_model(**DRIFT), -1.0, "0 or more"),
    ):
        bundle = read(model)
        with pytest.raises(InputError, match=message):
            bundle.scores(query, signatures, 0, t_since_program_s=t)
        with pytest.raises(InputError, match=message):
            model.scores(query, model.program(signatures, jr.key(0)), jr.key(1), t_since_program_s=t)
    bundle = read(make_model(**DRIFT))
    quiet = bundle.program(signatures, 0, error=np.zeros(bundle.error_shape(signatures)))
    with pytest.raises(InputError, match="hand drift and common_drift"):
        bundle.read(query, quiet, t_since_program_s=1.0)


def test_a_dead_row_scores_minus_infinity_and_is_never_chosen(make_model, read):
    excluded = np.zeros((8, 8), bool)
    excluded[3] = True
    bundle, (signatures, query) = read(make_model(excluded=excluded)), draw()
    scores = bundle.scores(np.vstack([query, np.zeros(8)]), signatures, 0)
    dead = np.arange(24) % 8 == 3
    assert np.isneginf(scores[:, dead]).all()
    assert np.isfinite(scores[:, ~dead]).all()


@pytest.mark.parametrize("scheme", ["offset", "two_shot", "dual_rail"])
def test_an_excluded_ring_leaves_the_mean_of_its_dimension_and_harms_nothing_else(exact, read, scheme):
    excluded, stuck = np.zeros((8, 8), bool), np.zeros((8, 8))
    excluded[2, 5], stuck[2, 5] = True, 0.9
    bundle = read(exact(encoding=scheme, excluded=excluded, stuck_weight=stuck))
    signatures, query = draw(dims=bundle.slice_dims)
    scores = bundle.scores(query, signatures, 0)
    exact = query @ signatures.T
    on_row = np.arange(24) % 8 == 2
    assert scores[:, ~on_row] == pytest.approx(exact[:, ~on_row], abs=1e-6)
    missing = np.maximum(-query[:, 1], 0) if scheme == "dual_rail" else query[:, 5]
    # What all blocks share is added after reading, so a missing dimension counts as their mean.
    left = signatures - signatures.mean(0)
    share = -left[on_row, 1] if scheme == "dual_rail" else left[on_row, 5]
    assert scores[:, on_row] == pytest.approx(exact[:, on_row] - missing[:, None] * share, abs=1e-6)


def test_a_permuted_comb_moves_errors_to_other_dimensions_and_no_score_of_an_ideal_chip(exact, make_model, read):
    order = np.array([3, 1, 0, 2, 7, 6, 5, 4])
    signatures, query = draw()
    truth = query @ signatures.T
    assert read(exact(column_of_channel=order)).scores(query, signatures, 0) == pytest.approx(truth, abs=1e-6)
    bias = np.zeros(8)
    bias[0] = 0.05  # channel 0 carries column 3
    for moved in ({"weight_bias": bias}, {"weight_error_std": bias}):
        chip = read(exact(column_of_channel=order, encoding="two_shot", **moved))
        programmed = chip.program(signatures, 0, error=np.ones((24, 1, 8)))
        found = chip.read(query, programmed) - truth
        # The mean error of a channel is known and taken off, what this programming missed by is not.
        shift = 0.05 * np.abs(signatures - signatures.mean(0)).max() / 0.6 * ("weight_error_std" in moved)
        assert found == pytest.approx(np.repeat(shift * query[:, 3:4], 24, axis=1), abs=1e-6)


OF_ROWS = {
    "score_gain": np.linspace(0.9, 1.1, 8),
    "score_offset": np.linspace(-0.1, 0.1, 8),
    "weight_bias": np.linspace(0.01, 0.05, 8),
}


@pytest.mark.parametrize("scheme", ["offset", "two_shot", "dual_rail"])
def test_what_is_known_of_a_rows_readings_is_taken_off_and_the_rest_is_left(exact, read, scheme):
    """Gain, offset and bias; with dead rings too, whose own weights know no bias."""
    signatures, query = draw()
    excluded, stuck = np.zeros((8, 8), bool), np.zeros((8, 8))
    excluded[2, 5], stuck[2, 5] = True, 0.3
    for dead in ({}, {"excluded": excluded, "stuck_weight": stuck}):
        plain = read(exact(encoding=scheme, **dead)).scores(query, signatures, 0)
        found = read(exact(encoding=scheme, **OF_ROWS, **dead)).scores(query, signatures, 0)
        assert found == pytest.approx(plain, abs=2e-6)


@pytest.mark.parametrize("scheme", ["offset", "two_shot", "dual_rail"])
def test_a_query_of_zeros_reads_zero_on_every_row(exact, read, scheme):
    """In several slices, each of which the converter reads for itself."""
    chip = read(exact(encoding=scheme, **OF_ROWS))
    signatures = np.random.default_rng(2).normal(size=(24, 19))
    programmed = chip.program(signatures, 0, error=np.zeros(chip.error_shape(signatures)))
    nothing = np.zeros((3, 19))
    noise = np.zeros(chip.noise_shape(nothing, programmed))
    hat = arithmetic.read_hat(chip, programmed.weights, programmed.row_sum, nothing, noise=noise, row=programmed.row)
    assert hat == pytest.approx(0.0, abs=1e-7)  # a few steps of the converter


@pytest.mark.parametrize("scheme", ["offset", "two_shot", "dual_rail"])
def test_rows_of_very_different_scale_score_without_bias(exact, read, scheme):
    """A reading's offset times a row's own scale would lift rows of large keys: a hundred to one here."""
    chip = read(exact(encoding=scheme, **OF_ROWS))
    rng = np.random.default_rng(3)
    signatures = rng.normal(size=(24, 8)) * np.geomspace(0.1, 10.0, 24)[:, None]
    query = rng.normal(size=(6, 8))
    programmed = chip.program(signatures, 0, error=np.zeros(chip.error_shape(signatures)), signature_scale="block")
    noise = np.zeros(chip.noise_shape(query, programmed))
    found = chip.read(query, programmed, noise=noise)
    own = np.abs(signatures - signatures.mean(0)).max(1) * np.abs(query).max(1, keepdims=True)
    assert (found - query @ signatures.T) / own == pytest.approx(0.0, abs=1e-6)
