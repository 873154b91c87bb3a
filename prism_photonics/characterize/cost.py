"""What a calibration costs on instruments, in readings and seconds."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prism_photonics.chip.benchfile import BenchFile
    from prism_photonics.spec import ChipSpec

# What a laboratory's instruments take, for estimates without a bench file: a source that settles in 1 ms, 1 ms a
# command, channels written 64 at a time, a digitiser of 1 MS/s. Design choices, as of the served chip.
LABORATORY_SETTLE_S, LABORATORY_COMMAND_S, LABORATORY_CHANNELS, LABORATORY_SAMPLE_S = 1e-3, 1e-3, 64, 1e-6


def calibration_wall_time_s(bench: "BenchFile | None", spec: "ChipSpec", *, looks: int = 0, searched: int = 0) -> float:
    """Time of `prism calibrate` on a bench's instruments, or on a laboratory's usual ones, in s.

    Args:
        bench: The instruments.
        spec: The chip.
        looks: Readings by which its temperature was followed, `Validation.looks` and `Trimmed.looks`.
        searched: Readings of the search for its rings, each after new heater powers and at most one new light.
    """
    from prism_photonics.calibration.heater_crosstalk import READING_NOISE as SEARCH_NOISE
    from prism_photonics.calibration.motion import steady_samples
    from prism_photonics.calibration.survey import DARK_AVERAGES, averages_for, settings_for
    from prism_photonics.characterize.accuracy import (
        AGAIN,
        DARK_NOISE,
        READING_NOISE,
        SETTINGS,
        TARGETS,
        repeats_for,
    )
    from prism_photonics.characterize.accuracy import AVERAGES as MOST
    from prism_photonics.characterize.accuracy import DARK_AVERAGES as MOST_DARK
    from prism_photonics.characterize.closed_loop import CORRECTIONS
    from prism_photonics.characterize.closed_loop import TARGETS as TRIMMED
    from prism_photonics.chip.benchfile import wall_time_s
    from prism_photonics.drift.follower import LIGHTS

    channels, tried = spec.chip.rings, settings_for(spec)
    targets = TARGETS + AGAIN + TRIMMED * (1 + CORRECTIONS)
    # Each setting and each target has a dark reading.
    single, held_out, dark = tried * channels, targets * channels, tried + targets
    averages = averages_for(spec)
    held_out_averages = averages_for(spec, noise=READING_NOISE, most=min(MOST, steady_samples(spec, LIGHTS)))
    # A look has a setting of its own before, and one after.
    settings = tried + targets + SETTINGS + 2 * looks // (LIGHTS + 1)
    lights = dark + single + held_out + SETTINGS + looks + searched
    # Each held-out weight is read in up to four parts.
    samples_read = SETTINGS * repeats_for(spec)
    triggers = dark + single + min(4, held_out_averages) * held_out + samples_read + looks + searched
    samples = (
        (single + DARK_AVERAGES * tried) * averages
        + held_out * held_out_averages
        + targets * averages_for(spec, noise=DARK_NOISE, most=MOST_DARK)
        + samples_read
        + looks
        + searched * averages_for(spec, noise=SEARCH_NOISE)
    )
    if bench is not None:
        return wall_time_s(
            bench, settings=settings, lights=lights, triggers=triggers, samples=samples, heatings=searched
        )
    for_rings, for_lines = (-(-count // LABORATORY_CHANNELS) for count in (spec.chip.rows * channels, channels))
    # A reading is started and fetched.
    commands = (settings + searched) * for_rings + lights * for_lines + 2 * triggers
    sample_s = max(LABORATORY_SAMPLE_S, 1.0 / spec.detector_design.bandwidth_Hz)
    return (settings + searched) * LABORATORY_SETTLE_S + commands * LABORATORY_COMMAND_S + samples * sample_s
