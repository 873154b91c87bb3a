"""A virtual chip: the exact circuit with hidden fabrication errors, drift and noise, with the interface of a bench.

The truth lives in closures of the chip's private functions; no attribute leads to it.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.fabricate import NO_SHIFT, Die, DieShift, draw_die, full_die, trimmed_by, untrimmed
from prism_photonics.chip.flicker import FlickeringDrift, charge_noise_pm
from prism_photonics.chip.heaters import heater_limit_mW, shift_by_others_pm
from prism_photonics.chip.laser import COMB, LIGHTS, TUNABLE_LASER, Sweep, lit_line
from prism_photonics.chip.named_die import TRIMMED
from prism_photonics.chip.reading import LineCurrents, Receiver, line_currents
from prism_photonics.chip.relaxing import with_relaxation
from prism_photonics.chip.trimming import Trimming
from prism_photonics.chip.truth import FullTruth, full_truth
from prism_photonics.chip.tunable import LaserLight, TunableLaser
from prism_photonics.drift.process import Drift
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.channels import ring_fF
from prism_photonics.threefry import generator, split
from prism_photonics.units import InputError

# The optics is solved anew after this much time without a new setting; slow drift moves a ring by far less than a code.
REFRESH_S = 0.0005
# A sweep is read in parts of so many seconds, between which the chip drifts: by a hundredth of a picometre.
SWEEP_REFRESH_S = 0.05
# Design choice: a heater settles in tens of microseconds.
HEATER_S = 1e-4


@dataclass
class _Now:
    """The driver's setting, its photocurrents, and the time since they were computed."""

    volts: Float[ndarray, "rows rings"]
    lines: LineCurrents
    age_s: float = 0.0


@final
class VirtualChip(AbstractChip):
    """A seeded die on a bench with a comb and its modulators, or with one tunable laser."""

    def __init__(
        self,
        spec: ChipSpec,
        *,
        seed: int = 0,
        trimmed: bool = True,
        light: str = COMB,
        laser: TunableLaser | None = None,
        truth: str | FullTruth = "model",
        trimming: Trimming | None = None,
    ) -> None:
        """Draw a die from the spec's variation; the same seed gives the same die, the same drift and the same noise.

        Args:
            spec: The chip and how it scatters and drifts.
            seed: Which die.
            trimmed: Whether its rings have been brought to their channels, up to ``trim.residual_pm``. Else they rest
                where fabrication left them, and heaters, if the spec has them, are off.
            light: ``comb``, a line and a modulator for each channel, or ``tunable_laser``, one laser for all of them:
                the same die either way.
            laser: How good that laser is; by default as usual data sheets say.
            truth: ``model``, what a calibration's model knows; ``full``, that and what real rings have besides; or how
                much of it, effect by effect. The model's numbers are those of the same die either way.
            trimming: What was done to the untrimmed die, each ring missed by ``trim.residual_pm`` rms; in place of
                ``trimmed``.

        Raises:
            InputError: The seed is no whole number from 0, there is no such light or truth, or the film has not the
                TM that the truth asks for.
        """
        key, full = die_key(seed), full_truth(truth)
        label = f"{'virtual' if trimmed else 'untrimmed'}:{int(seed)}" + ("" if full is None else f",{full}")
        if trimming is not None:
            label = f"{TRIMMED}:{trimming.path or trimming.bench}"
        super().__init__(spec, label=label)
        self._fabricate(
            key, trimmed=trimmed and trimming is None, laser=_laser_of(light, laser), truth=full, trimming=trimming
        )

    @classmethod
    def fabricate(
        cls,
        spec: ChipSpec,
        key: PRNGKeyArray,
        *,
        trimmed: bool = True,
        laser: TunableLaser | None = None,
        shift: DieShift = NO_SHIFT,
        truth: FullTruth | None = None,
    ) -> "VirtualChip":
        """The same from a JAX key, for many dies: of any wafer, and with a ``laser`` in the comb's place."""
        chip = cls.__new__(cls)
        AbstractChip.__init__(chip, spec)
        chip._fabricate(key, trimmed=trimmed, laser=laser, shift=shift, truth=truth)
        return chip

    def _fabricate(
        self,
        key: PRNGKeyArray,
        *,
        trimmed: bool,
        laser: TunableLaser | None,
        shift: DieShift = NO_SHIFT,
        truth: FullTruth | None = None,
        trimming: Trimming | None = None,
    ) -> None:
        """Make the die, and the functions through which alone it can be reached."""
        spec = self.spec
        of_die, of_noise = split(key)
        die = draw_die(spec if trimmed else untrimmed(spec), of_die, shift=shift)
        noise = generator(of_noise)
        # The first two are the same whether a third is drawn or not.
        of_drift, of_laser, of_truth = noise.spawn(3)
        # Before all that is done to the die: trimmed, it has the same film.
        film = spec.profile
        if truth is not None and truth.film_log:
            film = with_relaxation(film, truth.film_log, noise.spawn(1)[0])
        if trimming is not None:
            die = trimmed_by(die, trimming.shift_pm, residual_pm=spec.trim.residual_pm, rng=noise.spawn(1)[0])
            self._channel_of_ring = trimming.channel_of_ring
        drift: Drift | FlickeringDrift = Drift(spec, of_drift, film=film)
        if truth is not None:
            die = full_die(spec, die, truth, of_truth, shift=shift, key=of_die)
            drift = FlickeringDrift(drift, _flicker_pm(spec, die, truth), of_truth, exponent=truth.flicker_exponent)
        receiver = Receiver(spec, die.inl_phase_rad, noise)
        step_V, top_V, settle_s = spec.voltage_step_V, spec.drive.max_voltage_V, spec.drive.settle_us * 1e-6
        bandwidth_Hz = spec.detector_design.bandwidth_Hz
        heated_pm = np.zeros((spec.chip.rows, spec.chip.rings))

        def solve(volts: Float[ndarray, "rows rings"]) -> _Now:
            return _Now(volts, line_currents(die, drift.acting_V(volts), drift.shift_pm() + heated_pm))

        now = solve(np.zeros((spec.chip.rows, spec.chip.rings)))
        time_s = 0.0

        def wait(seconds: float) -> None:
            nonlocal now, time_s
            time_s += seconds
            drift.advance(seconds, now.volts)
            receiver.wait(seconds)
            now.age_s += seconds
            # Between settings the currents hold until the clock ticks: a reading then costs a few microseconds.
            if now.age_s >= REFRESH_S:
                now = solve(now.volts)

        def drive(volts: Float[ndarray, "rows rings"]) -> None:
            nonlocal now, time_s
            # The driver's own guard: whatever reached it, no code stands for more than its rails.
            if not (np.abs(volts) <= top_V).all():
                raise InputError(f"chip.set: a voltage beyond the driver's ±{top_V:g} V; nothing was written")
            on_grid = np.round((volts + top_V) / step_V) * step_V - top_V
            time_s += settle_s
            drift.advance(settle_s, on_grid)
            receiver.wait(settle_s)
            now = solve(on_grid)

        def read(light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
            current_A = receiver.read(now.lines, light, averages=averages)
            wait(averages / bandwidth_Hz)
            return current_A

        def heat(power_mW: Float[ndarray, "rows rings"]) -> None:
            nonlocal now, heated_pm, time_s
            own_pm = power_mW / spec.trim.heater_mW_nm * 1e3
            heated_pm = own_pm + shift_by_others_pm(spec, die.heater_share * own_pm)
            drift.advance(HEATER_S, now.volts)
            receiver.wait(HEATER_S)
            time_s += HEATER_S
            now = solve(now.volts)

        self._max_heater_mW = heater_limit_mW(spec)
        if laser is not None:
            lit = LaserLight(spec, die, laser, of_laser)
            self._laser = laser.range_for(spec)
            dwell_s = 1.0 / bandwidth_Hz

            def seen(true_nm: Float[ndarray, " points"], averages: int, bus: int) -> Float[ndarray, "points rows"]:
                acting_V, shift_pm = drift.acting_V(now.volts), drift.shift_pm() + heated_pm
                return lit.read(true_nm, acting_V, shift_pm, averages=averages, bus=bus)

            def read(light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
                line = lit_line(light)
                if line is None:
                    current_A = lit.dark(averages=averages)
                else:
                    true_nm, moved = lit.tuned_to(line)
                    wait(laser.step_s * moved)
                    current_A = seen(np.array([true_nm]), averages, line // spec.chip.channels)[0]
                wait(averages * dwell_s)
                return current_A

            def sweep(asked_nm: Float[ndarray, " points"], averages: int, bus: int) -> Sweep:
                logged_nm, began_s = lit.logged_nm(asked_nm), time_s
                true_nm = lit.true_nm(logged_nm)
                at_s = laser.range_for(spec).sweep_s(asked_nm, dwell_s=averages * dwell_s)
                current_A, total_A = np.empty((2, asked_nm.size, spec.chip.rows))
                parts = np.flatnonzero(np.diff(np.floor(at_s / SWEEP_REFRESH_S))) + 1
                for part in np.split(np.arange(asked_nm.size), parts):
                    wait(began_s + float(at_s[part[-1]]) - time_s)
                    current_A[part] = seen(true_nm[part], averages, bus)
                    total_A[part] = lit.total_A
                lit.total_A = total_A
                return Sweep(logged_nm, current_A, began_s + at_s)

            self._sweep_hidden, self._total_hidden = sweep, lambda: lit.total_A
        self._drive_hidden, self._read_hidden, self._heat_hidden = drive, read, heat
        self._wait_hidden, self._clock_hidden = wait, lambda: time_s

    @property
    def paused(self) -> bool:
        """Whether the chip's clock has gone on since the last reading: computing takes it no time."""
        return self._clock_hidden() > self.time_s

    def _heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        self._heat_hidden(power_mW)

    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        self._drive_hidden(volts)

    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        return self._read_hidden(light, averages)

    def _sweep(self, wavelength_nm: Float[ndarray, " points"], averages: int, bus: int) -> Sweep:
        return self._sweep_hidden(wavelength_nm, averages, bus)

    def _wait(self, seconds: float) -> None:
        self._wait_hidden(seconds)

    def _clock_s(self) -> float:
        return self._clock_hidden()


def _flicker_pm(spec: ChipSpec, die: Die, truth: FullTruth) -> Float[ndarray, "rows rings"]:
    """Rms flicker of every ring: what its truth says, but no less than the charge on its electrodes makes."""
    floor_pm = charge_noise_pm(
        np.asarray(die.bank.rings.slope_pm_V).reshape(spec.chip.rows, spec.chip.rings),
        capacitance_fF=ring_fF(spec),
        temperature_K=spec.detector.temperature_K,
    )
    return np.maximum(truth.flicker_pm, floor_pm) if truth.flicker_pm > 0.0 else np.zeros_like(floor_pm)


def _laser_of(light: str, laser: TunableLaser | None) -> TunableLaser | None:
    """The laser of a kind of light; None with a comb.

    Raises:
        InputError: There is no such kind, or a laser beside a comb.
    """
    if light not in LIGHTS:
        raise InputError(f"VirtualChip: light = {light!r}, want one of {', '.join(LIGHTS)}; choose one")
    if light == COMB and laser is not None:
        raise InputError(f"VirtualChip: a laser and light = '{COMB}'; want light = '{TUNABLE_LASER}' with it")
    return None if light == COMB else laser or TunableLaser()


def photodiodes_A(chip: VirtualChip) -> Float[ndarray, "points rows"]:
    """What both photodiodes of each row gave together at each point read last under a laser, in A, without noise.

    For the box that plays a bench with a meter channel for each; a calibration sees no such function.
    """
    return chip._total_hidden()
