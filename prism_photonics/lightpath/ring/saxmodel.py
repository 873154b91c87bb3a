"""SAX model of the add-drop ring."""

import jax.numpy as jnp
from jaxtyping import Array

from prism_photonics.lightpath.ring.model import RingParams, half_turn, rad_per_pm, ring_fields
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


def split_ring(
    *,
    wl: sax.FloatArrayLike = 1.55,
    t1: Array | float = 0.99,
    t2: Array | float = 0.99,
    a: Array | float = 1.0,
    opl_um: Array | float = 246.0,
    gpl_um: Array | float = 291.0,
    shift_pm: Array | float = 0.0,
    wl0_um: Array | float = 1.55,
    to_ccw_pm: Array | complex = 1.0,
    to_cw_pm: Array | complex = 1.0,
) -> sax.SDict:
    """SAX model of the add-drop ring with backscatter, as the plain ring twice: half a splitting up, and down.

    Args:
        wl: Wavelength in µm.
        t1: As the other settings, see `RingParams`.
        t2: See `RingParams`.
        a: See `RingParams`.
        opl_um: See `RingParams`.
        gpl_um: See `RingParams`.
        shift_pm: Resonance shift in pm.
        wl0_um: See `RingParams`.
        to_ccw_pm: Backscatter from clockwise, see `Backscatter`; the product of both must not be zero.
        to_cw_pm: Backscatter from counter-clockwise.

    Returns:
        S-dictionary with the ports of `ring`.
    """
    leaves = (t1, t2, a, opl_um, gpl_um, 0.0, 0.0, 0.0, wl0_um)
    params = RingParams(*(jnp.asarray(leaf, dtype=float) for leaf in leaves))
    wl = jnp.asarray(wl)
    half_pm = jnp.sqrt(jnp.asarray(to_ccw_pm * to_cw_pm, dtype=complex))
    delta, half = rad_per_pm(params) * half_pm, half_turn(wl, params, shift_pm)
    up, down = (_transmissions(half * jnp.exp(0.5j * sign * delta), params) for sign in (1.0, -1.0))
    through, drop, drop_bus = (0.5 * (one + other) for one, other in zip(up, down, strict=True))
    back, across, back_drop = (0.5 * (one - other) / half_pm for one, other in zip(up, down, strict=True))
    return sax.reciprocal(
        {
            ("o1", "o2"): through,
            ("o1", "o3"): drop,
            ("o2", "o4"): drop,
            ("o3", "o4"): drop_bus,
            ("o1", "o4"): across * to_ccw_pm,
            ("o2", "o3"): across * to_cw_pm,
            ("o1", "o1"): back * to_ccw_pm,
            ("o2", "o2"): back * to_cw_pm,
            ("o3", "o3"): back_drop * to_cw_pm,
            ("o4", "o4"): back_drop * to_ccw_pm,
        }
    )


def _transmissions(half: Array, params: RingParams) -> tuple[Array, Array, Array]:
    """Through, drop and drop bus of a plain ring whose half turn is complex in phase."""
    turn = half * half
    under = 1.0 - params.t1 * params.t2 * turn
    coupled = jnp.sqrt((1.0 - params.t1**2) * (1.0 - params.t2**2)) * half
    return (params.t1 - params.t2 * turn) / under, -coupled / under, (params.t2 - params.t1 * turn) / under
