"""SAX model of the add-drop ring."""

import jax.numpy as jnp
from jaxtyping import Array

from prism_photonics.lightpath.ring.model import RingParams, ring_fields
from prism_photonics.saxlib import sax


def ring(
    *,
    wl: sax.FloatArrayLike = 1.55,
    t1: Array | float = 0.99,
    t2: Array | float = 0.99,
    a: Array | float = 1.0,
    opl_um: Array | float = 246.0,
    gpl_um: Array | float = 291.0,
    shift_pm: Array | float = 0.0,
    wl0_um: Array | float = 1.55,
) -> sax.SDict:
    """SAX model of the add-drop ring without bus stubs; see `RingParams` for the settings.

    Returns:
        S-dictionary with ports o1, o2 (through bus, west and east) and o3, o4 (drop bus, west and east).
    """
    leaves = (t1, t2, a, opl_um, gpl_um, 0.0, 0.0, 0.0, wl0_um)
    params = RingParams(*(jnp.asarray(leaf, dtype=float) for leaf in leaves))
    fields = ring_fields(jnp.asarray(wl), params, shift_pm)
    return sax.reciprocal(
        {
            ("o1", "o2"): fields.through,
            ("o1", "o3"): fields.drop,
            ("o2", "o4"): fields.drop,
            ("o3", "o4"): fields.drop_bus,
        }
    )
