"""Straights that place a ring's resonance at its channel, and the tuned share of the ring."""

import math
from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.process.coupling import effective_length_um
from prism_photonics.process.electrooptics import coverage, two_lobes
from prism_photonics.process.profile import Profile
from prism_photonics.units import PM_PER_UM

# The drawing's 1 nm grid, in µm.
GRID_DECIMALS = 3


def optical_lengths_um(profile: Profile, lengths: Lengths) -> tuple[Any, Any]:
    """Optical and group length ``Σ n·L`` and ``Σ n_g·L`` at the film's λ0, in µm; a bend averages both directions."""
    o = profile.optics
    n_x, n_y = o.n_eff_along_x.value, o.n_eff_along_y.value
    ng_x, ng_y = o.n_g_along_x.value, o.n_g_along_y.value
    opl_um = n_x * lengths.x_um + n_y * lengths.y_um + 0.5 * (n_x + n_y) * lengths.bend_um
    gpl_um = ng_x * lengths.x_um + ng_y * lengths.y_um + 0.5 * (ng_x + ng_y) * lengths.bend_um
    return opl_um, gpl_um


def straights_um(
    profile: Profile,
    *,
    radius_um: float,
    wl_um: tuple[float, ...],
    bias_pm: float,
    arm_um: float = 0.0,
    least_um: float = 0.0,
    snap: bool = True,
) -> tuple[float, ...]:
    """Coupling-straight length of each channel's ring, so that it resonates ``bias_pm`` above its channel at 0 V.

    Solves ``n_eff(λ)·L = m·λ`` with first-order dispersion for one order m common to the row, the lowest whose
    straights are long enough. Both straights of a ring are equal; 1 nm more on both moves the resonance by about 21 pm.

    Args:
        profile: The film stack.
        radius_um: Bend radius.
        wl_um: Channel wavelengths, ascending.
        bias_pm: Resonance minus channel at 0 V.
        arm_um: Length of each arm of a racetrack.
        least_um: Least straight length: what the coupling needs.
        snap: Round to the 1 nm grid of the drawing.

    Returns:
        Straight lengths in µm.
    """
    wl0 = profile.optics.wl0_um.value
    targets_um = np.asarray(wl_um) + bias_pm / PM_PER_UM
    turns = optical_lengths_um(profile, Lengths(y_um=2.0 * arm_um, bend_um=2.0 * math.pi * radius_um))
    both_straights = optical_lengths_um(profile, Lengths(x_um=2.0))
    # Optical lengths at every target, of what is fixed and of each µm of straight.
    fixed_um, per_um = (opl - (gpl - opl) * (targets_um - wl0) / wl0 for opl, gpl in (turns, both_straights))
    order = math.ceil((fixed_um[0] + least_um * per_um[0]) / targets_um[0])
    exact = ((order * targets_um - fixed_um) / per_um).tolist()
    return tuple(round(s, GRID_DECIMALS) if snap else s for s in exact)


def resonance_um(profile: Profile, lengths: Lengths, *, near_um: Any) -> Any:
    """Where a ring of a circumference resonates: the order nearest to ``near_um``, in µm.

    The inverse of `straights_um`: ``λ = n_g·L / (m + (n_g − n_eff)·L/λ0)`` solves ``n_eff(λ)·L = m·λ``.
    """
    opl_um, gpl_um = optical_lengths_um(profile, lengths)
    dispersion = (gpl_um - opl_um) / profile.optics.wl0_um.value
    return gpl_um / (np.rint(gpl_um / near_um - dispersion) + dispersion)


def coupling_angles(profile: Profile, design: RingDesign, xp: ModuleType = np) -> tuple[Any, Any]:
    """Angles ``C(g)·L_eff`` of the couplers to the through and the drop bus: κ is their sine, t their cosine.

    ``xp`` is the array library of the design's numbers, ``jax.numpy`` under JAX.
    """
    law = profile.gap_law
    length = effective_length_um(
        radius_um=design.radius_um, straight_um=design.straight_um, decay_um=law.decay_um, xp=xp
    )
    return law.at(design.gap_through_um, xp) * length, law.at(design.gap_drop_um, xp) * length


def tuned_share(profile: Profile, design: RingDesign) -> Any:
    """Electrode coverage F of the whole ring: the lobes' on the turns, all of it on the arms."""
    turns = coverage(two_lobes(design.lobe_half_angle_deg), profile.tensor) * design.lengths.bend_um
    return (turns + design.lengths.y_um) / design.length_um
