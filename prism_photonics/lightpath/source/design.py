"""The comb as it is specified: where its lines lie and how strong they are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CombDesign:
    """A frequency comb with equally spaced lines.

    Attributes:
        first_wl_um: Wavelength of channel 0 in µm.
        spacing_um: Wavelength step from one channel to the next in µm.
        channels: Number of lines.
        line_power_W: Power of one line at the laser in W.
        rin_dB_Hz: Relative intensity noise of a line in dB/Hz, independent from line to line.
    """

    first_wl_um: float
    spacing_um: float
    channels: int
    line_power_W: float
    rin_dB_Hz: float

    @property
    def wl_um(self) -> tuple[float, ...]:
        """Wavelengths of the channels in µm, ascending."""
        return tuple(self.first_wl_um + self.spacing_um * n for n in range(self.channels))
