"""A chip with something broken is calibrated without it: the fault is named, the rest is as good as ever."""

import dataclasses
import re

import jax
import numpy as np
import pytest

from prism_photonics.budget.rules_light import least_swing_A
from prism_photonics.calibration import calibration as fitting
from prism_photonics.calibration import survey as surveying
from prism_photonics.calibration.calibration import calibrate, from_survey, summary
from prism_photonics.calibration.faults import LIVE_SHARE, find_faults
from prism_photonics.calibration.record import read_record, recorded_faults, write_record
from prism_photonics.calibration.survey import take_survey
from prism_photonics.characterize.accuracy import Validation, validate
from prism_photonics.characterize.scores import score_tile
from prism_photonics.chip import virtual
from prism_photonics.programming.solve import program
from prism_photonics.programming.tiles import WeightRange, program_tiles
from prism_photonics.units import InputError

KEY = jax.random.key(5)
ROW_0 = [[0, 0], [0, 1], [0, 2]]


def held(place, value):
    def spoil(values):
        values[place] = value
        return values

    return spoil


def clipped(current_A):
    return np.array([min(current_A[0], 6e-6), current_A[1]])


def now_and_then(current_A, count=iter(range(10**6))):  # noqa: B008  one counter for the whole survey
    """A dark reading of row 1 and one of its lines that are no numbers."""
    return np.where([False, next(count) in (4, 9)], np.nan, current_A)


# What is broken, the rings that it costs, and how the fault is told.
BROKEN = {
    "stuck at rest": ({"volts": held((1, 2), 0.0)}, [[1, 2]], "ring 2 of row 1 does not answer to its voltage"),
    "stuck at a rail": ({"volts": held((1, 2), -10.0)}, [[1, 2]], "ring 2 of row 1 does not answer to its voltage"),
    "dead detector": ({"current": held(0, 0.0)}, ROW_0, "the detector of row 0 is dead"),
    "saturated detector": ({"current": clipped}, ROW_0, "the detector of row 0 is saturated: .* end at 6 µA"),
    "saturated converter": ({"current": held(0, 1.5e-4)}, ROW_0, "the detector of row 0 is saturated: .* full scale"),
    "lost meter": ({"current": held(0, np.nan)}, ROW_0, "the detector of row 0: 100% .* are no numbers"),
    "overloaded meter": ({"current": held(0, np.inf)}, ROW_0, "the detector of row 0: 100% .* are no numbers"),
    "dead line": ({"light": held(1, 0.0)}, [[0, 1], [1, 1]], "line 1 is dark in all rows"),
}


@pytest.fixture(scope="module", params=BROKEN)
def broken(request, spoiled, small):
    """A survey of a broken bench, its calibration, and what is expected."""
    how, rings, told = BROKEN[request.param]
    chip = spoiled(**how)
    survey = take_survey(chip, small, key=KEY)
    return chip, survey, from_survey(survey, small, key=KEY), rings, told


def test_the_fault_is_named_and_its_rings_are_left_out(broken, small):
    _, survey, calibration, rings, told = broken
    (says,) = map(str, find_faults(survey, small))
    assert np.argwhere(np.asarray(calibration.excluded)).tolist() == rings == summary(calibration)["excluded_rings"]
    assert re.match(told, says), says
    assert "\n" not in says


@pytest.fixture(scope="module")
def validation(broken, small):
    chip, _, calibration, _, _ = broken
    return validate(chip, calibration, small, key=KEY, targets=6, settings=4, repeats=8)


def test_the_rest_is_programmed_as_well_as_ever(broken, validation):
    rings = broken[3]
    assert np.argwhere(validation.excluded).tolist() == rings
    assert validation.accuracy_bits > 10.5
    # What is left out holds what it holds: whatever is asked of the others, it stands still but for their stray light.
    assert np.ptp(validation.measured[:, validation.excluded], axis=0).max() < 0.01


def test_the_light_of_broken_rings_is_taken_off_the_scores(broken, validation, small):
    """A row scores Σ s·q̂ over its rings in use, whatever the others hold."""
    chip, _, calibration, _, _ = broken
    used = ~validation.excluded
    rng = np.random.default_rng(8)
    tile, queries = rng.uniform(-1.0, 1.0, (1, 2, 3)), rng.uniform(-1.0, 1.0, (60, 3))
    weights = WeightRange(validation.weight_low, validation.weight_high)
    alive = used.any(1)
    for encoding in ("offset", "two_shot"):
        tiles = program_tiles(calibration, tile, weight_range=weights, held=validation.held_weights())
        found, _ = score_tile(chip, calibration, tiles, tile=0, query_hat=queries, encoding=encoding)
        error = (found - queries @ np.where(used, tile[0], 0.0).T)[:, alive]
        assert np.sqrt((error**2).mean()) < 0.05, encoding


def test_an_excluded_ring_is_asked_for_nothing_and_stays_at_rest(broken, small):
    _, _, calibration, _, _ = broken
    excluded = np.asarray(calibration.excluded)
    done = program(calibration, np.where(excluded, 5.0, 0.0))
    assert done.out_of_reach == ()
    assert np.abs(done.volts[0][excluded]).max() <= small.voltage_step_V
    assert not done.residual[0][excluded].any()
    assert np.abs(done.residual[0][~excluded]).max() < 1e-3


def test_the_record_keeps_what_is_broken(broken, small, tmp_path):
    _, survey, calibration, rings, _ = broken
    write_record(tmp_path / "calibration.nc", calibration, survey, small)
    again, _, _ = read_record(tmp_path / "calibration.nc")
    assert recorded_faults(tmp_path / "calibration.nc") == find_faults(survey, small)
    assert np.argwhere(np.asarray(again.excluded)).tolist() == rings
    assert again.excluded.dtype == bool


@pytest.mark.parametrize(("settings", "seed"), [(14, 5), (14, 6), (14, 7), (14, 8), (14, 9), (32, 5)])
def test_two_rings_on_one_resonance_are_named_together(spoiled, small, monkeypatch, settings, seed):
    draw = virtual.draw_die

    def crossed(spec, key, **options):
        die = draw(spec, key, **options)
        offset_pm = die.bank.rings.offset_pm.copy()
        offset_pm[0, 0, 1] += 1e3 * small.comb.spacing_nm
        rings = dataclasses.replace(die.bank.rings, offset_pm=offset_pm)
        return dataclasses.replace(die, bank=dataclasses.replace(die.bank, rings=rings))

    monkeypatch.setattr(virtual, "draw_die", crossed)
    survey = take_survey(spoiled(), small, key=jax.random.key(seed), settings=settings)
    assert survey.sizes["setting"] == settings + 5 * (settings == 14)
    (fault,) = find_faults(survey, small)
    assert str(fault).startswith("rings 1 and 2 of row 0 share a resonance")
    assert fault.rings == ((0, 1), (0, 2))


def test_a_ring_that_stands_still_shares_no_resonance_however_few_the_settings(spoiled, small):
    survey = take_survey(spoiled(volts=held((1, 2), 0.0)), small, key=KEY, settings=14)
    (fault,) = find_faults(survey, small)
    assert fault.stuck
    assert survey.attrs["probes"] == 5


def test_a_reading_lost_now_and_then_costs_no_ring(spoiled, small):
    survey = take_survey(spoiled(current=now_and_then), small, key=KEY)
    assert np.isnan(survey.current_A.values).sum() + np.isnan(survey.dark_A.values).sum() == 2
    calibration = from_survey(survey, small, key=KEY)
    assert find_faults(survey, small) == ()
    assert not calibration.excluded.any()
    assert float(calibration.chi2.max()) < 2.0


def test_a_healthy_die_has_no_fault(small, survey):
    assert find_faults(survey, small) == ()


def test_the_faults_of_a_survey_are_looked_for_once(spoiled, small, monkeypatch):
    searched, used = [], []

    def search(survey, spec):
        searched.append(survey)
        return find_faults(survey, spec)

    def stop(survey, faults, spec):
        used.append((survey, faults))
        raise RuntimeError("far enough")

    for module in (surveying, fitting):
        monkeypatch.setattr(module, "find_faults", search)
    monkeypatch.setattr(fitting, "fit_readings", stop)
    with pytest.raises(RuntimeError, match="far enough"):
        calibrate(spoiled(volts=held((1, 2), 0.0)), small, key=KEY, settings=14)
    # Silent rings are moved alone afterwards, which makes another survey.
    assert [survey.attrs["probes"] for survey in searched] == [0, 5]
    ((survey, faults),) = used
    assert survey is searched[-1]
    assert faults == find_faults(survey, small) != ()


def test_a_chip_of_which_nothing_answers_is_refused(spoiled, small):
    with pytest.raises(InputError, match="none of the 6 rings can be used; first of 2 faults: the detector of row 0"):
        take_survey(spoiled(current=lambda current_A: 0.0 * current_A), small, key=KEY)


def test_a_validation_keeps_its_excluded_rings(tmp_path, small):
    # A made-up validation: the file does not ask where it comes from.
    shape = (4, 2, 3)
    validation = Validation(
        commanded=np.linspace(-0.5, 0.5, 24).reshape(shape), measured=np.zeros(shape), measured_std=np.zeros(shape),
        light=np.ones((4, 3)), weights=np.zeros(shape), reads=np.zeros((4, 8, 2)), adc_full_scale=np.ones(2),
        weight_low=-0.5, weight_high=0.5, adc_bits=12, dac_bits=10, encoding="two_shot", spec_hash=small.hash,
        residual_rms=1e-4, leak=0.0, excluded=np.eye(2, 3, dtype=bool),
    )  # fmt: skip
    validation.write(tmp_path / "validation.nc")
    assert np.array_equal(Validation.read(tmp_path / "validation.nc").excluded, np.eye(2, 3, dtype=bool))


def test_a_weak_line_that_swings_is_not_dark(spoiled, small):
    survey = take_survey(spoiled(), small, key=KEY).copy(deep=True)
    dark_A = survey.dark_A.values[:, None]
    lit_A = survey.current_A.values[:, 1:2] - dark_A
    floor_A = max(least_swing_A(small), LIVE_SHARE * float(np.median(np.ptp(survey.current_A.values, axis=0))))
    # Once and a half the floor from end to end, as much to either side: no level is beyond the floor itself.
    middle_A = 0.5 * (lit_A.max(0) + lit_A.min(0))
    weak_A = (lit_A - middle_A) / np.ptp(lit_A, axis=0) * 1.5 * floor_A
    assert np.abs(weak_A).max() < floor_A
    survey.current_A.values[:, 1:2] = weak_A + dark_A
    assert find_faults(survey, small) == ()
