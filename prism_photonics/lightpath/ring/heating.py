"""Heat of a ring's heater in the rings around it.

A heater is small against its distance to other rings, so it warms the substrate as a point on its surface does. The
surface above is insulated, the back of the substrate is held at the package's temperature.
"""

import functools

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.deprecation import UNTIL, moved_names

# A common wafer's thickness (design choice), and images enough for seven digits of it.
SUBSTRATE_UM = 500.0
IMAGES = 64


def temperature_rise(
    distance_um: Float[ndarray, "*sites"], *, substrate_um: float = SUBSTRATE_UM
) -> Float[ndarray, "*sites"]:
    """Temperature at a distance from a point of heat on the surface of a substrate, in any unit.

    ``G(r) = 1/r + 2·Σ (−1)ⁿ/√(r² + (2nH)²)``: the point and its images in the cold back and in the insulated surface,
    H the thickness. Near the point it falls as 1/r, beyond H exponentially.

    Args:
        distance_um: Distances above 0.
        substrate_um: Thickness of the substrate.

    Returns:
        G in 1/µm.

    Source: method of images, e.g. Carslaw and Jaeger, Conduction of Heat in Solids, 2nd ed. (1959), §10.10.
    """
    n = np.arange(1, IMAGES + 1)
    images = 1.0 / np.sqrt(np.asarray(distance_um)[..., None] ** 2 + (2.0 * n * substrate_um) ** 2)
    # Of an alternating series the mean of the last two sums is the better one.
    signs = np.where(n % 2, -1.0, 1.0) * np.where(n == IMAGES, 0.5, 1.0)
    return 1.0 / np.asarray(distance_um) + 2.0 * images @ signs


def crosstalk_shift_pm(
    heated_pm: Float[ndarray, "rows rings"], *, pitch_um: float, row_pitch_um: float
) -> Float[ndarray, "rows rings"]:
    """By how much the heaters of all other rings would shift each ring, were the share at one pitch 1.

    Args:
        heated_pm: Shift of each heater's own ring in pm, times the share that it gives away.
        pitch_um: Distance of rings along a row, buses side by side.
        row_pitch_um: Distance of rows.

    Returns:
        Shifts in pm; the share falls with the distance as `temperature_rise` does.
    """
    # Here: importing SciPy takes as long as calibrating a small chip, and few chips have heaters.
    import scipy.signal

    rows, rings = heated_pm.shape
    shares = _shares(rows, rings, pitch_um, row_pitch_um)
    return scipy.signal.convolve(heated_pm, shares)[rows - 1 : 2 * rows - 1, rings - 1 : 2 * rings - 1]


@functools.lru_cache(maxsize=8)
def _shares(rows: int, rings: int, pitch_um: float, row_pitch_um: float) -> Float[ndarray, "down along"]:
    """Share by how many rows and rings lie between, from all before to all behind; none of one's own."""
    y_um = row_pitch_um * np.arange(1 - rows, rows)[:, None]
    x_um = pitch_um * np.arange(1 - rings, rings)
    distance_um = np.hypot(x_um, y_um)
    distance_um[rows - 1, rings - 1] = np.inf
    shares = temperature_rise(distance_um) / temperature_rise(np.array([pitch_um]))
    shares[rows - 1, rings - 1] = 0.0
    return shares


__getattr__ = moved_names(
    __name__,
    {
        "warming": "lightpath.ring.heating:temperature_rise",
        "warmed_pm": "lightpath.ring.heating:crosstalk_shift_pm",
    },
    until=UNTIL,
)
