"""One reading of a die: light through modulators, rings and photodiodes into amplifier and converter, with noise."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.fabricate import Die, exit_powers
from prism_photonics.codec.encoding import quantize
from prism_photonics.codec.modulation import drive_codes, inl_codes, transmitted
from prism_photonics.lightpath.detector.model import (
    coloured_noise_A2,
    noisy_current_A,
    saturated_A,
    white_noise_A2,
)
from prism_photonics.lightpath.detector.noise_spectrum import Flicker, rising_variance
from prism_photonics.lightpath.source.model import frequency_noise_pm
from prism_photonics.spec import ChipSpec

# Samples of a reading that are drawn and converted together (design choice).
AT_ONCE = 1024


class LineCurrents(NamedTuple):
    """Photocurrent of every line at full light before saturation, in A, and its slope in A/pm; (rows, rings)."""

    through_A: Float[ndarray, "rows rings"]
    drop_A: Float[ndarray, "rows rings"]
    slope_A_pm: Float[ndarray, "rows rings"]


def line_currents(
    die: Die, volts: Float[ndarray, "rows rings"], drift_pm: Float[ndarray, "rows rings"]
) -> LineCurrents:
    """Photocurrents of a die at acting voltages in V, every ring drifted by so many pm."""
    lines = die.full_A.shape[1:]
    powers, slopes = exit_powers(die.light, die.shift_pm(volts, drift_pm))
    through_A, drop_A = die.full_A * powers.reshape(2, *lines)
    # A line that moves up is a row of rings that moves down.
    through_slope, drop_slope = -die.full_A * slopes.reshape(2, *lines)
    return LineCurrents(through_A, drop_A, through_slope - drop_slope)


class Receiver:
    """Modulators, photodiodes, amplifiers and converters of a chip, with the noise of all."""

    def __init__(self, spec: ChipSpec, inl_phase_rad: Float[ndarray, " rings"], noise: np.random.Generator) -> None:
        """A receiver.

        Args:
            spec: The chip.
            inl_phase_rad: Shape of its modulators' nonlinearity: `Die.inl_phase_rad`.
            noise: Draws the noise.
        """
        self._detector, self._modulator, comb = spec.detector_design, spec.modulator_design, spec.comb_design
        self._shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
        self._noise = noise
        self._inl_phase = inl_phase_rad
        # Relative to a line's current, in one sample.
        bandwidth_Hz = self._detector.bandwidth_Hz
        self._own_rin, self._common_rin = (
            np.sqrt(10.0 ** (rin / 10.0) * bandwidth_Hz) for rin in (comb.rin_dB_Hz, comb.rin_common_dB_Hz)
        )
        self._wander_pm = frequency_noise_pm(comb, bandwidth_Hz=bandwidth_Hz)
        self._comb, self._coloured = comb, _Coloured.of(spec, noise)
        self._last: _Lit | None = None
        self._sources_A: tuple[Float[ndarray, "sources rows"], ...] = ()

    def read(
        self, lines: LineCurrents, light: Float[ndarray, " channels"], *, averages: int
    ) -> Float[ndarray, " rows"]:
        """The mean of so many converter samples of every row, in A."""
        noise, bits, rail_A = self._noise, self._detector.adc_bits, self._detector.adc_full_scale_A
        lit = self._lit_by(lines, light)
        samples = np.zeros((averages, len(lit.mean_A)))
        # A reading of the dark takes many: in pieces that stay in a core's cache they cost two thirds.
        pieces = [samples[first : first + AT_ONCE] for first in range(0, averages, AT_ONCE)]
        for each_A in self._sources_A:
            for piece in pieces:
                piece += noise.standard_normal((len(piece), len(each_A))) @ each_A
        for piece in pieces:
            piece += lit.white_A * noise.standard_normal(piece.shape)
        samples += lit.mean_A
        if self._coloured is not None:
            samples += self._coloured.over(averages, lit.noisy_A)
        total_A = sum(np.ones(len(piece)) @ quantize(piece, bits, -rail_A, rail_A) for piece in pieces)
        return np.asarray(total_A) / averages

    def wait(self, seconds: float) -> None:
        """Let time pass between readings, for noise that remembers."""
        if self._coloured is not None:
            self._coloured.wait(seconds)

    def read_each(
        self, lines: LineCurrents, lights: Float[ndarray, "readings channels"]
    ) -> Float[ndarray, "readings rows"]:
        """One converter sample of every row under each of many lights, in A: `read`, for all of them at once."""
        noise, rail_A, lit = self._noise, self._detector.adc_full_scale_A, self._lit(lines, lights)
        count = lights.shape[-1]
        own = self._own_rin * noise.standard_normal((len(lights), 1, count))
        wander = self._wander_pm * noise.standard_normal((len(lights), 1, count))
        common = self._common_rin * noise.standard_normal((len(lights), 1))
        samples = (own * lit.noisy_A + wander * lit.slope_A_pm).sum(-1) + common * lit.noisy_A.sum(-1)
        samples += lit.white_A * noise.standard_normal(samples.shape) + lit.mean_A
        if self._coloured is not None:
            # Readings of other scores, long apart: each has its own of what remembers.
            coloured_A = np.sqrt(coloured_noise_A2(self._detector, self._comb, lit.noisy_A))
            samples += coloured_A * noise.standard_normal(samples.shape)
        return quantize(samples, self._detector.adc_bits, -rail_A, rail_A)

    def _lit_by(self, lines: LineCurrents, light: Float[ndarray, " channels"]) -> "_Lit":
        # A noise study reads one light many times while the currents hold.
        if self._last is not None and self._last.lines is lines and np.array_equal(self._last.light, light):
            return self._last
        self._last = lit = self._lit(lines, light)
        # Thermal and shot noise belong to a row; a line's intensity and place are the laser's, common to all rows.
        common_A = self._common_rin * lit.noisy_A.sum(1)[None]
        self._sources_A = self._own_rin * lit.noisy_A.T, common_A, self._wander_pm * lit.slope_A_pm.T
        return lit

    def _lit(self, lines: LineCurrents, light: Float[ndarray, "*readings channels"]) -> "_Lit":
        detector, modulator = self._detector, self._modulator
        bits = modulator.dac_bits
        codes = inl_codes(drive_codes(light, bits), bits, modulator.dac_inl_lsb, self._inl_phase)
        level = ((transmitted(codes, bits) + modulator.leak) / (1.0 + modulator.leak))[..., None, :]
        through, drop = lines.through_A * level, lines.drop_A * level
        # Light adds up on a bus's photodiodes; the buses' currents add up in the row's amplifier.
        by_bus = (*through.shape[:-1], *self._shape[1:])
        plus, minus = (saturated_A(part.reshape(by_bus).sum(-1), detector) for part in (through, drop))
        white_A = np.sqrt(white_noise_A2(detector, (through + drop).sum(-1), pairs=self._shape[1]))
        noisy_A = noisy_current_A(through, drop, detector)
        return _Lit(lines, light.copy(), (plus - minus).sum(-1), white_A, noisy_A, lines.slope_A_pm * level)


class _Coloured:
    """Noise of amplifiers and light that is not white, in time."""

    def __init__(self, spec: ChipSpec, rng: np.random.Generator) -> None:
        detector, comb = spec.detector_design, spec.comb_design
        self._rows, self._rng, self._bandwidth_Hz = spec.chip.rows, rng, detector.bandwidth_Hz
        own, common = (10.0 ** (rin / 10.0) for rin in (comb.rin_dB_Hz, comb.rin_common_dB_Hz))
        amplifiers = np.full(self._rows, detector.tia_noise_A_rtHz * np.sqrt(detector.tia_corner_Hz))
        light = np.sqrt(comb.rin_corner_Hz * np.append(np.full(spec.chip.rings, own), common))
        self._flicker = Flicker(np.append(amplifiers, light), bandwidth_Hz=self._bandwidth_Hz, rng=rng)
        rising = rising_variance(detector.tia_rise_Hz, bandwidth_Hz=self._bandwidth_Hz)
        self._rising_A = detector.tia_noise_A_rtHz * np.sqrt(rising)
        self._before, self._ahead_s = rng.standard_normal(self._rows), 0.0

    @classmethod
    def of(cls, spec: ChipSpec, noise: np.random.Generator) -> "_Coloured | None":
        """Draws of its own, so that all others stay what they are; None where all noise is white."""
        detector = spec.detector_design
        if not (detector.tia_corner_Hz or spec.comb_design.rin_corner_Hz or np.isfinite(detector.tia_rise_Hz)):
            return None
        return cls(spec, noise.spawn(1)[0])

    def over(self, samples: int, noisy_A: Float[ndarray, "rows channels"]) -> Float[ndarray, "samples rows"]:
        """What samples in a row are off by, in A: what goes as f², and the mean of what is 1/f."""
        window_s = samples / self._bandwidth_Hz
        slow = self._flicker.mean_over(window_s)
        self._ahead_s += window_s
        amplifiers, own, common = slow[: self._rows], slow[self._rows : -1], slow[-1]
        fresh = self._rng.standard_normal((samples, self._rows))
        # Differences of neighbours have a density that goes as sin², as f² within the band.
        rising = np.diff(np.vstack([self._before, fresh]), axis=0) / np.sqrt(2.0)
        self._before = fresh[-1]
        return self._rising_A * rising + amplifiers + noisy_A @ own + common * noisy_A.sum(-1)

    def wait(self, seconds: float) -> None:
        """Time that passes; what readings have taken is not counted twice."""
        taken = min(seconds, self._ahead_s)
        self._ahead_s -= taken
        if seconds > taken:
            self._flicker.advance(seconds - taken)


class _Lit(NamedTuple):
    """Photocurrents under a light: each row's mean and white noise in A, each line's current and slope."""

    lines: LineCurrents
    light: Float[ndarray, "*readings channels"]
    mean_A: Float[ndarray, "*readings rows"]
    white_A: Float[ndarray, "*readings rows"]
    noisy_A: Float[ndarray, "*readings rows rings"]
    slope_A_pm: Float[ndarray, "*readings rows rings"]
