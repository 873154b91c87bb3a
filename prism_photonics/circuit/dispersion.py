"""Dispersion of a drawn ring, from the mode tables of its film."""

import jax
import numpy as np

from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.dispersion import RingDispersion
from prism_photonics.process.modes import load_modes
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.cache import cached_by_spec


@cached_by_spec
def designed_dispersion(spec: ChipSpec) -> RingDispersion:
    """Slopes of a chip's rings, leaves (rows, buses, channels); as of `ring_dispersion`."""
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    each = [ring_dispersion(design, spec.profile) for design in spec.ring_designs]
    return jax.tree.map(lambda *leaves: np.broadcast_to(np.stack(leaves), shape), *each)


def ring_dispersion(design: RingDesign, profile: Profile) -> RingDispersion:
    """Slopes of one ring's group circumference and couplings, fitted to the mode tables over their wavelengths.

    Args:
        design: The ring; its lengths by direction weigh the two axes' group indices, a bend their mean over directions.
        profile: The film.

    Raises:
        InputError: The film has no mode table, or the ring's width or gap lies outside it.
    """
    table, lengths = load_modes(profile.name), design.lengths
    nodes_um, wl0 = table.file.axes["wl_um"], profile.optics.wl0_um.value
    wl = np.linspace(nodes_um[0], nodes_um[-1], 21)
    along_x, along_y = (np.asarray(table.n_g(design.width_um, wl, angle_deg=angle)) for angle in (90.0, 0.0))
    round_turn = np.array([table.ring_average("n_g", wl_um=float(one), width_um=design.width_um) for one in wl])
    gpl_um = along_x * lengths.x_um + along_y * lengths.y_um + round_turn * lengths.bend_um

    def by_gap(gap_um: float) -> float:
        # κ = sin(C·L_eff) ≈ C·L_eff: its logarithm's slope is that of C.
        return 2.0 * float(np.polyfit(wl - wl0, np.log(table.coupling_per_um(gap_um, wl)), 1)[0])

    leaves = (np.polyfit(wl - wl0, gpl_um, 1)[0], by_gap(design.gap_through_um), by_gap(design.gap_drop_um))
    return RingDispersion(*(np.asarray(leaf) for leaf in leaves))
