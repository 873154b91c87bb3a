"""SAX models whose settings are the fields of the designs: what a drawn netlist needs to be simulated."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import sax

from prism_photonics.circuit.params import path_params, ring_params, vernier_params
from prism_photonics.lightpath.coupler.model import edge_coupler as edge_coupler_model
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.model import ring_fields
from prism_photonics.lightpath.splitter.model import splitter as splitter_model
from prism_photonics.lightpath.vernier.design import VernierDesign
from prism_photonics.lightpath.vernier.model import vernier_fields
from prism_photonics.lightpath.waveguide.design import BranchDesign, Lengths, StraightDesign, UTurnDesign
from prism_photonics.lightpath.waveguide.model import transmission
from prism_photonics.process.profile import Profile


def device_models(profile: Profile, *, loss_dB_cm: float) -> dict[str, Callable[..., sax.SDict]]:
    """SAX models of every drawn device, by component name.

    The settings are exactly the fields of each device's design; a ring also takes ``shift_pm``, its resonance shift by
    fabrication and voltage.

    Args:
        profile: The film stack.
        loss_dB_cm: Waveguide loss.

    Returns:
        Models for `strict_circuit`, ports as in the drawing.
    """
    path_of = partial(path_params, profile=profile, loss_dB_cm=loss_dB_cm)

    def along(lengths: Lengths, wl: sax.FloatArrayLike) -> sax.SDict:
        return sax.reciprocal({("o1", "o2"): transmission(jnp.asarray(wl), path_of(lengths))})

    def straight(*, wl: sax.FloatArrayLike = 1.55, length_um: Any = 1.0, width_um: Any = 1.4) -> sax.SDict:
        return along(StraightDesign(length_um, width_um).lengths, wl)

    def uturn(*, wl: sax.FloatArrayLike = 1.55, radius_um: Any = 30.0, width_um: Any = 1.4) -> sax.SDict:
        return along(UTurnDesign(radius_um, width_um).lengths, wl)

    def branch(
        *,
        wl: sax.FloatArrayLike = 1.55,
        dx_um: Any = 80.0,
        dy_um: Any = 80.0,
        radius_um: Any = 30.0,
        width_um: Any = 1.4,
    ) -> sax.SDict:
        return along(BranchDesign(dx_um, dy_um, radius_um, width_um).lengths, wl)

    def ring(
        *,
        wl: sax.FloatArrayLike = 1.55,
        radius_um: Any = 20.0,
        straight_um: Any = 0.5,
        gap_through_um: Any = 0.6,
        gap_drop_um: Any = 0.6,
        width_um: Any = 1.4,
        pitch_um: Any = 130.0,
        lobe_half_angle_deg: Any = 60.0,
        electrode_gap_um: Any = 5.0,
        electrode_width_um: Any = 8.0,
        arm_um: Any = 0.0,
        heater_um: Any = 0.0,
        shift_pm: Any = 0.0,
    ) -> sax.SDict:
        # The electrodes' angle tunes, and tuning comes in as shift_pm: their geometry must not be traced.
        design = RingDesign(
            radius_um,
            straight_um,
            gap_through_um,
            gap_drop_um,
            width_um,
            pitch_um,
            60.0,
            electrode_gap_um,
            electrode_width_um,
            arm_um,
        )
        fields = ring_fields(jnp.asarray(wl), ring_params(design, profile, loss_dB_cm=loss_dB_cm), shift_pm)
        # Half a pitch of bus on each of the four sides.
        stubs = transmission(jnp.asarray(wl), path_of(Lengths(x_um=pitch_um)))
        return sax.reciprocal(
            {
                ("o1", "o2"): stubs * fields.through,
                ("o1", "o3"): stubs * fields.drop,
                ("o2", "o4"): stubs * fields.drop,
                ("o3", "o4"): stubs * fields.drop_bus,
            }
        )

    def vernier(
        *,
        wl: sax.FloatArrayLike = 1.55,
        radius1_um: Any = 20.0,
        radius2_um: Any = 23.0,
        straight1_um: Any = 3.0,
        straight2_um: Any = 3.0,
        gap_through_um: Any = 0.4,
        gap_between_um: Any = 0.78,
        gap_drop_um: Any = 0.4,
        width_um: Any = 1.4,
        pitch_um: Any = 130.0,
        lobe_half_angle_deg: Any = 60.0,
        electrode_gap_um: Any = 5.4,
        electrode_width_um: Any = 8.0,
        shift1_pm: Any = 0.0,
        shift2_pm: Any = 0.0,
    ) -> sax.SDict:
        # As of the ring: the electrodes tune, and tuning comes in as shifts.
        design = VernierDesign(
            radius1_um,
            radius2_um,
            straight1_um,
            straight2_um,
            gap_through_um,
            gap_between_um,
            gap_drop_um,
            width_um,
            pitch_um,
            60.0,
            electrode_gap_um,
            electrode_width_um,
        )
        pair = vernier_params(design, profile, loss_dB_cm=loss_dB_cm)
        fields = vernier_fields(jnp.asarray(wl), pair, shift1_pm, shift2_pm)
        stubs = transmission(jnp.asarray(wl), path_of(Lengths(x_um=pitch_um)))
        return sax.reciprocal(
            {
                ("o1", "o2"): stubs * fields.through,
                ("o1", "o4"): stubs * fields.drop,
                ("o3", "o2"): stubs * fields.drop,
                ("o3", "o4"): stubs * fields.drop_bus,
            }
        )

    def splitter(
        *,
        wl: sax.FloatArrayLike = 1.55,
        excess_loss_dB: Any = 0.09,
        mmi_width_um: Any = 10.0,
        mmi_length_um: Any = 44.0,
        taper_length_um: Any = 20.0,
        taper_width_um: Any = 3.2,
        port_pitch_um: Any = 5.2,
        width_um: Any = 1.4,
    ) -> sax.SDict:
        return splitter_model(wl=wl, excess_loss_dB=excess_loss_dB)

    def edge_coupler(
        *,
        wl: sax.FloatArrayLike = 1.55,
        loss_dB: Any = 2.0,
        length_um: Any = 200.0,
        tip_um: Any = 0.3,
        width_um: Any = 1.4,
    ) -> sax.SDict:
        return edge_coupler_model(wl=wl, loss_dB=loss_dB)

    def terminator(
        *,
        wl: sax.FloatArrayLike = 1.55,
        length_um: Any = 40.0,
        tip_um: Any = 0.25,
        width_um: Any = 1.4,
    ) -> sax.SDict:
        return {("o1", "o1"): jnp.zeros_like(jnp.asarray(wl), dtype=complex)}

    models = (straight, uturn, branch, ring, vernier, splitter, edge_coupler, terminator)
    return {model.__name__: model for model in models}
