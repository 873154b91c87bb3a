"""Slope of weight against resonance shift, over the weights that a ring is programmed to."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prism_photonics.budget.ring import RingFigures, ring_figures
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec

STEPS = 65
"""Weights, evenly spread over ± weight_limit, that means are taken over."""
EVENLY = np.linspace(-1.0, 1.0, STEPS)


@dataclass(frozen=True)
class Slopes:
    """Slope dw/dλ of a Lorentzian ring, per pm.

    Attributes:
        steepest: The largest at any detuning.
        spread: Standard deviation over weights evenly spread over ± weight_limit.
        rms: Root mean square over the same weights.
    """

    steepest: float
    spread: float
    rms: float


@cached_by_spec
def slopes(spec: ChipSpec) -> Slopes:
    """The slopes of channel 0's ring (the line shape: 10.1002/lpor.201100017)."""
    ring = ring_figures(spec)
    values = ring.slopes_per_pm(programmed_detunings_pm(spec, ring))
    return Slopes(ring.steepest_slope_per_pm, float(np.std(values)), float(np.sqrt(np.mean(values**2))))


def programmed_detunings_pm(spec: ChipSpec, ring: RingFigures) -> Float[np.ndarray, " weights"]:
    """Resonance minus line in pm, for weights evenly spread over ± weight_limit; none farther than one FSR."""
    weights = spec.ranking.weight_limit * EVENLY
    return np.minimum(ring.detunings_pm(weights), ring.fsr_nm * 1e3)
