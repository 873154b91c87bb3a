"""A die's film that relaxes otherwise than its profile says: shares and times of its own."""

import math

import numpy as np

from prism_photonics.process.profile import Profile, Sourced

SHARES, TIMES = ("fast_share", "slow_share", "memory_share"), ("fast_s", "slow_h", "memory_h")
DRAWN = "drawn of this die about its profile's"


def with_relaxation(profile: Profile, log: float, rng: np.random.Generator) -> Profile:
    """The film of one die.

    All shares together are drawn by their odds, which keeps what is lost below all; then what each part has of them,
    and each time. A film that loses nothing has nothing to draw.

    Args:
        profile: The film as known.
        log: Standard deviation of the natural logarithm of odds, of each part's weight and of each time.
        rng: Draws them.
    """
    known = {name: getattr(profile.relaxation, name).value for name in SHARES + TIMES}
    whole = sum(known[name] for name in SHARES)
    if not whole:
        return profile
    odds = whole / (1.0 - whole) * math.exp(log * rng.standard_normal())
    weights = {name: known[name] * math.exp(log * rng.standard_normal()) for name in SHARES}
    own = {name: odds / (1.0 + odds) * weight / sum(weights.values()) for name, weight in weights.items()}
    own |= {name: known[name] * math.exp(log * rng.standard_normal()) for name in TIMES}
    parts = {name: Sourced(value=value, source=DRAWN) for name, value in own.items()}
    return profile.model_copy(update={"relaxation": profile.relaxation.model_copy(update=parts)})
