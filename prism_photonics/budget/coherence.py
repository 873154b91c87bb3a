"""Coherent interference of a row's rings, first order in the neighbours' fields.

A ring drops light *against* its travel, so a ring c and a neighbour k form a cavity with the two buses between them.
Let ε_k = √(D_max/(1 + u_k²)) be the field that ring k drops of line c, u_k = 2·Δ_k/FWHM, and φ_k the phase of the way
there and back. To first order in ε, for a neighbour on either side of a lossless symmetric ring,

    δw_c = 4·T_c·√D_c·Σ_k ε_k·cos φ_k        with T_c = (1 + w)/2, D_c = (1 − w)/2.

Random phases and weights evenly spread over ± L give ⟨8·T²·D⟩ = 1 − L²/3, hence σ² = (1 − L²/3)·Σ_k ε_k². At 10.3
linewidths, eight channels and L = 0.9 that is 0.064.

Beyond about 0.3 the first order says no more than that it is too much.

Source: derived here from the exact row (`circuit.row`), and held against it in ``tests/budget/test_coherence.py``.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prism_photonics.budget.ring import RingFigures, ring_figures
from prism_photonics.budget.slopes import programmed_detunings_pm
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec
from prism_photonics.units import PM_PER_UM


@dataclass(frozen=True)
class Coherence:
    """Weight errors by coherent neighbours, rms.

    Attributes:
        fields: ``√(mean over lines of Σ ε_k²)``.
        uncalibrated: Error against rings that stand alone.
        tabled: Remaining error if each ring was measured in its row with the neighbours parked in the middle of their
            travel, and is set by that table: the neighbours then stand elsewhere.
        per_pm: Error of a calibrated weight for each pm that its resonance has drifted.
        per_rad: The same for each rad of the phase between two rings.
    """

    fields: float
    uncalibrated: float
    tabled: float
    per_pm: float
    per_rad: float


@cached_by_spec
def coherence(spec: ChipSpec) -> Coherence:
    """Coherent errors of the spec's row, every line's ring at its channel's distance, all FSR orders included."""
    ring = ring_figures(spec)
    lines_pm = np.asarray(spec.comb_design.wl_um) * PM_PER_UM
    travel_pm = programmed_detunings_pm(spec, ring)
    moved_pm = float(np.std(travel_pm))
    # Every ordered pair of different lines.
    apart_pm = (lines_pm[None, :] - lines_pm[:, None])[~np.eye(len(lines_pm), dtype=bool)]
    # dε/dΔ, by the two ends of the neighbour's usual travel.
    low, high = (np.sqrt(_dropped(ring, apart_pm + end)) for end in (-moved_pm, moved_pm))
    field2 = float(_dropped(ring, apart_pm).sum()) / len(lines_pm)
    tabled2 = float(((0.5 * (high - low)) ** 2).sum()) / len(lines_pm)
    # Detunings by weight are evenly spread weights: a mean over them is the mean over weights.
    slope_rms = float(np.sqrt(np.mean(_slopes(2.0 * travel_pm / ring.fwhm_pm) ** 2)))
    over_weights = math.sqrt(max(1.0 - spec.ranking.weight_limit**2 / 3.0, 0.0))
    uncalibrated = over_weights * math.sqrt(field2)
    return Coherence(
        fields=math.sqrt(field2),
        uncalibrated=uncalibrated,
        tabled=over_weights * math.sqrt(tabled2),
        per_pm=math.sqrt(8.0 * field2) * slope_rms * 2.0 / ring.fwhm_pm,
        per_rad=uncalibrated,
    )


def _dropped(ring: RingFigures, detuning_pm: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """Share of a line's power that a ring drops: the Airy function, so that every order counts."""
    fsr_pm = ring.fsr_nm * 1e3
    u = 2.0 * fsr_pm / (math.pi * ring.fwhm_pm) * np.sin(math.pi * detuning_pm / fsr_pm)
    return ring.drop_max / (1.0 + u * u)


def _slopes(u: Float[np.ndarray, " weights"]) -> Float[np.ndarray, " weights"]:
    """Slope of ``T·√D = u²/(1 + u²)^{3/2}`` with u."""
    return u * (2.0 - u * u) / (1.0 + u * u) ** 2.5
