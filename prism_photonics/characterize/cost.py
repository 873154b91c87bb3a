"""Cost of `prism calibrate`: the sum of its measurement plans, in readings and in seconds."""

import dataclasses

from prism_photonics.calibration.heater_crosstalk import search_plan
from prism_photonics.calibration.survey import survey_plan
from prism_photonics.characterize.accuracy import validation_plan
from prism_photonics.characterize.closed_loop import trim_plan
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.walltime import wall_time_s
from prism_photonics.spec import ChipSpec

# What a laboratory's instruments take, for estimates without a bench file: a source that settles in 1 ms, 1 ms a
# command, channels written 64 at a time, a digitiser of 1 MS/s. Design choices, as of the served chip.
LABORATORY_SETTLE_S, LABORATORY_COMMAND_S, LABORATORY_CHANNELS, LABORATORY_SAMPLE_S = 1e-3, 1e-3, 64, 1e-6


def calibration_plan(spec: ChipSpec, *, tracked: bool = False, searched: int = 0) -> MeasurementPlan:
    """Survey, validation and closed loop of a chip without faults.

    Args:
        spec: The chip.
        tracked: Whether its drift is corrected before each setting (`Tracker.after_survey`).
        searched: Readings of the search for its rings.
    """
    measured = validation_plan(spec, tracked=tracked) + trim_plan(spec, tracked=tracked)
    return survey_plan(spec) + measured + search_plan(spec) * searched


def calibration_wall_time_s(
    bench: BenchFile | None, spec: ChipSpec, *, tracked: bool = False, searched: int = 0
) -> float:
    """Time of `prism calibrate` on a bench's instruments, or on a laboratory's usual ones, in s.

    Args:
        bench: The instruments.
        spec: The chip.
        tracked: Whether its drift is corrected, as `Validation.drift_readings` tells.
        searched: Readings of the search for its rings.
    """
    return plan_wall_time_s(bench, spec, calibration_plan(spec, tracked=tracked, searched=searched))


def plan_wall_time_s(bench: BenchFile | None, spec: ChipSpec, plan: MeasurementPlan) -> float:
    """Time of any plan on a bench's instruments, or on a laboratory's usual ones, in s."""
    if bench is not None:
        return wall_time_s(bench, **dataclasses.asdict(plan))
    rings, lines = spec.chip.rows * spec.chip.rings, spec.chip.rings
    for_rings, for_lines = (-(-count // LABORATORY_CHANNELS) for count in (rings, lines))
    # A reading is started and fetched.
    settings = plan.settings + plan.heatings
    commands = settings * for_rings + plan.lights * for_lines + 2 * plan.triggers
    sample_s = max(LABORATORY_SAMPLE_S, 1.0 / spec.detector_design.bandwidth_Hz)
    return settings * LABORATORY_SETTLE_S + commands * LABORATORY_COMMAND_S + plan.samples * sample_s
