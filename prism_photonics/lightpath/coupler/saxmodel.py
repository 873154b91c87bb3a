"""Edge coupler optics: a matched, reciprocal loss. Its phase is common to all rows and left out."""

import jax.numpy as jnp
from jaxtyping import Array

from prism_photonics.saxlib import sax


def edge_coupler(*, wl: sax.FloatArrayLike = 1.55, loss_dB: Array | float = 2.0) -> sax.SDict:
    """SAX model of the fibre-to-chip coupler: ``S21 = 10^(−loss/20)``.

    Args:
        wl: Wavelength in µm.
        loss_dB: Insertion loss in dB, positive.

    Returns:
        S-dictionary with ports o1 (facet) and o2 (bus).
    """
    amplitude = jnp.asarray(10.0 ** (-loss_dB / 20.0)) * jnp.ones_like(jnp.asarray(wl), dtype=complex)
    return sax.reciprocal({("o1", "o2"): amplitude})
