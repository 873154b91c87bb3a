"""Geometry of the X-cut add-drop ring: a circle stretched by two short coupling straights, and a racetrack by its arms.

Its quarter turns are arcs, or arcs that ramps of curvature lead into and out of (`lightpath.waveguide.design`): then it
is straight where it meets the buses and along its arms, and its light never meets the sudden beginning of an arc.
The through bus runs along layout x below the ring, the drop bus above it. Layout x is crystal z, so the light at the
ring's sides runs along crystal y with its field along z: there stand two electrode lobes of opposite polarity.
The channel is set by the length of the coupling straights; every ring of a row is equally high, so neighbours abut.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from prism_photonics.lightpath.waveguide.design import STEPS, Lengths, QuarterTurn
from prism_photonics.process.layers import METAL1_TO_RIB_UM, METAL1_WIDTH_UM
from prism_photonics.process.necks import FLAT_UM, TAPER_UM

HEATER_HALF_DEG = 30.0  # half the angle that a heater takes of the ring, about its northern side; design choice
NECK_END_UM = 1.0 + 2.0 * TAPER_UM + FLAT_UM
"""Where a neck ends, from the cell's side: a micrometre of whole rib lies before it."""
OLDER = {"euler_p": 0.0, "cosine": 0.0, "neck_um": 0.0}
"""What drawings and netlists from before 2026-11-30 do not say of a ring."""


def necked_pitch_um(radius_um: float, straight_um: float, width_um: float) -> float:
    """Least length of a ring's cell that holds the necks of its buses beside the ring, in µm."""
    return 2.0 * (radius_um + NECK_END_UM) + straight_um + width_um


@dataclass(frozen=True)
class RingDesign:
    """One ring cell, bus stubs included. All lengths in µm.

    Attributes:
        radius_um: Bend radius of the four quarter turns; with ramps of the arcs that would have their ends.
        straight_um: Length of each of the two coupling straights, along x; it sets the resonance.
        gap_through_um: Edge-to-edge gap between ring and through bus.
        gap_drop_um: Edge-to-edge gap between ring and drop bus.
        width_um: Rib width of ring and buses.
        pitch_um: Length of the cell along x: the distance to the next ring.
        lobe_half_angle_deg: Half the angular width of each electrode lobe, centred on ±x.
        electrode_gap_um: Distance between the edges of inner and outer electrode, the rib midway.
        electrode_width_um: Radial width of the outer electrode.
        arm_um: Straight length of each side, along y, between the quarter turns: 0 for a circle. The electrodes run on
            along the arms.
        heater_um: Width of the heater over the ring's northern side; 0 for none.
        euler_p: Share of each quarter turn's angle in its two ramps; 0 for arcs, 1 for ramps alone.
        cosine: 1 for ramps whose curvature grows as a raised cosine, 0 for clothoids.
        neck_um: Width to which both buses narrow on either side of the ring (`process.necks`); 0 for none.
    """

    radius_um: float
    straight_um: float
    gap_through_um: float
    gap_drop_um: float
    width_um: float
    pitch_um: float
    lobe_half_angle_deg: float
    electrode_gap_um: float
    electrode_width_um: float
    arm_um: float = 0.0
    heater_um: float = 0.0
    euler_p: float = 0.0
    cosine: float = 0.0
    neck_um: float = 0.0

    @property
    def quarter(self) -> QuarterTurn:
        """Each of its four bends."""
        plain = isinstance(self.cosine, (int, float))
        return QuarterTurn(self.radius_um, self.euler_p, bool(self.cosine) if plain else self.cosine)

    @property
    def lengths(self) -> Lengths:
        """Circumference by direction."""
        return Lengths(2.0 * self.straight_um, 2.0 * self.arm_um, 4.0 * self.quarter.length_um)

    @property
    def length_um(self) -> float:
        """Circumference in µm."""
        return self.lengths.total_um

    @property
    def bus_pitch_um(self) -> float:
        """Centre distance of through and drop bus in µm."""
        return 2.0 * (self.radius_um + self.width_um) + self.arm_um + self.gap_through_um + self.gap_drop_um

    @property
    def center_y_um(self) -> float:
        """Height of the ring's centre above the through bus in µm."""
        return self.radius_um + 0.5 * self.arm_um + self.width_um + self.gap_through_um

    @property
    def outer_um(self) -> float:
        """Outer radius of the outer electrodes in µm."""
        return self.radius_um + self.electrode_gap_um / 2.0 + self.electrode_width_um

    @property
    def lobes_um(self) -> float:
        """Length of both lobes together in µm, along the rib's middle: of the turns and of two arms."""
        return 4.0 * self.quarter.way_um(math.radians(self.lobe_half_angle_deg)) + 2.0 * self.arm_um

    @property
    def widest_lobe_deg(self) -> float:
        """Largest half angle at which an outer electrode, cut short at a bus, still ends as wide as metal must be."""
        clear = self.width_um / 2.0 + METAL1_TO_RIB_UM + METAL1_WIDTH_UM
        room = min(self.center_y_um, self.bus_pitch_um - self.center_y_um) - 0.5 * self.arm_um - clear
        if self.euler_p == 0.0:
            return math.degrees(math.asin(min(1.0, max(0.0, room / (self.radius_um + self.electrode_gap_um / 2.0)))))
        high_um, angle = _heights_um(self.quarter, self.electrode_gap_um / 2.0)
        return math.degrees(float(np.interp(room, high_um, angle)))


@lru_cache(maxsize=16)
def _heights_um(
    turn: QuarterTurn, outside_um: float
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """How high a turn's outer side is above its beginning, and the angle there: alike in all rings of a row."""
    points_um, angle = turn.points_um(STEPS)
    return points_um[:, 0] + outside_um * np.sin(angle), angle
