"""The comb of a spec: its table and the number of channels make the lines."""

from prism_photonics.lightpath.source.design import (
    CombDesign,
    itu_channel_THz,
    lines_equal_in_frequency,
    lines_equal_in_wavelength,
)
from prism_photonics.spec.tables import ChipTable, CombTable
from prism_photonics.units import watt_from_dBm

MOST_WL_NM = 1700.0  # of the range in which specs may place a line


def lines_of(comb: CombTable, chip: ChipTable) -> CombDesign:
    """The comb's lines, one of each channel of a bus."""
    if comb.spacing_GHz is not None:
        # One line more than asked: the step to it is there for a single line too. It is shortest at the first.
        wl_um = lines_equal_in_frequency(first_THz(comb), comb.spacing_GHz, chip.channels + 1)
        spacing_um, wl_um = wl_um[1] - wl_um[0], wl_um[:-1]
    else:
        assert comb.first_wl_nm is not None and comb.spacing_nm is not None
        spacing_um = comb.spacing_nm * 1e-3
        wl_um = lines_equal_in_wavelength(comb.first_wl_nm * 1e-3, spacing_um, chip.channels)
    power_W, noise = watt_from_dBm(comb.line_power_dBm), (comb.rin_dB_Hz, comb.tilt_dB, comb.rin_common_dB_Hz)
    return CombDesign(wl_um, spacing_um, power_W, *noise, comb.linewidth_MHz * 1e6, comb.rin_corner_kHz * 1e3)


def first_THz(comb: CombTable) -> float:
    """Frequency of channel 0 on a grid equal in frequency."""
    if comb.first_itu_channel is not None:
        return itu_channel_THz(comb.first_itu_channel)
    assert comb.first_channel_THz is not None
    return comb.first_channel_THz
