"""Temperature of a ring under its heater, and of the rings around it: what heaters cost and how much they disturb.

In the cross-section the heater is a strip of one temperature over oxide, film and buried oxide; the silicon below is
cold and the surface insulated: the field of `layout.capacitance` with conductivities in place of permittivities. The
silicon itself is warmed by a point of heat on its surface (`lightpath.ring.heating`). Needs the extra ``modes``.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.layout.capacitance import NEAR_UM, Solved, Strip, solved
from prism_photonics.lightpath.ring.heater import HeaterFigures, figures
from prism_photonics.process.layers import Deck, load_deck
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# W/(µm·K) at 300 K. Source: CRC Handbook of Chemistry and Physics (fused silica, air); lithium niobate and
# tantalate, the mean of both axes: manufacturers' tables, 3.9 to 4.6 W/(m·K).
SILICA, CRYSTAL, AIR = 1.38e-6, 4.2e-6, 0.026e-6
COVER_UM = 1.0  # oxide above a heater; design choice


@dataclass(frozen=True)
class HeatConductors:
    """A film's rib (walls upright) on its slab between oxides, air above them: heat conductivities."""

    profile: Profile
    top_um: float

    @property
    def levels_um(self) -> tuple[float, ...]:
        """Bottom and top of the slab, top of the rib, top of the oxide."""
        film = self.profile.film
        return 0.0, film.thickness_um.value - film.etch_um.value, film.thickness_um.value, self.top_um

    def __call__(
        self, x: Float[ndarray, " points"], y: Float[ndarray, " points"]
    ) -> tuple[Float[ndarray, " points"], Float[ndarray, " points"]]:
        """The same both ways."""
        _, slab, top, surface = self.levels_um
        half = self.profile.film.rib_width_um.value / 2.0
        film = (y > 0.0) & ((y < slab) | ((y < top) & (np.abs(x) < half)))
        value = np.where(film, CRYSTAL, np.where(y < surface, SILICA, AIR))
        return value, value


def cross_section(profile: Profile, deck: Deck, *, width_um: float, near_um: float = NEAR_UM) -> Solved:
    """The field of a heater of a width over a film's rib, 1 K above the silicon."""
    level = deck.stack["heater"]
    low, high = level.bottom_um, level.bottom_um + level.thickness_um
    strip = Strip(-width_um / 2.0, width_um / 2.0, low, high)
    return solved([strip], HeatConductors(profile, high + COVER_UM), floor_um=-deck.buried_um, near_um=near_um)


def heater_figures(spec: ChipSpec, *, near_um: float = NEAR_UM) -> HeaterFigures:
    """Figures of the heater of a chip's first ring, as drawn: an arc over the ring's north.

    Raises:
        InputError: The chip has no heaters.
    """
    design, profile = spec.ring_designs[0], spec.profile
    if design.heater_um <= 0.0:
        raise InputError("trim.method: the chip has no heaters; want 'heater'; set it to see what heaters would do")
    field = cross_section(profile, load_deck(spec.process), width_um=design.heater_um, near_um=near_um)
    return figures(
        design,
        profile,
        conductance_W_K_um=float(field.conductance[0, 0]),
        rib_share=float(field.at(0.0, profile.film.thickness_um.value / 2.0)[0]),
    )
