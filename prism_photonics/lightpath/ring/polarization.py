"""An add-drop ring in two polarisations: bends turn TE into TM, and light of either kind comes out at every port.

Half a turn is a symmetric matrix H in the basis (TE, TM): each mode's own loss and phase, and between them the coupler
of angle χ that the bends are (`process.polarization`),

    H = ((cos χ·h_TE, j·sin χ·√(h_TE·h_TM)), (j·sin χ·√(h_TE·h_TM), cos χ·h_TM)),    h = √a·e^{jφ/2}.

With t and κ diagonal, of TE and TM at either bus, what a ring passes is

    T  = t1 − κ1·H·t2·H·(1 − t1·H·t2·H)⁻¹·κ1         through bus, in → out
    T' = t2 − κ2·H·t1·H·(1 − t2·H·t1·H)⁻¹·κ2         drop bus, in → out
    D  = −κ2·H·(1 − t1·H·t2·H)⁻¹·κ1                   from the through bus to the drop bus; back it is D^T

`model` is the case χ = 0. All is passive where |h| ≤ 1, and reciprocal. Where an order of TM meets one of TE the two
repel each other: an avoided crossing.

Source: the matrices are the scalar closed form (10.1002/lpor.201100017) with numbers in their order; arXiv 2403.06374
for conversion by the birefringence of X-cut rings.
"""

import equinox as eqx
import jax
from jaxtyping import Complex, Float, Shaped

from prism_photonics.lightpath.arrays import Numbers, library
from prism_photonics.lightpath.ring.model import RingParams, half_turn, reciprocal


class SecondPolarization(eqx.Module):
    """TM in one or many rings, beside the `RingParams` of TE.

    Attributes:
        tm: Couplings, loss and lengths of TM; its ``offset_pm`` is where its resonances lie off the design. Its tuning
            is not used.
        conversion_rad: χ of half a turn: sin²χ of the light changes its polarisation.
        tuning_ratio: Phase that TM turns by over that of TE, by the same voltage. Temperature and fabrication are taken
            to turn both in the same proportion: design choice, as neither is known for TM.
    """

    tm: RingParams
    conversion_rad: Float[Numbers, "..."]
    tuning_ratio: Float[Numbers, "..."]


class HalfTurn(eqx.Module):
    """The matrix H of half a turn: entries of TE, of TM, and between them."""

    te: Complex[Numbers, "..."]
    tm: Complex[Numbers, "..."]
    between: Complex[Numbers, "..."]


class PolarizedPorts(eqx.Module):
    """What a ring passes, matrices (TE, TM) to (TE, TM) in the last two axes; `RingFields` of two polarisations."""

    through: Complex[Numbers, "... 2 2"]
    drop: Complex[Numbers, "... 2 2"]
    drop_bus: Complex[Numbers, "... 2 2"]


def polarized_half_turn(
    wl: Shaped[Numbers, "..."] | float,
    ring: RingParams,
    second: SecondPolarization,
    shift_pm: Shaped[Numbers, "..."] | float,
) -> HalfTurn:
    """H at wavelength ``wl`` (µm) of rings whose TE resonance is shifted by ``shift_pm``."""
    xp = library(ring.a, second.tm.a, second.conversion_rad)
    tm, ratio = second.tm, second.tuning_ratio
    # What turns TE's phase by one radian turns TM's by the ratio.
    tm_pm = tm.offset_pm + ratio * shift_pm * (ring.gpl_um / tm.gpl_um)
    # √(h_TE·h_TM) is half a turn of the ring between the two: no sign of a root to choose.
    mean = jax.tree.map(lambda one, other: 0.5 * (one + other), ring, tm)
    mean = eqx.tree_at(lambda m: m.a, mean, xp.sqrt(ring.a * tm.a))
    mean_pm = 0.5 * (ring.gpl_um * shift_pm + tm.gpl_um * tm_pm) / mean.gpl_um
    cosine, sine = xp.cos(second.conversion_rad), xp.sin(second.conversion_rad)
    return HalfTurn(
        te=cosine * half_turn(wl, ring, shift_pm),
        tm=cosine * half_turn(wl, tm, tm_pm),
        between=1j * sine * half_turn(wl, mean, mean_pm),
    )


def polarized_ports(half: HalfTurn, through: tuple[Numbers, Numbers], drop: tuple[Numbers, Numbers]) -> PolarizedPorts:
    """The matrices of a ring from its half turn and its self-couplings (TE, TM) at the through and the drop bus."""
    xp = library(*jax.tree.leaves((half, through, drop)))
    t1, t2 = (xp.stack(xp.broadcast_arrays(*pair), axis=-1) for pair in (through, drop))
    k1, k2 = (xp.sqrt(1.0 - t**2) for t in (t1, t2))
    h = xp.stack(
        [xp.stack(xp.broadcast_arrays(*row), axis=-1) for row in ((half.te, half.between), (half.between, half.tm))],
        axis=-2,
    )
    # Diagonal matrices scale rows on the left, columns on the right.
    row, column = (lambda t: t[..., :, None]), (lambda t: t[..., None, :])
    turn, back = h @ (row(t2) * h), h @ (row(t1) * h)
    one = xp.eye(2)
    resonance = _inverse(one - row(t1) * turn)
    return PolarizedPorts(
        through=row(t1) * one - row(k1) * (turn @ resonance) * column(k1),
        drop=-row(k2) * (h @ resonance) * column(k1),
        drop_bus=row(t2) * one - row(k2) * (back @ _inverse(one - row(t2) * back)) * column(k2),
    )


def te_like_turn(
    half: HalfTurn, through: tuple[Numbers, Numbers], drop: tuple[Numbers, Numbers]
) -> tuple[Complex[Numbers, "..."], Complex[Numbers, "..."]]:
    """Eigenvalue of a round trip t1·H·t2·H that is the more TE's: a resonance lies where its phase is none.

    Arguments as of `polarized_ports`.

    Returns:
        (mean of both eigenvalues, half their difference): the sum is the more TE's, their difference the other.
    """
    xp = library(*jax.tree.leaves((half, through, drop)))
    (t1, s1), (t2, s2), b = through, drop, half.between
    te = t1 * (t2 * half.te**2 + s2 * b**2)
    tm = s1 * (t2 * b**2 + s2 * half.tm**2)
    mixed2 = t1 * s1 * (t2 * half.te * b + s2 * b * half.tm) ** 2
    half_apart = 0.5 * (te - tm)
    # Of the two roots the one that is te where nothing mixes.
    return 0.5 * (te + tm), along(xp.sqrt(half_apart**2 + mixed2), half_apart)


def along(root: Complex[Numbers, "..."], other: Complex[Numbers, "..."]) -> Complex[Numbers, "..."]:
    """Of a root and its negative the one that lies the nearer to ``other``."""
    return library(root, other).where((root * other.conj()).real < 0.0, -root, root)


def _inverse(m: Complex[Numbers, "... 2 2"]) -> Complex[Numbers, "... 2 2"]:
    """Inverse of matrices of two rows: the adjugate over the determinant."""
    xp = library(m)
    a, b, c, d = m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1]
    adjugate = xp.stack([xp.stack([d, -b], axis=-1), xp.stack([-c, a], axis=-1)], axis=-2)
    return adjugate * reciprocal(a * d - b * c)[..., None, None]
