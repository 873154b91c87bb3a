"""The comb as it is specified: where its lines lie and how strong they are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CombDesign:
    """A frequency comb with equally spaced lines.

    Attributes:
        first_wl_um: Wavelength of channel 0 in µm.
        spacing_um: Wavelength step from one channel to the next in µm.
        channels: Number of lines.
        line_power_W: Power of a line at the laser in W, the geometric mean of all.
        rin_dB_Hz: Relative intensity noise of a line in dB/Hz, independent from line to line.
        tilt_dB: Power of the last line over the first; linear in between.
        rin_common_dB_Hz: Relative intensity noise that all lines have in common, in dB/Hz.
        linewidth_Hz: Full width of a line.
    """

    first_wl_um: float
    spacing_um: float
    channels: int
    line_power_W: float
    rin_dB_Hz: float
    tilt_dB: float
    rin_common_dB_Hz: float
    linewidth_Hz: float

    @property
    def line_powers_W(self) -> tuple[float, ...]:
        """Power of every line at the laser in W."""
        middle = max(self.channels - 1, 1) / 2.0
        return tuple(
            self.line_power_W * 10.0 ** (0.05 * self.tilt_dB * (n - middle) / middle)
            if self.channels > 1
            else self.line_power_W
            for n in range(self.channels)
        )

    @property
    def wl_um(self) -> tuple[float, ...]:
        """Wavelengths of the channels in µm, ascending."""
        return tuple(self.first_wl_um + self.spacing_um * n for n in range(self.channels))
