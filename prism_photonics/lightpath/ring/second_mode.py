"""An add-drop ring in TE0 and TE1: the rib holds both, and junctions of arc and straight, and couplers, mix them.

The matrices are `mixing`'s with couplers that mix too, what makes them `two_modes`'. TE1 takes TM's place in the exact
row (`circuit.polarized`): both at once are three modes, which no model here has.
"""

import equinox as eqx
from jaxtyping import Float, Shaped

from prism_photonics.lightpath.arrays import Numbers, library
from prism_photonics.lightpath.ring.mixing import Coupler, HalfTurn
from prism_photonics.lightpath.ring.model import RingParams, half_turn
from prism_photonics.lightpath.ring.polarization import mean_half_turn
from prism_photonics.lightpath.ring.two_modes import converted, leaning_half_turn
from prism_photonics.lightpath.waveguide.model import path_phase


class SecondMode(eqx.Module):
    """TE1 in one or many rings, beside the `RingParams` of TE0.

    A voltage, a temperature and an error of the film turn the phases of both alike: design choice, as TE1 lies in the
    film as TE0 does.

    Attributes:
        mode: Loss and lengths of TE1; its ``offset_pm`` is where its resonances lie off the design. Its self-couplings
            are the moduli of the couplers' own, its tuning is not used.
        lean_rad: θ of the arcs; 0 of ramps, which begin straight.
        ahead_opl_um: Optical length by which TE0 runs ahead of TE1 along one coupling straight, in µm.
        ahead_gpl_um: The same of group lengths.
        through: Coupler to the through bus, leaves (..., 2, 2).
        drop: Coupler to the drop bus.
        conversion_rad: χ of half a turn by what its ramps turn of one mode to the other; 0 of arcs.
    """

    mode: RingParams
    lean_rad: Float[Numbers, "..."]
    ahead_opl_um: Float[Numbers, "..."]
    ahead_gpl_um: Float[Numbers, "..."]
    through: Coupler
    drop: Coupler
    conversion_rad: Float[Numbers, "..."]

    @property
    def tm(self) -> RingParams:
        """TE1 in TM's place."""
        return self.mode

    @property
    def tuning_ratio(self) -> Float[Numbers, "..."]:
        """Phase that TE1 turns by over that of TE0: one."""
        return 1.0 + 0.0 * self.lean_rad


def second_mode_half_turn(
    wl: Shaped[Numbers, "..."] | float, ring: RingParams, second: SecondMode, shift_pm: Shaped[Numbers, "..."] | float
) -> HalfTurn:
    """H at wavelength ``wl`` (µm) of rings whose TE0 is shifted by ``shift_pm``."""
    xp, mode = library(ring.a, second.mode.a, second.lean_rad), second.mode
    # What turns TE0's phase by one radian turns TE1's by as much.
    second_pm = mode.offset_pm + shift_pm * (ring.gpl_um / mode.gpl_um)
    straight_rad = path_phase(wl, second.ahead_opl_um, second.ahead_gpl_um, ring.wl0_um)
    first, other = half_turn(wl, ring, shift_pm), half_turn(wl, mode, second_pm)
    leaning = leaning_half_turn(first, other, xp.asarray(straight_rad), xp.asarray(second.lean_rad))
    between = mean_half_turn(wl, (ring, shift_pm), (mode, second_pm), xp)
    return converted(leaning, between, xp.asarray(second.conversion_rad))
