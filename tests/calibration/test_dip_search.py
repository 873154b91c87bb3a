"""An untrimmed die under one tunable laser: every ring is told by the dips that its voltage moves, in any order."""

import jax
import numpy as np
import pytest

from prism_photonics.calibration.dip_search import search_by_laser
from prism_photonics.calibration.spectra import spectra_and_faults
from prism_photonics.chip.fabricate import draw_die, untrimmed
from prism_photonics.chip.heaters import shift_by_others_pm
from prism_photonics.chip.laser import LaserRange
from prism_photonics.chip.tunable import TunableLaser
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.circuit.params import designed_bank, designed_crossings_pm
from prism_photonics.lightpath.ring.model import fsr_um
from prism_photonics.seeds import calibration_keys
from prism_photonics.units import InputError
from prism_photonics.workflow.search import search_rings

KEY = jax.random.key(0)
MW_NM = 5.0


@pytest.fixture(scope="module")
def scattered(small, altered):
    """Two rows of four rings anywhere in the FSR, with heaters that warm each other."""
    return altered(
        small,
        name="scattered_2x4",
        chip={"channels": 4},
        trim={"method": "heater", "heater_mW_nm": MW_NM, "heater_crosstalk": 0.02},
        variation={"resonance_local_pm": 3000.0},
        drive={"max_voltage_V": 20.0},
    )


def fresh(spec, key=KEY, laser=None):
    return VirtualChip.fabricate(spec, key, trimmed=False, laser=laser or TunableLaser())


def truth_pm(spec, key=KEY):
    return np.asarray(draw_die(untrimmed(spec), jax.random.split(key)[0]).bank.rings.offset_pm)


def away_pm(found_pm, wanted_pm, spec):
    fsr_pm = np.asarray(fsr_um(designed_bank(spec).rings)) * 1e6
    away = found_pm - wanted_pm
    return away - fsr_pm * np.round(away / fsr_pm)


@pytest.fixture(scope="module")
def chip(scattered):
    return fresh(scattered)


@pytest.fixture(scope="module")
def found(chip):
    return search_rings(chip)


def test_every_ring_is_found_wherever_it_rests(found, scattered):
    error_pm = away_pm(found.offset_pm, truth_pm(scattered), scattered)
    assert np.ptp(truth_pm(scattered)) > 3000.0
    # The laser's own offset is in all of them.
    assert np.abs(error_pm - np.median(error_pm)).max() < 10.0
    assert np.abs(np.median(error_pm)) < 20.0
    assert (found.dips >= 2).all()


def test_the_order_is_the_one_of_least_heat_and_not_that_of_the_design(found, scattered):
    assert not (found.assignment.channel_of_ring == np.arange(4)).all()
    fsr_pm = np.asarray(fsr_um(designed_bank(scattered).rings))[0, 0] * 1e6
    in_order_pm = (-found.offset_pm) % fsr_pm
    assert found.assignment.tuning_pm.sum() < in_order_pm.sum()


def test_all_heaters_on_every_ring_stands_beside_its_line(found, chip, scattered):
    crossing_pm = np.asarray(designed_crossings_pm(designed_bank(scattered)))
    own = found.assignment.channel_of_ring[..., None]
    want_pm = np.take_along_axis(crossing_pm, own, -1)[..., 0] - np.diagonal(crossing_pm, axis1=-2, axis2=-1)
    survey, faults = spectra_and_faults(chip, scattered, key=calibration_keys(0)[0], settings=8)
    assert faults == ()
    assert np.array_equal(survey.heater_mW.values, found.power_mW)
    die = draw_die(untrimmed(scattered), jax.random.split(KEY)[0])
    own_pm = found.power_mW / MW_NM * 1e3
    warmed_pm = shift_by_others_pm(scattered, np.asarray(die.heater_share) * own_pm)
    stands_pm = np.asarray(die.bank.rings.offset_pm) + (own_pm + warmed_pm).reshape(want_pm.shape)
    left_pm = away_pm(stands_pm, want_pm, scattered)
    assert np.abs(left_pm - np.median(left_pm)).max() < 4.0
    assert found.heaters.share == pytest.approx(float(np.mean(die.heater_share)), abs=0.008)


def test_two_rings_on_one_place_are_told_apart(scattered, altered):
    calm = altered(scattered, trim={"heater_crosstalk": 0.0})
    one = fresh(calm, laser=TunableLaser.ideal())
    truth, crossing_pm = truth_pm(calm), np.asarray(designed_crossings_pm(designed_bank(calm)))[0, 0]
    # Heat ring 1 of each row onto ring 2, and find both there.
    fsr_pm = float(np.asarray(fsr_um(designed_bank(calm).rings)).mean()) * 1e6
    heat_pm = np.zeros((2, 4))
    rest_pm = truth[:, 0] - crossing_pm[:, 0]
    heat_pm[:, 1] = (rest_pm[:, 2] - rest_pm[:, 1]) % fsr_pm
    real = one._heat
    one._heat = lambda power_mW: real(power_mW + heat_pm * MW_NM * 1e-3)
    found = search_by_laser(one, calm)
    error_pm = away_pm(found.offset_pm, truth + heat_pm[:, None], calm)
    assert np.abs(error_pm).max() < 33.0
    assert (np.abs(error_pm) < 3.5 * found.std_pm).all()


def test_a_ring_that_no_voltage_moves_stays_cold_and_costs_no_other(scattered, found):
    chip = fresh(scattered)
    real = chip._drive
    chip._drive = lambda volts: real(np.where(np.arange(8).reshape(2, 4) == 1, 0.0, volts))
    again = search_by_laser(chip, scattered)
    assert again.dips[0, 0, 1] == 0
    assert again.power_mW[0, 1] == 0.0
    others = again.dips > 0
    assert others.sum() == 7
    error_pm = away_pm(again.offset_pm, found.offset_pm, scattered)
    assert error_pm[others] == pytest.approx(0.0, abs=12.0)


def test_the_search_says_what_it_cost(found, chip):
    # Eight places twice and once at rest, cold and warm, and a few looks.
    assert found.plan.sweeps >= 2 * (2 * 4 + 1)
    assert found.plan.points == found.plan.sweeps * (found.plan.points // found.plan.sweeps)
    assert found.heaters.triggers == found.plan.sweeps
    assert found.plan.heatings >= 3
    assert chip.over_voltage_attempts == chip.over_power_attempts == 0


def test_what_cannot_be_searched_is_told_in_one_line(scattered, small, altered):
    with pytest.raises(InputError, match=r"trim.method = 'permanent'"):
        search_by_laser(fresh(small), small)
    with pytest.raises(InputError, match="a comb lights this bench"):
        search_by_laser(VirtualChip.fabricate(scattered, KEY, trimmed=False), scattered)
    weak = altered(scattered, drive={"max_voltage_V": 2.0})
    with pytest.raises(InputError, match=r"the drive limit of 2 V moves a ring by .* pm, a line is"):
        search_by_laser(fresh(weak), weak)
    narrow = fresh(scattered)
    narrow._laser = LaserRange(1549.0, 1551.0)
    with pytest.raises(InputError, match=r"search: .* is outside the laser's range of 1549 to 1551 nm"):
        search_by_laser(narrow, scattered)
    cold = fresh(scattered)
    cold._max_heater_mW = 20.0
    with pytest.raises(InputError, match="the bench's heaters go to 20; raise"):
        search_by_laser(cold, scattered)
