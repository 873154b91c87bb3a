"""The virtual chip under one tunable laser: where the laser truly is, how strong, and what the receivers read."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.fabricate import Die, exit_powers
from prism_photonics.chip.laser import LaserRange
from prism_photonics.chip.laser_errors import LaserErrors
from prism_photonics.codec.encoding import quantize
from prism_photonics.lightpath.detector.model import noisy_current_A, saturated_A, white_noise_A2
from prism_photonics.spec import ChipSpec
from prism_photonics.units import NM_PER_UM

# The laser's range about the middle of the comb (design choice: telecom lasers tune over about 100 nm).
REACH_NM = 50.0
# A laser logs its wavelength to this digit, in nm (design choice).
LOGGED_NM = 1e-4
RIPPLES = 3


@final
@dataclass(frozen=True)
class TunableLaser:
    """A tunable laser and the path into the chip; numbers are standard deviations unless said otherwise.

    Source of jitter and ripple: silicon and silicon nitride rings measured in public (SiEPIC openEBL-2024-10): the
    wavelength jitters by 0.8 to 2 pm rms, and facets ripple by 0.3 to 0.7 dB from peak to peak with periods of 0.2 to
    2 nm. The rest are design choices, as usual data sheets have them.

    Attributes:
        offset_pm: Error of the wavelength that all points share, in pm.
        scale: Relative error of a distance in wavelength.
        jitter_pm: Error of each point, in pm rms.
        missed_pm: How far a logged wavelength is from the one that was asked for, in pm.
        ripple_dB: Ripple of the power from peak to peak, in dB.
        ripple_nm: Shortest and longest period of it, in nm.
        rin_dB_Hz: Relative intensity noise in dB/Hz.
        speed_nm_s: Fastest sweep, in nm/s.
        dead_s: Time that the start of a sweep takes, in s.
        step_s: Time of a step to another wavelength, in s.
    """

    offset_pm: float = 5.0
    scale: float = 1e-4
    jitter_pm: float = 1.0
    missed_pm: float = 0.2
    ripple_dB: float = 0.4
    ripple_nm: tuple[float, float] = (0.7, 2.0)
    rin_dB_Hz: float = -145.0
    speed_nm_s: float = 20.0
    dead_s: float = 0.25
    step_s: float = 0.25

    @classmethod
    def ideal(cls) -> "TunableLaser":
        """One that is exactly where it says, equally strong everywhere, and quiet."""
        return replace(cls(), offset_pm=0.0, scale=0.0, jitter_pm=0.0, missed_pm=0.0, ripple_dB=0.0, rin_dB_Hz=-400.0)

    def range_for(self, spec: ChipSpec) -> LaserRange:
        """What its data sheet says."""
        middle_nm = _middle_nm(spec)
        return LaserRange(
            shortest_nm=middle_nm - REACH_NM,
            longest_nm=middle_nm + REACH_NM,
            jitter_pm=self.jitter_pm,
            speed_nm_s=self.speed_nm_s,
            dead_s=self.dead_s,
            step_s=self.step_s,
        )


@final
class LaserLight:
    """One laser's light on a die: its errors, drawn once, and the currents that it makes.

    Attributes:
        total_A: What both photodiodes of each row gave together at the points that were read last, in A.
    """

    def __init__(self, spec: ChipSpec, die: Die, laser: TunableLaser, noise: np.random.Generator) -> None:
        self._spec, self._die, self._laser, self._noise = spec, die, laser, noise
        self._errors = LaserErrors.drawn(
            noise,
            offset_pm=laser.offset_pm,
            scale=laser.scale,
            ripple_dB=laser.ripple_dB,
            ripple_nm=laser.ripple_nm,
            ripples=RIPPLES,
            middle_nm=_middle_nm(spec),
        )
        # The die's lines, each as strong as it is before the chip; the laser gives the design's power everywhere.
        line_W = spec.comb_design.line_power_W * 10.0 ** (-spec.modulator.loss_dB / 10.0)
        self._full_A = die.full_A * line_W / die.line_W
        self._lines_nm = np.tile(np.asarray(spec.comb_design.wl_um) * NM_PER_UM, spec.chip.buses)
        self._held: tuple[int, float] | None = None
        self.total_A = np.zeros((0, spec.chip.rows))

    def tuned_to(self, line: int) -> tuple[float, bool]:
        """Where the laser truly is, in nm, that is asked to go to a line; and whether it had to move."""
        moves = self._held is None or self._held[0] != line
        if self._held is None or moves:
            self._held = line, float(self.true_nm(self._lines_nm[line : line + 1])[0])
        return self._held[1], moves

    def logged_nm(self, asked_nm: Float[ndarray, " points"]) -> Float[ndarray, " points"]:
        """What the laser says of where it was while it swept."""
        self._held = None
        missed_nm = 1e-3 * self._laser.missed_pm * self._noise.standard_normal(asked_nm.shape)
        return np.round((asked_nm + missed_nm) / LOGGED_NM) * LOGGED_NM if self._laser.missed_pm else asked_nm

    def true_nm(self, logged_nm: Float[ndarray, " points"]) -> Float[ndarray, " points"]:
        """Where it was."""
        jitter_nm = 1e-3 * self._laser.jitter_pm * self._noise.standard_normal(logged_nm.shape)
        return self._errors.true_nm(logged_nm, jitter_nm=jitter_nm)

    def read(
        self,
        true_nm: Float[ndarray, " points"],
        acting_V: Float[ndarray, "rows rings"],
        shift_pm: Float[ndarray, "rows rings"],
        *,
        averages: int,
        bus: int,
    ) -> Float[ndarray, "points rows"]:
        """The balanced currents at true wavelengths in nm, averaged over so many samples; arguments as of a `Die`."""
        through_A, drop_A = self._photocurrents(true_nm, acting_V, shift_pm, bus=bus)
        self.total_A = through_A + drop_A
        return self._received(through_A, drop_A, averages=averages)

    def dark(self, *, averages: int) -> Float[ndarray, " rows"]:
        """The currents with the laser off."""
        nothing = np.zeros((1, self._spec.chip.rows))
        self.total_A = nothing
        return self._received(nothing, nothing, averages=averages)[0]

    def _photocurrents(
        self, true_nm: ndarray, acting_V: ndarray, shift_pm: ndarray, *, bus: int
    ) -> tuple[Float[ndarray, "points rows"], Float[ndarray, "points rows"]]:
        shifted_pm = self._die.shift_pm(acting_V, shift_pm)[:, bus]
        powers, _ = exit_powers(self._die.light_at(true_nm / NM_PER_UM, bus), shifted_pm)
        # A bus's response is the same at all of its lines, but for what parts of others make of them in its feed.
        full_A = self._full_A.reshape(2, *self._die.bank.shape)[:, :, bus, 0] / self._die.feed_change[:, bus, 0]
        fed = self._die.fed(true_nm / NM_PER_UM, bus)
        through_A, drop_A = (
            full_A[:, None] * fed * powers.swapaxes(1, 2) * 10.0 ** (0.1 * self._errors.power_dB(true_nm))[:, None]
        )
        return through_A, drop_A

    def _received(self, through_A: ndarray, drop_A: ndarray, *, averages: int) -> Float[ndarray, "points rows"]:
        detector, noise, pairs = self._spec.detector_design, self._noise, self._spec.chip.buses
        mean_A = saturated_A(through_A, detector) - saturated_A(drop_A, detector)
        rin = np.sqrt(10.0 ** (self._laser.rin_dB_Hz / 10.0) * detector.bandwidth_Hz)
        white_A = np.sqrt(white_noise_A2(detector, through_A + drop_A, pairs=pairs))
        noisy_A, rail_A = noisy_current_A(through_A, drop_A, detector), detector.adc_full_scale_A
        # The laser's intensity is common to all rows.
        samples = rin * noise.standard_normal((averages, mean_A.shape[0], 1)) * noisy_A
        samples += white_A * noise.standard_normal((averages, *mean_A.shape)) + mean_A
        return quantize(samples, detector.adc_bits, -rail_A, rail_A).mean(0)


def _middle_nm(spec: ChipSpec) -> float:
    lines_um = spec.comb_design.wl_um
    return 0.5 * (lines_um[0] + lines_um[-1]) * NM_PER_UM
