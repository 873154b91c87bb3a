"""Readings of a query's light on a bench with one laser, put together from readings of its lines alone.

Photocurrents add up, and so do the variances of their noise, each with its own power of the light: with light p_c on
line c, single-line readings x_c and readings d in the dark,

    mean = d̄ + Σ_c p_c·(x̄_c − d̄)        variance = Var d + Σ_c [p_c·S_c + p_c²·R_c]

S_c is the shot noise of a fully lit line, R_c the rest of what its readings scatter more than the dark ones do: the
light's intensity noise. The dark samples are taken as they are; a line's samples, which hold the dark noise too, are
shrunk about their mean to the variance that the line adds. Of what an intensity noise that several lines have in common
would add no single line tells: it counts as independent.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.codec.encoding import quantize
from prism_photonics.lightpath.detector.model import white_noise_A2
from prism_photonics.spec import ChipSpec

TOGETHER, ONE_BY_ONE = ROADS = ("lines lit together", "lines one by one")
"""How a noise study lit its lines."""


def composed_plan(spec: ChipSpec, repeats: int) -> MeasurementPlan:
    """Cost of `composed_reads_A` where all lines are lit."""
    lines = spec.chip.rings
    readings = (1 + lines) * repeats
    return MeasurementPlan(lights=lines, triggers=readings, samples=readings)


def composed_reads_A(
    chip: AbstractChip,
    calibration: Calibration,
    spec: ChipSpec,
    *,
    light: Float[ndarray, " rings"],
    weights: Float[ndarray, "rows rings"],
    repeats: int,
) -> Float[ndarray, "repeats rows"]:
    """Single converter samples of a light, from samples of its lines one by one; the chip's voltages are set.

    Args:
        chip: The chip.
        calibration: Its calibration.
        spec: Its spec.
        light: Light of each line, 0 to 1.
        weights: The weights as they were measured at these voltages: the lines' means, better known than a laser that
            is tuned once to each line tells.
        repeats: Samples.
    """
    detector, unit_A = spec.detector_design, np.asarray(calibration.unit_A)
    dark_A = np.stack([chip.measure(np.zeros(chip.channels)) for _ in range(repeats)])
    mean_A = dark_A.mean(0) + unit_A * (weights @ light)
    samples = mean_A + (dark_A - dark_A.mean(0))
    in_the_dark = dark_A.var(axis=0, ddof=1)
    # A ring passes its light to one photodiode or the other: their sum hardly changes.
    full_A = np.asarray(calibration.rows.gain_A).reshape(calibration.shape)
    for line in np.flatnonzero(light):
        lit_A = np.stack([chip.measure(np.eye(chip.channels)[line]) for _ in range(repeats)])
        shot = white_noise_A2(detector, full_A[:, line]) - white_noise_A2(detector, np.zeros(chip.rows))
        scatter = lit_A.var(axis=0, ddof=1)
        rest = np.maximum(scatter - in_the_dark - shot, 0.0)
        adds = light[line] * shot + light[line] ** 2 * rest
        shrunk = np.sqrt(np.divide(adds, scatter, out=np.zeros_like(adds), where=scatter > 0.0))
        samples += shrunk * (lit_A - lit_A.mean(0))
    rail_A = detector.adc_full_scale_A
    return quantize(samples, detector.adc_bits, -rail_A, rail_A)
