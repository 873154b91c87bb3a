"""Temperature of a ring under its heater, and of the rings around it: what heaters cost and how much they disturb.

In the cross-section the heater is a strip of one temperature over oxide, film and buried oxide; the silicon below is
cold and the surface insulated: the field of `layout.capacitance` with conductivities in place of permittivities. The
silicon itself is warmed by a point of heat on its surface (`lightpath.ring.heating`). Needs the extra ``modes``.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.layout.capacitance import NEAR_UM, Solved, Strip, solved
from prism_photonics.lightpath.ring.cell import HEATER_HALF_DEG
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.lightpath.ring.heating import temperature_rise
from prism_photonics.process.layers import Deck, load_deck
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# W/(µm·K) at 300 K. Source: CRC Handbook of Chemistry and Physics (fused silica, silicon, air); lithium niobate and
# tantalate, the mean of both axes: manufacturers' tables, 3.9 to 4.6 W/(m·K).
SILICA, CRYSTAL, SILICON, AIR = 1.38e-6, 4.2e-6, 148e-6, 0.026e-6
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


@dataclass(frozen=True)
class HeaterFigures:
    """What a ring's heater does.

    Attributes:
        heater_K_mW: Rise of the heater itself.
        rib_K_mW: Rise of the rib under it.
        others_K_mW: Rise one pitch away.
        shift_pm_mW: Shift of its own ring.
        mW_nm: Power for a nanometre: ``trim.heater_mW_nm``.
        crosstalk: Share of its own ring's shift that a ring one pitch away sees: ``trim.heater_crosstalk``.
    """

    heater_K_mW: float
    rib_K_mW: float
    others_K_mW: float
    shift_pm_mW: float
    mW_nm: float
    crosstalk: float


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
    design, profile, deck = spec.ring_designs[0], spec.profile, load_deck(spec.process)
    if design.heater_um <= 0.0:
        raise InputError("trim.method: the chip has no heaters; want 'heater'; set it to see what heaters would do")
    field = cross_section(profile, deck, width_um=design.heater_um, near_um=near_um)
    arc_um = 2.0 * math.radians(HEATER_HALF_DEG) * design.radius_um
    over_um = arc_um + design.straight_um  # the heater runs over the northern straight, too
    heater_K_mW = 1e-3 / (float(field.conductance[0, 0]) * over_um)
    rib_K_mW = heater_K_mW * float(field.at(0.0, profile.film.thickness_um.value / 2.0)[0])
    # Of the silicon below: the ring lies round the point, another ring a pitch away.
    away_um = np.array([design.radius_um, spec.ring.pitch_um])
    near_K_mW, others_K_mW = (1e-3 * temperature_rise(away_um) / (2.0 * math.pi * SILICON)).tolist()
    own_pm_K, all_pm_K = _shift_pm_K(design, profile, HEATER_HALF_DEG), _shift_pm_K(design, profile, 90.0)
    shift_pm_mW = own_pm_K * rib_K_mW + 2.0 * all_pm_K * near_K_mW
    return HeaterFigures(
        heater_K_mW=heater_K_mW + near_K_mW,
        rib_K_mW=rib_K_mW + near_K_mW,
        others_K_mW=others_K_mW,
        shift_pm_mW=shift_pm_mW,
        mW_nm=1e3 / shift_pm_mW,
        crosstalk=2.0 * all_pm_K * others_K_mW / shift_pm_mW,
    )


def _shift_pm_K(design: RingDesign, profile: Profile, half_deg: float) -> float:
    """Shift of a resonance per kelvin of the northern straight and the arcs within an angle about the north.

    At the north light runs along x; from there its direction φ turns, and dλ/dT goes from along x to along y as sin²φ.
    """
    o, turn_um = profile.optics, design.lengths.total_um
    along_x, along_y = o.thermal_along_x_pm_K.value, o.thermal_along_y_pm_K.value
    half = math.radians(half_deg)
    # ∫ sin²φ over ± half
    risen = half - 0.5 * math.sin(2.0 * half)
    arcs = design.radius_um * (2.0 * half * along_x + risen * (along_y - along_x))
    arms = design.arm_um * along_y if half_deg >= 90.0 else 0.0
    return (arcs + arms + design.straight_um * along_x) / turn_um
