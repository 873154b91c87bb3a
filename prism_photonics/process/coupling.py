"""The point coupler of a ring beside a straight bus, from the coupling per length of two parallel ribs.

Two equal parallel ribs exchange their light as sin²(C·L), with C = π·(n_even − n_odd)/λ from their two supermodes.
Where the gap varies slowly along the coupler, C·L becomes ∫C(g(s)) ds. The field decays outside a rib, so C(g) ≈
C0·exp(−(g − g0)/g_d), and a circle of radius R that comes within g of the bus has a gap g + x²/2R at x along it:

    ∫ C dx = C(g)·∫ exp(−x²/(2·R·g_d)) dx = C(g)·√(2π·R·g_d).

A straight section of the ring adds its own length: L_eff = straight + √(2π·R·g_d), and κ = sin(C(g)·L_eff).
The parabola stands for the circle to a relative g_d/(8·R)·3 ≈ 4·10⁻³ at R = 20 µm (`tests/process/test_coupling.py`
integrates the true circle). Phase mismatch between arc and bus, β·x³/(6R²), is below 0.1 rad over the coupler and left
out.

Source: coupled-mode theory of parallel guides (A. Yariv, IEEE J. Quantum Electron. 9, 919 (1973),
10.1109/JQE.1973.1077767); the integral above.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float


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
    xp: ModuleType = np,
) -> float | Float[Any, "..."]:
    """``straight + √(2π·R·g_d)`` in µm: the parallel ribs that couple as much as the ring's near side.

    Args:
        radius_um: Radius R of the ring's bends.
        straight_um: Straight section of the ring along the bus, 0 or more.
        decay_um: Decay length g_d of C with the gap.
        xp: Array namespace, ``jax.numpy`` under JAX.
    """
    return straight_um + xp.sqrt(2.0 * np.pi * radius_um * decay_um)


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
