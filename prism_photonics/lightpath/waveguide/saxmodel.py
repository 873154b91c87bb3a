"""SAX model of a waveguide path."""

import jax.numpy as jnp
from jaxtyping import Array

from prism_photonics.lightpath.waveguide.model import path_phase
from prism_photonics.saxlib import sax


def path(
    *,
    wl: sax.FloatArrayLike = 1.55,
    opl_um: Array | float = 0.0,
    gpl_um: Array | float = 0.0,
    amplitude: Array | float = 1.0,
    phase_rad: Array | float = 0.0,
    wl0_um: Array | float = 1.55,
) -> sax.SDict:
    """SAX model of a reflection-free waveguide path; see `PathParams` for the settings.

    Returns:
        S-dictionary with ports o1 and o2.
    """
    phase = path_phase(jnp.asarray(wl), opl_um, gpl_um, wl0_um) + phase_rad
    return sax.reciprocal({("o1", "o2"): amplitude * jnp.exp(1j * phase)})
