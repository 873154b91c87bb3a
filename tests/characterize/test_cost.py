"""What a calibration costs is counted where it is measured: the plan is what the chip was asked for."""

import jax
import numpy as np
import pytest

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.calibration.heater_crosstalk import search_plan
from prism_photonics.calibration.survey import survey_plan, take_survey
from prism_photonics.characterize.accuracy import validate, validation_plan
from prism_photonics.characterize.closed_loop import trim, trim_plan
from prism_photonics.characterize.cost import calibration_plan, calibration_wall_time_s
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.drift.tracker import Tracker

KEY = jax.random.key(0)
# Instruments that read within a millisecond, in a room that drifts meanwhile.
SLOW = {"detector": {"bandwidth_GHz": 1e-6, "adc_bits": 18, "tia_noise_pA_rtHz": 5.0}, "drive": {"dac_bits": 16}}
ROOM = {"temperature_K": 0.1, "thermal_time_s": 600.0}


class Counted(AbstractChip):
    """A chip that counts what it is asked for."""

    def __init__(self, chip, spec):
        super().__init__(spec)
        self._chip, self._light = chip, None
        self.asked = MeasurementPlan()

    def _drive(self, volts):
        self._chip.set(volts)
        self.asked += MeasurementPlan(settings=1)

    def _wait(self, seconds):
        self._chip.wait(seconds)

    def _clock_s(self):
        return self._chip.time_s

    def _read(self, light, averages):
        lights = int(not np.array_equal(light, self._light))
        self._light = light.copy()
        self.asked += MeasurementPlan(lights=lights, triggers=1, samples=averages)
        return self._chip.measure(light, averages=averages)


@pytest.fixture
def counted():
    return lambda spec: Counted(VirtualChip.fabricate(spec, KEY), spec)


def test_the_plan_of_a_survey_is_what_the_chip_was_asked_for(small, counted):
    chip = counted(small)
    take_survey(chip, small, key=KEY, settings=24)
    assert chip.asked == survey_plan(small, settings=24)


def test_the_plan_of_validation_and_trim_is_what_the_chip_was_asked_for(small, counted):
    chip, calibration = counted(small), blank_calibration(small, triggers=1)
    validate(chip, calibration, small, key=KEY, targets=3, settings=2, repeats=20)
    trim(chip, calibration, small, key=KEY, targets=2, corrections=1)
    plan = validation_plan(small, tracked=False, targets=3, settings=2, repeats=20)
    assert chip.asked == plan + trim_plan(small, tracked=False, targets=2, corrections=1)


def test_what_the_tracker_asks_for_is_in_the_plan(small, altered, counted):
    slow = altered(small, drift=ROOM, **SLOW)
    chip = counted(slow)
    survey = take_survey(chip, slow, key=KEY, settings=24)
    tracker = Tracker.after_survey(chip, blank_calibration(slow, triggers=1), slow, survey)
    chip.asked = MeasurementPlan()
    validate(chip, tracker.calibration, slow, key=KEY, targets=2, settings=2, repeats=20, tracker=tracker)
    plan = validation_plan(slow, tracked=True, targets=2, settings=2, repeats=20)
    asked = chip.asked
    assert tracker.active
    assert (asked.settings, asked.triggers, asked.samples) == (plan.settings, plan.triggers, plan.samples)
    # Where a pilot's line is the next one anyway, the light stays.
    assert 0.9 * plan.lights < asked.lights <= plan.lights


def test_a_calibration_costs_what_its_parts_cost(small):
    parts = survey_plan(small) + validation_plan(small, tracked=True) + trim_plan(small, tracked=True)
    assert calibration_plan(small, tracked=True) == parts
    searched = calibration_plan(small, searched=search_plan(small) * 100)
    assert (searched.heatings, searched.triggers) == (100, calibration_plan(small).triggers + 100)
    times_s = [calibration_wall_time_s(None, small, tracked=tracked) for tracked in (False, True)]
    assert 0.0 < times_s[0] < times_s[1]
