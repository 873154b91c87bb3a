"""Add-drop ring optics: coupled-mode closed form, with electro-optic tuning.

With self-couplings t1 (through bus) and t2 (drop bus), κ = √(1 − t²), round-trip amplitude a and phase φ:

    th  = (t1 − t2·a·e^{jφ}) / (1 − t1·t2·a·e^{jφ})          through bus, in → out
    th' = (t2 − t1·a·e^{jφ}) / (1 − t1·t2·a·e^{jφ})          drop bus, in → out
    dr  = dr' = −κ1·κ2·√a·e^{jφ/2} / (1 − t1·t2·a·e^{jφ})     from one bus to the other

Source: Bogaerts et al., Laser & Photonics Reviews 6, 47 (2012), 10.1002/lpor.201100017, §2, in the phase convention
exp(+jβL) and with κ entering as jκ.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float, Shaped

from prism_photonics.deprecation import UNTIL, moved_names
from prism_photonics.lightpath.arrays import Numbers, library
from prism_photonics.lightpath.ring.figures import free_spectral_range_um, linewidth_um
from prism_photonics.lightpath.waveguide.model import path_phase, unit_phasor
from prism_photonics.units import PM_PER_UM


class RingParams(eqx.Module):
    """Optics of one or many rings; every leaf has the same shape.

    Attributes:
        t1: Self-coupling amplitude at the through bus, 0 to 1.
        t2: Self-coupling amplitude at the drop bus, 0 to 1.
        a: Round-trip amplitude, 0 to 1.
        opl_um: Optical circumference n_eff·L at ``wl0_um``, in µm.
        gpl_um: Group circumference n_g·L at ``wl0_um``, in µm.
        offset_pm: Resonance shift from fabrication, in pm.
        slope_pm_V: Tuning in pm/V.
        curvature_pm_V2: Quadratic tuning in pm/V².
        wl0_um: Reference wavelength in µm.
    """

    t1: Float[Numbers, "..."]
    t2: Float[Numbers, "..."]
    a: Float[Numbers, "..."]
    opl_um: Float[Numbers, "..."]
    gpl_um: Float[Numbers, "..."]
    offset_pm: Float[Numbers, "..."]
    slope_pm_V: Float[Numbers, "..."]
    curvature_pm_V2: Float[Numbers, "..."]
    wl0_um: Float[Numbers, "..."]


class RingFields(eqx.Module):
    """Field transmissions of a ring between its four ports."""

    through: Complex[Numbers, "..."]
    drop: Complex[Numbers, "..."]
    drop_bus: Complex[Numbers, "..."]


class RingTerms(eqx.Module):
    """A ring as numerators over one denominator: what a chain of rings needs, without dividing ring by ring.

    With x = a·e^{jφ}: ``through = (t1 − t2·x)/D``, ``drop = K/D``, ``drop_bus = (t2 − t1·x)/D``, and, because the
    couplers are lossless, ``through·drop_bus − drop² = (t1·t2 − x)/D``.

    Attributes:
        denominator: D = 1 − t1·t2·x.
        through: t1 − t2·x.
        drop: K = −κ1·κ2·√x.
        drop_bus: t2 − t1·x.
        determinant: t1·t2 − x.
    """

    denominator: Complex[Numbers, "..."]
    through: Complex[Numbers, "..."]
    drop: Complex[Numbers, "..."]
    drop_bus: Complex[Numbers, "..."]
    determinant: Complex[Numbers, "..."]


def resonance_shift_pm(ring: RingParams, volts: Float[Numbers, "..."]) -> Float[Numbers, "..."]:
    """Resonance shift ``δλ = offset + slope·V + curvature·V²`` in pm."""
    return ring.offset_pm + ring.slope_pm_V * volts + ring.curvature_pm_V2 * volts**2


def rad_per_pm(ring: RingParams) -> Float[Numbers, "..."]:
    """Phase of one round trip by a shift of resonance: ``2π·n_g·L/λ0²``, in rad/pm."""
    return 2.0 * np.pi * ring.gpl_um / ring.wl0_um**2 / PM_PER_UM


def electrode_volts(
    volts: Float[Numbers, "... rings"], crosstalk: Float[Numbers, "... gaps"]
) -> Float[Numbers, "... rings"]:
    """Voltages that act on the rings of a row: each sees a share of its neighbours' (stray field between electrodes).

    Args:
        volts: Applied voltages in V.
        crosstalk: Share across each of the rings − 1 gaps, dimensionless.

    Returns:
        Acting voltages in V.
    """
    if isinstance(volts, np.ndarray):
        acting = volts.copy()
        acting[..., 1:] += crosstalk * volts[..., :-1]
        acting[..., :-1] += crosstalk * volts[..., 1:]
        return acting
    acting = volts.at[..., 1:].add(crosstalk * volts[..., :-1])
    return acting.at[..., :-1].add(crosstalk * volts[..., 1:])


def half_turn(
    wl: Shaped[Numbers, "..."] | float, ring: RingParams, shift_pm: Shaped[Numbers, "..."] | float
) -> Complex[Numbers, "..."]:
    """√a·e^{jφ/2} at wavelength ``wl`` (µm) of rings shifted by ``shift_pm``.

    A shift δλ adds the optical path ``n_g·L·δλ/λ0``, which moves every resonance by δλ (to first order in δλ/λ).
    """
    opl_um = ring.opl_um + ring.gpl_um * shift_pm / PM_PER_UM / ring.wl0_um
    phi = path_phase(wl, opl_um, ring.gpl_um, ring.wl0_um)
    return library(ring.a).sqrt(ring.a) * unit_phasor(0.5 * phi)


def ring_terms(
    wl: Shaped[Numbers, "..."] | float, ring: RingParams, shift_pm: Shaped[Numbers, "..."] | float
) -> RingTerms:
    """`RingTerms` at wavelength ``wl`` (µm) of rings shifted by ``shift_pm``."""
    xp = library(ring.a, ring.t1, ring.t2)
    half = half_turn(wl, ring, shift_pm)
    turn = half**2
    both = ring.t1 * ring.t2
    return RingTerms(
        denominator=1.0 - both * turn,
        through=ring.t1 - ring.t2 * turn,
        drop=-xp.sqrt((1.0 - ring.t1**2) * (1.0 - ring.t2**2)) * half,
        drop_bus=ring.t2 - ring.t1 * turn,
        determinant=both - turn,
    )


def ring_fields(
    wl: Shaped[Numbers, "..."] | float, ring: RingParams, shift_pm: Shaped[Numbers, "..."] | float
) -> RingFields:
    """Closed-form transmissions at wavelength ``wl`` (µm) of rings shifted by ``shift_pm``."""
    terms = ring_terms(wl, ring, shift_pm)
    resonance = reciprocal(terms.denominator)
    return RingFields(terms.through * resonance, terms.drop * resonance, terms.drop_bus * resonance)


def reciprocal(z: Complex[Numbers, "..."]) -> Complex[Numbers, "..."]:
    """1/z as ``z*/|z|²``: for numbers near one several times faster than a division that guards against overflow."""
    return z.conj() * (1.0 / (z.real**2 + z.imag**2))


def fwhm_pm(ring: RingParams) -> Float[Numbers, "..."]:
    """Full width at half maximum ``λ²·(1 − t1·t2·a)/(π·n_g·L·√(t1·t2·a))`` of the drop peak, in pm."""
    width_um = linewidth_um(
        ring.t1, ring.t2, ring.a, wl_um=ring.wl0_um, gpl_um=ring.gpl_um, xp=library(ring.t1, ring.t2, ring.a)
    )
    return width_um * PM_PER_UM


def fsr_um(ring: RingParams) -> Float[Numbers, "..."]:
    """Free spectral range ``λ²/(n_g·L)`` in µm."""
    return free_spectral_range_um(wl_um=ring.wl0_um, gpl_um=ring.gpl_um)


__getattr__ = moved_names(__name__, {"ring": "lightpath.ring.saxmodel:ring"}, until=UNTIL)
