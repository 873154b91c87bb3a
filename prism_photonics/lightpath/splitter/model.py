"""1×2 splitter optics: matched, reciprocal, and passive for every imbalance in [−1, 1]."""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from prism_photonics.deprecation import UNTIL, moved_names


def split_amplitudes(
    excess_loss_dB: Float[Array, "..."] | float, imbalance: Float[Array, "..."] | float
) -> tuple[Complex[Array, "..."], Complex[Array, "..."]]:
    """Field amplitudes of the upper and lower arm: ``√(10^(−L/10)·(1 ± b)/2)``.

    Args:
        excess_loss_dB: Loss L beyond the division in dB, positive.
        imbalance: b = (P_upper − P_lower)/(P_upper + P_lower), −1 to 1.

    Returns:
        Amplitudes (upper, lower).
    """
    power = 10.0 ** (-jnp.asarray(excess_loss_dB, dtype=float) / 10.0)
    upper = jnp.sqrt(power * (1.0 + imbalance) / 2.0) + 0j
    lower = jnp.sqrt(power * (1.0 - imbalance) / 2.0) + 0j
    return upper, lower


__getattr__ = moved_names(__name__, {"splitter": "lightpath.splitter.saxmodel:splitter"}, until=UNTIL)
