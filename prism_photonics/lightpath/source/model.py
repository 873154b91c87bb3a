"""The comb's lines in time: how far a line of finite width wanders within one reading."""

import math

from prism_photonics.lightpath.source.design import CombDesign
from prism_photonics.units import PM_PER_UM, SPEED_OF_LIGHT_UM_S


def frequency_noise_pm(comb: CombDesign, *, bandwidth_Hz: float) -> float:
    """Rms wander of a line within a bandwidth, as a wavelength in pm: ``σ_ν² = Δν·B/π`` of white frequency noise.

    A ring's slope turns it into intensity noise; the bandwidth must be small against the ring's linewidth.

    Source: white frequency noise of one-sided density Δν/π gives a Lorentzian line of full width Δν
    (10.1364/AO.49.004801).
    """
    wl = 0.5 * (comb.wl_um[0] + comb.wl_um[-1])
    sigma_Hz = math.sqrt(comb.linewidth_Hz * bandwidth_Hz / math.pi)
    return wl**2 / SPEED_OF_LIGHT_UM_S * sigma_Hz * PM_PER_UM
