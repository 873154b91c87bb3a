"""An add-drop ring that splits: its walls scatter light from the clockwise into the counter-clockwise mode and back.

With X = a·e^{jφ}·exp(jΔ) in place of the round trip a·e^{jφ}, and Δ = ((0, δ₂₁), (δ₁₂, 0)) in the basis (clockwise,
counter-clockwise), every transmission of the plain ring becomes a 2×2 matrix: ``th(X) = (t1 − t2·X)/(1 − t1·t2·X)``.
Its eigenvalues are those of the plain ring at φ ± δ, δ = √(δ₁₂·δ₂₁), so

    th = [th(φ + δ) + th(φ − δ)]/2           what passes: the mean of two rings
    r  = [th(φ + δ) − th(φ − δ)]/2·δ₁₂/δ     what comes back by the bus that it came in on

and likewise for the drop and the other bus. All is a function of δ², with no root to take at δ = 0. The fields are
exactly reciprocal, and exactly lossless where a = 1 and δ₂₁ = δ₁₂*.

Source: M. L. Gorodetsky, A. D. Pryamikov and V. S. Ilchenko, J. Opt. Soc. Am. B 17, 1051 (2000),
10.1364/JOSAB.17.001051, for the coupled modes; A. Li et al., Laser & Photonics Reviews 10, 420 (2016),
10.1002/lpor.201500207, for backscatter in integrated rings. The closed form is our own: for a lumped reflector
in a ring on one bus it is exact, at any δ and far from resonance too; between two buses it holds where δ ≪ 1,
any splitting far below the free spectral range.
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float, Shaped

from prism_photonics.lightpath.arrays import Numbers, library
from prism_photonics.lightpath.ring.model import RingParams, half_turn, rad_per_pm, reciprocal

# cos(√z) and sin(√z)/√z by their series: at |z| ≤ 2.5, a splitting of one free spectral range, they are exact to 1e-17.
COSINE = tuple((-1.0) ** n / math.factorial(2 * n) for n in range(13))
SINE = tuple((-1.0) ** n / math.factorial(2 * n + 1) for n in range(13))


class Backscatter(eqx.Module):
    """Coupling between the two directions of light in one or many rings, as a shift of resonance, in pm.

    The two resonances lie ``±√(to_ccw·to_cw)`` from that of the same ring without backscatter.

    Attributes:
        to_ccw_pm: From clockwise, the direction of light that comes in from the west on the through bus.
        to_cw_pm: From counter-clockwise. Where nothing is lost in scattering it is the conjugate of the other.
    """

    to_ccw_pm: Complex[Numbers, "..."]
    to_cw_pm: Complex[Numbers, "..."]

    @classmethod
    def conservative(
        cls, splitting_pm: Shaped[Numbers, "..."] | float, phase_rad: Shaped[Numbers, "..."] | float = 0.0
    ) -> "Backscatter":
        """Scattering that loses nothing: two resonances ``splitting_pm`` apart.

        Args:
            splitting_pm: Distance of the two resonances in pm, 0 or more.
            phase_rad: Phase of the light that comes back: where in the ring the scatterers lie.
        """
        xp = library(splitting_pm, phase_rad)
        splitting, phase = xp.broadcast_arrays(xp.asarray(splitting_pm), xp.asarray(phase_rad, dtype=float))
        half = 0.5 * splitting * (xp.cos(phase) + 1j * xp.sin(phase))
        return cls(xp.asarray(half), xp.asarray(half.conj()))

    @property
    def splitting_pm(self) -> Complex[Numbers, "..."]:
        """Distance ``2·√(to_ccw·to_cw)`` of the two resonances in pm; the imaginary part is a difference of losses."""
        xp = library(self.to_ccw_pm, self.to_cw_pm)
        return 2.0 * xp.sqrt(self.to_ccw_pm * self.to_cw_pm + 0j)


class Splitting(NamedTuple):
    """What backscatter does to a ring's round trip: functions of δ², at no wavelength in particular.

    Attributes:
        versed: 1 − cos δ.
        half_cosine: cos(δ/2).
        half_sine: sin(δ/2)/δ.
        sine: sin(δ)/δ.
        to_ccw: δ₁₂ in rad.
        to_cw: δ₂₁ in rad.
    """

    versed: Complex[Numbers, "..."]
    half_cosine: Complex[Numbers, "..."]
    half_sine: Complex[Numbers, "..."]
    sine: Complex[Numbers, "..."]
    to_ccw: Complex[Numbers, "..."]
    to_cw: Complex[Numbers, "..."]


class RingSides(NamedTuple):
    """Fields of a ring as `RingPorts` has them, with what comes back to its west and to its east."""

    through: Complex[Numbers, "..."]
    drop_bus: Complex[Numbers, "..."]
    across_ccw: Complex[Numbers, "..."]
    across_cw: Complex[Numbers, "..."]
    west: tuple[Any, Any, Any]
    east: tuple[Any, Any, Any]


class RingPorts(NamedTuple):
    """Fields of a ring with backscatter between its four ports; the other entries follow by reciprocity.

    West and east are the ends of its buses: light from the west on the through bus turns clockwise.

    Attributes:
        through: Along the through bus, either way.
        drop_bus: Along the drop bus, either way.
        drop: From one bus to the other on the same side, as without backscatter.
        across_ccw: From the west of the through bus to the east of the drop bus.
        across_cw: From the west of the drop bus to the east of the through bus.
        back_through: Back along the through bus, by one radian of backscatter.
        back_drop: Back along the drop bus, by one radian.
        to_ccw: δ₁₂ in rad: light comes back by it to the west of the through bus and to the east of the drop bus.
        to_cw: δ₂₁ in rad: to the east of the through bus and to the west of the drop bus.
    """

    through: Complex[Numbers, "..."]
    drop_bus: Complex[Numbers, "..."]
    drop: Complex[Numbers, "..."]
    across_ccw: Complex[Numbers, "..."]
    across_cw: Complex[Numbers, "..."]
    back_through: Complex[Numbers, "..."]
    back_drop: Complex[Numbers, "..."]
    to_ccw: Complex[Numbers, "..."]
    to_cw: Complex[Numbers, "..."]

    @property
    def sides(self) -> "RingSides":
        """The fields with what comes back to either side made up: of many rings at once."""
        return RingSides(self.through, self.drop_bus, self.across_ccw, self.across_cw, self.west, self.east)

    @property
    def west(self) -> tuple[Any, Any, Any]:
        """What comes back to the west: S_ww over the two buses, three entries of a symmetric matrix."""
        return self.back_through * self.to_ccw, self.drop, self.back_drop * self.to_cw

    @property
    def east(self) -> tuple[Any, Any, Any]:
        """What comes back to the east: S_ee."""
        return self.back_through * self.to_cw, self.drop, self.back_drop * self.to_ccw


def splitting(ring: RingParams, backscatter: Backscatter) -> Splitting:
    """The functions of δ² of a ring, in the arrays that are given: NumPy's or JAX's."""
    to_ccw, to_cw = (rad_per_pm(ring) * pm for pm in (backscatter.to_ccw_pm, backscatter.to_cw_pm))
    squared = to_ccw * to_cw
    cosine, sine = _series(COSINE, 0.25 * squared), _series(SINE, 0.25 * squared)
    return Splitting(
        versed=0.5 * squared * sine**2,
        half_cosine=cosine,
        half_sine=0.5 * sine,
        sine=sine * cosine,
        to_ccw=to_ccw,
        to_cw=to_cw,
    )


def splitting_slopes(split: Splitting) -> tuple[Any, Any, Any, Any]:
    """Slopes of `Splitting`'s versed, half_cosine, sine and half_sine by δ²."""
    quarter = 0.25 * split.to_ccw * split.to_cw
    of_sine = _series(tuple(n * each for n, each in enumerate(SINE))[1:], quarter)
    # sin δ/δ = [sin(δ/2)/(δ/2)]·cos(δ/2), and cos(δ/2) falls by sin(δ/2)/4δ.
    half_cosine = -0.25 * split.half_sine
    return (
        0.5 * split.sine,
        half_cosine,
        0.25 * of_sine * split.half_cosine + 2.0 * split.half_sine * half_cosine,
        0.125 * of_sine,
    )


def ring_ports(
    wl: Shaped[Numbers, "..."] | float,
    ring: RingParams,
    shift_pm: Shaped[Numbers, "..."] | float,
    backscatter: Backscatter,
) -> RingPorts:
    """Fields at wavelength ``wl`` (µm) of rings shifted by ``shift_pm``, with backscatter."""
    return ports_of_turn(half_turn(wl, ring, shift_pm), ring.t1, ring.t2, splitting(ring, backscatter))


def ports_of_turn(
    half: Complex[Any, "..."], t1: Float[Any, "..."], t2: Float[Any, "..."], split: Splitting
) -> RingPorts:
    """The fields of a ring whose half turn is √a·e^{jφ/2}, in the arrays that are given: NumPy's or JAX's."""
    xp = library(t1, t2)
    both, k1, k2 = t1 * t2, 1.0 - t1**2, 1.0 - t2**2
    turn = half * half
    plain = 1.0 - both * turn
    versed = turn * split.versed
    # (1 − τx·e^{jδ})·(1 − τx·e^{−jδ}), written so that no digits cancel on resonance.
    inverse = reciprocal(plain * plain + 2.0 * both * versed)
    coupled = xp.sqrt(k1 * k2) * half
    back = -1j * split.sine * turn * inverse
    across = -1j * split.half_sine * coupled * (1.0 + both * turn) * inverse
    return RingPorts(
        through=((t1 - t2 * turn) * plain + (both * t1 + t2) * versed) * inverse,
        drop_bus=((t2 - t1 * turn) * plain + (both * t2 + t1) * versed) * inverse,
        drop=-split.half_cosine * coupled * plain * inverse,
        across_ccw=across * split.to_ccw,
        across_cw=across * split.to_cw,
        back_through=back * t2 * k1,
        back_drop=back * t1 * k2,
        to_ccw=split.to_ccw,
        to_cw=split.to_cw,
    )


def half_turn_gain(ring: RingParams, backscatter: Backscatter) -> Float[np.ndarray, "..."]:
    """Largest power ``a·‖exp(jΔ/2)‖²`` that half a turn leaves of any mixture of both directions.

    Above one the coefficients are those of no passive ring: scattering that takes nothing out of the light gives δ₂₁ =
    δ₁₂*, and what it takes out must be part of the ring's loss.
    """
    split = splitting(ring, backscatter)
    cosine, sine = np.asarray(split.half_cosine), np.asarray(split.half_sine)
    rows = [[cosine, 1j * sine * np.asarray(split.to_cw)], [1j * sine * np.asarray(split.to_ccw), cosine]]
    matrix = np.stack([np.stack(np.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)
    return np.asarray(np.asarray(ring.a) * np.linalg.norm(matrix, ord=2, axis=(-2, -1)) ** 2)


def _series(coefficients: tuple[float, ...], z: Any) -> Any:
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * z + coefficient
    return total
