"""X-cut electro-optics: tuned share of a ring's circumference, and tuning in pm/V.

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

from prism_photonics.units import PM_PER_UM, InputError


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


@dataclass(frozen=True)
class Segment:
    """A piece of a closed path: a straight (both angles equal) or an arc along which the field's angle turns evenly.

    Attributes:
        length_um: Its length.
        start_deg: Angle of the path's outward normal to crystal z where the piece begins.
        stop_deg: The same where it ends.
        polarity: +1 with the signal electrode outside the path, −1 inside, 0 without electrodes.
    """

    length_um: float
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


def coverage_of_path(path: tuple[Segment, ...], tensor: PockelsTensor) -> float:
    """Electrode coverage ``F = (1/L·r33) ∮ ±r_eff ds`` of any closed path on an X-cut film; `coverage` is its circle.

    Args:
        path: All pieces of the path, those without electrodes too (polarity 0), because their length counts.
        tensor: The film's Pockels coefficients.

    Returns:
        F, dimensionless and signed. The film's index is taken alike in all directions, as in `coverage`.
    """
    total = sum(piece.polarity * piece.length_um * _mean_pockels_pm_V(piece, tensor) for piece in path)
    return total / (tensor.r33_pm_V * sum(piece.length_um for piece in path))


def racetrack(
    *, straight_um: float, radius_um: float, angle_deg: float, polarities: tuple[int, int]
) -> tuple[Segment, ...]:
    """A racetrack with electrodes on its two straights alone.

    Args:
        straight_um: Length of each straight.
        radius_um: Radius of the half circles that join them.
        angle_deg: Angle of the straights to crystal y (layout y).
        polarities: Of the straight whose outward normal lies at ``angle_deg`` to crystal z, and of the one across.
    """
    half = math.pi * radius_um
    return (
        Segment(straight_um, angle_deg, angle_deg, polarities[0]),
        Segment(half, angle_deg, angle_deg + 180.0, 0),
        Segment(straight_um, angle_deg + 180.0, angle_deg + 180.0, polarities[1]),
        Segment(half, angle_deg + 180.0, angle_deg + 360.0, 0),
    )


def racetrack_coverage(
    tensor: PockelsTensor,
    *,
    straight_um: float,
    radius_um: float,
    angle_deg: float = 0.0,
    polarities: tuple[int, int] = (1, -1),
) -> float:
    """Coverage F of a racetrack (`racetrack`): L_straights/L along crystal y, 0 if both straights have one polarity."""
    path = racetrack(straight_um=straight_um, radius_um=radius_um, angle_deg=angle_deg, polarities=polarities)
    return coverage_of_path(path, tensor)


def z_cut_coverage(tensor: PockelsTensor, polarization: str, *, covered: float = 1.0) -> float:
    """Coverage F of a ring on a Z-cut film between electrodes above and below it: the same in every direction.

    The vertical field lies along crystal z. TM light, polarised along it, sees r33; TE light sees r13.

    Args:
        tensor: The film's Pockels coefficients.
        polarization: "TE" or "TM".
        covered: Share of the circumference that has electrodes, 0 to 1.

    Raises:
        InputError: The polarisation is unknown, or ``covered`` is no share.
    """
    seen = {"TE": tensor.r13_pm_V, "TM": tensor.r33_pm_V}
    if polarization not in seen or not 0.0 <= covered <= 1.0:
        raise InputError(
            f"z_cut_coverage: got polarization '{polarization}' and covered {covered}; "
            "give TE or TM, and a share from 0 to 1"
        )
    return covered * seen[polarization] / tensor.r33_pm_V


def vpil_single_V_cm(*, wl: float, gap_um: float, n_film: float, r33_pm_V: float, field_factor: float) -> float:
    """V_π·L of a single arm ``λ·g/(n³·r33·Γ)`` in V·cm, from dn = ½·n³·r33·(V/g)·Γ and a phase of π.

    Args:
        wl: Wavelength λ in µm.
        gap_um: Distance g between the electrodes' edges.
        n_film: The film's index n for light polarised along crystal z.
        r33_pm_V: Pockels coefficient.
        field_factor: Γ, the field that the mode feels in units of V/g (`ModeTable.field_factor`); 1 would be a uniform
            field V/g and a mode that lies in the film alone.
    """
    return wl * gap_um / (n_film**3 * r33_pm_V / PM_PER_UM * field_factor) * 1e-4


def two_lobes(half_angle_deg: float) -> tuple[Arc, Arc]:
    """Two lobes of opposite polarity, centred on crystal +z and −z, each ± ``half_angle_deg`` wide (0 to 90)."""
    return Arc(-half_angle_deg, half_angle_deg, 1), Arc(180.0 - half_angle_deg, 180.0 + half_angle_deg, -1)


def tuning_pm_V(
    *, wl: float, n_g: float, coverage: float | Float[Any, "..."], vpil_single_V_cm: float
) -> float | Float[Any, "..."]:
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


def _mean_pockels_pm_V(piece: Segment, tensor: PockelsTensor) -> float:
    start, stop = math.radians(piece.start_deg), math.radians(piece.stop_deg)
    if start == stop:
        return effective_pockels_pm_V(start, tensor)
    return (_antiderivative(stop, tensor) - _antiderivative(start, tensor)) / (stop - start)


def _antiderivative(theta_rad: float, tensor: PockelsTensor) -> float:
    """``∫ r_eff dθ = r33·(s − s³/3) + (r13 + 2·r51)·s³/3 + r22·(c³/3 − c)`` with s = sin θ, c = cos θ."""
    c, s = math.cos(theta_rad), math.sin(theta_rad)
    cross = tensor.r13_pm_V + 2.0 * tensor.r51_pm_V
    return tensor.r33_pm_V * (s - s**3 / 3.0) + cross * s**3 / 3.0 + tensor.r22_pm_V * (c**3 / 3.0 - c)
