"""SAX model of a Vernier pair."""

import jax.numpy as jnp
from jaxtyping import Array

from prism_photonics.lightpath.vernier.model import VernierParams, vernier_fields
from prism_photonics.saxlib import sax


def vernier(
    *,
    wl: sax.FloatArrayLike = 1.55,
    t1: Array | float = 0.99,
    t12: Array | float = 0.9999,
    t2: Array | float = 0.99,
    a1: Array | float = 1.0,
    a2: Array | float = 1.0,
    opl1_um: Array | float = 246.0,
    opl2_um: Array | float = 282.0,
    gpl1_um: Array | float = 291.0,
    gpl2_um: Array | float = 334.0,
    shift1_pm: Array | float = 0.0,
    shift2_pm: Array | float = 0.0,
    wl0_um: Array | float = 1.55,
) -> sax.SDict:
    """SAX model of the Vernier pair without bus stubs; see `VernierParams` for the settings.

    Returns:
        S-dictionary with ports o1, o2 (through bus, west and east) and o3, o4 (drop bus, west and east).
    """
    leaves = (t1, t12, t2, a1, a2, opl1_um, opl2_um, gpl1_um, gpl2_um, wl0_um)
    params = VernierParams(*(jnp.asarray(leaf, dtype=float) for leaf in leaves))
    fields = vernier_fields(jnp.asarray(wl), params, shift1_pm, shift2_pm)
    return sax.reciprocal(
        {
            ("o1", "o2"): fields.through,
            ("o1", "o4"): fields.drop,
            ("o3", "o2"): fields.drop,
            ("o3", "o4"): fields.drop_bus,
        }
    )
