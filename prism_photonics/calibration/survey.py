"""The calibration survey: choice of voltages and lights, and their readings."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.calibration.assign import by_place
from prism_photonics.calibration.faults import TELLING_SETTINGS, Fault, find_faults, require_some_alive
from prism_photonics.calibration.unknowns import designed_gain_A
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.files.datasets import Dataset, dataset_of
from prism_photonics.lightpath.detector.model import (
    adc_step_A,
    coloured_noise_A2,
    intensity_noise_A2,
    sample_noise_A,
    white_noise_A2,
)
from prism_photonics.spec import ChipSpec
from prism_photonics.threefry import shuffled, split, uniform
from prism_photonics.units import InputError

# Design choices: about three readings per unknown of a row where it costs no more than this many readings per ring, and
# always more readings than unknowns.
SETTINGS, FEWEST_SETTINGS = 32, 14
READINGS_PER_RING = 60
# Design choices: noise of a reading over a fully lit line, below one code of a 14-bit driver; most samples for it.
SURVEY_NOISE, MOST_SURVEY_AVERAGES = 1e-4, 1024
# Where a silent ring is set to see which line it moves, in shares of the drive: 34 pm apart on the demo, a linewidth.
PROBES = (-0.8, -0.4, 0.0, 0.4, 0.8)
# Share of a survey's settings with which the fit begins while the others are read; that many at least, which is more
# readings than unknowns. Design choices.
HEAD, FEWEST_HEAD_SETTINGS = 0.75, 10
SPECTRUM = "spectrum_A"
"""What a survey with a tunable laser has, and one with a comb has not: see `spectra`."""
# The dark level is subtracted from every channel's reading, so it is averaged so many times longer.
DARK_FACTOR = 4


def survey_volts(spec: ChipSpec, settings: int, key: PRNGKeyArray) -> Float[ndarray, "settings rows rings"]:
    """Random voltages on the DAC grid, stratified so that every ring visits its whole range evenly.

    Args:
        spec: Limits and DAC resolution.
        settings: Number of settings.
        key: JAX random key.

    Returns:
        Voltages in V.
    """
    shape = (spec.chip.rows, spec.chip.rings)
    order_key, place_key = split(key)
    order = shuffled(order_key, np.broadcast_to(np.arange(settings)[:, None, None], (settings, *shape)))
    share = (order + uniform(place_key, (settings, *shape))) / settings
    top = spec.drive.max_voltage_V
    return on_dac_grid((2.0 * share - 1.0) * top, max_voltage_V=top, step_V=spec.voltage_step_V)


def on_dac_grid(volts: Float[ndarray, "..."], *, max_voltage_V: float, step_V: float) -> Float[ndarray, "..."]:
    """The nearest voltage of a grid that runs from −max to +max in equal steps."""
    codes = np.round((volts + max_voltage_V) / step_V)
    return np.clip(codes * step_V - max_voltage_V, -max_voltage_V, max_voltage_V)


def settings_for(spec: ChipSpec) -> int:
    """Voltage settings of a survey: each costs a reading of every line, and one in the dark."""
    affordable = READINGS_PER_RING * spec.chip.channels // (spec.chip.rings + 1)
    return min(SETTINGS, max(FEWEST_SETTINGS, affordable))


def head_settings(settings: int) -> int:
    """The first settings of a survey, with which its fit begins; 0 where they are too few to tell anything."""
    head = max(math.ceil(HEAD * settings), FEWEST_HEAD_SETTINGS)
    return head if head < settings else 0


def averages_for(spec: ChipSpec, *, noise: float = SURVEY_NOISE, most: int = MOST_SURVEY_AVERAGES) -> int:
    """Converter samples of one reading, just enough to bring its noise down to a share of a fully lit line.

    A reading that takes longer has more time to drift.
    """
    full_A = float(designed_gain_A(spec).mean())
    sample_A = float(sample_noise_A(spec.detector_design, full_A, pairs=spec.chip.buses))
    return int(np.clip(np.ceil((sample_A / (noise * full_A)) ** 2), 1, most))


def survey_plan(spec: ChipSpec, *, settings: int | None = None, averages: int | None = None) -> MeasurementPlan:
    """Cost of `take_survey` where all rings answer: at each setting the dark level and every line."""
    settings = settings_for(spec) if settings is None else settings
    averages = averages_for(spec) if averages is None else averages
    readings = 1 + spec.chip.rings
    samples = (DARK_FACTOR + spec.chip.rings) * averages
    return MeasurementPlan(settings=1, lights=readings, triggers=readings, samples=samples) * settings


def take_survey(
    chip: AbstractChip,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    settings: int | None = None,
    averages: int | None = None,
) -> Dataset:
    """Measure every channel alone, and the dark level, at random settings of all rings.

    A modulator that is dark still leaks a little, so the dark level moves with the rings and is taken at each setting.

    Args:
        chip: The chip on its bench.
        spec: Its spec.
        key: JAX random key for the settings.
        settings: Number of voltage settings; by default `settings_for` the spec.
        averages: Converter samples per reading; by default `averages_for` it.

    Returns:
        Dataset with ``volts_V`` (setting, row, ring), ``current_A`` (setting, channel, row), ``dark_A`` (setting, row),
        the expected standard deviation of each difference of the two, ``noise_A`` (setting, channel, row), when each
        reading ended, ``time_s`` (setting, channel), from the first one, and the ``channel_of_ring`` (row, bus, place
        along the bus). Of a chip with heaters also the powers held meanwhile, ``heater_mW`` (row, ring). Where rings
        do not answer and settings are few, the last ``probes`` settings (an attribute) move those rings alone.

    Raises:
        InputError: No ring answers at all, or the chip does not have the spec's shape. What is broken without being
            all is found by `find_faults`, and left out by the fit.
    """
    return survey_and_faults(chip, spec, key=key, settings=settings, averages=averages)[0]


def survey_and_faults(
    chip: AbstractChip,
    spec: ChipSpec,
    *,
    key: PRNGKeyArray,
    settings: int | None = None,
    averages: int | None = None,
    at_head: Callable[[Dataset], None] = lambda head: None,
) -> tuple[Dataset, tuple[Fault, ...]]:
    """The survey, and the faults that it shows; arguments and errors are those of `take_survey`.

    ``at_head`` is given the survey's first settings, as of `head_of`, as soon as they are read.
    """
    require_same_shape(chip, spec)
    settings = settings_for(spec) if settings is None else settings
    averages = averages_for(spec) if averages is None else averages
    if settings < 1:
        raise InputError(f"calibrate: settings = {settings}; a survey needs 1 or more")
    taken: list[_Taken] = []

    def take(volts_V: Float[ndarray, "some rows rings"]) -> None:
        for setting in volts_V:
            chip.set(setting)
            dark_A = chip.measure(np.zeros(chip.channels), averages=DARK_FACTOR * averages)
            current_A, time_s = np.empty((chip.channels, chip.rows)), np.empty(chip.channels)
            for c, light in enumerate(np.eye(chip.channels)):
                current_A[c] = chip.measure(light, averages=averages)
                time_s[c] = chip.time_s
            taken.append(_Taken(setting, dark_A, current_A, time_s))
            if len(taken) == head:
                at_head(_dataset(chip, spec, taken, averages))

    head = head_settings(settings)
    take(survey_volts(spec, settings, key))
    survey = _dataset(chip, spec, taken, averages)
    faults = find_faults(survey, spec)
    require_some_alive(faults, spec)
    silent = [ring for fault in faults if fault.stuck for ring in fault.rings]
    if silent and settings < TELLING_SETTINGS:
        # Too few settings to see in them what a silent ring moves: it alone is moved, the others of its row as far off
        # their lines as the drive takes them.
        lines = np.zeros((chip.rows, chip.channels), dtype=bool)
        lines[tuple(np.transpose(silent))] = True
        probed = by_place(lines, chip.channel_of_ring)
        levels_V = on_dac_grid(
            spec.drive.max_voltage_V * np.array(PROBES),
            max_voltage_V=spec.drive.max_voltage_V,
            step_V=spec.voltage_step_V,
        )
        aside_V = np.where(probed.any(1, keepdims=True), spec.drive.max_voltage_V, taken[-1].volts_V)
        take(np.where(probed, levels_V[:, None, None], aside_V))
        survey = _dataset(chip, spec, taken, averages, probes=len(PROBES))
        faults = find_faults(survey, spec)
    return survey, faults


def require_same_shape(chip: AbstractChip, spec: ChipSpec) -> None:
    """Refuse a chip that does not have the spec's rows and rings.

    Raises:
        InputError: It has others.
    """
    if (chip.rows, chip.channels) != (spec.chip.rows, spec.chip.rings):
        raise InputError(
            f"calibrate: the chip is {chip.rows}×{chip.channels}, the spec {spec.chip.rows}×{spec.chip.rings}; "
            "calibrate with the chip's own spec"
        )


def head_of(survey: Dataset, spec: ChipSpec) -> Dataset | None:
    """The first settings of a survey, as if it had ended there; None where they are too few to tell anything."""
    if SPECTRUM in survey:
        # Of spectra few settings tell enough: their fit begins when all are read.
        return None
    probes = int(survey.attrs.get("probes", 0))
    settings = head_settings(survey.sizes["setting"] - probes)
    if not settings:
        return None
    head = survey.isel(setting=slice(0, settings))
    noise_A = _noise_A(spec, head.current_A.values, int(survey.attrs["averages"]))
    head["noise_A"] = (head.noise_A.dims, noise_A, head.noise_A.attrs)
    triggers = settings * (spec.chip.rings + 1)
    return head.assign_attrs(probes=0, triggers=triggers)


class _Taken(NamedTuple):
    """The readings of one setting: voltages, dark level, each line alone, and when."""

    volts_V: Float[ndarray, "rows rings"]
    dark_A: Float[ndarray, " rows"]
    current_A: Float[ndarray, "channels rows"]
    time_s: Float[ndarray, " channels"]


def _dataset(chip: AbstractChip, spec: ChipSpec, taken: list[_Taken], averages: int, *, probes: int = 0) -> Dataset:
    volts_V, dark_A, current_A, time_s = (np.stack(part) for part in zip(*taken, strict=True))
    survey = dataset_of(
        {
            "volts_V": (("setting", "row", "ring"), volts_V, {"units": "V"}),
            "current_A": (("setting", "channel", "row"), current_A, {"units": "A"}),
            "noise_A": (("setting", "channel", "row"), _noise_A(spec, current_A, averages), {"units": "A"}),
            "dark_A": (("setting", "row"), dark_A, {"units": "A"}),
            "channel_of_ring": (("row", "bus", "place"), chip.channel_of_ring),
            "time_s": (("setting", "channel"), time_s - time_s.min(), {"units": "s"}),
        },
        attrs={
            "spec_hash": spec.hash,
            "averages": averages,
            "triggers": len(taken) * (chip.channels + 1),
            "probes": probes,
        },
    )
    if chip.max_heater_mW:
        # The record is good only while these are held.
        survey["heater_mW"] = (("row", "ring"), chip.heater_mW, {"units": "mW"})
    return survey


def _noise_A(
    spec: ChipSpec, current_A: Float[ndarray, "settings channels rows"], averages: int
) -> Float[ndarray, "..."]:
    """Expected standard deviation of averaged readings less their dark level: noise and the converter's step."""
    # A ring passes its light to one photodiode or the other: their sum, which sets the shot noise, hardly changes.
    sum_A = np.broadcast_to(np.nan_to_num(np.abs(current_A), posinf=0.0).max(0), current_A.shape)
    detector = spec.detector_design
    white = white_noise_A2(detector, sum_A, pairs=spec.chip.buses)
    white = white + intensity_noise_A2(detector, spec.comb_design, current_A[..., None])
    step_A = adc_step_A(detector)
    # Averaging shrinks the converter's error only where noise dithers it.
    dithered = white > (0.5 * step_A) ** 2
    one = white / averages + step_A**2 / 12.0 / np.where(dithered, averages, 1.0)
    one = one + coloured_noise_A2(detector, spec.comb_design, current_A[..., None], samples=averages)
    return np.sqrt((1.0 + 1.0 / DARK_FACTOR) * one)
