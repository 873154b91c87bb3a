"""Straights that place a ring's resonance at its channel, and the tuned share of the ring."""

import math
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.waveguide.design import Lengths, QuarterTurn
from prism_photonics.process.coupling import effective_length_um
from prism_photonics.process.electrooptics import PockelsTensor, coverage, two_lobes
from prism_photonics.process.profile import Profile
from prism_photonics.process.quadrature import NODES, SHARES
from prism_photonics.units import PM_PER_UM

# The drawing's 1 nm grid, in µm.
GRID_DECIMALS = 3
TINY_UM = 1e-9  # a ramp that is none, where JAX asks for both


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
    euler_p: float = 0.0,
    cosine: bool = False,
    least_um: float = 0.0,
    snap: bool = True,
) -> tuple[float, ...]:
    """Coupling-straight length of each channel's ring, so that it resonates ``bias_pm`` above its channel at 0 V.

    Solves ``n_eff(λ)·L = m·λ`` with first-order dispersion for one order m common to the row, the lowest whose
    straights are long enough. Both straights of a ring are equal; 1 nm more on both moves the resonance by about 21 pm.

    Args:
        profile: The film stack.
        radius_um: Bend radius; with clothoids of the arcs that would have the turns' ends.
        wl_um: Channel wavelengths, ascending.
        bias_pm: Resonance minus channel at 0 V.
        arm_um: Length of each arm of a racetrack.
        euler_p: Share of each quarter turn's angle in its ramps.
        cosine: Their kind, as of `QuarterTurn`.
        least_um: Least straight length: what the coupling needs.
        snap: Round to the 1 nm grid of the drawing.

    Returns:
        Straight lengths in µm.
    """
    wl0 = profile.optics.wl0_um.value
    targets_um = np.asarray(wl_um) + bias_pm / PM_PER_UM
    turn = QuarterTurn(radius_um, euler_p, cosine)
    turns = optical_lengths_um(profile, Lengths(y_um=2.0 * arm_um, bend_um=4.0 * turn.length_um))
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


def coupler_um(turn: QuarterTurn, straight_um: Any, decay_um: float, xp: ModuleType = np) -> Any:
    """Effective length of the coupler of a ring of such turns and its straight, see `process.coupling`."""
    radius_um, p = turn.least_radius_um, turn.euler_p
    arcs = effective_length_um(radius_um=radius_um, straight_um=straight_um, decay_um=decay_um, xp=xp)
    if isinstance(p, (int, float)) and p == 0.0:
        return arcs
    ramp_um = xp.maximum(turn.ramp_um, TINY_UM)
    of_ramps = [
        effective_length_um(
            radius_um=radius_um, straight_um=straight_um, decay_um=decay_um, ramp_um=ramp_um, cosine=cosine, xp=xp
        )
        for cosine in ([turn.cosine] if isinstance(turn.cosine, bool) else [True, False])
    ]
    found = of_ramps[0] if len(of_ramps) == 1 else xp.where(turn.cosine != 0.0, *of_ramps)
    return xp.where(p == 0.0, arcs, found)


def coupling_angles(profile: Profile, design: RingDesign, xp: ModuleType = np) -> tuple[Any, Any]:
    """Angles ``C(g)·L_eff`` of the couplers to the through and the drop bus: κ is their sine, t their cosine.

    ``xp`` is the array library of the design's numbers, ``jax.numpy`` under JAX.
    """
    law = profile.gap_law
    length = coupler_um(design.quarter, design.straight_um, law.decay_um, xp)
    return law.at(design.gap_through_um, xp) * length, law.at(design.gap_drop_um, xp) * length


def tuned_share(profile: Profile, design: RingDesign) -> Any:
    """Electrode coverage F of the whole ring: the lobes' on the turns, all of it on the arms."""
    # Under JAX a ring has no plain ramps, and no voltage either (`circuit.models`): its tuning is not asked for.
    plain = all(isinstance(value, (int, float)) for value in (design.euler_p, design.cosine))
    if plain and design.euler_p:
        turns = lobes_on_ramps(design.lobe_half_angle_deg, design.quarter, profile.tensor)
    else:
        turns = coverage(two_lobes(design.lobe_half_angle_deg), profile.tensor)
    return (turns * design.lengths.bend_um + design.lengths.y_um) / design.length_um


def lobes_on_ramps(half_angle_deg: Any, turn: QuarterTurn, tensor: PockelsTensor) -> Any:
    """Electrode coverage F of the turns of a ring whose curvature grows along ramps, by two lobes.

    `coverage` is that of a circle.
    Of each quarter turn the part is covered whose normal lies within the angle of crystal z: r22 drops out, as there is
    as much of it on either side. The integral along the turn is taken by Gauss's rule.
    """
    # Whatever the radius; of thousands of rings few have lobes of their own.
    angles, of = np.unique(np.asarray(half_angle_deg, float), return_inverse=True)
    found = np.array([_lobe_on_ramps(float(one), turn.euler_p, turn.cosine, tensor) for one in angles])[of]
    return found if np.ndim(half_angle_deg) else float(found)


@cache
def _lobe_on_ramps(half_angle_deg: float, euler_p: float, cosine: Any, tensor: PockelsTensor) -> float:
    turn = QuarterTurn(1.0, euler_p, cosine)
    way = turn.way_um(math.radians(half_angle_deg))
    angle = turn.angle_rad(way * NODES)
    sine, cosine_of = np.sin(angle), np.cos(angle)
    cross = tensor.r13_pm_V + 2.0 * tensor.r51_pm_V
    along = (tensor.r33_pm_V * cosine_of**3 + cross * cosine_of * sine**2) * SHARES * way
    return float(along.sum() / (tensor.r33_pm_V * turn.length_um))
