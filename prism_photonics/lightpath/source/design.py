"""The comb as it is specified: where its lines lie and how strong they are."""

from dataclasses import dataclass

from prism_photonics.units import SPEED_OF_LIGHT_UM_S

ITU_ANCHOR_THz, ITU_STEP_THz = 190.0, 0.1
"""Channel N of the 100 GHz grid, as lasers are sold, is 190 THz + N·0.1 THz; 31 is the anchor of ITU-T G.694.1."""


@dataclass(frozen=True)
class CombDesign:
    """The lines of a comb, or of a set of lasers.

    Attributes:
        wl_um: Wavelengths of the channels in µm, ascending.
        spacing_um: Least wavelength step from one line of the grid to the next in µm; a single line has one too.
        line_power_W: Power of a line at the laser in W, the geometric mean of all.
        rin_dB_Hz: Relative intensity noise of a line in dB/Hz, independent from line to line.
        tilt_dB: Power of the last line over the first; linear in between.
        rin_common_dB_Hz: Relative intensity noise that all lines have in common, in dB/Hz.
        linewidth_Hz: Full width of a line.
        rin_corner_Hz: Below this frequency intensity noise, of lines and common, is 1/f; 0 for white.
    """

    wl_um: tuple[float, ...]
    spacing_um: float
    line_power_W: float
    rin_dB_Hz: float
    tilt_dB: float
    rin_common_dB_Hz: float
    linewidth_Hz: float
    rin_corner_Hz: float = 0.0

    @property
    def channels(self) -> int:
        """Number of lines."""
        return len(self.wl_um)

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


def lines_equal_in_wavelength(first_um: float, spacing_um: float, count: int) -> tuple[float, ...]:
    """Wavelengths ``λ_n = λ_0 + n·Δλ`` in µm."""
    return tuple(first_um + spacing_um * n for n in range(count))


def lines_equal_in_frequency(first_THz: float, spacing_GHz: float, count: int) -> tuple[float, ...]:
    """Vacuum wavelengths ``λ_n = c/(ν_0 − n·Δν)`` in µm, from the highest frequency down, so ascending.

    Source: ITU-T G.694.1 fixes frequencies; the lines of every frequency comb are equal in them too.
    """
    return tuple(SPEED_OF_LIGHT_UM_S / (first_THz * 1e12 - spacing_GHz * 1e9 * n) for n in range(count))


def itu_channel_THz(number: int) -> float:
    """Frequency of a channel of the 100 GHz grid by the number it is sold under, in THz."""
    return ITU_ANCHOR_THz + ITU_STEP_THz * number
