"""Refractive indices of congruent lithium niobate from their Sellmeier equations.

Source: D. E. Zelmon, D. L. Small, D. Jundt, J. Opt. Soc. Am. B 14, 3319 (1997), 10.1364/JOSAB.14.003319.
"""

from jaxtyping import Float
from numpy import ndarray

ORDINARY = ((2.6734, 0.01764), (1.2290, 0.05914), (12.614, 474.60))
EXTRAORDINARY = ((2.9804, 0.02047), (0.5981, 0.0666), (8.9543, 416.08))


def sellmeier(
    wl: float | Float[ndarray, "..."], terms: tuple[tuple[float, float], ...]
) -> float | Float[ndarray, "..."]:
    """Index ``n`` with ``n² = 1 + Σ B λ²/(λ² − C)``.

    Args:
        wl: Vacuum wavelength λ in µm, 0.4 to 5.
        terms: Pairs (B, C) with C in µm²: `ORDINARY` or `EXTRAORDINARY`.

    Returns:
        The refractive index, same shape as ``wl``.
    """
    wl2 = wl**2
    return (1.0 + sum(b * wl2 / (wl2 - c) for b, c in terms)) ** 0.5
