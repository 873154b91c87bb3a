"""The balanced photodetector pair with its amplifier and converter, as specified and as drawn."""

import math
from dataclasses import dataclass

from prism_photonics.process.layers import METAL1_TO_RIB_UM

# Design choices, to be replaced by the photodiode's drawing.
LEAD_UM = 20.0  # guides run straight this far before the photodiodes
SETBACK_UM = 15.0  # from the guides' ends to the first pads
BETWEEN_PADS_UM = 10.0
LANE_UM = 24.0  # between upper and lower pads of a pair: the output wire and 7 µm on either side
LEAST_ATTACH_UM = 25.0  # side of a pad that a photodiode can be attached to
FLIPPED_PAD_UM = 30.0  # a photodiode attached by machine, as on flip-chip dies


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
    """The drawn attach site of one balanced pair: two guides that end under photodiodes. Lengths in µm.

    Attributes:
        port_pitch_um: Height of the drop guide (o2) above the through guide (o1).
        width_um: Width of the guides.
        length_um: Length of each absorbing section along x.
        pad_um: Side of the four attach pads under the photodiodes.

    Source: the default lengths are a design choice, to be replaced by the photodiode's drawing.
    """

    port_pitch_um: float
    width_um: float
    length_um: float = 60.0
    pad_um: float = 60.0

    @property
    def guide_um(self) -> float:
        """Length of both guides."""
        return LEAD_UM + self.length_um

    @property
    def reach_um(self) -> float:
        """From the site's ports to the eastern side of its pads."""
        return self.guide_um + SETBACK_UM + 2.0 * self.pad_um + BETWEEN_PADS_UM

    @property
    def free_pad_um(self) -> float:
        """Side of the largest pads between the two guides, first metal clear of both."""
        return (self.port_pitch_um - LANE_UM - self.width_um) / 2.0 - METAL1_TO_RIB_UM


@dataclass(frozen=True)
class PhotodiodeSiteDesign:
    """The drawn attach site of one photodiode, where the two of a pair stand at either end of a row. Lengths in µm.

    Attributes:
        width_um: Width of the guide.
        length_um: Length of the absorbing section along x; negative where the light arrives heading west.
        pad_um: Side of the two attach pads: one beyond the guide's end, one above it.

    Source: the default lengths are a design choice, to be replaced by the photodiode's drawing.
    """

    width_um: float
    length_um: float = 60.0
    pad_um: float = 60.0

    @property
    def reach_um(self) -> float:
        """From the site's port to the far side of its pads."""
        return LEAD_UM + abs(self.length_um) + SETBACK_UM + self.pad_um

    @property
    def pad_pitch_um(self) -> float:
        """Height of the upper pad above the guide."""
        return self.pad_um + BETWEEN_PADS_UM

    @property
    def top_um(self) -> float:
        """Height of the upper pad's upper side above the guide."""
        return self.pad_pitch_um + self.pad_um / 2.0
