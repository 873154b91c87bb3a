"""A row with its voltage-independent factors computed in advance: exit powers and all slopes in two sweeps.

A voltage turns nothing but a ring's round-trip phase, by the same θ at every wavelength: ``opl + gpl·δλ/λ0`` under
first-order dispersion gives ``θ = 2π·gpl·δλ/λ0²``. What is left of ring j in front of the load Γ = p·q·ρ_{j+1} (see
`row`) is one Möbius map. With h = √a·e^{jφ/2}, u = h², τ = t1·t2, k = κ1·κ2 and D = 1 − τu + khΓ,

    f = (t1 − t2·u)/D          ρ = (Γ·(τ − u) − k·h)/D

    ∂ρ/∂Γ = (t2 − t1·u)·f/D     ∂ln f/∂Γ = −k·h/D     u' = ju, h' = jh/2

One sweep from the far end finds Γ of every ring; a second one from the entrance carries what a change of ρ_j does at
the exits. The slopes of a channel by all rings so cost no more than two row.
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from prism_photonics.lightpath.arrays import Numbers, library, power, scan
from prism_photonics.lightpath.ring.model import RingParams, half_turn, rad_per_pm, reciprocal
from prism_photonics.lightpath.waveguide.model import PathParams, transmission, unit_phasor

# Far below any power that counts, far above the least number that a float holds.
TINY = 1e-30


class PreparedRow(eqx.Module):
    """Voltage-independent factors of the transmission of one row, or of many, at each channel's wavelength.

    Attributes:
        half_turn: √a·e^{jφ/2} of the untuned rings.
        t1: Self-couplings at the through bus.
        t2: Self-couplings at the drop bus.
        kappa: κ1·κ2.
        load: Bus transmissions p·q between a ring and the next one; 0 behind the last.
        through: Power transmission of the through bus alone.
        drop: Power transmission of both buses before the first ring.
        rad_pm: Round-trip phase of one pm of resonance shift, in rad/pm.
    """

    half_turn: Complex[Numbers, "rings ... channels"]
    t1: Float[Numbers, "rings ... 1"]
    t2: Float[Numbers, "rings ... 1"]
    kappa: Float[Numbers, "rings ... 1"]
    load: Complex[Numbers, "rings ... channels"]
    through: Float[Numbers, "... channels"]
    drop: Float[Numbers, "... channels"]
    rad_pm: Float[Numbers, "rings ... 1"]


def prepare_row(wl: Float[Numbers, "... channels"], rings: RingParams, buses: PathParams) -> PreparedRow:
    """Prepare one row or many, in the arrays that are given: NumPy's or JAX's.

    Args:
        wl: Channel wavelengths in µm.
        rings: Ring optics, leaves (..., rings); their offsets are not used: shifts are given whole.
        buses: Bus segments, leaves (..., 2, rings + 1).
    """
    xp = library(rings.t1)
    ring, segment = (jax.tree.map(lambda leaf: xp.moveaxis(leaf, -1, 0)[..., None], part) for part in (rings, buses))
    both = transmission(wl[..., None, :], segment)
    p, q = both[..., 0, :], both[..., 1, :]
    return PreparedRow(
        half_turn=half_turn(wl, ring, 0.0),
        t1=ring.t1,
        t2=ring.t2,
        kappa=xp.sqrt((1.0 - ring.t1**2) * (1.0 - ring.t2**2)),
        load=xp.concatenate([(p * q)[1:-1], xp.zeros_like(p[:1])]),
        through=power(xp.prod(p, axis=0)),
        drop=power(p[0] * q[0]),
        rad_pm=rad_per_pm(ring),
    )


def exit_powers(
    row: PreparedRow, shift_pm: Float[ndarray, "... rings"]
) -> tuple[Float[ndarray, "2 ... channels"], Float[ndarray, "2 ... channels"]]:
    """Power transmissions to the through and the drop exit, and their slopes by a shift that all rings share, per pm.

    NumPy alone.

    Args:
        row: The row, or many.
        shift_pm: Resonance shift of every ring in pm, fabrication included.
    """
    half = shifted(row.half_turn, row.rad_pm, shift_pm)
    rho = rho_slope = np.zeros_like(half[0])
    passed, ln_slope = np.ones_like(rho.real), np.zeros_like(rho.real)
    for j in reversed(range(len(half))):
        h, t1, t2 = half[j], row.t1[j], row.t2[j]
        u, kh, gamma, gamma_slope = h * h, row.kappa[j] * h, row.load[j] * rho, row.load[j] * rho_slope
        # By the ring's phase first: u' = ju and h' = jh/2.
        turn = 1j * row.rad_pm[j]
        u_slope, kh_slope = turn * u, 0.5 * turn * kh
        inverse = reciprocal(1.0 - t1 * t2 * u + kh * gamma)
        denominator_slope = kh_slope * gamma + kh * gamma_slope - t1 * t2 * u_slope
        numerator, tau_u = t1 - t2 * u, t1 * t2 - u
        # Written with |N|² so that a ring that drops everything divides nothing by nothing.
        own = t2 * u_slope * numerator.conj() / (power(numerator) + TINY) + denominator_slope * inverse
        ln_slope = ln_slope - 2.0 * own.real
        passed = passed * power(numerator * inverse)
        rho = (gamma * tau_u - kh) * inverse
        rho_slope = (gamma_slope * tau_u - gamma * u_slope - kh_slope - rho * denominator_slope) * inverse
    through = row.through * passed
    return (
        np.stack([through, row.drop * power(rho)]),
        np.stack([through * ln_slope, 2.0 * row.drop * (rho.conj() * rho_slope).real]),
    )


def balanced(
    row: PreparedRow, shift_pm: Float[Numbers, "... rings"], drop_ratio: Float[Numbers, "..."]
) -> Float[Numbers, "... channels"]:
    """The transmission of `balanced_and_slopes` alone: one sweep."""
    rho1, passed, _ = _solved(row, shifted(row.half_turn, row.rad_pm, shift_pm))
    return row.through * passed - drop_ratio[..., None] * row.drop * power(rho1)


def balanced_and_slopes(
    row: PreparedRow, shift_pm: Float[Numbers, "... rings"], drop_ratio: Float[Numbers, "..."]
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "rings ... channels"]]:
    """``T_through − ρ·T_drop`` of every channel, and its slope by every ring's resonance shift.

    Args:
        row: The row, or many.
        shift_pm: Resonance shift of every ring in pm, fabrication included.
        drop_ratio: Responsivity of the drop photodiode over the through one.

    Returns:
        (transmission, slopes per pm).
    """
    xp = library(row.half_turn)
    half = shifted(row.half_turn, row.rad_pm, shift_pm)
    rho1, passed, (gammas, inverses, _) = _solved(row, half)
    through, drop = row.through * passed, drop_ratio[..., None] * row.drop
    echo = drop * rho1.conj()

    def outwards(carry, this):
        # What a change of ρ_j does to ln(through field) and to ρ_1.
        by_through, by_drop = carry
        h, t1, t2, k, load, gamma, inverse = this
        u, kh = h * h, k * h
        numerator = t1 - t2 * u
        bend = 1j * (0.5 * kh * gamma - t1 * t2 * u) * inverse
        rho = (gamma * (t1 * t2 - u) - kh) * inverse
        turned = -1j * (gamma * u + 0.5 * kh) * inverse - rho * bend
        # d ln f/dθ; written with |t1 − t2·u|² so that a ring that drops everything divides nothing by nothing.
        own = (-1j * t2 * u * numerator.conj()) / (power(numerator) + TINY) - bend
        slope = 2.0 * (through * (own + by_through * turned).real - (echo * by_drop * turned).real)
        onwards = (t2 - t1 * u) * numerator * inverse * inverse * load
        return (by_through * onwards - kh * inverse * load, by_drop * onwards), (slope,)

    nothing, rings = xp.zeros_like(rho1), (half, row.t1, row.t2, row.kappa, row.load, gammas, inverses)
    _, (slopes,) = scan(outwards, (nothing, xp.ones_like(nothing)), rings)
    return through - drop * power(rho1), slopes * row.rad_pm


def balanced_alone(
    row: PreparedRow,
    rest_pm: Float[Numbers, "... rings"],
    swept_pm: Float[Numbers, "points ... rings"],
    drop_ratio: Float[Numbers, "..."],
) -> Float[Numbers, "points ... rings"]:
    """``T_through − ρ·T_drop`` of each ring's own channel when that ring alone is swept; the row has ring per channel.

    Möbius maps compose as matrices: what stands before the ring is one matrix, what stands behind it one load, and a
    whole curve costs one ring.

    Args:
        row: The row, or many.
        rest_pm: Resonance shift of the rings that are not swept, in pm.
        swept_pm: Resonance shifts of the swept one, in pm.
        drop_ratio: Responsivity of the drop photodiode over the through one.
    """
    xp = library(row.half_turn)
    half = shifted(row.half_turn, row.rad_pm, rest_pm)

    def before(carry, ring):
        # (ρ_1·x, x) = matrix·(ρ_j, 1), and the fields passed are Π(t1 − t2·u)/x.
        a, b, c, d, numerators = carry
        h, t1, t2, k, load = ring
        u = h * h
        e, f, g, i = (t1 * t2 - u) * load, -k * h, k * h * load, 1.0 - t1 * t2 * u
        return (a * e + b * g, a * f + b * i, c * e + d * g, c * f + d * i, numerators * (t1 - t2 * u)), carry

    nothing = xp.zeros_like(half[0])
    one = xp.ones_like(nothing)
    _, _, (gammas, _, powers) = _solved(row, half)
    _, before_each = scan(before, (one, nothing, nothing, one, one), (half, row.t1, row.t2, row.kappa, row.load))
    # Each ring at its own channel; the axis of rings comes last.
    gamma, passed, a, b, c, d, numerators, h0 = (
        xp.diagonal(leaf, axis1=0, axis2=-1) for leaf in (gammas, powers, *before_each, row.half_turn)
    )
    t1, t2, kappa, rad_pm = (xp.moveaxis(leaf[..., 0], 0, -1) for leaf in (row.t1, row.t2, row.kappa, row.rad_pm))
    h = h0 * unit_phasor(0.5 * rad_pm * swept_pm)
    u, kh, tau = h * h, kappa * h, t1 * t2
    up, down = gamma * (tau - u) - kh, 1.0 - tau * u + kh * gamma
    inverse = reciprocal(c * up + d * down)
    through = row.through * passed * power((t1 - t2 * u) * numerators * inverse)
    return through - drop_ratio[..., None] * row.drop * power((a * up + b * down) * inverse)


def _solved(row: PreparedRow, half: Complex[Numbers, "rings ... channels"]) -> tuple[Any, Any, Any]:
    """From the far end: ρ of the first ring, the power that passes all, each ring's load, 1/D, and power behind it."""

    def inwards(carry, ring):
        rho, passed = carry
        h, t1, t2, k, load = ring
        u, kh, gamma = h * h, k * h, load * rho
        inverse = reciprocal(1.0 - t1 * t2 * u + kh * gamma)
        forward = (t1 - t2 * u) * inverse
        return ((gamma * (t1 * t2 - u) - kh) * inverse, passed * power(forward)), (gamma, inverse, passed)

    xp, rings = library(half), (half, row.t1, row.t2, row.kappa, row.load)
    nothing = xp.zeros_like(half[0])
    (rho1, passed), kept = scan(inwards, (nothing, xp.ones_like(nothing.real)), rings, reverse=True)
    return rho1, passed, kept


def shifted(
    half_turn: Complex[Numbers, "rings ... channels"],
    rad_pm: Float[Numbers, "rings ... 1"],
    shift_pm: Float[Numbers, "... rings"],
) -> Complex[Numbers, "rings ... channels"]:
    """Half turns of rings that are shifted, from those that are not."""
    shift = library(rad_pm, shift_pm).moveaxis(shift_pm, -1, 0)[..., None]
    return half_turn * unit_phasor(0.5 * rad_pm * shift)
