"""Time that a job takes on the instruments of a bench file, dead times included."""

from collections.abc import Mapping
from typing import Any

from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.instruments import channel_map
from prism_photonics.chip.laserfile import Laser
from prism_photonics.chip.meterfile import CurrentMeter
from prism_photonics.chip.plan import MeasurementPlan


def wall_time_s(bench: BenchFile, plan: MeasurementPlan) -> float:
    """Time that a plan takes on the real instruments, an upper estimate.

    Args:
        bench: The bench.
        plan: What is done.

    Returns:
        Settling, ramps over the whole range, commands one after the other, integration and sweeps, in s.
    """
    return sum(wall_times_s(bench, plan).values())


def wall_times_s(bench: BenchFile, plan: MeasurementPlan) -> dict[str, float]:
    """The same by what takes it.

    Args:
        bench: The bench.
        plan: What is done.

    Returns:
        Times in s: of voltage_source, heater_source, light_source or laser, and current_meter.
    """
    ramp_s = max(2.0 * e.max_voltage_V / e.ramp_V_s if e.ramp_V_s else 0.0 for e in bench.voltage_source)
    checking_s = sum(
        e.commands_for(len(channel_map(e)), e.commands.query) * e.command_s for e in bench.voltage_source if e.verify_V
    )
    setting_s = ramp_s + _settling_s(bench.voltage_source) + _writing_s(bench.voltage_source) + checking_s
    meters_s = plan.triggers * sum((_reading_s(m) for m in bench.current_meter), start=_settling_s(bench.current_meter))
    meters_s += plan.samples * max(m.sample_s for m in bench.current_meter)
    found = {"voltage_source": plan.settings * setting_s}
    if bench.heater_source:
        found["heater_source"] = plan.heatings * (_settling_s(bench.heater_source) + _writing_s(bench.heater_source))
    if not bench.laser:
        light_s = _settling_s(bench.light_source) + _writing_s(bench.light_source)
        return found | {"light_source": plan.lights * light_s, "current_meter": meters_s}
    laser = bench.laser[0]
    tuning_s = _tuning_s(laser)
    found["laser"] = plan.lights * tuning_s
    sample_s = max(m.sample_s for m in bench.current_meter)
    logs = all(m.commands.log for m in bench.current_meter)
    # As its stretches are cut: at the plan's mean step, what the laser cannot sweep over is stepped to.
    integration_s = plan.swept_samples * sample_s / max(1, plan.points)
    speed_nm_s = laser.speed_nm_s(plan.swept_nm / max(1, plan.points - plan.sweeps), integration_s) if logs else 0.0
    if speed_nm_s:
        # Each stretch: one question whether it is over more often than not, and the logs.
        commands = len(laser.commands.sweep) + 3
        starting_s = laser.sweep_s + commands * (1 + bool(laser.commands.error)) * laser.command_s
        found["laser"] += plan.sweeps * (starting_s + integration_s) + plan.swept_nm / speed_nm_s
        meters_s += plan.sweeps * sum(_logging_s(m) for m in bench.current_meter)
    else:
        found["laser"] += plan.points * tuning_s
        meters_s += plan.points * sum(
            (_reading_s(m) for m in bench.current_meter), start=_settling_s(bench.current_meter)
        )
        meters_s += plan.swept_samples * sample_s
    return found | {"current_meter": meters_s}


def spelled(times_s: Mapping[str, float]) -> str:
    """What takes how long on a bench, the longest first, in words for a person who waits."""
    parts = sorted(times_s.items(), key=lambda part: -part[1])
    each = ", ".join(f"{role.replace('_', ' ')} {_duration(time_s)}" for role, time_s in parts if time_s > 0.0)
    return f"about {_duration(sum(times_s.values()))} on these instruments ({each}), computing not counted"


def _duration(time_s: float) -> str:
    if time_s < 99.5:
        return f"{time_s:.3g} s"
    return f"{time_s / 60.0:.3g} min" if time_s < 99.5 * 60.0 else f"{time_s / 3600.0:.3g} h"


def _settling_s(entries: list[Any]) -> float:
    return max((e.settle_s for e in entries), default=0.0)


def _writing_s(entries: list[Any]) -> float:
    return sum(
        (e.commands_for(len(channel_map(e)), e.commands.set) * (1 + bool(e.commands.error)) * e.command_s)
        for e in entries
    )


def _tuning_s(laser: Laser) -> float:
    """Time of one step to another wavelength: the command, its errors, settling and reading back."""
    asked = 1 + bool(laser.commands.error) + bool(laser.commands.query) + bool(laser.commands.state)
    return laser.settle_s + asked * laser.command_s


def _reading_s(meter: CurrentMeter) -> float:
    """Time of the commands of one reading: the trigger, the query whether it was accepted, and the answers."""
    begun = 1 + bool(meter.commands.error) if meter.commands.trigger else 0
    channels = len(channel_map(meter))
    ranged_s = 0.0 if meter.commands.range else meter.range_s
    return (meter.commands_for(channels, meter.commands.read) + begun) * meter.command_s + ranged_s


def _logging_s(meter: CurrentMeter) -> float:
    """Time of the commands that arm one meter for a sweep and fetch what it logged."""
    channels, commands = len(channel_map(meter)), meter.commands
    armed = sum(_times(text, channels) for text in (*commands.log, *commands.log_stop)) * (1 + bool(commands.error))
    return (armed + _times(commands.log_read, channels) + bool(commands.log_state)) * meter.command_s


def _times(text: str, channels: int) -> int:
    """How often a command is sent: once for each channel where it names one."""
    return channels if any(field in text for field in ("{channel}", "{slot", "{port")) else 1
