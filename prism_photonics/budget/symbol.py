"""How long one symbol of light must last: until what the symbol before left has died away in every part of the path.

The modulator, the ring, the photodiode and the amplifier each follow a step of light by an exponential of their own.
Their chain leaves of a step

    r(t) = Σ_k e^{−a_k·t}·Π_{j≠k} a_j/(a_j − a_k)

with rates a = 2π·B of bandwidths, and 1/(2τ) of the ring's field, τ its photon lifetime. A sample taken after T holds a
share r(T) of the symbol before: between independent symbols an error of √2·r of their scatter.
"""

import math

from prism_photonics.budget.ring import ring_figures
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import PM_PER_UM, SPEED_OF_LIGHT_UM_S

PHOTODIODE_GHZ = 80.0
"""Bandwidth of a photodiode on thin-film lithium niobate (Photonics Research 10, 1338 (2022))."""

APART = 1e-4
"""Rates that differ by less, relatively, are set apart by as much: the sum divides by their differences.

Design choice: four equal rates still leave residues right to 0.3 %."""


def photon_lifetime_s(spec: ChipSpec) -> float:
    """Photon lifetime of a ring, ``Q/ω = λ²/(2π·c·FWHM)``, in s (10.1002/lpor.201100017)."""
    wl = spec.profile.optics.wl0_um.value
    return wl**2 / (2.0 * math.pi * SPEED_OF_LIGHT_UM_S * ring_figures(spec).fwhm_pm / PM_PER_UM)


def rates_per_s(spec: ChipSpec) -> dict[str, float]:
    """Rate at which each part of the path follows a step, in 1/s: modulator, ring, photodiode, amplifier."""
    return {
        "modulator": 2.0 * math.pi * spec.system.modulator_bandwidth_GHz * 1e9,
        "ring": 0.5 / photon_lifetime_s(spec),
        "photodiode": 2.0 * math.pi * PHOTODIODE_GHZ * 1e9,
        "amplifier": 2.0 * math.pi * spec.detector_design.bandwidth_Hz,
    }


def residue(rates_per_s: list[float], time_s: float) -> float:
    """Share of a step that a chain of exponentials has not followed after a time; 1 at the start.

    Args:
        rates_per_s: Rate of each part in 1/s.
        time_s: Time since the step in s, 0 or more.
    """
    return _left(_parts(rates_per_s), time_s)


def _parts(rates_per_s: list[float]) -> list[tuple[float, float]]:
    """Factor and rate of every exponential of a chain."""
    rates = sorted(rates_per_s)
    for k in range(1, len(rates)):
        rates[k] = max(rates[k], rates[k - 1] * (1.0 + APART))
    return [
        (math.prod((other / (other - own) for j, other in enumerate(rates) if j != k), start=1.0), own)
        for k, own in enumerate(rates)
    ]


def _left(parts: list[tuple[float, float]], time_s: float) -> float:
    share = 0.0
    for factor, rate in parts:
        share += factor * math.exp(-rate * time_s)
    return share


def settling_s(rates_per_s: list[float], share: float) -> float:
    """Time after which a chain of exponentials is within a share of a step's end, in s.

    Args:
        rates_per_s: Rate of each part in 1/s.
        share: Between 0 and 1.
    """
    parts = _parts(rates_per_s)
    low, high = 0.0, -math.log(share) * sum(1.0 / rate for rate in rates_per_s)
    while _left(parts, high) > share:
        low, high = high, 2.0 * high
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if _left(parts, middle) > share else (low, middle)
    return high


def half_step(spec: ChipSpec) -> float:
    """Half a step of the converter over its range, the share of a step of light that a symbol may leave: 2^−(bits + 1).

    Source: design choice.
    """
    return 2.0 ** -(spec.detector_design.adc_bits + 1)


@cached_by_spec
def symbol_s(spec: ChipSpec) -> float:
    """Time of one shot of light in s: the path has then settled to half a step of the converter; see `residue`."""
    return settling_s(list(rates_per_s(spec).values()), half_step(spec))


@cached_by_spec
def intersymbol_share(spec: ChipSpec) -> float:
    """Rms error of a score by the symbol before, over the scores' scatter: ``√2·r(T)``."""
    return math.sqrt(2.0) * residue(list(rates_per_s(spec).values()), symbol_s(spec))
