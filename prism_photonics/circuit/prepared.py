"""A row with all that voltages do not move worked out beforehand: exit powers and all their slopes in two sweeps.

A voltage turns nothing but a ring's round-trip phase, by the same θ at every wavelength: ``opl + gpl·δλ/λ0`` under
first-order dispersion gives ``θ = 2π·gpl·δλ/λ0²``. What is left of ring j in front of the load Γ = p·q·ρ_{j+1} (see
`row`) is one Möbius map. With h = √a·e^{jφ/2}, u = h², τ = t1·t2, k = κ1·κ2 and D = 1 − τu + khΓ,

    f = (t1 − t2·u)/D          ρ = (Γ·(τ − u) − k·h)/D

    ∂ρ/∂Γ = (t2 − t1·u)·f/D     ∂ln f/∂Γ = −k·h/D     u' = ju, h' = jh/2

One sweep from the far end finds Γ of every ring; a second one from the entrance carries what a change of ρ_j does at
the exits. The slopes of a channel by all rings so cost no more than two row.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from prism_photonics.lightpath.ring.model import RingParams, reciprocal
from prism_photonics.lightpath.waveguide.model import PathParams, path_phase, transmission, unit_phasor
from prism_photonics.units import PM_PER_UM

# Far below any power that counts, far above the least number that a float holds.
TINY = 1e-30


class PreparedRow(eqx.Module):
    """Voltage-independent factors of a row's transmission at each channel's wavelength.

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

    half_turn: Complex[Array, "rings channels"]
    t1: Float[Array, " rings"]
    t2: Float[Array, " rings"]
    kappa: Float[Array, " rings"]
    load: Complex[Array, "rings channels"]
    through: Float[Array, " channels"]
    drop: Float[Array, " channels"]
    rad_pm: Float[Array, " rings"]


def prepare_row(wl: Float[Array, " channels"], rings: RingParams, buses: PathParams) -> PreparedRow:
    """Prepare one row.

    Args:
        wl: Channel wavelengths in µm.
        rings: Ring optics, leaves (rings,); their offsets are not used: shifts are given whole.
        buses: Bus segments, leaves (2, rings + 1).
    """
    phase = jax.vmap(lambda r: path_phase(wl, r.opl_um, r.gpl_um, r.wl0_um))(rings)
    p, q = jax.vmap(jax.vmap(lambda s: transmission(wl, s)))(buses)
    return PreparedRow(
        half_turn=jnp.sqrt(rings.a)[:, None] * unit_phasor(0.5 * phase),
        t1=rings.t1,
        t2=rings.t2,
        kappa=jnp.sqrt((1.0 - rings.t1**2) * (1.0 - rings.t2**2)),
        load=(p * q)[1:].at[-1].set(0.0),
        through=_power(jnp.prod(p, axis=0)),
        drop=_power(p[0] * q[0]),
        rad_pm=2.0 * jnp.pi * rings.gpl_um / rings.wl0_um**2 / PM_PER_UM,
    )


def balanced_and_slopes(
    row: PreparedRow, shift_pm: Float[Array, " rings"], drop_ratio: Float[Array, ""]
) -> tuple[Float[Array, " channels"], Float[Array, "rings channels"]]:
    """``T_through − ρ·T_drop`` of every channel, and its slope by every ring's resonance shift.

    Args:
        row: The row.
        shift_pm: Resonance shift of every ring in pm, fabrication included.
        drop_ratio: Responsivity of the drop photodiode over the through one.

    Returns:
        (transmission, slopes per pm).
    """
    half_turn = row.half_turn * unit_phasor(0.5 * row.rad_pm * shift_pm)[:, None]
    rings = (half_turn, row.t1[:, None], row.t2[:, None], row.kappa[:, None], row.load)

    def inwards(carry, ring):
        rho, power = carry
        h, t1, t2, k, load = ring
        u, gamma = h * h, load * rho
        inverse = reciprocal(1.0 - t1 * t2 * u + k * h * gamma)
        forward = (t1 - t2 * u) * inverse
        return ((gamma * (t1 * t2 - u) - k * h) * inverse, power * _power(forward)), (gamma, inverse)

    nothing = jnp.zeros_like(half_turn[0])
    (rho1, passed), (gammas, inverses) = jax.lax.scan(
        inwards, (nothing, jnp.ones_like(nothing.real)), rings, reverse=True
    )
    through, drop = row.through * passed, drop_ratio * row.drop
    echo = drop * rho1.conj()

    def outwards(carry, this):
        # What a change of ρ_j does to ln(through field) and to ρ_1.
        by_through, by_drop = carry
        (h, t1, t2, k, load), gamma, inverse = this
        u = h * h
        numerator = t1 - t2 * u
        bend = 1j * (0.5 * k * h * gamma - t1 * t2 * u) * inverse
        rho = (gamma * (t1 * t2 - u) - k * h) * inverse
        turned = -1j * (gamma * u + 0.5 * k * h) * inverse - rho * bend
        # d ln f/dθ; written with |t1 − t2·u|² so that a ring that drops everything divides nothing by nothing.
        own = (-1j * t2 * u * numerator.conj()) / (_power(numerator) + TINY) - bend
        slope = 2.0 * (through * (own + by_through * turned).real - (echo * by_drop * turned).real)
        onwards = (t2 - t1 * u) * numerator * inverse * inverse * load
        return (by_through * onwards - k * h * inverse * load, by_drop * onwards), slope

    _, slopes = jax.lax.scan(outwards, (nothing, jnp.ones_like(nothing)), (rings, gammas, inverses))
    return through - drop * _power(rho1), slopes * row.rad_pm[:, None]


def balanced_alone(
    row: PreparedRow,
    rest_pm: Float[Array, " rings"],
    swept_pm: Float[Array, "points rings"],
    drop_ratio: Float[Array, ""],
) -> Float[Array, "points rings"]:
    """``T_through − ρ·T_drop`` of each ring's own channel when that ring alone is swept; the row has ring per channel.

    Möbius maps compose as matrices: what stands before the ring is one matrix, what stands behind it one load, and a
    whole curve costs one ring.

    Args:
        row: The row.
        rest_pm: Resonance shift of the rings that are not swept, in pm.
        swept_pm: Resonance shifts of the swept one, in pm.
        drop_ratio: Responsivity of the drop photodiode over the through one.
    """
    half_turn = row.half_turn * unit_phasor(0.5 * row.rad_pm * rest_pm)[:, None]
    rings = (half_turn, row.t1[:, None], row.t2[:, None], row.kappa[:, None], row.load)

    def behind(carry, ring):
        rho, power = carry
        h, t1, t2, k, load = ring
        u, gamma = h * h, load * rho
        inverse = reciprocal(1.0 - t1 * t2 * u + k * h * gamma)
        after = ((gamma * (t1 * t2 - u) - k * h) * inverse, power * _power((t1 - t2 * u) * inverse))
        return after, (gamma, power)

    def before(carry, ring):
        # (ρ_1·x, x) = matrix·(ρ_j, 1), and the fields passed are Π(t1 − t2·u)/x.
        (a, b, c, d), numerators = carry
        h, t1, t2, k, load = ring
        u = h * h
        e, f, g, i = (t1 * t2 - u) * load, -k * h, k * h * load, 1.0 - t1 * t2 * u
        return ((a * e + b * g, a * f + b * i, c * e + d * g, c * f + d * i), numerators * (t1 - t2 * u)), carry

    nothing = jnp.zeros_like(half_turn[0])
    one = jnp.ones_like(nothing)
    _, behind_each = jax.lax.scan(behind, (nothing, one.real), rings, reverse=True)
    _, before_each = jax.lax.scan(before, ((one, nothing, nothing, one), one), rings)
    (gamma, power), ((a, b, c, d), numerators), h0 = jax.tree.map(
        jnp.diagonal, (behind_each, before_each, row.half_turn)
    )
    h = h0 * unit_phasor(0.5 * row.rad_pm * swept_pm)
    u, kh, tau = h * h, row.kappa * h, row.t1 * row.t2
    up, down = gamma * (tau - u) - kh, 1.0 - tau * u + kh * gamma
    inverse = reciprocal(c * up + d * down)
    through = row.through * power * _power((row.t1 - row.t2 * u) * numerators * inverse)
    return through - drop_ratio * row.drop * _power((a * up + b * down) * inverse)


def _power(field: Complex[Array, "..."]) -> Float[Array, "..."]:
    return field.real**2 + field.imag**2
