"""A meter of a rehearsal: its channels, units, ranges and logs, as its table in the bench file says."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.meterfile import DBM, CurrentMeter
from prism_photonics.chip.rehearsal_text import (
    Answer,
    Fields,
    joined,
    listed,
    logged_text,
    numbers,
    parsed,
    state_text,
)  # fmt: skip

# A power meter in the dark shows its noise. Design choice, as multiport power meters' data sheets have it.
DARKEST_DBM = -90.0


def meter_rules(entry: CurrentMeter, native: Mapping[int, int], tell: Callable[[str], str]) -> list[tuple[str, Answer]]:
    """The commands of a meter, and what each does.

    Args:
        entry: Its table.
        native: The served meter's channel of each of its channels.
        tell: Gives the served chip's answer to one of its own commands.
    """
    commands = entry.commands
    first, scale_A = next(iter(native)), [entry.scales_A[-1] if entry.scales_A else np.inf]
    tell("SENS:RANG:AUTO 1")

    def channels(fields: Fields) -> list[int]:
        if "channels" in fields:
            return [int(channel) for channel in fields["channels"]]
        named = {tuple(entry.port_values(c).items()): c for c in native}
        for values, channel in named.items():
            given = {name: int(fields[name][0]) for name, _ in values if name in fields}
            if given and given.items() <= dict(values).items():
                return [channel]
        return list(native)

    def spoken(current_A: Float[ndarray, " numbers"]) -> Float[ndarray, " numbers"]:
        beyond = np.abs(current_A) > scale_A[0] * (1.0 + 1e-9)
        if entry.unit == DBM:
            with np.errstate(divide="ignore", invalid="ignore"):
                answered = 10.0 * np.log10(np.maximum(current_A, 0.0) / entry.amperes / 1e-3)
            answered = np.maximum(answered, DARKEST_DBM)
        else:
            answered = current_A / entry.amperes
        return np.where(beyond, np.inf, answered)

    def average(fields: Fields) -> None:
        for name, one in (
            ("averages", 1.0), ("integration_s", entry.sample_s), ("integration_ms", 1e3 * entry.sample_s),
        ):  # fmt: skip
            if name in fields:
                tell(f"SENS:AVER:COUN {max(1, round(fields[name][0] / one))}")

    def trigger(fields: Fields) -> None:
        # One box plays all channels: a trigger of the first is one of all.
        if channels(fields)[0] == first:
            tell("INIT")

    def read(fields: Fields) -> str:
        if not commands.trigger:
            trigger(fields)
        reply = tell(f"FETC? {listed(native[c] for c in channels(fields))}")
        if not reply:
            return ""
        return joined(spoken(parsed(reply)), entry)

    def choose_range(fields: Fields) -> None:
        for number, scale in enumerate(entry.scales_A):
            values = entry.range_values(number)
            if all(np.isclose(fields[name][0], values[name], rtol=1e-6) for name in fields if name in values):
                scale_A[0] = scale

    def log(fields: Fields) -> None:
        average(fields)
        if "points" in fields:
            tell(f"SENS:LOGG:POIN {int(fields['points'][0])}")
        tell("INIT:LOGG")

    def log_sweep(fields: Fields) -> None:
        if "start_nm" in fields and "points" not in fields:
            points = round((fields["stop_nm"][0] - fields["start_nm"][0]) / fields["step_nm"][0]) + 1
            fields = fields | {"points": [float(points)]}
        if {"points", "averages", "integration_s", "integration_ms"} & set(fields):
            log(fields)

    def log_read(fields: Fields) -> str:
        block = tell(f"FETC:LOGG? {listed(native[c] for c in channels(fields))}")
        if not block:
            return ""
        return logged_text(spoken(numbers(block)), entry.log_format, entry.log_byte_order)

    return [
        (commands.average, average),
        (commands.trigger, trigger),
        (commands.read, read),
        (commands.range, choose_range),
        *((text, log_sweep) for text in commands.log),
        (commands.log_state, lambda fields: state_text(tell("SENS:LOGG:STAT?") == "1", commands.log_done)),
        (commands.log_read, log_read),
        *((text, lambda fields: None) for text in commands.log_stop),
    ]
