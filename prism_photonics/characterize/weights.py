"""Effective weights by photocurrent, one line lit at a time."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.lit_lines import read_lit_lines, reading_s
from prism_photonics.calibration.spectra import swept_plan
from prism_photonics.calibration.survey import averages_for
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.drift.pilot import pilot_plan, pilot_samples
from prism_photonics.lightpath.detector.model import sample_noise_A
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

# Most converter samples of one weight, for this noise over a fully lit line; the dark level is averaged longer.
WEIGHT_NOISE, MOST_WEIGHT_AVERAGES = 5e-5, 4096
WEIGHT_DARK_NOISE, MOST_WEIGHT_DARK_AVERAGES = WEIGHT_NOISE / 4.0, 16 * MOST_WEIGHT_AVERAGES
# Readings of one weight, whose scatter tells its standard error.
PARTS = 4
# How far a laser may miss a line together with what the chip drifts meanwhile, and what else a weight may be off by
# (design choices): they settle a line on which no row has a slope.
MISS_PM, LEAST_ERROR = 2.0, 1e-3
# A tracked chip's pilot is read again after so many channels (design choice).
LINES_PER_PILOT = 4


class MeasuredWeights(NamedTuple):
    """Effective weights as they stand.

    Attributes:
        weights: The weights; of a laser that is told what to expect, less what its misses explain (`without_miss`).
        std: The standard error of each: as they scatter, or as expected where fewer than four samples are enough. The
            dark reading that all rings of a row share is averaged so long that its own error ties them together by
            little.
        as_read: The same weights with a laser's misses left in; of a comb they are ``weights``.
    """

    weights: Float[ndarray, "rows rings"]
    std: Float[ndarray, "rows rings"]
    as_read: Float[ndarray, "rows rings"]


def measure_weights(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    hold: Callable[[], None] = lambda: None,
    most: int = MOST_WEIGHT_AVERAGES,
    lead: Callable[[float], None] = lambda seconds: None,
    expected: Float[ndarray, "rows rings"] | None = None,
) -> MeasuredWeights:
    """Every effective weight as it stands, one channel lit at a time.

    Args:
        chip: The chip, its voltages set.
        calibration: Its calibration.
        spec: Its spec: how long is averaged goes by its noise.
        hold: Called before the dark level and before every `LINES_PER_PILOT` channels, to mend what has drifted.
        most: Most converter samples of one weight.
        lead: Of a bench with one laser: called before each line with the seconds until the middle of its reading.
        expected: Of a bench with one laser: about what the weights are. A shift that all rows have in common at a line
            is then the laser's miss, and is taken out (`without_miss`); by default it stays in, and in the error.

    Returns:
        The weights.
    """
    if chip.laser is not None:
        return _from_windows(chip, calibration, spec, hold=hold, lead=lead, expected=expected)
    rows, rings = calibration.shape
    full_light, unit_A = np.asarray(calibration.light_scale), np.asarray(calibration.unit_A)
    averages, dark_averages = _weight_averages(spec, most)
    expected = sample_noise_A(spec.detector_design, unit_A, pairs=spec.chip.buses) / unit_A / np.sqrt(averages)
    measured, spread = np.empty((rows, rings)), np.empty((rows, rings))
    # The light that dark modulators leak moves with the rings: it is read where they are held.
    hold()
    dark = chip.measure(np.zeros(rings), averages=dark_averages)
    parts = min(PARTS, averages)
    for c in range(rings):
        if c % LINES_PER_PILOT == 0:
            hold()
        light = np.where(np.arange(rings) == c, full_light, 0.0)
        readings = np.stack([chip.measure(light, averages=averages // parts) for _ in range(parts)])
        weights = (readings - dark) / unit_A
        measured[:, c] = weights.mean(0)
        spread[:, c] = weights.std(0, ddof=1) / np.sqrt(parts) if parts > 1 else expected
    return MeasuredWeights(measured, spread, measured)


def _from_windows(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    hold: Callable[[], None],
    lead: Callable[[float], None],
    expected: Float[ndarray, "rows rings"] | None,
) -> MeasuredWeights:
    """`measure_weights` by short sweeps of a laser about each line."""
    rings, unit_A = calibration.shape[1], np.asarray(calibration.unit_A)
    hold()
    dark_A = chip.measure(np.zeros(rings), averages=averages_for(spec))
    ahead_s, found = reading_s(chip, spec), []
    for line in range(rings):
        lead(ahead_s)
        found.append(read_lit_lines(chip, spec, np.array([line]), light_scale=np.ones(rings), averages=1))
    current_A, slope_A_pm, white_A, shift_pm = (
        np.concatenate(part)
        for part in zip(*((r.current_A, r.slope_A_pm, r.white_A, r.shift_pm) for r in found), strict=True)
    )
    measured, slope, white = (part.T / unit_A[:, None] for part in (current_A - dark_A, slope_A_pm, white_A))
    if expected is None:
        return MeasuredWeights(measured, np.hypot(white, slope * shift_pm), measured)
    mended, std = without_miss(measured, expected, slope, white=white, used=~np.asarray(calibration.excluded))
    return MeasuredWeights(mended, std, measured)


def without_miss(
    measured: Float[ndarray, "rows rings"],
    expected: Float[ndarray, "rows rings"],
    slope: Float[ndarray, "rows rings"],
    *,
    white: Float[ndarray, "rows rings"],
    used: Bool[ndarray, "rows rings"],
) -> tuple[Float[ndarray, "rows rings"], Float[ndarray, "rows rings"]]:
    """Weights less what one shift of a line's wavelength, the same in all rows, explains of their errors.

    A laser that misses its wavelength does that, and so does the common temperature while it goes from line to line; a
    comb does neither. The shift takes one of a line's ``n`` errors with it, so that those left are too small by
    ``√(1 − 1/n)``, which is mended. Of one row alone the shift is not told, and stays.

    Args:
        measured: The weights as read.
        expected: What they should be.
        slope: Their slopes by the wavelength, per pm.
        white: Their standard errors otherwise.
        used: Rings in use.

    Returns:
        The weights, and their standard errors.
    """
    told = np.where(used & np.isfinite(measured), slope, 0.0)
    error = np.where(told != 0.0, measured - expected, 0.0)
    information = (told**2).sum(0) + LEAST_ERROR**2 / MISS_PM**2
    shift_pm = (told * error).sum(0) / information
    left = error - told * shift_pm
    count = used.sum(0)
    several = (count > 1) & used
    grown = np.where(several, np.sqrt(count / np.maximum(count - 1, 1)), 1.0)
    shift_std_pm = np.sqrt((left**2).sum(0) / np.maximum(count - 1, 1) / information)
    mended = np.where(several, expected + grown * left, measured)
    return mended, np.where(several, np.hypot(white, slope * shift_std_pm), white)


def bits(
    span: Float[ndarray, "..."] | float, sigma: Float[ndarray, "..."] | list[float] | float
) -> Float[ndarray, "..."]:
    """Bits of a weight, ``log2(span/σ)``: the range of the weights over the rms of their errors."""
    return np.asarray(np.log2(np.asarray(span) / np.asarray(sigma)))


def rms(errors: Float[ndarray, "..."], axis: tuple[int, ...] | None = None) -> Float[ndarray, "..."]:
    """Root mean square."""
    return np.asarray(np.sqrt(np.mean(np.square(errors), axis=axis)))


def weights_plan(spec: ChipSpec, *, tracked: bool, laser: bool = False) -> MeasurementPlan:
    """Cost of setting voltages and `measure_weights`; tracked, `Tracker.correct` is called within.

    A ``laser`` sets voltages anew before each line.
    """
    if laser:
        settings = 1 + spec.chip.rings * tracked
        dark = MeasurementPlan(settings=settings, triggers=1, samples=averages_for(spec))
        return dark + swept_plan(spec) + pilot_plan(spec, laser=True) * tracked
    averages, dark_averages = _weight_averages(spec, pilot_samples(spec))
    parts, rings = min(PARTS, averages), spec.chip.rings
    samples = dark_averages + rings * parts * (averages // parts)
    once = MeasurementPlan(settings=1, lights=1 + rings, triggers=1 + parts * rings, samples=samples)
    return once + pilot_plan(spec) * (tracked * (1 + -(-rings // LINES_PER_PILOT)))


def numbers_only(calibration: Calibration, weights: Float[ndarray, "targets rows channels"]) -> Float[ndarray, "..."]:
    """Weights, 0 for excluded rings of which no number was read.

    Raises:
        InputError: The weight of a ring in use is no number.
    """
    kept = np.where(np.asarray(calibration.excluded) & ~np.isfinite(weights), 0.0, weights)
    if not np.isfinite(kept).all():
        t, n, c = np.argwhere(~np.isfinite(kept))[0]
        raise InputError(
            f"validate: ring {c} of row {n}, target {t}: its reading is {kept[t, n, c]}; check the current meter's "
            f"channel {n}, and calibrate again"
        )
    return kept


def _weight_averages(spec: ChipSpec, most: int) -> tuple[int, int]:
    """Converter samples of a weight, and of the dark level."""
    weight = averages_for(spec, noise=WEIGHT_NOISE, most=min(most, MOST_WEIGHT_AVERAGES))
    return weight, averages_for(spec, noise=WEIGHT_DARK_NOISE, most=MOST_WEIGHT_DARK_AVERAGES)
