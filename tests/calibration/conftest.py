"""The survey of a small die, and benches with something broken."""

import jax
import numpy as np
import pytest

from prism_photonics.calibration.bus import prior_weight
from prism_photonics.calibration.faults import find_faults
from prism_photonics.calibration.survey import take_survey
from prism_photonics.calibration.survey_fit import bus_surveys
from prism_photonics.calibration.survey_readings import fit_readings
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.virtual import VirtualChip


class Spoiled(AbstractChip):
    """A chip behind a bench that spoils what is written or read."""

    def __init__(self, chip, spec, *, volts=lambda v: v, light=lambda p: p, current=lambda i: i):
        super().__init__(spec)
        self._chip, self._volts, self._light, self._current = chip, volts, light, current

    def _drive(self, volts):
        self._chip.set(self._volts(volts.copy()))

    def _wait(self, seconds):
        self._chip.wait(seconds)

    def _clock_s(self):
        return self._chip.time_s

    def _read(self, light, averages):
        return self._current(self._chip.measure(self._light(light.copy()), averages=averages))


# What a fit finds is judged on dies of circles, whose lines are wide apart and whose rings may mix modes or cross. The
# demonstrator's own calibration is judged by the jobs of tests/workflow and the kept dies of benchmarks/.
@pytest.fixture(scope="session")
def demo(circles):
    return circles


@pytest.fixture(scope="session")
def small(small_circles):
    return small_circles


@pytest.fixture(scope="session")
def two_bus(small, altered):
    return altered(small, name="two_bus_2x2x3", chip={"buses": 2}, drive={"max_voltage_V": 20.0})


@pytest.fixture(scope="session")
def spoiled(small):
    def make(**broken):
        return Spoiled(VirtualChip.fabricate(small, jax.random.key(0)), small, **broken)

    return make


@pytest.fixture(scope="session")
def survey(small):
    return take_survey(VirtualChip.fabricate(small, jax.random.key(0)), small, key=jax.random.key(1))


@pytest.fixture(scope="session")
def read_buses(small):
    """Two buses of three rings at random voltages and drifts, four settings of each."""
    settings, rings = 4, 3
    rng = np.random.default_rng(0)
    volts = rng.uniform(-8.0, 8.0, (settings, 2, rings))
    nothing = np.zeros((settings, rings, 2))
    own = np.broadcast_to(np.arange(rings), (2, 1, rings))
    _, read = bus_surveys(
        small, volts=volts, current_A=nothing, noise_A=nothing + 1e-9, time_s=nothing[..., 0], channel_of_ring=own
    )
    return read.moved(read.volts, rng.normal(0.0, 3.0, read.drift_pm.shape))


@pytest.fixture(scope="module")
def twelve_buses(small, survey):
    """Twelve buses of a survey, and unknowns to begin with."""
    given = fit_readings(survey, find_faults(survey, small), small)
    _, found = bus_surveys(
        small,
        volts=given.volts,
        current_A=given.current_A,
        noise_A=given.noise_A,
        time_s=survey.time_s.values,
        channel_of_ring=survey.channel_of_ring.values,
    )
    many = found.take(np.arange(12) % found.count)
    return many, np.random.default_rng(0).normal(0.0, 0.3, (12, prior_weight(small.chip.channels).size))
