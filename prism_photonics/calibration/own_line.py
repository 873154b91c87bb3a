"""A ring's own numbers from the readings of its own line, all else held: for lines that no fit of the bus explains.

How much such a line is missed by is no noise that numbers of the bus should be weighed by. So what its ring does is
fitted to come as near to its readings as any ring can, and to nothing else.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.bus import BusSurvey
from prism_photonics.calibration.reading_model import reading_slopes
from prism_photonics.calibration.reflecting import OF_RINGS, beyond_columns
from prism_photonics.calibration.unknowns import columns

OWN = ("kappa1", "kappa2", "loss", "offset", "slope", "curvature", *OF_RINGS)
"""Numbers of a ring which the lines of others hardly tell; with them goes the gain of its line."""
# Damping at first, what a step that lowers the cost and one that does not do to it, and where it is given up: as of
# Levenberg and Marquardt. Steps, and the share of the cost below which another one is not worth it. Design choices.
FIRST, BETTER, WORSE, MOST = 1e-3, 0.2, 5.0, 1e8
STEPS, RTOL = 40, 1e-4


def own_columns(bus: BusSurvey, lines: Bool[ndarray, " lines"], *, unknowns: int) -> Int[ndarray, " own"]:
    """Where the numbers of the rings that serve some lines of a bus stand among its unknowns."""
    places = columns(lines.size) | beyond_columns(lines.size)
    of_rings = np.flatnonzero(lines[bus.channel_of_ring[0]])
    at = [places[name].start + of_rings for name in OWN] + [places["gain"].start + np.flatnonzero(lines)]
    every = np.concatenate(at)
    return every[every < unknowns]


def fitted_to_own_lines(
    bus: BusSurvey, flat: Float[ndarray, "1 unknowns"], lines: Bool[ndarray, " lines"]
) -> Float[ndarray, "1 unknowns"]:
    """Unknowns of one bus with those of some rings where their own lines' readings are missed the least."""
    unread = ~np.repeat(lines, bus.nodes)
    mine = bus.with_noise(np.where(unread, np.inf, bus.noise_A))
    own, flat = own_columns(bus, lines, unknowns=flat.shape[1]), flat.copy()

    def seen(x: Float[ndarray, "1 unknowns"]) -> tuple[Float[ndarray, " readings"], Float[ndarray, "own readings"]]:
        slopes = reading_slopes(mine, x)
        misfit = ((slopes.current_A - mine.current_A) / mine.noise_A).ravel()
        return misfit, (slopes.by_unknown[0, own] / mine.noise_A[0]).reshape(own.size, -1)

    misfit, by = seen(flat)
    cost, damping = float(misfit @ misfit + flat[0, own] @ flat[0, own]), FIRST
    for _ in range(STEPS):
        normal = by @ by.T + np.eye(own.size)
        normal[np.diag_indices(own.size)] *= 1.0 + damping
        moved = flat.copy()
        moved[0, own] -= np.linalg.solve(normal, by @ misfit + flat[0, own])
        # A step too far may leave the numbers: it is not taken.
        with np.errstate(all="ignore"):
            there, by_there = seen(moved)
            after = float(there @ there + moved[0, own] @ moved[0, own])
        if not after < cost:
            damping *= WORSE
            if damping > MOST:
                break
            continue
        gained, cost, damping = cost - after, after, damping * BETTER
        flat, misfit, by = moved, there, by_there
        if gained < RTOL * cost:
            break
    return flat
