"""The bench file: which instruments hold the chip, on which channels, by which commands, within which limits.

TOML, read by pydantic; an unknown key is refused. Nothing in the file is run: commands are templates whose fields are
known (`template`), and a driver is looked up by name among the installed ones (`drivers`).
"""

from pathlib import Path
from typing import Any, Literal, final

from pydantic import BaseModel, Field, ValidationError, model_validator

from prism_photonics.chip.instruments import (
    LARGEST_BLOCK,
    CurrentMeter,
    HeaterSource,
    LightSource,
    LineBlock,
    RingBlock,
    RowBlock,
    Table,
    VoltageSource,
    channel_map,
)
from prism_photonics.chip.resource import canonical
from prism_photonics.files.fields import shown
from prism_photonics.files.toml import read_toml
from prism_photonics.units import InputError, nearest

MARK = "FILL IN"
"""How a value begins that `prism bench new` leaves to the user."""


@final
class BenchFile(Table):
    """A bench, complete. Read with `from_toml`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    visa_library: Literal["@py", "@ivi"] = Field(default="@py", description="pyvisa-py, or the maker's VISA")
    safe_voltage_V: float = Field(default=0.0, ge=-200, le=200, description="where the rings are parked")
    voltage_source: list[VoltageSource] = Field(min_length=1)
    heater_source: list[HeaterSource] = Field(default=[], description="of chips whose rings are held by heat")
    light_source: list[LightSource] = Field(min_length=1)
    current_meter: list[CurrentMeter] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "BenchFile":
        for role, entries in self.roles():
            # Before any is enumerated.
            if (count := sum(block.count() for entry in entries for block in entry.channels)) > LARGEST_BLOCK:
                raise ValueError(f"{role}: its blocks hold {count} channels, more than the {LARGEST_BLOCK} of any chip")
        for i, source in enumerate(self.voltage_source):
            if abs(self.safe_voltage_V) > source.max_voltage_V:
                raise ValueError(
                    f"safe_voltage_V = {self.safe_voltage_V:g}: above voltage_source.{i}.max_voltage_V = "
                    f"{source.max_voltage_V:g}; park at a lower voltage"
                )
            if source.verify_V and not source.commands.query:
                raise ValueError(f"voltage_source.{i}.verify_V: needs commands.query, which is empty; add it")
        for role, entries in self.roles():
            _refuse_shared_channels(role, entries)
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> "BenchFile":
        """Read and check a bench file.

        Raises:
            InputError: The file cannot be read, is not TOML, holds an unknown key, field or value, or a mark that
                `prism bench new` left and nobody filled in.
        """
        data = read_toml(path, what="bench file", name="bench.toml")
        if unfilled := marks(data):
            place, text = next(iter(unfilled.items()))
            more = f" ({len(unfilled) - 1} more are marked {MARK})" if len(unfilled) > 1 else ""
            raise InputError(f"{path}: {place} = {shown(text)}: not filled in yet; write your instrument's there{more}")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{path}: {_explain(error)}") from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def roles(self) -> tuple[tuple[str, list[Any]], ...]:
        """The instruments by role."""
        roles = ("voltage_source", "heater_source", "light_source", "current_meter")
        return tuple((role, getattr(self, role)) for role in roles)

    def require_complete(self, rows: int, channels: int) -> None:
        """Check that every ring, line and row of a chip is on exactly one channel.

        Raises:
            InputError: One is missing, there twice, or not on the chip.
        """
        rings = {(row, ring) for row in range(rows) for ring in range(channels)}
        wanted = {
            "voltage_source": rings,
            "heater_source": rings if self.heater_source else set(),
            "light_source": {(line,) for line in range(channels)},
            "current_meter": {(row,) for row in range(rows)},
        }
        for role, entries in self.roles():
            seen: set[tuple[int, ...]] = set()
            for i, entry in enumerate(entries):
                for place, channel in channel_map(entry).items():
                    if place not in wanted[role]:
                        raise InputError(
                            f"bench {self.name}: {role}.{i}.channels: {_place(role, place)} (channel {channel}) is not "
                            f"on this {rows}×{channels} chip; mend the map, or use the chip's own bench file"
                        )
                    if place in seen:
                        raise InputError(
                            f"bench {self.name}: {role}.{i}.channels: {_place(role, place)} is mapped twice; keep one"
                        )
                    seen.add(place)
            missing = sorted(wanted[role] - seen)
            if missing:
                raise InputError(
                    f"bench {self.name}: {role}.channels: {_place(role, missing[0])} has no channel "
                    f"({len(missing)} missing of {len(wanted[role])}); map every one"
                )


def marks(data: dict[str, Any]) -> dict[str, str]:
    """Values of a bench file's data that are still to be filled in, by key, such as ``voltage_source.0.idn``."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = [("", data)]
    # Not recursive: a file may nest as deeply as its reader goes.
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str) and value.startswith(MARK):
            found[place] = value
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting += [(f"{place}.{key}" if place else str(key), entry) for key, entry in entries][::-1]
    return found


def wall_time_s(
    bench: BenchFile, *, settings: int, lights: int, triggers: int, samples: int, heatings: int = 0
) -> float:
    """Time that a job takes on the real instruments, an upper estimate.

    Args:
        bench: The bench.
        settings: How often the ring voltages change.
        lights: How often the light changes.
        triggers: Readings of all rows.
        samples: Converter samples, summed over all readings.
        heatings: How often heater powers change.

    Returns:
        Settling, ramps over the whole range, commands one after the other, and integration, in s.
    """

    def writing_s(entries: list[Any]) -> float:
        return sum(
            (
                e.commands_for(len(channel_map(e)), e.commands.set) * (1 + bool(e.commands.error)) * e.command_s
                for e in entries
            ),
            start=0.0,
        )

    ramp_s = max(2.0 * e.max_voltage_V / e.ramp_V_s if e.ramp_V_s else 0.0 for e in bench.voltage_source)
    checking_s = sum(
        e.commands_for(len(channel_map(e)), e.commands.query) * e.command_s for e in bench.voltage_source if e.verify_V
    )
    setting_s = ramp_s + max(e.settle_s for e in bench.voltage_source) + writing_s(bench.voltage_source) + checking_s
    light_s = max(e.settle_s for e in bench.light_source) + writing_s(bench.light_source)
    reading_s = max(e.settle_s for e in bench.current_meter) + sum(
        (e.commands_for(len(channel_map(e)), e.commands.read) + _triggering(e)) * e.command_s
        for e in bench.current_meter
    )
    sample_s = max(e.sample_s for e in bench.current_meter)
    heaters = bench.heater_source
    heating_s = max((e.settle_s for e in heaters), default=0.0) + writing_s(heaters)
    return settings * setting_s + heatings * heating_s + lights * light_s + triggers * reading_s + samples * sample_s


def _triggering(meter: CurrentMeter) -> int:
    """Number of commands that begin a reading: the trigger, and the query whether it was accepted."""
    return 1 + bool(meter.commands.error) if meter.commands.trigger else 0


def _place(role: str, place: tuple[int, ...]) -> str:
    if role in ("voltage_source", "heater_source"):
        return f"ring {place[1]} of row {place[0]}"
    return f"{'line' if role == 'light_source' else 'row'} {place[0]}"


def _refuse_shared_channels(role: str, entries: list[Any]) -> None:
    """Refuse two rings, lines or rows on one channel: they would be driven or read as one."""
    taken: dict[tuple[str, int], tuple[int, ...]] = {}
    for i, entry in enumerate(entries):
        for place, channel in channel_map(entry).items():
            other = taken.setdefault((canonical(entry.resource), channel), place)
            if other != place:
                raise ValueError(
                    f"{role}.{i}.channels: channel {channel} holds {_place(role, other)} and {_place(role, place)}; "
                    "give each its own"
                )


def _explain(error: ValidationError) -> str:
    """The most serious error of a validation, as one line: where, got, want, cure."""
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        return f"unknown key '{place}'; {nearest(str(first['loc'][-1]), known)}"
    if first["type"] == "missing":
        return f"missing key '{place}'; add it (calibration/demo_8x8/bench.toml shows every key)"
    if first["type"] == "value_error":
        return f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
    return f"{place} = {shown(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}; mend the value"


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    """Keys of the table at a place of the file."""
    tables: dict[str, type[BaseModel]] = {
        "voltage_source": VoltageSource, "heater_source": HeaterSource, "light_source": LightSource,
        "current_meter": CurrentMeter,
    }  # fmt: skip
    blocks: dict[str, type[BaseModel]] = {
        "voltage_source": RingBlock, "heater_source": RingBlock, "light_source": LineBlock, "current_meter": RowBlock,
    }  # fmt: skip
    names = [str(part) for part in loc if isinstance(part, str)]
    if not names:
        return list(BenchFile.model_fields)
    table = tables[names[0]]
    if names[-1] == "channels":
        table = blocks[names[0]]
    elif names[-1] == "commands":
        annotation = table.model_fields["commands"].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        table = annotation
    return list(table.model_fields)
