"""Rings that reach too little of the weights that a chip is for: they are left out, and the chip is used without them.

A ring on a crossing of TE and TM hardly takes its line, and one whose resonance the drive does not carry there never
meets it. Every ring's weights are cut to what all rings in use reach, so that one such ring would cost the whole chip.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.budget.crossings import RARE, crossings
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.faults import Fault
from prism_photonics.programming.solve import reachable_weights
from prism_photonics.spec import ChipSpec

LEAST_SHARE = 0.5
"""Share of ± ``ranking.weight_limit`` below which a ring is left out, as `budget.crossings` counts a crossing."""
MOST_LEFT_OUT = 0.25
"""Share of the rings up to which they are to blame, and not the chip as a whole; design choice."""


def without_far_rings(
    fit: Calibration, spec: ChipSpec, faults: tuple[Fault, ...]
) -> tuple[Calibration, tuple[Fault, ...]]:
    """The calibration with rings left out that reach less than half of the weights asked for, and the faults with them.

    A chip of which more than a quarter would go is left as it is: what is wrong with it is more than single rings.

    Args:
        fit: The calibration.
        spec: The chip's spec.
        faults: Faults that its survey shows.
    """
    low, high = reachable_weights(fit)
    known = np.zeros(fit.shape, dtype=bool)
    known[tuple(np.transpose([ring for fault in faults for ring in fault.rings]).astype(int).reshape(2, -1))] = True
    # Of a record that is opened again the same rings are told.
    far = (reached_share(low, high, spec) < LEAST_SHARE) & ~known
    if not far.any() or far.mean() > MOST_LEFT_OUT:
        return fit, faults
    mixing = crossings(spec)
    # Where bends hardly mix, or no TM is guided, there is no such crossing to be looked for.
    mixed = mixing is not None and mixing.rings > RARE * mixing.of
    limit = spec.ranking.weight_limit
    found = tuple(
        Fault(
            ((int(row), int(ring)),),
            f"ring {ring} of row {row} reaches only {low[row, ring]:.2f} to {high[row, ring]:.2f} of ±{limit:g} and "
            f"is left out: {'TE and TM cross on its line, or ' if mixed else ''}its resonance is out of the drive's "
            f"reach; trim the ring, raise drive.max_voltage_V, or leave line {ring} dark, which all rows share",
        )
        for row, ring in np.argwhere(far)
    )
    return dataclasses.replace(fit, excluded=jnp.asarray(np.asarray(fit.excluded) | far)), (*faults, *found)


def reached_share(
    low: Float[ndarray, "rows rings"], high: Float[ndarray, "rows rings"], spec: ChipSpec
) -> Float[ndarray, "rows rings"]:
    """Share of ± ``ranking.weight_limit`` that lies between the lowest and the highest weight of a ring."""
    limit = spec.ranking.weight_limit
    return np.maximum(np.minimum(high, limit) - np.maximum(low, -limit), 0.0) / (2.0 * limit)
