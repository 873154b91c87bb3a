"""Single lines as they are read after a calibration: by a comb's modulators, or by short sweeps of one laser."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.calibration.spectra import line_nm, ring_width_pm
from prism_photonics.calibration.windows import half_width_pm, point_averages, points_of, read_windows
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.spec import ChipSpec


class LitLines(NamedTuple):
    """Readings of lines lit alone, as much as ``light_scale`` says, in the order in which they were taken.

    Attributes:
        lines: Which lines.
        current_A: Balanced currents, not less the dark level, in A.
        time_s: When each was read, in s.
        white_A: Standard errors of each row for itself in A, where the laser's windows tell them; 0 of a comb.
        slope_A_pm: Slopes by the light's wavelength, in A/pm; 0 of a comb, whose lines are where they are.
        shift_pm: Standard error of each line's wavelength, which all rows share, in pm; 0 of a comb.
    """

    lines: Int[ndarray, " lines"]
    current_A: Float[ndarray, "lines rows"]
    time_s: Float[ndarray, " lines"]
    white_A: Float[ndarray, "lines rows"]
    slope_A_pm: Float[ndarray, "lines rows"]
    shift_pm: Float[ndarray, " lines"]


def read_lit_lines(
    chip: AbstractChip,
    spec: ChipSpec,
    lines: Int[ndarray, " lines"],
    *,
    light_scale: Float[ndarray, " rings"],
    averages: int,
) -> LitLines:
    """Read some lines, each lit alone.

    Args:
        chip: The chip, its voltages set.
        spec: Its spec.
        lines: Which lines; a laser takes them bus by bus, by wavelength.
        light_scale: Light of each line of the chip; a laser has full power alone.
        averages: Converter samples of each line of a comb.
    """
    if chip.laser is not None:
        return _swept(chip, spec, np.unique(lines))
    current_A, time_s = np.empty((len(lines), chip.rows)), np.empty(len(lines))
    for i, line in enumerate(lines):
        light = np.zeros(chip.channels)
        light[line] = light_scale[line]
        current_A[i] = chip.measure(light, averages=averages)
        time_s[i] = chip.time_s
    nothing = np.zeros_like(current_A)
    return LitLines(lines, current_A, time_s, nothing, nothing, np.zeros(len(lines)))


def reading_s(chip: AbstractChip, spec: ChipSpec) -> float:
    """Time from the start of a laser's sweep over one line to its middle, in s; 0 with a comb."""
    if chip.laser is None:
        return 0.0
    points = points_of(half_width_pm(ring_width_pm(spec)))
    return chip.laser.dead_s + 0.5 * points * point_averages(spec) / spec.detector_design.bandwidth_Hz


def _swept(chip: AbstractChip, spec: ChipSpec, lines: Int[ndarray, " lines"]) -> LitLines:
    bus, channel = np.divmod(lines, spec.chip.channels)
    half_pm, middle_nm = half_width_pm(ring_width_pm(spec)), line_nm(spec)
    found = [
        read_windows(chip, spec, middle_nm[channel[bus == b]], half_pm=half_pm, bus=int(b)) for b in np.unique(bus)
    ]
    names = ("current_A", "time_s", "white_A", "slope_A_pm", "shift_pm")
    return LitLines(lines, *(np.concatenate([getattr(windows, name) for windows in found]) for name in names))
