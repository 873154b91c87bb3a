"""A line that no fit explains is set apart: its ring keeps error bars of its own, and the others are known as ever."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from prism_photonics.calibration.calibration import from_survey, summary
from prism_photonics.calibration.record import read_record, write_record
from prism_photonics.calibration.survey import take_survey
from prism_photonics.characterize.accuracy import Validation
from prism_photonics.chip.truth import FullTruth
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.drift.pilot import line_noise_A
from prism_photonics.programming.bus import bus_of, weights_at
from prism_photonics.workflow.accuracy import bits_of_others

RINGS = 3


@pytest.fixture(scope="module")
def read(small):
    """The survey of a die whose rings split by some 5 pm."""
    truth = FullTruth(splitting_pm=5.0, flicker_pm=0.0, absorbed_pm_mW=0.0, second_neighbour=0.0)
    return take_survey(VirtualChip(small, seed=1, truth=truth), small, key=jax.random.key(1))


@pytest.fixture(scope="module")
def sound(read, small):
    return jax.tree.map(np.asarray, from_survey(read, small, key=jax.random.key(2)))


@pytest.fixture(scope="module")
def struck(read):
    """The same with a second resonance in what line 1 of row 0 reads, some pm beside the ring's own."""
    current_A, volts_V = read.current_A.values.copy(), read.volts_V.values
    whole_A = np.abs(current_A[:, 1, 0]).max()
    dip = 1.0 / (1.0 + ((volts_V[:, 0, 1] - 2.0) / 1.5) ** 2)
    current_A[:, 1, 0] -= 0.5 * whole_A * dip
    return read.assign(current_A=(read.current_A.dims, current_A))


@pytest.fixture(scope="module")
def spoiled(struck, small):
    return jax.tree.map(np.asarray, from_survey(struck, small, key=jax.random.key(2)))


def transmissions(fit, volts):
    """Of every line, at voltages; a spoiled line's gain is known no better than its ring, and units go with it."""
    weights = np.stack([weights_at(bus_of(fit, np.arange(2)), one) for one in volts])
    return weights / (fit.rows.gain_A[:, 0] * fit.light_scale / fit.unit_A[:, None])


def test_the_ring_whose_line_is_spoiled_is_named_and_no_other(sound, spoiled):
    assert not sound.spoiled.any()
    assert np.argwhere(spoiled.spoiled).tolist() == [[0, 1]]
    assert summary(spoiled)["spoiled_rings"] == [[0, 1]]
    assert "spoiled_rings" not in summary(sound)
    assert not spoiled.excluded.any()


def test_the_others_are_known_as_well_as_if_it_were_not(sound, spoiled):
    volts = np.random.default_rng(3).uniform(-8.0, 8.0, (20, 2, RINGS))
    off = np.sqrt(np.mean((transmissions(spoiled, volts) - transmissions(sound, volts)) ** 2, axis=0))
    print(off, sound.chi2, spoiled.chi2, spoiled.left.chi2)
    # Of a row without a spoiled line; the ring itself is off by far more.
    assert off[0, [0, 2]].max() < 3.0 * off[1].max() + 1e-3
    assert off[0, 1] > 10.0 * off[0, [0, 2]].max()


def test_its_error_bars_say_that_it_is_known_less_well(sound, spoiled):
    wider = (spoiled.std.gain / sound.std.gain)[:, 0]
    print(
        wider, spoiled.std.offset, sound.std.offset, spoiled.std.loss, sound.std.loss, spoiled.std.gain, sound.std.gain
    )
    assert wider[0, 1] > 10.0
    assert wider[0, [0, 2]].max() < 3.0


def test_it_is_told_with_its_place_and_what_to_do(sound, spoiled):
    told = next(doubt for doubt in spoiled.doubts() if doubt.startswith("ring "))
    assert told.startswith("ring 1 of row 0 is known less well than the others: no fit explains its line (χ² = ")
    assert told.endswith("trim the ring elsewhere, or leave line 1 dark, which all rows share")
    assert not any(doubt.startswith("ring ") for doubt in sound.doubts())


def test_a_tracker_takes_no_drift_from_it(sound, spoiled, small):
    expected_A, of_sound_A = (line_noise_A(fit, small, 16) for fit in (spoiled, sound))
    assert np.argwhere(~np.isfinite(expected_A)).tolist() == [[1, 0]]
    assert np.isfinite(of_sound_A).all()


def test_accuracy_without_it_is_told_where_other_rings_are_used(spoiled, small):
    weights = np.random.default_rng(4).uniform(-0.5, 0.5, (6, 2, RINGS))
    validation = Validation(
        commanded=weights,
        measured=weights + 1e-3 + 0.1 * spoiled.spoiled,
        measured_std=np.full(weights.shape, 1e-5),
        light=np.ones((6, RINGS)),
        weights=weights,
        reads=np.zeros((6, 2, 2)),
        adc_full_scale=np.full(2, 2.0),
        weight_low=-0.5,
        weight_high=0.5,
        adc_bits=12,
        dac_bits=10,
        encoding="two_shot",
        spec_hash=small.hash,
        residual_rms=1e-4,
        leak=1e-3,
    )
    found = bits_of_others(spoiled, validation)["accuracy_bits_of_other_rings"]
    assert found == pytest.approx(np.log2(np.ptp(weights) / 1e-3))
    assert validation.accuracy_bits < found - 4.0
    assert bits_of_others(spoiled, replace(validation, excluded=~spoiled.spoiled)) == {}


def test_a_record_keeps_which_it_is(spoiled, struck, small, tmp_path):
    write_record(tmp_path / "calibration.nc", spoiled, struck, small)
    again, _, _ = read_record(tmp_path / "calibration.nc")
    assert np.array_equal(again.spoiled, spoiled.spoiled)
    assert again.doubts() == spoiled.doubts()
