"""Heater power that trimming the resonances costs."""

from prism_photonics.budget.ring import ring_figures
from prism_photonics.spec import ChipSpec

SPREAD_SIGMAS = 2.5
"""A die has tens of rings: 2.5 standard deviations cover about 99 % of them."""


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
