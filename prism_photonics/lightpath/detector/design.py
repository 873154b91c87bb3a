"""The balanced photodetector pair with its amplifier and converter, as specified and as drawn."""

import math
from dataclasses import dataclass

from prism_photonics.process.layers import METAL1_TO_RIB_UM

# Design choices. A piece of III–V is bonded over the guides' ends, larger than the diodes etched from it: it is held
# beside them while it is placed.
LEAD_UM = 20.0  # from the ports to where the piece begins, or five less
SETBACK_UM = 15.0  # from the guides' ends to where the piece is held
BETWEEN_HOLDS_UM = 10.0
LANE_UM = 24.0  # between upper and lower hold of a pair: the output wire and 7 µm on either side
LEAST_HOLD_UM = 25.0  # by hand
LEAST_HELD_UM = 15.0  # leaves room for wires, whoever holds the piece
LEAST_DIODE_UM = 45.0  # from the lead to a guide's end: it widens, runs under the absorber, narrows
ROWS_APART_UM = 14.0  # from a pair's guide to the next pair's: the slabs beside both absorbers, and their distance
FLIPPED_HOLD_UM = 30.0  # placed by machine, as on flip-chip dies


@dataclass(frozen=True)
class DetectorDesign:
    """A balanced pair: two photodiodes in series, one amplifier, one converter per row.

    Attributes:
        responsivity_A_W: Responsivity of each photodiode.
        loss_dB: Waveguide-to-photodiode coupling loss, positive.
        dark_current_A: Dark current of each photodiode.
        tia_noise_A_rtHz: Input-referred noise of the amplifier in A/√Hz.
        feedback_ohm: Transimpedance; its Johnson noise adds to the amplifier's.
        temperature_K: Temperature of the feedback resistor.
        bandwidth_Hz: Noise bandwidth of one reading.
        adc_bits: Resolution of the converter.
        adc_full_scale_A: The converter reads from minus to plus this current.
        cmrr_dB: Rejection of fast noise that both photodiodes have in common, as a current ratio.
        saturation_A: A photodiode lit with I gives I/(1 + I/saturation).
        tia_corner_Hz: Below this frequency the amplifier's noise is 1/f; 0 for white.
        tia_rise_Hz: Frequency at which noise that rises as f² is as strong as the white; infinite for white.
    """

    responsivity_A_W: float
    loss_dB: float
    dark_current_A: float
    tia_noise_A_rtHz: float
    feedback_ohm: float
    temperature_K: float
    bandwidth_Hz: float
    adc_bits: int
    adc_full_scale_A: float
    cmrr_dB: float
    saturation_A: float
    tia_corner_Hz: float = 0.0
    tia_rise_Hz: float = math.inf


@dataclass(frozen=True)
class DetectorSiteDesign:
    """The drawn site of one balanced pair: two guides that end under bonded photodiodes. Lengths in µm.

    Attributes:
        port_pitch_um: Height of the drop guide (o2) above the through guide (o1).
        width_um: Width of the guides.
        length_um: From the lead to the guides' ends: they widen, run under the absorber, narrow again.
        hold_um: Side of the places beyond the guides' ends, two by two, that the piece of III–V is held by.

    Source: the default lengths are a design choice.
    """

    port_pitch_um: float
    width_um: float
    length_um: float = 60.0
    hold_um: float = 60.0

    @property
    def guide_um(self) -> float:
        """Length of both guides."""
        return LEAD_UM + self.length_um

    @property
    def reach_um(self) -> float:
        """From the site's ports to the eastern end of its wires."""
        return self.guide_um + SETBACK_UM + 2.0 * self.hold_um + BETWEEN_HOLDS_UM

    @property
    def free_hold_um(self) -> float:
        """Side of the largest places between the two guides, which go on beside the piece where fibres see a row."""
        return (self.port_pitch_um - LANE_UM - self.width_um) / 2.0 - METAL1_TO_RIB_UM


@dataclass(frozen=True)
class PhotodiodeSiteDesign:
    """The drawn site of one bonded photodiode, where the two of a pair stand at either end of a row. Lengths in µm.

    Attributes:
        width_um: Width of the guide.
        length_um: From the lead to the guide's end; negative where the light arrives heading west.
        hold_um: Side of the two places that the piece of III–V is held by: one beyond the guide's end, one above it.

    Source: the default lengths are a design choice.
    """

    width_um: float
    length_um: float = 60.0
    hold_um: float = 60.0

    @property
    def reach_um(self) -> float:
        """From the site's port to the far end of its wires."""
        return LEAD_UM + abs(self.length_um) + SETBACK_UM + self.hold_um

    @property
    def hold_pitch_um(self) -> float:
        """Height of the upper hold, and of the anode's wire, above the guide."""
        return self.hold_um + BETWEEN_HOLDS_UM

    @property
    def top_um(self) -> float:
        """Height of the upper hold's upper side above the guide."""
        return self.hold_pitch_um + self.hold_um / 2.0
