"""How far a drive carries the worst ring of a die: swing less scatter, at the voltage at which most is left.

At a voltage V of either sign a ring stands at ``r + q·V² ± s·V``; its rest r, its slope s and its curvature q are its
own and independent. Seen from both ends of the drive the curvature is rest scatter, and of all rings within k standard
deviations the worst one is carried by ``s·V − k·√(σ_r² + (σ_s·s·V)² + (σ_q·V²)²)``. Curvature grows faster than the
swing does, and a ring is free to use less than the limit: what counts is the largest of that over V. It is concave in V
and linear in r, s and q, so that the worst ring of the ellipsoid and the best voltage may be taken in either order (von
Neumann's minimax theorem).

All in pm and in shares v of the drive's limit, S the swing and K the curvature's shift there; for arrays, by NumPy or
JAX. The roots are Newton's from v = 1 down: the functions are convex above them, so no step goes too far.

Source: `lightpath.ring.model.resonance_shift_pm`; the worst point of an ellipsoid, A. M. Hasofer and N. C. Lind,
J. Eng. Mech. Div. ASCE 100, 111 (1974); J. von Neumann, Math. Ann. 100, 295 (1928). The tests draw rings.
"""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

STEPS = 16
"""Of Newton's method, at most; a share that is a little too large only says less than is there."""
CLOSE = 1e-6
"""Slope, as a share of its parts, that counts as none."""


@dataclass(frozen=True)
class RingScatter:
    """Standard deviations of rings: rest and shift by curvature at the drive's limit in pm, slope as a share."""

    rest_pm: Any
    slope_relative: Any
    curved_pm: Any

    def pm(self, swing_pm: Any, share: Any, xp: ModuleType = np) -> Any:
        """Of the place where a share of the drive's limit carries a ring."""
        of_slope, bent = self.slope_relative * swing_pm * share, self.curved_pm * share**2
        return xp.sqrt(self.rest_pm**2 + of_slope**2 + bent**2 + 1e-18)


def reached_pm(rest_pm: Any, swing_pm: Any, curved_pm: Any) -> tuple[Any, Any]:
    """Least and largest distance from its line that a drive gives a ring, whatever voltage within the limit that takes.

    Args:
        rest_pm: Resonance minus line at 0 V.
        swing_pm: Shift by the slope at the limit, at least 0.
        curved_pm: Shift by curvature at the limit, of either sign.
    """
    bent_pm = np.abs(curved_pm)
    # Against the curvature a ring turns back where the slope is used up.
    share = np.minimum(swing_pm / np.maximum(2.0 * bent_pm, 1e-12), 1.0)
    along_pm, against_pm = swing_pm + bent_pm, swing_pm * share - bent_pm * share**2
    low_pm = rest_pm - np.where(curved_pm < 0.0, along_pm, against_pm)
    high_pm = rest_pm + np.where(curved_pm < 0.0, against_pm, along_pm)
    least_pm = np.maximum(np.maximum(low_pm, -high_pm), 0.0)
    return least_pm, np.maximum(np.abs(low_pm), np.abs(high_pm))


def best_share(swing_pm: float, scatter: RingScatter, sigmas: float) -> float:
    """Share of the drive's limit that carries a ring of so many standard deviations farthest.

    The slope of ``S·v − √(ρ² + A²·v² + K²·v⁴)`` vanishes where, with ``y = v²``,
    ``4K⁴·y³ + K²(4A² − S²)·y² + A²(A² − S²)·y = S²·ρ²``.
    """
    s2 = swing_pm**2
    rho2, a2, k2 = (
        (sigmas * pm) ** 2 for pm in (scatter.rest_pm, scatter.slope_relative * swing_pm, scatter.curved_pm)
    )
    y = 1.0
    for _ in range(2 * STEPS):
        above = ((4.0 * k2**2 * y + k2 * (4.0 * a2 - s2)) * y + a2 * (a2 - s2)) * y - s2 * rho2
        if above <= 0.0:
            break
        y -= above / ((12.0 * k2**2 * y + 2.0 * k2 * (4.0 * a2 - s2)) * y + a2 * (a2 - s2))
    return math.sqrt(max(y, 0.0))


def sigmas_carried(room_pm: Any, swing_pm: Any, scatter: RingScatter, xp: ModuleType = np) -> Any:
    """Standard deviations with which rings are carried to where they must be, at the best share of the drive.

    ``(a + S·v)/√(σ_r² + (σ_s·S·v)² + (σ_K·v²)²)`` is largest where ``S·σ_K²·v⁴ + 2a·σ_K²·v³ + a·σ_s²·S²·v = S·σ_r²``.

    Args:
        room_pm: Where the design rests less where a ring must come to; negative where that takes drive.
        swing_pm: Shift by the slope at the drive's limit.
        scatter: The rings'.
        xp: NumPy, or JAX's.
    """
    slope2 = (scatter.slope_relative * swing_pm) ** 2
    given = room_pm, swing_pm, scatter.rest_pm**2, slope2, scatter.curved_pm**2
    if xp is not np:
        from jax.lax import stop_gradient

        # At the best share the slope along it vanishes, or the drive ends: no gradient goes through the search for it,
        # which takes JAX half the time to compile.
        given = stop_gradient(given)
    a, swing, rest2, slope2, curved2 = given
    share = xp.ones_like(a + swing)
    for _ in range(STEPS):
        above = ((swing * share + 2.0 * a) * curved2 * share**2 + a * slope2) * share - swing * rest2
        steep = (4.0 * swing * share + 6.0 * a) * curved2 * share**2 + a * slope2
        short = above > CLOSE * swing * (rest2 + curved2 * share**4)
        # JAX compiles all steps; most rings need none.
        if xp is np and not np.any(short):
            break
        share = xp.where(short, share - above / xp.where(short, steep, 1.0), share)
    return (room_pm + swing_pm * share) / scatter.pm(swing_pm, share, xp)
