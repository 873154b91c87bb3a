"""A chip of two buses is calibrated, programmed and validated as well as one of one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.behavior.fit import fit
from prism_photonics.calibration.calibration import calibrate
from prism_photonics.calibration.record import leaves, read_record, write_record
from prism_photonics.calibration.survey import take_survey
from prism_photonics.characterize.accuracy import validate
from prism_photonics.characterize.scores import score_tile
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.programming.solve import common_range, reachable_weights
from prism_photonics.programming.tiles import WeightRange, program_tiles


@pytest.fixture(scope="module")
def chip(two_bus):
    return VirtualChip.fabricate(two_bus, jax.random.key(4))


@pytest.fixture(scope="module")
def calibration(chip, two_bus):
    return calibrate(chip, two_bus, key=jax.random.key(5))


@pytest.fixture(scope="module")
def validation(chip, calibration, two_bus):
    return validate(chip, calibration, two_bus, key=jax.random.key(6), targets=12, settings=8, repeats=32)


def test_all_buses_are_found(calibration, two_bus):
    assert calibration.shape == (2, 6)
    assert calibration.chi2.shape == (2, 2)
    truth = draw_die(two_bus, jax.random.split(jax.random.key(4))[0])
    error_pm = np.asarray(calibration.offset_pm) - np.asarray(truth.bank.rings.offset_pm).reshape(2, 6)
    assert np.abs(error_pm / np.asarray(calibration.offset_std_pm)).max() < 5
    assert np.asarray(calibration.chi2) == pytest.approx(np.ones((2, 2)), abs=0.6)
    assert calibration.doubts() == ()


def test_readings_per_ring_are_those_of_one_bus(calibration):
    # Six channels and the dark level at each of 25 settings, for three rings of a bus: as many as sixty each allow.
    assert calibration.triggers == 25 * 7
    assert calibration.readings_per_ring == pytest.approx(25 * 7 / 3)
    assert 26 * 7 / 3 > 60 > 25 * 7 / 3


def test_a_buss_predicted_weights_do_not_depend_on_the_other_buss_volts(calibration):
    volts = np.random.default_rng(0).uniform(-10, 10, (2, 6))
    moved = volts.copy()
    moved[:, 3:] *= -0.5
    before, after = (np.asarray(calibration.weights(jnp.asarray(v))) for v in (volts, moved))
    assert np.array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 0.05


def test_weights_never_seen_are_met_to_better_than_10_bits(validation, two_bus):
    assert validation.commanded.shape == (12, 2, 6)
    assert validation.accuracy_bits > 10
    assert fit(validation).channels == 6


def test_every_ring_reaches_the_weights_that_the_spec_promises(calibration, two_bus):
    low, high = reachable_weights(calibration)
    assert low.shape == high.shape == (2, 6)
    assert low.max() <= -two_bus.ranking.weight_limit
    assert high.min() >= two_bus.ranking.weight_limit


def test_a_score_runs_over_the_channels_of_all_buses(chip, calibration, two_bus):
    rng = np.random.default_rng(1)
    tile = rng.uniform(-1, 1, (1, 2, 6))
    tiles = program_tiles(calibration, tile, weight_range=WeightRange(*common_range(calibration)))
    queries = rng.uniform(-1, 1, (25, 6))
    found, clipped = score_tile(chip, calibration, tiles, tile=0, query_hat=queries, encoding="two_shot")
    assert clipped == 0
    assert np.corrcoef(found.ravel(), (queries @ tile[0].T).ravel())[0, 1] > 0.998


def test_a_record_of_two_buses_comes_back(tmp_path, chip, calibration, two_bus):
    survey = take_survey(chip, two_bus, key=jax.random.key(7), settings=4, averages=16)
    write_record(tmp_path / "two.nc", calibration, survey, two_bus)
    again, spec, _ = read_record(tmp_path / "two.nc")
    assert spec == two_bus
    for name, array in leaves(calibration).items():
        assert leaves(again)[name].tobytes() == array.tobytes(), name
