"""1×2 splitter optics: matched, reciprocal, and passive for every imbalance in [−1, 1]."""

import jax.numpy as jnp
import sax
from jaxtyping import Array, Complex, Float


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


def splitter(
    *, wl: sax.FloatArrayLike = 1.55, excess_loss_dB: Array | float = 0.09, imbalance: Array | float = 0.0
) -> sax.SDict:
    """SAX model of the 1×2 splitter.

    The two outputs are matched and isolated: light that enters them out of phase is radiated, so the three-port is
    passive without being lossless.

    Args:
        wl: Wavelength in µm.
        excess_loss_dB: Loss beyond 3.01 dB.
        imbalance: Power imbalance of the two arms.

    Returns:
        S-dictionary with ports o1 (in), o2 (upper), o3 (lower).
    """
    upper, lower = split_amplitudes(excess_loss_dB, imbalance)
    ones = jnp.ones_like(jnp.asarray(wl), dtype=complex)
    return sax.reciprocal({("o1", "o2"): upper * ones, ("o1", "o3"): lower * ones})
