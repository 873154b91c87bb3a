"""What the survey tries, and what it refuses to take for a reading."""

import jax
import numpy as np
import pytest

from prism_photonics.calibration.calibration import dark_and_leak
from prism_photonics.calibration.survey import on_dac_grid, survey_volts, take_survey
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.units import InputError

KEY = jax.random.key(5)


def refused(chip, spec):
    with pytest.raises(InputError) as caught:
        take_survey(chip, spec, key=KEY)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_ring_visits_its_whole_range_evenly_and_on_the_dac_grid(small):
    volts = survey_volts(small, 40, KEY)
    assert volts.shape == (40, 2, 3)
    assert np.abs(volts).max() <= small.drive.max_voltage_V
    assert volts == pytest.approx(
        on_dac_grid(volts, max_voltage_V=small.drive.max_voltage_V, step_V=small.voltage_step_V), abs=1e-12
    )
    # One setting in each fortieth of the range.
    share = (np.sort(volts, axis=0) / small.drive.max_voltage_V + 1) / 2
    assert share == pytest.approx(np.broadcast_to(((np.arange(40) + 0.5) / 40)[:, None, None], share.shape), abs=0.02)
    assert np.abs(np.corrcoef(volts.reshape(40, 6).T) - np.eye(6)).max() < 0.6


def test_the_record_counts_its_readings_and_names_its_axes(survey, small):
    assert survey.current_A.dims == ("setting", "channel", "row")
    settings = survey.sizes["setting"]
    assert survey.dark_A.dims == ("setting", "row")
    # A dark reading beside the channels at every setting.
    assert survey.attrs["triggers"] == settings * (3 + 1)
    assert survey.attrs["spec_hash"] == small.hash
    assert np.isfinite(survey.current_A.values).all()


def test_the_expected_noise_is_the_noise(small, survey):
    chip = VirtualChip.fabricate(small, jax.random.key(0))
    chip.set(survey.volts_V.values[0])

    def difference():
        return chip.measure(np.eye(3)[1], averages=1024) - chip.measure(np.zeros(3), averages=4096)

    again = np.array([difference() for _ in range(300)])
    assert again.std(0) == pytest.approx(survey.noise_A.values[0, 1], rel=0.3)


def test_the_dark_level_follows_what_the_leaking_lines_give(survey, small):
    lit_A = (survey.current_A.values - survey.dark_A.values[:, None]).sum(1)
    offset_A, leak = dark_and_leak(survey.dark_A.values, survey.current_A.values - survey.dark_A.values[:, None])
    assert leak == pytest.approx(small.modulator_design.leak, rel=0.1)
    assert np.abs(offset_A).max() < 1e-8
    left_A = survey.dark_A.values - leak * lit_A
    assert left_A.std() < 0.5 * survey.dark_A.values.std()


def test_a_chip_of_another_shape_is_refused(spoiled, small, altered):
    other = altered(small, chip={"channels": 4})
    assert "the chip is 2×3, the spec 2×4" in refused(spoiled(), other)


def test_a_converter_that_overflows_is_refused(small, altered):
    hot = altered(small, comb={"line_power_dBm": 6.0})
    chip = VirtualChip.fabricate(hot, jax.random.key(0))
    assert "full scale" in refused(chip, hot)


@pytest.mark.parametrize("settings", [0, -3])
def test_a_survey_of_nothing_is_refused(spoiled, small, settings):
    with pytest.raises(InputError, match="settings"):
        take_survey(spoiled(), small, key=KEY, settings=settings)
