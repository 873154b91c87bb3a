"""Geometry of a Vernier pair: through bus, ring 1, ring 2, drop bus, one above the other.

Both rings are the ring device's circle, stretched by two short coupling straights. They have different radii, so that
they share one resonance only in a wide band, and the same lobe angles, so that one voltage moves both alike.
"""

from dataclasses import dataclass

from prism_photonics.lightpath.ring.design import RingDesign


@dataclass(frozen=True)
class VernierDesign:
    """One Vernier pair, bus stubs included. All lengths in µm.

    Attributes:
        radius1_um: Bend radius of ring 1, at the through bus.
        radius2_um: Bend radius of ring 2, at the drop bus.
        straight1_um: Length of each of ring 1's two coupling straights, along x; it sets ring 1's resonance.
        straight2_um: The same of ring 2.
        gap_through_um: Edge-to-edge gap between through bus and ring 1.
        gap_between_um: Edge-to-edge gap between the rings.
        gap_drop_um: Edge-to-edge gap between ring 2 and drop bus.
        width_um: Rib width of rings and buses.
        pitch_um: Length of the cell along x: the distance to the next pair.
        lobe_half_angle_deg: Half the angular width of each electrode lobe, centred on ±x; alike on both rings.
        electrode_gap_um: Distance between the edges of inner and outer electrode, the rib midway.
        electrode_width_um: Radial width of the outer electrode.
    """

    radius1_um: float
    radius2_um: float
    straight1_um: float
    straight2_um: float
    gap_through_um: float
    gap_between_um: float
    gap_drop_um: float
    width_um: float
    pitch_um: float
    lobe_half_angle_deg: float
    electrode_gap_um: float
    electrode_width_um: float

    @property
    def rings(self) -> tuple[RingDesign, RingDesign]:
        """Both rings as single devices; the gap between them counts as each one's gap to its other neighbour."""
        return (
            self._ring(self.radius1_um, self.straight1_um, self.gap_through_um, self.gap_between_um),
            self._ring(self.radius2_um, self.straight2_um, self.gap_between_um, self.gap_drop_um),
        )

    @property
    def bus_pitch_um(self) -> float:
        """Centre distance of through and drop bus in µm."""
        gaps = self.gap_through_um + self.gap_between_um + self.gap_drop_um
        return 2.0 * (self.radius1_um + self.radius2_um) + 3.0 * self.width_um + gaps

    def _ring(self, radius_um: float, straight_um: float, gap_below_um: float, gap_above_um: float) -> RingDesign:
        return RingDesign(
            radius_um,
            straight_um,
            gap_below_um,
            gap_above_um,
            self.width_um,
            self.pitch_um,
            self.lobe_half_angle_deg,
            self.electrode_gap_um,
            self.electrode_width_um,
        )
