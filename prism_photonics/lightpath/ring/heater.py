"""What a ring's heater does to its own ring and to the next, from what its cross-section conducts.

Through oxide and film the heat goes straight down (`layout.heater_field` solves it); the silicon below is warmed by a
point of heat on its surface (`lightpath.ring.heating`).
"""

import math
from dataclasses import dataclass

import numpy as np

from prism_photonics.lightpath.ring.design import HEATER_HALF_DEG, RingDesign
from prism_photonics.lightpath.ring.heating import temperature_rise
from prism_photonics.process.profile import Profile
from prism_photonics.process.quadrature import NODES, SHARES

SILICON = 148e-6  # W/(µm·K) at 300 K. Source: CRC Handbook of Chemistry and Physics


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


def figures(design: RingDesign, profile: Profile, *, conductance_W_K_um: float, rib_share: float) -> HeaterFigures:
    """Figures of a ring's heater, an arc over the ring's north.

    Args:
        design: The ring; the next one is its ``pitch_um`` away.
        profile: The film.
        conductance_W_K_um: What flows into the silicon for each µm of heater and kelvin above it.
        rib_share: Of the heater's rise above the silicon, the rib's.
    """
    arc_um = 2.0 * design.quarter.way_um(math.radians(HEATER_HALF_DEG))
    over_um = arc_um + design.straight_um  # the heater runs over the northern straight, too
    heater_K_mW = 1e-3 / (conductance_W_K_um * over_um)
    rib_K_mW = heater_K_mW * rib_share
    # Of the silicon below: the ring lies round the point, another ring a pitch away.
    away_um = np.array([design.radius_um, design.pitch_um])
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
    turn = design.quarter
    way_um = turn.way_um(math.radians(half_deg))
    risen = float((np.sin(turn.angle_rad(way_um * NODES)) ** 2 * SHARES).sum())
    arcs = 2.0 * way_um * (along_x + risen * (along_y - along_x))
    arms = design.arm_um * along_y if half_deg >= 90.0 else 0.0
    return (arcs + arms + design.straight_um * along_x) / turn_um
