"""SAX model of a splitter."""

import jax.numpy as jnp
from jaxtyping import Array

from prism_photonics.lightpath.splitter.model import split_amplitudes
from prism_photonics.saxlib import sax


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
