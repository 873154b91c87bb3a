"""The calibration survey of a bench with one tunable laser: short spectra about every line, at random voltages."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.faults import Fault, find_faults, require_some_alive
from prism_photonics.calibration.survey import SURVEY_NOISE, averages_for, require_same_shape, survey_volts
from prism_photonics.calibration.unknowns import designed_gain_A
from prism_photonics.calibration.windows import (
    Windows,
    half_width_pm,
    point_averages,
    points_of,
    read_windows,
)
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.circuit.params import designed_bank
from prism_photonics.files.datasets import Dataset, dataset_of
from prism_photonics.lightpath.ring.model import fwhm_pm
from prism_photonics.spec import ChipSpec
from prism_photonics.units import NM_PER_UM, PM_PER_NM, InputError

# Design choices: voltage settings, and windows side by side about each line. A ring is seen at so many places of its
# resonance at each setting, for hardly more time than at one: most of it is the laser's starting.
SETTINGS, NODES = 32, 3
# Settings after which a person who waits is told; some ten seconds of a usual laser (design choice).
TOLD_SETTINGS = 8


def node_pm(spec: ChipSpec) -> Float[ndarray, " nodes"]:
    """Middles of the windows about a line, in pm from it."""
    return 2.0 * half_width_pm(ring_width_pm(spec)) * (np.arange(NODES) - (NODES - 1) / 2.0)


def ring_width_pm(spec: ChipSpec) -> float:
    """Linewidth of the rings as designed, in pm."""
    return float(fwhm_pm(designed_bank(spec, xp=np).rings).mean())


def line_nm(spec: ChipSpec) -> Float[ndarray, " channels"]:
    """Wavelengths of a bus's channels, in nm."""
    return np.asarray(spec.comb_design.wl_um) * NM_PER_UM


def spectra_plan(spec: ChipSpec, *, settings: int = SETTINGS) -> MeasurementPlan:
    """Cost of `spectra_and_faults`: at each setting the dark level, and one stretch of the laser about every line."""
    dark = MeasurementPlan(settings=1, triggers=1, samples=averages_for(spec))
    return (dark + swept_plan(spec, nodes=NODES)) * settings


def swept_plan(spec: ChipSpec, *, nodes: int = 1) -> MeasurementPlan:
    """Cost of reading all lines by a laser, each at so many places side by side: a stretch for each line."""
    lines = spec.chip.rings
    half_pm = half_width_pm(ring_width_pm(spec))
    points = lines * nodes * points_of(half_pm)
    swept_nm = lines * nodes * 2.0 * half_pm / PM_PER_NM
    return MeasurementPlan(sweeps=lines, points=points, swept_nm=swept_nm, swept_samples=points * point_averages(spec))


def spectra_and_faults(
    chip: AbstractChip,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    settings: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[Dataset, tuple[Fault, ...]]:
    """Sweep the laser about every line at random settings of all rings, and find what is broken.

    Args:
        chip: The chip on a bench with a laser.
        spec: Its spec.
        key: JAX random key of the settings.
        settings: Number of voltage settings.
        tell: Told of progress in a line now and then.

    Returns:
        A survey as of `survey.take_survey`, whose ``current_A`` is what each line reads at its own wavelength, and with
        it what it reads about that: ``spectrum_A`` (setting, channel, node, row) at ``node_pm`` (node) from the line,
        the noise of that, ``spectrum_noise_A``, its slope by wavelength, ``spectrum_slope_A_pm``, how far the laser may
        have missed, ``laser_pm``, and when, ``spectrum_time_s`` (setting, channel, node).

    Raises:
        InputError: No laser, no ring answers at all, or the chip does not have the spec's shape.
    """
    if chip.laser is None:
        raise InputError("calibrate: spectra want a tunable laser, and this bench has a comb; calibrate with that")
    require_same_shape(chip, spec)
    settings = SETTINGS if settings is None else settings
    if settings < 1:
        raise InputError(f"calibrate: settings = {settings}; a survey needs 1 or more")
    averages, volts_V = averages_for(spec), survey_volts(spec, settings, key)
    places_pm, half_pm = node_pm(spec), half_width_pm(ring_width_pm(spec))
    middle_nm = (line_nm(spec)[:, None] + places_pm / PM_PER_NM).ravel()
    chip.laser.require_within(middle_nm, where="calibrate")
    dark_A, found, begin_s = [], [], 0.0
    for m, setting in enumerate(volts_V):
        chip.set(setting)
        dark_A.append(chip.measure(np.zeros(chip.channels), averages=averages))
        # The film charges from the first setting on, well before the laser is at the first line.
        begin_s = begin_s if m else chip.time_s
        found.append([read_windows(chip, spec, middle_nm, half_pm=half_pm, bus=b) for b in range(spec.chip.buses)])
        if (m + 1) % TOLD_SETTINGS == 0 or m + 1 == settings:
            tell(f"spectra about {middle_nm.size // NODES} lines: {m + 1} of {settings} settings")
    survey = _dataset(
        chip, spec, volts_V, np.stack(dark_A), found=found, places_pm=places_pm, averages=averages, begin_s=begin_s
    )
    faults = find_faults(survey, spec)
    require_some_alive(faults, spec)
    return survey, faults


def _dataset(
    chip: AbstractChip,
    spec: ChipSpec,
    volts_V: Float[ndarray, "settings rows rings"],
    dark_A: Float[ndarray, "settings rows"],
    *,
    found: list[list[Windows]],
    places_pm: Float[ndarray, " nodes"],
    averages: int,
    begin_s: float,
) -> Dataset:
    def gathered(name: str) -> Float[ndarray, "settings channels nodes ..."]:
        by_bus = np.stack([[getattr(windows, name) for windows in buses] for buses in found])
        return by_bus.reshape(len(found), spec.chip.rings, places_pm.size, *by_bus.shape[3:])

    current_A, slope_A_pm, time_s = gathered("current_A"), gathered("slope_A_pm"), gathered("time_s")
    laser_pm, full_A = gathered("shift_pm"), float(designed_gain_A(spec, laser=True).mean())
    # What a quadratic misses of a line counts as noise.
    noise_A = np.hypot(gathered("white_A"), SURVEY_NOISE * full_A)
    line = places_pm.size // 2
    at_line_A = np.hypot(noise_A[:, :, line], slope_A_pm[:, :, line] * laser_pm[:, :, line, None])
    window, lit = ("setting", "channel", "node"), ("setting", "channel", "row")
    survey = dataset_of(
        {
            "volts_V": (("setting", "row", "ring"), volts_V, {"units": "V"}),
            "current_A": (lit, current_A[:, :, line], {"units": "A"}),
            "noise_A": (lit, at_line_A, {"units": "A"}),
            "dark_A": (("setting", "row"), dark_A, {"units": "A"}),
            "channel_of_ring": (("row", "bus", "place"), chip.channel_of_ring),
            "time_s": (lit[:2], time_s[:, :, line] - begin_s, {"units": "s"}),
            "node_pm": (("node",), places_pm, {"units": "pm"}),
            "spectrum_A": ((*window, "row"), current_A, {"units": "A"}),
            "spectrum_noise_A": ((*window, "row"), noise_A, {"units": "A"}),
            "spectrum_slope_A_pm": ((*window, "row"), slope_A_pm, {"units": "A/pm"}),
            "laser_pm": (window, laser_pm, {"units": "pm"}),
            "spectrum_time_s": (window, time_s - begin_s, {"units": "s"}),
        },
        {
            "spec_hash": spec.hash,
            "averages": averages,
            "triggers": len(found) * (1 + chip.channels * places_pm.size),
            "probes": 0,
        },
    )
    if chip.max_heater_mW:
        # The record is good only while these are held.
        survey["heater_mW"] = (("row", "ring"), chip.heater_mW, {"units": "mW"})
    return survey
