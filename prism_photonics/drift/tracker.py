"""Tracking of a drifting chip: single lines are read, the drift is estimated, the voltages are corrected.

Single lines are read by turns, the chip's drift is estimated from them through the fitted rows (`estimate`), and
voltages are corrected so that every resonance is back where its programmed voltage had put it, which is a quadratic
equation per ring and needs no new solve of the rows. There are two uses. Weights that stay are watched while they are
held: the lines are read at the very voltages that are to be corrected (`Tracker.hold`, `Tracker.refresh`). Where
settings follow each other, the lines are read under voltages of their own before a setting is used, the *pilot*, and
the weights that are used then are never read themselves (`Tracker.after_survey`, `Tracker.correct`).
"""

import copy
import dataclasses
import math
from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.drift_noise import drift_matters
from prism_photonics.calibration.lit_lines import read_lit_lines
from prism_photonics.calibration.survey_drift import film_after
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.circuit.params import designed_bank
from prism_photonics.drift.estimate import corrected_volts, drifted_calibration, kalman_update, predicted_A
from prism_photonics.drift.pilot import line_noise_A, pilot_averages, pilot_lines, pilot_samples, spread_lines
from prism_photonics.drift.process import FilmCharge
from prism_photonics.drift.state import FILM_SCATTER, HOUR_S, DriftModel
from prism_photonics.files.datasets import Dataset
from prism_photonics.programming.solve import common_range, program
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

MODES = ("none", "common", "full")
# Design choices: lines read at each refresh of weights that are held, with so many converter samples each. Dimmed lines
# would tell of the modulators' drivers too.
HELD_LINES, HELD_AVERAGES = 2, 256
# Standard deviations of the common temperature for which voltages are kept in hand (design choice).
RESERVE = 2.5
# Standard deviation of what voltages of a pause have left in the film, over the drive limit (design choice), and how
# often all lines are read for it: the rows are linear in a ring's shift over a small part of its width only.
REMNANT, ROUNDS = 0.05, 4
# Rms misfit of the readings below which no other round is wanted, in units of weight: 10 bits.
ENOUGH_WEIGHT = 2e-3


@final
class Tracker:
    """Sets a chip's voltages, and corrects them for its drift; nobody else may set them.

    Attributes:
        mode: ``none``, ``common`` (temperatures and the film's factor) or ``full`` (and each ring's own shift).
        active: Whether anything is read and corrected.
        calibration: The calibration to program with: with a pilot, some of the voltages are kept in hand.
        state: The estimate of the drift.
        volts: The voltages that are set.
        triggers: Readings taken.
        refreshes: How often held weights were read.
        settings: How often corrected voltages were set.
        most_samples: Most converter samples of a reading between two pilots: drift spoils what takes longer.
    """

    def __init__(
        self, chip: AbstractChip, calibration: Calibration, spec: ChipSpec, *, mode: str, averages: int = HELD_AVERAGES
    ) -> None:
        """Begin with a chip as calibrated, whose film is free of charge.

        Args:
            chip: The chip.
            calibration: Its calibration.
            spec: Its spec: how much it may drift is the prior of the estimate.
            mode: Quantities that are estimated, see the attributes.
            averages: Converter samples per reading.

        Raises:
            InputError: Unknown mode, or the calibration is of another spec.
        """
        if mode not in MODES:
            raise InputError(f"track: mode {mode!r} is unknown; use one of {', '.join(MODES)}")
        if calibration.spec_hash != spec.hash:
            raise InputError(
                f"track: the calibration belongs to spec {calibration.spec_hash[:12]}, not to {spec.name} "
                f"({spec.hash[:12]}); give the record of this chip"
            )
        self.mode, self.active = mode, mode != "none"
        self.calibration = self._made = calibration
        self.triggers = self.refreshes = self.settings = 0
        self.most_samples = pilot_samples(spec)
        self._chip, self._averages, self._lines, self._turn = chip, averages, HELD_LINES, 0
        # Rings count by place along the bus, as voltages do.
        self._used = ~by_place(np.asarray(calibration.excluded), np.asarray(calibration.channel_of_ring))
        self._model = DriftModel.from_spec(spec, film_var=FILM_SCATTER**2, film_var_s=FILM_SCATTER**2 / HOUR_S)
        self._film, self._film_s = FilmCharge(spec.profile, calibration.shape), chip.time_s
        # A record is hours old.
        self.state, self._state_s = self._model.prior(HOUR_S), chip.time_s
        self._sigma_A = line_noise_A(calibration, spec, averages)
        self._pilot_V: Float[ndarray, "rows rings"] | None = None
        self._spec = spec
        self._survey: Dataset | None = None
        self.volts = self._wanted_V = np.zeros(calibration.shape)

    @classmethod
    def after_survey(
        cls, chip: AbstractChip, calibration: Calibration, spec: ChipSpec, survey: Dataset | None = None
    ) -> "Tracker":
        """Begin where a survey has just ended, and read a pilot before each setting where drift matters.

        Args:
            chip: The chip.
            calibration: Fitted to the survey.
            spec: The chip's spec.
            survey: The survey: its voltages have charged the film. Without one, voltages are set as they are; and so
                long as the chip has drifted by less than the noise of its survey since that began.
        """
        tracker = cls(chip, calibration, spec, mode="none")
        if survey is None:
            return tracker
        tracker._survey = survey
        tracker._film, tracker.volts = film_after(survey, spec), survey.volts_V.values[-1]
        # From a survey by one laser to the first weight takes so long that it does matter.
        if chip.laser is not None or drift_matters(survey, spec):
            tracker.follow()
        return tracker

    @property
    def drifted(self) -> Calibration:
        """The calibration of the chip as drifted: weights that are programmed with it need no correction."""
        return drifted_calibration(self._made, self.state, self._model.patterns_pm)

    @property
    def pinned(self) -> list[tuple[int, int]]:
        """(row, ring) of those that would need more than the drive limit to be corrected, and stand at it."""
        at_limit = np.abs(self.volts) >= self._made.max_voltage_V - 0.5 * self._made.voltage_step_V
        within = np.abs(self._wanted_V) < self._made.max_voltage_V - 0.5 * self._made.voltage_step_V
        return [(int(n), int(c)) for n, c in np.argwhere(at_limit & within & self._used)]

    @classmethod
    def after_pause(
        cls, chip: AbstractChip, calibration: Calibration, spec: ChipSpec, survey: Dataset, *, since_s: float
    ) -> "Tracker":
        """Begin with a chip that was surveyed some time ago and has been without voltage since; it is followed.

        Args:
            chip: The chip, whose clock is another one than the survey's.
            calibration: Fitted to the survey.
            spec: The chip's spec.
            survey: The survey: its voltages had charged the film.
            since_s: Time since the survey in s: how far rings may have wandered, and how much charge is left.

        Returns:
            A tracker that follows; `catch_up_after_pause` gives it its first estimate.
        """
        # The bench's clock is that of the last reading.
        chip.measure(np.zeros(chip.channels))
        tracker = cls(chip, calibration, spec, mode="none")
        tracker.triggers, tracker._survey, tracker._film = 1, survey, film_after(survey, spec)
        tracker._film.advance(since_s, tracker.volts)
        tracker.follow(since_s=since_s)
        slope_pm_V = jnp.asarray(calibration.rows.rings.slope_pm_V).reshape(calibration.shape)
        left_pm2 = (REMNANT * calibration.max_voltage_V * slope_pm_V) ** 2
        tracker.state = eqx.tree_at(lambda s: s.own_var_pm2, tracker.state, tracker.state.own_var_pm2 + left_pm2)
        return tracker

    def follow(self, *, since_s: float | None = None) -> None:
        """Read a pilot before each setting from now on, whether drift matters yet or not; it needs the survey.

        Args:
            since_s: Time since the middle of the survey in s; by default as the chip's clock says.
        """
        if self.active or self._survey is None:
            return
        calibration, spec, read_s = self._made, self._spec, self._survey.time_s.values
        self.mode, self.active = "full", True
        # One laser takes so long from line to line that each ring has wandered before its turn comes again.
        self._averages, self._lines = pilot_averages(spec), pilot_lines(spec, laser=self._chip.laser is not None)
        self._sigma_A = line_noise_A(calibration, spec, self._averages)
        # The film's factor is known from the survey.
        self._model = DriftModel.from_spec(spec)
        slope_pm_V = designed_bank(spec, xp=np).rings.slope_pm_V.mean()
        reserve_V = RESERVE * float(np.max(self._model.patterns_pm[0]) / slope_pm_V)
        if self._chip.laser is not None:
            # While a laser goes from line to line, the film takes back all that it takes within seconds.
            reserve_V += spec.profile.relaxation.fast_share.value * calibration.max_voltage_V
        # Whole codes: what is left of the range is on the drivers' grid too.
        reserve_V = math.ceil(reserve_V / calibration.voltage_step_V) * calibration.voltage_step_V
        self.calibration = dataclasses.replace(calibration, max_voltage_V=calibration.max_voltage_V - reserve_V)
        # Where weights answer most to temperature: half-way.
        half_way = np.full((1, *calibration.shape), 0.5 * sum(common_range(self.calibration)))
        self._pilot_V = program(self.calibration, half_way).volts[0]
        # The rows were fitted for the middle of the survey.
        if since_s is None:
            since_s = max(self._chip.time_s - 0.5 * float(read_s.min() + read_s.max()), 0.0)
        self.state, self._state_s = self._model.prior(since_s), self._chip.time_s
        self.state = eqx.tree_at(lambda s: s.film, self.state, jnp.asarray(calibration.film))

    def catch_up(self) -> None:
        """Count how long the present voltages have charged the film: to be called after a pause, before others are set.

        A chip that stood still while it was surveyed may have moved since then: from then on it is followed too.
        The bench's clock is that of the last reading, so a dark one is taken first, unless no time can have passed.
        """
        if not self.active and self._survey is None:
            return
        if self._chip.paused:
            self._chip.measure(np.zeros(self._chip.channels))
            self.triggers += 1
        if not self.active and self._survey is not None:
            since_s = self._chip.time_s - float(self._survey.time_s.values.min())
            if drift_matters(self._survey, self._spec, seconds=since_s):
                self.follow()
        self._age()

    def set(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Set voltages as they are."""
        self._age()
        self._chip.set(volts)
        self.volts = volts

    def hold(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Set voltages, corrected by all that is known, and correct them at every `refresh`.

        Args:
            volts: Ring voltages in V, from `program` with `calibration`.
        """
        self._wanted_V = np.asarray(volts, dtype=float)
        self.restore()

    def lead(self, seconds: float) -> None:
        """Set the held weights' voltages so that they are right in some seconds, when the film has taken back more.

        Args:
            seconds: Until the middle of what is read next; a laser takes a while from line to line.
        """
        if self.active:
            self._restore(ahead_s=seconds)

    def restore(self) -> None:
        """Set the held weights' voltages, corrected by all that is known."""
        self._restore()

    def _restore(self, *, ahead_s: float = 0.0) -> None:
        self._age()
        if ahead_s:
            film = copy.deepcopy(self._film)
            film.advance(ahead_s, self.volts)
            self.state = dataclasses.replace(self.state, lost_V=jnp.asarray(film.lost_V))
        exact = corrected_volts(self._made, jnp.asarray(self._wanted_V), self.state, self._model.patterns_pm)
        # A ring beyond the limit stands at it, and is named by `pinned`.
        self.set(self._made.on_dac_grid(np.where(self._used, np.asarray(exact), self._wanted_V)))
        self.settings += 1

    def refresh(self) -> None:
        """Read lines at the held voltages, update the estimate, and correct; without tracking nothing happens."""
        if not self.active:
            return
        self._observe()
        self.refreshes += 1
        self.restore()

    def correct(self, volts: Float[ndarray, "rows rings"]) -> None:
        """Read the pilot, and set voltages that are corrected; where drift does not matter they are set already.

        Args:
            volts: Ring voltages in V, from `program` with `calibration`.
        """
        if not self.active or self._pilot_V is None:
            return
        self._read_pilot()
        self.hold(volts)

    def catch_up_after_pause(self) -> None:
        """Read every line under the pilot until the estimate explains the readings, a few times at most."""
        before_pm2 = self.state.own_var_pm2
        for number in range(ROUNDS if self._pilot_V is not None else 0):
            # Each round begins at the last one's estimate, as uncertain as before: Gauss–Newton.
            self.state = eqx.tree_at(lambda s: s.own_var_pm2, self.state, before_pm2) if number else self.state
            lit_A = np.full((self._chip.channels, self._chip.rows), np.nan)
            for _ in range(-(-self._chip.channels // self._lines)):
                lines, read_A = self._read_pilot()
                lit_A[lines] = read_A
            if self._misfit(lit_A) < ENOUGH_WEIGHT:
                return

    def _misfit(self, lit_A: Float[ndarray, "rings rows"]) -> float:
        """Rms misfit of readings of all lines, above the dark level, in units of weight."""
        lights = jnp.asarray(np.vstack([np.zeros(self._chip.channels), np.diag(self._made.light_scale)]))
        volts, patterns_pm = jnp.asarray(self.volts), self._model.patterns_pm
        expected_A = np.asarray(predicted_A(self._made, self.state, patterns_pm, volts=volts, lights=lights))
        misfit = (lit_A - (expected_A[1:] - expected_A[0])) / np.asarray(self._made.unit_A)
        used = np.isfinite(self._sigma_A) & np.isfinite(misfit)
        return float(np.sqrt(np.mean(misfit[used] ** 2))) if used.any() else 0.0

    def _read_pilot(self) -> tuple[Int[ndarray, " some"], Float[ndarray, "some rows"]]:
        """Set the pilot, read its dark level and the next few lines, and update the estimate."""
        assert self._pilot_V is not None
        self.set(self._pilot_V)
        dark_A = self._chip.measure(np.zeros(self._chip.channels), averages=self._averages)
        self.triggers += 1
        return self._observe(dark_A)

    def _observe(
        self, dark_A: Float[ndarray, " rows"] | None = None
    ) -> tuple[Int[ndarray, " some"], Float[ndarray, "some rows"]]:
        """Read the next few lines, and update the estimate; a dark level that is not given is predicted.

        Returns:
            The lines, and their readings above the dark level in A.
        """
        lines = self._next_lines()
        if self._chip.laser is None:
            return self._observe_some(lines, dark_A)
        # One laser is slow from line to line: what the film has taken back by then is another for each.
        found = [self._observe_some(lines[i : i + 1], dark_A) for i in range(lines.size)]
        lines, lit_A = (np.concatenate(part) for part in zip(*found, strict=True))
        return lines, lit_A

    def _observe_some(
        self, lines: Int[ndarray, " some"], dark_A: Float[ndarray, " rows"] | None
    ) -> tuple[Int[ndarray, " some"], Float[ndarray, "some rows"]]:
        """Read some lines with one state of the film; otherwise as `_observe`."""
        light_scale = np.asarray(self._made.light_scale)
        read = read_lit_lines(self._chip, self._spec, lines, light_scale=light_scale, averages=self._averages)
        lines, current_A, time_s = read.lines, read.current_A, read.time_s
        self.triggers += len(lines)
        self._age(time_s[-1])
        volts = jnp.asarray(self.volts)
        if dark_A is None:
            dark = jnp.asarray(np.zeros((1, self._chip.channels)))
            dark_A = np.asarray(
                predicted_A(self._made, self.state, self._model.patterns_pm, volts=volts, lights=dark)[0]
            )
        lit_A = current_A - dark_A
        seconds, self._state_s = np.diff(time_s, prepend=self._state_s), time_s[-1]
        self.state = kalman_update(
            self._made,
            self.state,
            self._model,
            volts=volts,
            lines=jnp.asarray(lines),
            current_A=jnp.asarray(np.nan_to_num(lit_A, posinf=0.0, neginf=0.0)),
            # A reading that is no number has no weight.
            sigma_A=jnp.asarray(np.where(np.isfinite(lit_A), self._sigma_A[lines], np.inf)),
            seconds=jnp.asarray(seconds),
            laser_pm=jnp.asarray(read.shift_pm),
            own=self.mode == "full",
        )
        return lines, lit_A

    def _next_lines(self) -> Int[ndarray, " some"]:
        """The next few lines, evenly spread and in rotation."""
        turn, self._turn = self._turn, self._turn + 1
        return (spread_lines(self._lines, self._chip.channels) + turn) % self._chip.channels

    def _age(self, until_s: float | None = None) -> None:
        """Let the film's charge follow the voltage that has been held until a time, by default the last reading's."""
        until_s = self._chip.time_s if until_s is None else float(until_s)
        self._film.advance(max(until_s - self._film_s, 0.0), self.volts)
        self._film_s = max(until_s, self._film_s)
        if not self.active:
            return
        self.state = dataclasses.replace(self.state, lost_V=jnp.asarray(self._film.lost_V))
