"""Following a chip's temperature between settings, so that programmed weights are where the calibration puts them.

Before a setting is used, the chip is looked at under voltages of its own, the *pilot*: readings of a few lines tell the
common temperature, its gradients, and how those lines' rings have wandered (`wander.told`); every line has its turn.
The voltages wanted next are corrected by them and by what the film has relaxed under all voltages before. The weights
that are held then are never looked at themselves.
"""

import dataclasses
import math
from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.motion import drift_matters, replayed, steady_samples, thermal_patterns_pm
from prism_photonics.calibration.survey import averages_for
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.circuit.params import designed_bank
from prism_photonics.drift.estimate import Lapse, told
from prism_photonics.drift.tracker import Look, held_volts
from prism_photonics.programming.solve import common_range, program
from prism_photonics.spec import ChipSpec

# Design choice: single lines of a look. Dimmed ones would tell of the modulators' drivers too.
LIGHTS = 4
# Standard deviations of the common temperature that are kept in hand of the voltages (design choice).
RESERVE = 2.5


@final
class Follower:
    """Sets a chip's voltages, and corrects them for what has moved where drift matters; nobody else may set them.

    Attributes:
        active: Whether the chip moved by more than the noise of its survey while that was taken.
        calibration: The calibration to program with: a followed chip keeps some of its voltages in hand.
        triggers: Readings taken for it.
        most_samples: Converter samples that a reading between two looks may take before drift spoils it.
    """

    def __init__(
        self, chip: AbstractChip, calibration: Calibration, spec: ChipSpec, survey: xr.Dataset | None = None
    ) -> None:
        """Begin where a survey has just ended.

        Args:
            chip: The chip.
            calibration: What the survey told.
            spec: The chip's spec.
            survey: The survey: its voltages have charged the film. Without one nothing is followed.
        """
        self.triggers = 0
        self.active = survey is not None and drift_matters(survey, spec)
        self.calibration = calibration
        self.most_samples = steady_samples(spec, LIGHTS)
        self._chip, self._calibration = chip, calibration
        if survey is None or not self.active:
            return
        self._averages = min(averages_for(spec), self.most_samples)
        self._patterns_pm = jnp.asarray(thermal_patterns_pm(spec))
        wanted_V = RESERVE * float(self._patterns_pm[0].max() / designed_bank(spec).rings.slope_pm_V.mean())
        # Whole codes: what is left of the range is on the drivers' grid too.
        reserve_V = math.ceil(wanted_V / calibration.voltage_step_V) * calibration.voltage_step_V
        self.calibration = dataclasses.replace(calibration, max_voltage_V=calibration.max_voltage_V - reserve_V)
        # Where weights answer most to temperature: half-way.
        half_way = np.full((1, *calibration.shape), 0.5 * sum(common_range(self.calibration)))
        self._pilot = program(self.calibration, half_way).volts[0]
        self._excluded = by_place(np.asarray(calibration.excluded), np.asarray(calibration.channel_of_ring))
        self._look = Look.alone(calibration, spec, self._averages)
        self._turn = 0
        self._film, self._volts = replayed(survey, spec), survey.volts_V.values[-1]
        self._film_s = self._told_s = chip.time_s
        self._lapse = Lapse.of(spec)
        # The rows were fitted for the middle of the survey.
        self._known = self._lapse.unwatched(calibration.shape, 0.5 * float(np.ptp(survey.time_s.values)))

    def hold(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Set voltages that the calibration gives for wanted weights, so that they give them now.

        Args:
            volts: Ring voltages in V, from `program`. Where drift does not matter they are held already, and stay.
        """
        if not self.active:
            return
        self.set(self._pilot)
        lines = self._lines()
        lights = self._look.lights[lines]
        dark_A = self._chip.measure(np.zeros(lights.shape[1]), averages=self._averages)
        current_A, time_s = np.empty((len(lines), self._calibration.shape[0])), np.empty(len(lines))
        for i, light in enumerate(lights):
            current_A[i] = self._chip.measure(light, averages=self._averages) - dark_A
            time_s[i] = self._chip.time_s
        self.triggers += 1 + len(lines)
        self._age()
        seconds, self._told_s = np.diff(time_s, prepend=self._told_s), time_s[-1]
        self._known = told(
            self._calibration,
            self._known,
            self._lapse,
            self._patterns_pm,
            jnp.asarray(self._volts),
            jnp.asarray(lines),
            jnp.asarray(np.nan_to_num(current_A, posinf=0.0, neginf=0.0)),
            jnp.asarray(np.where(np.isfinite(current_A), self._look.sigma_A[lines], np.inf)),
            jnp.asarray(seconds),
        )
        held = held_volts(self._calibration, jnp.asarray(volts), self._known.moved, self._patterns_pm)
        # A ring that would need more than the limit stands at it.
        self.set(self._calibration.on_dac_grid(np.where(self._excluded, volts, held)))

    def set(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Set voltages as they are."""
        if self.active:
            self._age()
        self._chip.set(volts)
        self._volts = volts

    def _lines(self) -> Int[ndarray, " some"]:
        """The next few lines, evenly spread: every line has its turn."""
        lines = len(self._look.lights)
        turn, self._turn = self._turn, self._turn + 1
        return (np.unique(np.arange(LIGHTS) * lines // LIGHTS) + turn) % lines

    def _age(self) -> None:
        """Let the film's charge follow the voltage that has been held until the last reading."""
        self._film.advance(max(self._chip.time_s - self._film_s, 0.0), self._volts)
        self._film_s = self._chip.time_s
        kept_V = jnp.asarray((1.0 + float(self._calibration.film)) * self._film.lost_V)
        self._known = eqx.tree_at(lambda k: k.moved.kept_V, self._known, kept_V)
