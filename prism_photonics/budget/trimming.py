"""Heater power that trimming the resonances costs."""

from prism_photonics.budget.ring import ring_figures
from prism_photonics.spec import ChipSpec

SPREAD_SIGMAS = 2.5
"""A die has tens of rings: 2.5 standard deviations cover about 99 % of them."""


LEAST_HEATER_mW_FSR = 14.9
"""Power that shifts a ring by one free spectral range, the least that was measured on thin-film lithium niobate, of a
ring in trenches over silicon etched away below. It does not go with the ring's size: a longer ring needs as much for a
radian of phase.

Source: X. Liu et al., Opt. Lett. 45 (22), 6318 (2020), abstract: 53.7 pm/mW.
"""


def least_heater_mW_nm(spec: ChipSpec) -> float:
    """Power for a nanometre of shift below which no heater was measured, for a spec's rings."""
    return LEAST_HEATER_mW_FSR / ring_figures(spec).fsr_nm


def mean_red_shift_nm(spec: ChipSpec) -> float:
    """How far a heater has to move a ring on the mean, in nm.

    Heat moves resonances to the red alone, so the design rests below its line by the spread of fabrication, 2.5 σ;
    where that is more than half an FSR, the next order comes to the line instead: half an FSR on the mean.
    """
    return min(SPREAD_SIGMAS * spec.fabricated_pm * 1e-3, 0.5 * ring_figures(spec).fsr_nm)


def heater_power_W(spec: ChipSpec) -> float:
    """Power of all trimming heaters in W; zero where rings are trimmed once or not at all."""
    if spec.trim.method != "heater":
        return 0.0
    count = spec.chip.rows * spec.chip.rings
    return count * mean_red_shift_nm(spec) * spec.trim.heater_mW_nm * 1e-3
