"""The 8×8 from photocurrents to programmed weights: one die, one calibration, everything that is promised of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.budget.snr import evened_line_current_A, score_snr_dB
from prism_photonics.calibration.calibration import calibrate
from prism_photonics.characterize.accuracy import SETTINGS, TARGETS, Validation, validate
from prism_photonics.characterize.scores import score_tile
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.codec.modulation import modulate
from prism_photonics.programming.solve import TOLERANCE, OutOfReach, common_range, program, reachable_weights
from prism_photonics.programming.tiles import WeightRange, program_tiles
from prism_photonics.units import InputError

# One number of pages for all tests: each other number is compiled anew.
PAGES = TARGETS + SETTINGS


@pytest.fixture(scope="module")
def chip(demo):
    return VirtualChip.fabricate(demo, jax.random.key(0))


@pytest.fixture(scope="module")
def calibration(chip, demo):
    return calibrate(chip, demo, key=jax.random.key(1))


@pytest.fixture(scope="module")
def validation(chip, calibration, demo):
    return validate(chip, calibration, demo, key=jax.random.key(2), repeats=64)


@pytest.fixture(scope="module")
def limits(calibration, demo):
    return common_range(calibration)


@pytest.fixture(scope="module")
def targets(limits):
    return np.random.default_rng(3).uniform(*limits, (PAGES, 8, 8))


@pytest.fixture(scope="module")
def programmed(calibration, targets, demo):
    return program(calibration, targets)


# ---------------------------------------------------------------- round trip


def test_weights_that_the_calibration_never_saw_are_met_to_better_than_10_bits(validation):
    assert validation.accuracy_bits > 10


def test_the_same_targets_come_out_the_same_at_the_sessions_end(validation):
    assert len(validation.again) == 8
    assert validation.precision_bits > 11
    # Two measurements of one target agree better than one of them with what was commanded, or precision means nothing.
    assert validation.precision_bits > validation.accuracy_bits


def test_precision_is_the_scatter_of_one_measurement(validation):
    rng = np.random.default_rng(0)
    second = validation.measured[:8] + 1e-2 * rng.standard_normal((8, 8, 8))
    span = validation.commanded.max() - validation.commanded.min()
    told = dataclasses.replace(validation, again=second).precision_bits
    # A difference of 0.01 rms is that of two measurements of 0.01/√2 each; 512 numbers tell it to 3 %.
    assert told == pytest.approx(np.log2(span / (1e-2 / np.sqrt(2))), abs=0.15)


def test_without_a_repeat_precision_is_untold(validation):
    assert np.isnan(dataclasses.replace(validation, again=()).precision_bits)


def test_the_calibration_explains_its_survey_down_to_the_noise(calibration):
    assert np.asarray(calibration.chi2) == pytest.approx(np.ones((8, 1)), abs=0.4)


def test_every_ring_of_the_die_reaches_the_weights_that_the_spec_promises(limits, demo):
    low, high = limits
    assert low <= -demo.ranking.weight_limit
    assert high >= demo.ranking.weight_limit


def test_a_validation_comes_back_from_its_file(validation, tmp_path):
    path = tmp_path / "validation.nc"
    validation.write(path)
    again = Validation.read(path)
    for name, value in vars(validation).items():
        assert np.array_equal(getattr(again, name), value), name
        assert type(getattr(again, name)) is type(value), name
    assert again.accuracy_bits == validation.accuracy_bits
    assert again.precision_bits == validation.precision_bits


def test_a_damaged_validation_is_refused(validation, tmp_path):
    path = tmp_path / "validation.nc"
    validation.write(path)
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"validation\.nc"):
        Validation.read(path)
    whole[-100] ^= 4
    path.write_bytes(whole)
    with pytest.raises(InputError, match="hash"):
        Validation.read(path)
    with pytest.raises(InputError, match="no such file"):
        Validation.read(tmp_path / "none.nc")


# ---------------------------------------------------------------- programming


def test_targets_within_the_common_range_are_all_met(programmed):
    assert programmed.out_of_reach == ()
    assert np.abs(programmed.residual).max() <= TOLERANCE == 2e-3


def test_volts_are_within_the_limit_and_on_the_drivers_grid(programmed, calibration, demo):
    assert np.abs(programmed.volts).max() <= demo.drive.max_voltage_V
    assert programmed.volts == pytest.approx(calibration.on_dac_grid(programmed.volts), abs=1e-12)


def test_predictions_are_those_of_the_calibration_and_residuals_their_difference(programmed, calibration, targets):
    # Two ways to sum phases of a thousand radians: each rounds at 1e-13, and a resonance is a hundred times steeper.
    assert programmed.predicted[5] == pytest.approx(
        np.asarray(calibration.weights(jnp.asarray(programmed.volts[5]))), abs=1e-9
    )
    assert np.array_equal(programmed.residual, programmed.predicted - targets)


def test_pages_are_programmed_as_one_by_one(programmed, calibration, targets, demo):
    for page in (0, 7):
        alone = program(calibration, targets[page])
        assert alone.volts.shape == (1, 8, 8)
        # The solver stops at its tolerance: a code of the driver may differ.
        assert alone.volts[0] == pytest.approx(programmed.volts[page], abs=1.01 * demo.voltage_step_V)
        assert alone.predicted[0] == pytest.approx(programmed.predicted[page], abs=1e-3)


def test_a_target_out_of_reach_is_listed_with_ring_asked_and_range(calibration, targets, demo):
    low, high = reachable_weights(calibration)
    asked = targets.copy()
    asked[4, 2, 6], asked[9, 0, 0] = 0.999, -0.999
    result = program(calibration, asked)
    missed = {(o.page, o.row, o.ring): o for o in result.out_of_reach}
    assert {(4, 2, 6), (9, 0, 0)} <= missed.keys()
    # Beside them, only neighbours in the same row may have suffered.
    assert {place[:2] for place in missed} == {(4, 2), (9, 0)}
    one = missed[4, 2, 6]
    assert one.asked == 0.999
    assert one.reachable == pytest.approx((low[2, 6], high[2, 6]))
    # Reach is judged before the driver's rounding, the prediction after it.
    assert one.reached == pytest.approx(result.predicted[4, 2, 6], abs=5e-4)
    assert one.reached < 0.999
    assert one.reached == pytest.approx(high[2, 6], abs=0.05)
    assert "ring 6 of row 2, page 4: weight 0.999 is out of reach" in str(one)
    assert "\n" not in str(one)
    assert abs(result.residual[4, 2, 6]) > TOLERANCE


@pytest.mark.parametrize(("asked", "held_back"), [(0.94, False), (0.93, True), (-0.81, True), (-0.83, False)])
def test_a_target_within_its_rings_own_range_is_said_to_be_missed_for_its_neighbours(asked, held_back):
    line = str(OutOfReach(page=0, row=3, ring=5, asked=asked, reached=0.9, reachable=(-0.82, 0.93)))
    assert "with its neighbours at rest it reaches -0.820 to 0.930" in line
    assert ("but not beside the weights asked of them" in line) is held_back
    assert line.endswith("lower the weight scale or raise drive.max_voltage_V")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_a_number_is_refused_by_its_place(calibration, targets, demo, wrong):
    asked = targets.copy()
    asked[3, 1, 2] = wrong
    with pytest.raises(InputError, match=r"weight at \(3, 1, 2\) is") as caught:
        program(calibration, asked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(8, 7), (4, 8), (2, 3, 8, 8)])
def test_weights_of_another_shape_are_refused(calibration, demo, shape):
    with pytest.raises(InputError, match=r"this chip takes \(8, 8\)"):
        program(calibration, np.zeros(shape))


def test_what_is_programmed_is_what_the_chip_then_weighs(chip, calibration, programmed, targets):
    chip.set(programmed.volts[11])
    light = np.eye(8)[3] * np.asarray(calibration.light_scale)
    measured = calibration.weight_of_current(chip.measure(light, averages=4096))
    assert measured == pytest.approx(targets[11, :, 3], abs=3e-3)


# ---------------------------------------------------------------- scores


@pytest.fixture(scope="module")
def gaussian_tiles():
    """Gaussian signatures, each tile scaled by its largest entry."""
    tiles = np.random.default_rng(6).standard_normal((PAGES, 8, 8))
    return tiles / np.abs(tiles).max((1, 2), keepdims=True)


def queries_of(count):
    queries = np.random.default_rng(7).standard_normal((count, 8))
    return queries / np.abs(queries).max(1, keepdims=True)


def test_scores_by_photocurrent_are_the_dot_products(chip, calibration, demo, limits, gaussian_tiles):
    tiles = program_tiles(calibration, gaussian_tiles, weight_range=WeightRange(*limits))
    queries = queries_of(40)
    measured, clipped = score_tile(
        chip, calibration, tiles, tile=0, query_hat=queries, encoding=demo.modulator.encoding
    )
    assert clipped == 0
    ideal = queries @ gaussian_tiles[0].T
    assert measured.shape == (40, 8)
    assert np.std(measured - ideal) < 0.05 * np.std(ideal)
    assert np.corrcoef(measured.ravel(), ideal.ravel())[0, 1] > 0.998


def test_the_score_snr_is_what_the_budget_says_at_the_light_of_this_die(
    chip, calibration, demo, altered, gaussian_tiles
):
    """Gaussian signatures at ± weight_limit: how the rows' scores spread, against how one score scatters.

    A die's lines are evened down to its weakest, so its unit of weight is less than a line of the design.
    """
    limit = demo.ranking.weight_limit
    tiles = program_tiles(calibration, gaussian_tiles, weight_range=WeightRange(-limit, limit))
    queries = queries_of(30)
    signal, noise = [], []
    for tile in range(12):
        again = np.stack(
            [
                score_tile(chip, calibration, tiles, tile=tile, query_hat=queries, encoding=demo.modulator.encoding)[0]
                for _ in range(8)
            ]
        )
        noise.append(again.var(0, ddof=1).mean())
        signal.append((queries @ gaussian_tiles[tile].T).var(1, ddof=1).mean())
    measured_dB = 10 * np.log10(np.mean(signal) / np.mean(noise))
    # This die's weakest line is not the expected one, which the budget counts with.
    off_dB = 10 * np.log10(float(calibration.unit_A.mean()) / evened_line_current_A(demo))
    assert -1 < off_dB < 1
    at_this_light = altered(demo, comb={"line_power_dBm": demo.comb.line_power_dBm + off_dB})
    assert measured_dB == pytest.approx(score_snr_dB(at_this_light), abs=0.3)


def test_a_coarse_driver_costs_accuracy_but_puts_no_target_out_of_reach(calibration, targets):
    coarse = dataclasses.replace(calibration, voltage_step_V=20.0 / 255)
    result = program(coarse, targets[:4])
    assert result.out_of_reach == ()
    assert np.abs(result.residual).max() > TOLERANCE


def test_full_light_is_a_code_of_the_modulators(calibration, demo):
    scale = np.asarray(calibration.light_scale)
    assert scale == pytest.approx(np.asarray(modulate(scale, demo.modulator.dac_bits)), abs=1e-12)


def test_a_fit_that_misses_its_readings_is_doubted_by_row(calibration):
    assert calibration.doubts() == ()
    doubted = dataclasses.replace(calibration, chi2=calibration.chi2.at[3].set(14.0))
    (doubt,) = doubted.doubts()
    assert doubt.startswith("row 3: ")
    assert "14.0" in doubt


def test_rings_without_a_weight_in_common_are_named(calibration):
    far = dataclasses.replace(calibration.rows.rings, offset_pm=calibration.rows.rings.offset_pm.at[5, 0, 2].add(400.0))
    lost = dataclasses.replace(calibration, rows=dataclasses.replace(calibration.rows, rings=far))
    with pytest.raises(InputError, match="ring 2 of row 5 reaches only"):
        common_range(lost)
