"""The point coupler of a ring beside a straight bus, from the coupling per length of two parallel ribs.

Two equal parallel ribs exchange their light as sin²(C·L), with C = π·(n_even − n_odd)/λ from their two supermodes.
Where the gap varies slowly along the coupler, C·L becomes ∫C(g(s)) ds. The field decays outside a rib, so C(g) ≈
C0·exp(−(g − g0)/g_d), and a circle of radius R that comes within g of the bus has a gap g + x²/2R at x along it:

    ∫ C dx = C(g)·∫ exp(−x²/(2·R·g_d)) dx = C(g)·√(2π·R·g_d).

A straight section of the ring adds its own length: L_eff = straight + √(2π·R·g_d), and κ = sin(C(g)·L_eff).
The parabola stands for the circle to a relative g_d/(8·R)·3 ≈ 4·10⁻³ at R = 20 µm (`tests/process/test_coupling.py`
integrates the true circle). Phase mismatch between arc and bus, β·x³/(6R²), is below 0.1 rad over the coupler and left
out.

Where a clothoid of length l leads from the straight to the circle the rib's curvature grows as x/(R·l), and the gap as
x³/(6·R·l): beside the bus it hardly opens at all. Its ∫ exp(−y(x)/g_d) dx is taken by Gauss's rule, of the cubic up to
l and the parabola that goes on from there; of a long clothoid it is 2·Γ(4/3)·(6·R·l·g_d)^⅓. A ramp of curvature that
grows as a raised cosine opens as π²·x⁴/(96·R·l²) at first.

Source: coupled-mode theory of parallel guides (A. Yariv, IEEE J. Quantum Electron. 9, 919 (1973),
10.1109/JQE.1973.1077767); the integral above.
"""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.process.quadrature import NODES, SHARES

DECAYS = 14.0  # of C, beyond which nothing is left of it
COSINE_LONGER = 1.1  # a raised cosine grows more slowly than its first power


@dataclass(frozen=True)
class GapLaw:
    """Coupling per length of two parallel ribs, ``C(g) = C0·exp(−(g − g0)/g_d)``; gaps between the top edges."""

    coupling_per_um: float
    gap_um: float
    decay_um: float

    def at(self, gap_um: float | Float[Any, "..."], xp: ModuleType = np) -> float | Float[Any, "..."]:
        """C in rad/µm at a gap in µm. ``xp`` is the array namespace (``jax.numpy`` under JAX)."""
        return self.coupling_per_um * xp.exp(-(gap_um - self.gap_um) / self.decay_um)


def effective_length_um(
    *,
    radius_um: float | Float[Any, "..."],
    straight_um: float | Float[Any, "..."],
    decay_um: float,
    ramp_um: float | Float[Any, "..."] = 0.0,
    cosine: bool = False,
    xp: ModuleType = np,
) -> float | Float[Any, "..."]:
    """``straight + √(2π·R·g_d)`` in µm: the parallel ribs that couple as much as the ring's near side.

    Args:
        radius_um: Radius R of the ring's bends, behind their ramps if they have such.
        straight_um: Straight section of the ring along the bus, 0 or more.
        decay_um: Decay length g_d of C with the gap.
        ramp_um: Length of the ramps of curvature between the straight and the arcs; a plain 0 where there are none.
        cosine: Whether the curvature grows as a raised cosine, or evenly.
        xp: Array namespace, ``jax.numpy`` under JAX.
    """
    if isinstance(ramp_um, float) and ramp_um == 0.0:
        return straight_um + xp.sqrt(2.0 * np.pi * radius_um * decay_um)
    return straight_um + 2.0 * _opening_um(radius_um, ramp_um, decay_um, cosine=cosine, xp=xp)


def ramp_rise(x_um: Any, radius_um: Any, ramp_um: Any, *, cosine: bool, xp: ModuleType = np) -> tuple[Any, Any, Any]:
    """How a guide leaves the straight it lay along, x behind its end, where it has turned little yet.

    Along the ramp its curvature grows, behind it is the circle's.

    Returns:
        (rise in µm, heading in rad, curvature in 1/µm).
    """
    along = xp.minimum(x_um, ramp_um)
    beyond = x_um - along
    if cosine:
        part, over = ramp_um / math.pi, math.pi * along / ramp_um
        curvature = 0.5 * (1.0 - xp.cos(over))
        heading = 0.5 * (along - part * xp.sin(over))
        rise = 0.25 * along**2 - part**2 * curvature
    else:
        curvature, heading, rise = along / ramp_um, 0.5 * along**2 / ramp_um, along**3 / (6.0 * ramp_um)
    # The ramp's whole heading is half its length over R.
    rise = rise + heading * beyond + 0.5 * beyond**2
    return rise / radius_um, (heading + beyond) / radius_um, curvature / radius_um


def ramp_reach_um(radius_um: Any, ramp_um: Any, rise_um: float, *, cosine: bool, xp: ModuleType = np) -> Any:
    """An x by which it has risen as much at least: of the ramp's first power, and of the circle alone."""
    circle = xp.sqrt(2.0 * radius_um * rise_um)
    if cosine:
        return xp.maximum((96.0 * radius_um * ramp_um**2 * rise_um / math.pi**2) ** 0.25 * COSINE_LONGER, circle)
    return xp.maximum((6.0 * radius_um * ramp_um * rise_um) ** (1.0 / 3.0), circle)


def _opening_um(radius_um: Any, ramp_um: Any, decay_um: float, *, cosine: bool, xp: ModuleType) -> Any:
    """∫ exp(−y(x)/g_d) dx of one side."""
    if xp is np and np.size(radius_um) > 1:  # of thousands of rings few differ in their turns
        all_um = np.stack(np.broadcast_arrays(radius_um, ramp_um))
        turns, of = np.unique(all_um.reshape(2, -1), axis=1, return_inverse=True)
        if turns.shape[1] < of.size:
            found = _opening_um(turns[0], turns[1], decay_um, cosine=cosine, xp=xp)
            return found[of.reshape(all_um.shape[1:])]
    radius, ramp = (xp.asarray(length)[..., None] for length in (radius_um, ramp_um))
    reach = ramp_reach_um(radius, ramp, DECAYS * decay_um, cosine=cosine, xp=xp)
    rise, _, _ = ramp_rise(reach * NODES, radius, ramp, cosine=cosine, xp=xp)
    return (xp.exp(-rise / decay_um) * SHARES).sum(-1) * reach[..., 0]


def facing_radius_um(radius1_um: float | Float[Any, "..."], radius2_um: float | Float[Any, "..."]) -> Any:
    """Radius ``R1·R2/(R1 + R2)`` of the one circle that opens from a straight bus as two circles open from each other.

    Two circles that come within g have a gap g + x²/(2·R1) + x²/(2·R2): between equal rings it opens twice as fast as
    between ring and bus, and the effective length is shorter by √2.
    """
    return radius1_um * radius2_um / (radius1_um + radius2_um)


def kappa(
    gap_um: float | Float[Any, "..."],
    law: GapLaw,
    *,
    radius_um: float | Float[Any, "..."],
    straight_um: float | Float[Any, "..."] = 0.0,
    xp: ModuleType = np,
) -> float | Float[Any, "..."]:
    """Field coupling κ = sin(C(g)·L_eff) of a ring and a straight bus of the same width; κ² is the power coupled.

    Args:
        gap_um: Least gap between the top edges of bus and ring.
        law: Coupling per length of the parallel ribs.
        radius_um: Radius of the ring's bends.
        straight_um: Straight section of the ring along the bus.
        xp: Array namespace, ``jax.numpy`` under JAX.

    Returns:
        κ, dimensionless; negative beyond a full exchange (C·L_eff > π).
    """
    length = effective_length_um(radius_um=radius_um, straight_um=straight_um, decay_um=law.decay_um, xp=xp)
    return xp.sin(law.at(gap_um, xp) * length)
