"""Vernier pair optics: coupled-mode closed form of two rings in series.

Light turns anticlockwise in ring 1 and clockwise in ring 2, so it leaves on the drop bus *forward*, the way it came in
on the through bus. Let every coupler pass t and cross jκ, κ = √(1 − t²); let h_i = √a_i·e^{jφ_i/2} be half a turn of
ring i and z_i = h_i² a whole one. Ring 2, seen from the coupler between the rings, is a ring on a bus: what comes back
into ring 1 over what arrives is

    s2 = t12 + (jκ12)²·t2·z2 / (1 − t12·t2·z2) = (t12 − t2·z2) / (1 − t12·t2·z2),

because the light crosses, goes round past the drop coupler (t2) any number of times, and crosses back. Ring 1 sees s2
where a plain ring sees its drop coupler's t2, so the plain ring's closed form holds with t2 → s2:

    th = (t1 − s2·z1) / (1 − t1·s2·z1).

Both over the common denominator Δ, and the drop by three crossings and two half turns (Δ sums all the round trips):

    Δ   = 1 − t1·t12·z1 − t12·t2·z2 + t1·t2·z1·z2
    th  = (t1 − t12·z1 − t1·t12·t2·z2 + t2·z1·z2) / Δ          through bus, in → out
    th' = (t2 − t12·z2 − t1·t12·t2·z1 + t1·z1·z2) / Δ          drop bus, in → out
    dr  = dr' = −j·κ1·κ12·κ2·h1·h2 / Δ                          from one bus to the other, both eastward

Near resonance, with g_i = 1 − t_i·t12·a_i and phases φ_i off resonance, Δ ≈ (g1 − jφ1)·(g2 − jφ2) + κ12²: a two-pole
filter whose peak is flattest near κ12² = g1·g2 and splits beyond.

Source: our own elimination, above; the elements are those of Bogaerts et al., Laser & Photonics Reviews 6, 47 (2012),
10.1002/lpor.201100017, in the phase convention exp(+jβL).
"""

import equinox as eqx
from jaxtyping import Complex, Float, Shaped

from prism_photonics.deprecation import UNTIL, moved_names
from prism_photonics.lightpath.arrays import Numbers, library
from prism_photonics.lightpath.waveguide.model import path_phase, unit_phasor
from prism_photonics.units import PM_PER_UM


class VernierParams(eqx.Module):
    """Optics of one or many Vernier pairs; every leaf has the same shape.

    Attributes:
        t1: Self-coupling amplitude of through bus and ring 1, 0 to 1.
        t12: Self-coupling amplitude of the two rings, 0 to 1.
        t2: Self-coupling amplitude of ring 2 and drop bus, 0 to 1.
        a1: Round-trip amplitude of ring 1, 0 to 1.
        a2: The same of ring 2.
        opl1_um: Optical circumference n_eff·L of ring 1 at ``wl0_um``, in µm.
        opl2_um: The same of ring 2.
        gpl1_um: Group circumference n_g·L of ring 1 at ``wl0_um``, in µm.
        gpl2_um: The same of ring 2.
        wl0_um: Reference wavelength in µm.
    """

    t1: Float[Numbers, "..."]
    t12: Float[Numbers, "..."]
    t2: Float[Numbers, "..."]
    a1: Float[Numbers, "..."]
    a2: Float[Numbers, "..."]
    opl1_um: Float[Numbers, "..."]
    opl2_um: Float[Numbers, "..."]
    gpl1_um: Float[Numbers, "..."]
    gpl2_um: Float[Numbers, "..."]
    wl0_um: Float[Numbers, "..."]


class VernierFields(eqx.Module):
    """Field transmissions of a pair; the reverse of each is the same (reciprocity)."""

    through: Complex[Numbers, "..."]
    drop: Complex[Numbers, "..."]
    drop_bus: Complex[Numbers, "..."]


def vernier_fields(
    wl: Shaped[Numbers, "..."] | float,
    pair: VernierParams,
    shift1_pm: Shaped[Numbers, "..."] | float,
    shift2_pm: Shaped[Numbers, "..."] | float,
) -> VernierFields:
    """Closed-form transmissions at wavelength ``wl`` (µm) of pairs; ``shift1_pm`` and ``shift2_pm`` move their rings.

    A shift means what it means in `prism_photonics.lightpath.ring.model.ring_fields`.
    """
    h1 = _half_turn(wl, pair.a1, pair.opl1_um, pair.gpl1_um, wl0_um=pair.wl0_um, shift_pm=shift1_pm)
    h2 = _half_turn(wl, pair.a2, pair.opl2_um, pair.gpl2_um, wl0_um=pair.wl0_um, shift_pm=shift2_pm)
    z1, z2, (t1, t12, t2) = h1**2, h2**2, (pair.t1, pair.t12, pair.t2)
    kappas = library(t1, t12, t2).sqrt((1.0 - t1**2) * (1.0 - t12**2) * (1.0 - t2**2))
    resonance = 1.0 / (1.0 - t1 * t12 * z1 - t12 * t2 * z2 + t1 * t2 * z1 * z2)
    return VernierFields(
        through=(t1 - t12 * z1 - t1 * t12 * t2 * z2 + t2 * z1 * z2) * resonance,
        drop=-1j * kappas * h1 * h2 * resonance,
        drop_bus=(t2 - t12 * z2 - t1 * t12 * t2 * z1 + t1 * z1 * z2) * resonance,
    )


def _half_turn(
    wl: Shaped[Numbers, "..."] | float,
    a: Float[Numbers, "..."],
    opl_um: Float[Numbers, "..."],
    gpl_um: Float[Numbers, "..."],
    *,
    wl0_um: Float[Numbers, "..."],
    shift_pm: Shaped[Numbers, "..."] | float,
) -> Complex[Numbers, "..."]:
    shifted_um = opl_um + gpl_um * shift_pm / PM_PER_UM / wl0_um
    return library(a).sqrt(a) * unit_phasor(0.5 * path_phase(wl, shifted_um, gpl_um, wl0_um))


__getattr__ = moved_names(__name__, {"vernier": "lightpath.vernier.saxmodel:vernier"}, until=UNTIL)
