"""A die's truth is hidden, measured through its photocurrents, and recovered: within the error bars, on every die."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.calibration.calibration import calibrate, dark_and_leak, summary
from prism_photonics.calibration.unknowns import Scatter
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.virtual import VirtualChip

DIES = 24


def error_bits(chip, calibration, spec, seed):
    """Bits of the prediction on settings that the survey never saw."""
    rng = np.random.default_rng(seed)
    top = spec.drive.max_voltage_V
    errors, weights = [], []
    for _ in range(12):
        volts = rng.uniform(-top, top, (spec.chip.rows, spec.chip.rings))
        chip.set(volts)
        dark_A = chip.measure(np.zeros(spec.chip.rings), averages=4096)
        for c in range(spec.chip.rings):
            light = np.where(np.arange(spec.chip.rings) == c, np.asarray(calibration.light_scale), 0.0)
            measured = (chip.measure(light, averages=4096) - dark_A) / np.asarray(calibration.unit_A)
            weights.append(measured)
            errors.append(measured - np.asarray(calibration.weights(jnp.asarray(volts)))[:, c])
    return np.log2(np.ptp(weights) / np.std(errors))


@pytest.fixture(scope="module")
def still(small, altered):
    """The small chip in a perfect room: a temperature moves the resonances off what was fabricated."""
    return altered(small, drift={"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0})


@pytest.fixture(scope="module")
def dies(still):
    """(die's truth, its calibration, bits on unseen settings) of many dies."""
    found = []
    for seed in range(DIES):
        key = jax.random.key(seed)
        chip = VirtualChip.fabricate(still, key)
        calibration = calibrate(chip, still, key=jax.random.key(1000 + seed))
        truth = draw_die(still, jax.random.split(key)[0])
        found.append((truth, calibration, error_bits(chip, calibration, still, seed)))
    return found


def test_every_die_is_predicted_to_better_than_10_bits(dies):
    bits = [b for _, _, b in dies]
    assert min(bits) > 10


def test_the_misfit_is_the_noise(dies):
    chi2 = np.array([calibration.chi2 for _, calibration, _ in dies])
    assert chi2.mean() == pytest.approx(1.0, abs=0.15)
    assert chi2.max() < 1.6


def pulls(dies, small):
    """Estimate minus truth over the error bar, by parameter."""
    scatter = Scatter.from_spec(small)
    found = {name: [] for name in ("offset", "slope", "curvature", "phase", "crosstalk")}
    for truth, calibration, _ in dies:
        rings, fitted, std, estimate = truth.bank.rings, calibration.rows, calibration.std, calibration.estimate
        designed = fitted.rings.slope_pm_V / (1 + scatter.slope * estimate.slope)
        phases = truth.bank.buses.phase_rad
        turn = estimate.phase_rad - phases[..., 0, 1:-1] - phases[..., 1, 1:-1]
        errors = {
            "offset": (fitted.rings.offset_pm - rings.offset_pm, scatter.offset_pm * std.offset),
            "slope": (fitted.rings.slope_pm_V - rings.slope_pm_V, designed * scatter.slope * std.slope),
            "curvature": (
                fitted.rings.curvature_pm_V2 - rings.curvature_pm_V2,
                scatter.curvature_pm_V2 * std.curvature,
            ),
            "phase": ((turn + jnp.pi) % (2 * jnp.pi) - jnp.pi, std.phase_rad),
            "crosstalk": (fitted.crosstalk - truth.crosstalk, scatter.crosstalk * std.crosstalk),
        }
        for name, (error, bar) in errors.items():
            found[name].append(np.ravel(error / bar))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def test_the_truth_lies_within_the_error_bars(dies, small):
    for name, pull in pulls(dies, small).items():
        assert 0.8 < pull.std() < 1.25, name
        assert abs(pull.mean()) < 4 / np.sqrt(pull.size), name
        assert np.abs(pull).max() < 5, name


def test_a_resonance_is_found_to_a_small_share_of_the_spread_of_dies(dies, small):
    scatter = Scatter.from_spec(small)
    bars = np.array([scatter.offset_pm * calibration.std.offset for _, calibration, _ in dies])
    assert np.median(bars) < 0.1 * scatter.offset_pm
    assert bars.max() < 0.25 * scatter.offset_pm


def test_a_calibration_knows_what_it_cost_and_whose_it_is(dies, still):
    calibration = dies[0][1]
    assert calibration.spec_hash == still.hash
    assert calibration.readings_per_ring == pytest.approx(calibration.triggers / 3)
    told = summary(calibration)
    assert told["readings_per_ring"] == pytest.approx(calibration.readings_per_ring, abs=0.01)
    assert len(told["unit_uA"]) == 2


def test_full_light_is_evened_out_and_never_above_what_a_modulator_can(dies):
    for _, calibration, _ in dies:
        light = np.asarray(calibration.light_scale)
        assert light.max() == pytest.approx(1)
        assert light.min() > 0.5


def test_the_same_key_gives_the_same_calibration(small):
    chips = [VirtualChip.fabricate(small, jax.random.key(3)) for _ in range(2)]
    one, two = (calibrate(chip, small, key=jax.random.key(9)) for chip in chips)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        assert np.array_equal(a, b)


def test_a_looser_line_is_calibrated_too(small, altered):
    v = small.variation
    loose = altered(
        small,
        trim={"residual_pm": 2 * small.trim.residual_pm},
        variation={"gap_nm": 2 * v.gap_nm, "slope_relative": 2 * v.slope_relative},
    )
    for seed in range(4):
        chip = VirtualChip.fabricate(loose, jax.random.key(seed))
        calibration = calibrate(chip, loose, key=jax.random.key(seed))
        bits = error_bits(chip, calibration, loose, seed)
        assert bits > 10, seed


# ---------------------------------------------------------------- modulators that leak


def test_the_leak_is_found_in_every_die(dies, small):
    found = np.array([float(calibration.leak) for _, calibration, _ in dies])
    assert found == pytest.approx(np.full(DIES, small.modulator_design.leak), rel=0.1)
    assert abs(found.mean() / small.modulator_design.leak - 1) < 0.03


@pytest.mark.parametrize("extinction_dB", [20.0, 40.0])
def test_a_leaking_modulator_costs_no_accuracy(small, altered, extinction_dB):
    spec = altered(small, modulator={"extinction_dB": extinction_dB})
    chip = VirtualChip.fabricate(spec, jax.random.key(2))
    calibration = calibrate(chip, spec, key=jax.random.key(3))
    assert error_bits(chip, calibration, spec, 2) > 10
    assert float(calibration.leak) == pytest.approx(spec.modulator_design.leak, rel=0.02, abs=5e-5)
    assert float(calibration.chi2.mean()) == pytest.approx(1.0, abs=0.4)


def test_offset_and_leak_are_told_apart_exactly_where_nothing_is_noisy():
    rng = np.random.default_rng(0)
    current_A = rng.normal(0.0, 1e-5, (20, 3, 2))
    offset_A = np.array([2e-8, -3e-8])
    found_A, leak = dark_and_leak(offset_A + 0.01 * current_A.sum(1), current_A)
    assert leak == pytest.approx(0.01, rel=1e-9)
    assert found_A == pytest.approx(offset_A, rel=1e-9)
    # A negative leak is noise, and no leak.
    assert dark_and_leak(offset_A - 0.01 * current_A.sum(1), current_A)[1] == 0
