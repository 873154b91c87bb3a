"""Cost of `prism calibrate`: the sum of its measurement plans, in readings and in seconds."""

from prism_photonics.calibration.spectra import spectra_plan
from prism_photonics.calibration.survey import survey_plan
from prism_photonics.characterize.accuracy import validation_plan
from prism_photonics.characterize.closed_loop import trim_plan
from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.laser import LaserRange
from prism_photonics.chip.plan import MeasurementPlan
from prism_photonics.chip.walltime import wall_time_s
from prism_photonics.spec import ChipSpec

# What a laboratory's instruments take, for estimates without a bench file: a source that settles in 1 ms, 1 ms a
# command, channels written 64 at a time, a digitiser of 1 MS/s. Design choices, as of the served chip.
LABORATORY_SETTLE_S, LABORATORY_COMMAND_S, LABORATORY_CHANNELS, LABORATORY_SAMPLE_S = 1e-3, 1e-3, 64, 1e-6
NOTHING = MeasurementPlan()


def calibration_plan(
    spec: ChipSpec, *, tracked: bool = False, searched: MeasurementPlan = NOTHING, laser: bool = False
) -> MeasurementPlan:
    """Survey, validation and closed loop of a chip without faults.

    Args:
        spec: The chip.
        tracked: Whether its drift is corrected before each setting (`Tracker.after_survey`).
        searched: The search for its rings.
        laser: Whether one tunable laser lights it, and no comb.
    """
    measured = validation_plan(spec, tracked=tracked, laser=laser) + trim_plan(spec, tracked=tracked, laser=laser)
    return (spectra_plan(spec) if laser else survey_plan(spec)) + measured + searched


def calibration_wall_time_s(
    bench: BenchFile | None,
    spec: ChipSpec,
    *,
    tracked: bool = False,
    searched: MeasurementPlan = NOTHING,
    laser: LaserRange | None = None,
) -> float:
    """Time of `prism calibrate` on a bench's instruments, or on a laboratory's usual ones, in s.

    Args:
        bench: The instruments.
        spec: The chip.
        tracked: Whether its drift is corrected, as `Validation.drift_readings` tells.
        searched: The search for its rings.
        laser: The tunable laser, if one lights the chip.
    """
    plan = calibration_plan(spec, tracked=tracked, searched=searched, laser=laser is not None)
    return plan_wall_time_s(bench, spec, plan, laser=laser)


def plan_wall_time_s(
    bench: BenchFile | None, spec: ChipSpec, plan: MeasurementPlan, *, laser: LaserRange | None = None
) -> float:
    """Time of any plan on a bench's instruments, or on a laboratory's usual ones, in s, with a laser's dead times."""
    if bench is not None:
        return wall_time_s(bench, plan)
    rings, lines = spec.chip.rows * spec.chip.rings, spec.chip.rings
    for_rings, for_lines = (-(-count // LABORATORY_CHANNELS) for count in (rings, lines))
    # A reading is started and fetched.
    settings = plan.settings + plan.heatings
    commands = settings * for_rings + plan.lights * for_lines + 2 * (plan.triggers + plan.sweeps)
    sample_s = max(LABORATORY_SAMPLE_S, 1.0 / spec.detector_design.bandwidth_Hz)
    # A laser starts for each stretch, and steps for each line that is held.
    dead_s = 0.0 if laser is None else plan.sweeps * laser.dead_s + plan.lights * laser.step_s
    return (
        dead_s
        + settings * LABORATORY_SETTLE_S
        + commands * LABORATORY_COMMAND_S
        + (plan.samples + plan.swept_samples) * sample_s
    )
