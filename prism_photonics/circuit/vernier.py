"""The exact row of Vernier pairs: light runs forward on both buses, so there is no cavity.

Per wavelength a pair takes the fields (through, drop) that arrive to those that leave, and the buses add their phases:

    (F, G) → ( p·(th·F + dr·G), q·(dr·F + th'·G) ),        from F = p_0, G = 0.

The product over the row is exact: O(d) per wavelength, and differentiable. Both detectors stand at the east end.
"""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prism_photonics.circuit.params import path_params
from prism_photonics.circuit.row import RowFields
from prism_photonics.lightpath.ring.place import tuned_share
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.vernier.model import VernierParams, pair_shift_pm, vernier_fields
from prism_photonics.lightpath.vernier.place import vernier_angles
from prism_photonics.lightpath.waveguide.design import Lengths
from prism_photonics.lightpath.waveguide.model import PathParams, transmission
from prism_photonics.process.electrooptics import tuning_pm_V
from prism_photonics.process.profile import Profile


def vernier_row_response(
    wl: Float[Array, " wl"], pairs: VernierParams, buses: PathParams, shift_pm: Float[Array, "pairs 2"]
) -> RowFields:
    """Exact through and drop fields at the east end of one row of Vernier pairs.

    Args:
        wl: Wavelengths in µm.
        pairs: Pair optics, leaves (pairs,).
        buses: Bus segments, leaves (2, pairs + 1): through bus first; segment j lies before pair j, the last one behind
            the last pair. The drop bus's segment 0 carries no light.
        shift_pm: Resonance shift of both rings of each pair in pm (fabrication and voltage together).

    Returns:
        Fields of shape (wl,).
    """
    segments = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), buses)

    def along(segment):
        return jax.vmap(lambda one: transmission(wl, one))(segment)

    def step(carry, this):
        on_through, on_drop = carry
        pair_params, shift, segment = this
        pair = vernier_fields(wl, pair_params, shift[0], shift[1])
        p, q = along(segment)
        through = p * (pair.through * on_through + pair.drop * on_drop)
        return (through, q * (pair.drop * on_through + pair.drop_bus * on_drop)), None

    behind = jax.tree.map(lambda leaf: leaf[1:], segments)
    entering = along(jax.tree.map(lambda leaf: leaf[0], segments))[0]
    (through, drop), _ = jax.lax.scan(step, (entering, jnp.zeros_like(entering)), (pairs, shift_pm, behind))
    return RowFields(through, drop)


def vernier_weights(
    wl: Float[Array, " channels"], pairs: VernierParams, buses: PathParams, volts: Float[Array, " pairs"]
) -> Float[Array, " channels"]:
    """Weights ``w = T_through − T_drop`` of one row at one voltage per pair in V, dimensionless in [−1, 1]."""
    fields = vernier_row_response(wl, pairs, buses, pair_shift_pm(pairs, volts))
    return jnp.abs(fields.through) ** 2 - jnp.abs(fields.drop) ** 2


def vernier_params(design: VernierDesign, profile: Profile, *, loss_dB_cm: float) -> VernierParams:
    """Optics of one pair from its geometry: κ from gaps and coupling lengths, tuning from V_πL and coverage."""
    through_rad, between_rad, drop_rad = vernier_angles(profile, design, jnp)
    turns = [path_params(ring.lengths, profile, loss_dB_cm=loss_dB_cm) for ring in design.rings]
    slopes = [
        tuning_pm_V(
            wl=profile.optics.wl0_um.value,
            n_g=1.0,
            coverage=tuned_share(profile, ring),
            vpil_single_V_cm=2.0 * profile.electrooptics.vpil_push_pull_V_cm.value,
        )
        / (turn.gpl_um / ring.length_um)
        for ring, turn in zip(design.rings, turns, strict=True)
    ]
    return VernierParams(
        t1=jnp.cos(through_rad),
        t12=jnp.cos(between_rad),
        t2=jnp.cos(drop_rad),
        a1=turns[0].amplitude,
        a2=turns[1].amplitude,
        opl1_um=turns[0].opl_um,
        opl2_um=turns[1].opl_um,
        gpl1_um=turns[0].gpl_um,
        gpl2_um=turns[1].gpl_um,
        offset1_pm=jnp.zeros(()),
        offset2_pm=jnp.zeros(()),
        slope1_pm_V=slopes[0],
        slope2_pm_V=slopes[1],
        wl0_um=turns[0].wl0_um,
    )


def designed_vernier_row(
    designs: Sequence[VernierDesign], profile: Profile, *, loss_dB_cm: float
) -> tuple[VernierParams, PathParams]:
    """One row as designed: its pairs, leaves (pairs,), and its buses, leaves (2, pairs + 1), from the drawn lengths.

    Both buses are straight and equally long; half a pitch of bus lies at each end.
    """
    pairs = _stack([vernier_params(design, profile, loss_dB_cm=loss_dB_cm) for design in designs])
    pitches_um = [design.pitch_um for design in designs]
    spans_um = [pitches_um[0] / 2.0]
    spans_um += [(a + b) / 2.0 for a, b in pairwise(pitches_um)]
    spans_um += [pitches_um[-1] / 2.0]
    bus = _stack([path_params(Lengths(x_um=span), profile, loss_dB_cm=loss_dB_cm) for span in spans_um])
    return pairs, _stack([bus, bus])


def _stack(items):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)
