"""SAX model of a reflector: a facet, a junction, a photodiode."""

import jax.numpy as jnp
from jaxtyping import Array

from prism_photonics.saxlib import sax


def mirror(
    *, wl: sax.FloatArrayLike = 1.55, amplitude: Array | float = 0.1, phase_rad: Array | float = 0.0
) -> sax.SDict:
    """SAX model of a lossless reflector, alike at all wavelengths.

    Args:
        wl: Wavelength in µm.
        amplitude: Field reflection r, 0 to 1; √(1 − r²) passes.
        phase_rad: Phase of the reflection seen from o1; from o2 it is −r*, as no loss demands.

    Returns:
        S-dictionary with ports o1 and o2.
    """
    shape = jnp.ones_like(jnp.asarray(wl), dtype=complex)
    reflection = amplitude * jnp.exp(1j * jnp.asarray(phase_rad))
    return sax.reciprocal(
        {
            ("o1", "o2"): jnp.sqrt(1.0 - jnp.asarray(amplitude) ** 2) * shape,
            ("o1", "o1"): reflection * shape,
            ("o2", "o2"): -jnp.conj(reflection) * shape,
        }
    )
