"""X-cut electro-optics: how much of a ring's circumference tunes, and by how many pm per volt.

On an X-cut film light runs in the y–z plane. With θ the angle between the in-plane field and crystal z, and
light polarised along that field, the effective Pockels coefficient is (physics of the index ellipsoid; the tensor of
Weis & Gaylord, Appl. Phys. A 37, 191 (1985))

    r_eff(θ) = r33·cos³θ + (r13 + 2·r51)·cosθ·sin²θ + r22·sin³θ.

It changes sign across the ring, so an electrode all the way round tunes nothing.
"""

import math
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float

from prism_photonics.units import PM_PER_UM


@dataclass(frozen=True)
class PockelsTensor:
    """Pockels coefficients of a 3m crystal, in pm/V."""

    r33_pm_V: float
    r13_pm_V: float
    r51_pm_V: float
    r22_pm_V: float


@dataclass(frozen=True)
class Arc:
    """An electrode pair along a circular arc, from ``start_deg`` to ``stop_deg`` measured from crystal z.

    ``polarity`` is +1 where the signal electrode lies outside the ring and −1 where it lies inside.
    """

    start_deg: float
    stop_deg: float
    polarity: int


def effective_pockels_pm_V(theta_rad: float, tensor: PockelsTensor) -> float:
    """Effective Pockels coefficient r_eff(θ) in pm/V for a field at angle θ to crystal z in an X-cut film."""
    c, s = math.cos(theta_rad), math.sin(theta_rad)
    cross = tensor.r13_pm_V + 2.0 * tensor.r51_pm_V
    return tensor.r33_pm_V * c**3 + cross * c * s**2 + tensor.r22_pm_V * s**3


def coverage(arcs: tuple[Arc, ...], tensor: PockelsTensor) -> float:
    """Electrode coverage ``F = (1/2π r33) ∫ ±r_eff dθ`` of a circle with radial electrodes (1: all along z).

    Args:
        arcs: The electrode pairs with their polarities.
        tensor: The film's Pockels coefficients.

    Returns:
        F, dimensionless and signed: 0 for one polarity all the way round, 0.374 for one ±60° lobe of LiNbO3.
    """
    total = 0.0
    for arc in arcs:
        start, stop = (_antiderivative(math.radians(angle), tensor) for angle in (arc.start_deg, arc.stop_deg))
        total += arc.polarity * (stop - start)
    return total / (2.0 * math.pi * tensor.r33_pm_V)


def two_lobes(half_angle_deg: float) -> tuple[Arc, Arc]:
    """Two lobes of opposite polarity, centred on crystal +z and −z, each ± ``half_angle_deg`` wide (0 to 90)."""
    return Arc(-half_angle_deg, half_angle_deg, 1), Arc(180.0 - half_angle_deg, 180.0 + half_angle_deg, -1)


def tuning_pm_V(
    *, wl: float, n_g: float, coverage: float | Float[Any, ""], vpil_single_V_cm: float
) -> float | Float[Any, ""]:
    """Resonance shift per volt ``dλ/dV = λ²·F / (2·n_g·V_πL)``, in pm/V.

    Args:
        wl: Wavelength λ in µm.
        n_g: Group index of the ring average.
        coverage: Electrode coverage F.
        vpil_single_V_cm: V_π·L of a *single* arm in V·cm: twice the push-pull figure.

    Returns:
        Tuning in pm/V, with the sign of F.
    """
    return wl**2 * coverage / (2.0 * n_g * vpil_single_V_cm * 1e4) * PM_PER_UM


def _antiderivative(theta_rad: float, tensor: PockelsTensor) -> float:
    """``∫ r_eff dθ = r33·(s − s³/3) + (r13 + 2·r51)·s³/3 + r22·(c³/3 − c)`` with s = sin θ, c = cos θ."""
    c, s = math.cos(theta_rad), math.sin(theta_rad)
    cross = tensor.r13_pm_V + 2.0 * tensor.r51_pm_V
    return tensor.r33_pm_V * (s - s**3 / 3.0) + cross * s**3 / 3.0 + tensor.r22_pm_V * (c**3 / 3.0 - c)
