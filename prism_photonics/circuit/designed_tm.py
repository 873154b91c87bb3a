"""What TM sees of a drawn chip: its indices from the mode table, its couplings, and how far bends turn TE into it."""

import jax
import numpy as np

from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.polarized import TwoPolarizations
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.ring.place import coupler_um
from prism_photonics.lightpath.ring.polarization import SecondPolarization
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.process.modes import ModeTable
from prism_photonics.process.polarization import TM_GAP_LAWS, half_turn_conversion_rad, tm_table, tm_tuning_ratio
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec


@cached_by_spec
def designed_tm(spec: ChipSpec) -> TwoPolarizations | None:
    """TM in the rows of a chip as designed, leaves (rows, buses, …) as of `BankParams`; None where the film has none.

    TM loses as much as TE in every waveguide: design choice, as no figure of its own is published.
    """
    table = tm_table(spec.process)
    if table is None:
        return None
    bank, wl_um = designed_bank(spec, xp=np), np.asarray(spec.comb_design.wl_um)
    each = [
        tm_of_ring(design, spec.profile, table=table, wl_um=float(wl), amplitude=float(amplitude))
        for design, wl, amplitude in zip(spec.ring_designs, wl_um, bank.rings.a[0, 0], strict=True)
    ]
    rings = jax.tree.map(lambda *leaves: np.broadcast_to(np.stack(leaves), bank.shape), *each)
    wl0 = spec.profile.optics.wl0_um.value
    along_x = {"angle_deg": 90.0, "polarization": "TM"}
    # Buses run along layout x, but for the U-turn: its phase is the die's own anyway.
    n_eff = table.n_eff(spec.width_um, wl0, **along_x) / spec.profile.optics.n_eff_along_x.value
    n_g = table.n_g(spec.width_um, wl0, **along_x) / spec.profile.optics.n_g_along_x.value
    te = bank.buses
    buses = PathParams(te.opl_um * n_eff, te.gpl_um * n_g, te.amplitude, te.phase_rad, te.wl0_um)
    return TwoPolarizations(rings, buses, detected=float(spec.detector.tm == "detected"))


def tm_of_ring(
    design: RingDesign, profile: Profile, *, table: ModeTable, wl_um: float, amplitude: float
) -> SecondPolarization:
    """TM in one ring.

    Args:
        design: The ring.
        profile: The film.
        table: Its mode table.
        wl_um: Where its bends are asked how much they convert.
        amplitude: What a round trip leaves of TM's field.
    """
    wl0, lengths = profile.optics.wl0_um.value, design.lengths

    def length_um(quantity: str) -> float:
        x, y = (
            float(getattr(table, quantity)(design.width_um, wl0, angle_deg=angle, polarization="TM"))
            for angle in (90.0, 0.0)
        )
        bend = table.ring_average(quantity, wl_um=wl0, width_um=design.width_um, polarization="TM")
        return x * lengths.x_um + y * lengths.y_um + bend * lengths.bend_um

    law = TM_GAP_LAWS[table.file.profile]
    reach_um = coupler_um(design.quarter, design.straight_um, law.decay_um)
    chi = half_turn_conversion_rad(
        table, np.array([wl_um]), width_um=design.width_um, turn=design.quarter, arm_um=design.arm_um
    )[0]
    t1, t2 = (np.cos(law.at(gap_um) * reach_um) for gap_um in (design.gap_through_um, design.gap_drop_um))
    values = (t1, t2, amplitude, length_um("n_eff"), length_um("n_g"), 0.0, 0.0, 0.0, wl0)
    return SecondPolarization(
        RingParams(*map(np.asarray, values)), np.asarray(chi), np.asarray(tm_tuning_ratio(profile))
    )
