"""The bench file: which instruments hold the chip, on which channels, by which commands, within which limits.

TOML, read by pydantic; an unknown key is refused. Nothing in the file is run: commands are templates whose fields are
known (`template`), and a driver is looked up by name among the installed ones (`drivers`).
"""

from pathlib import Path
from typing import Any, Literal, final

from pydantic import BaseModel, Field, ValidationError, model_validator

from prism_photonics.chip.filetables import LARGEST_BLOCK, Table
from prism_photonics.chip.instruments import HeaterSource, LightSource, LineBlock, RingBlock, VoltageSource, channel_map
from prism_photonics.chip.laser import TUNABLE_LASER
from prism_photonics.chip.laserfile import Laser, Light
from prism_photonics.chip.meterfile import CurrentMeter, RowBlock
from prism_photonics.chip.resource import canonical
from prism_photonics.files.complaint import gravest, place_of, wrong_value
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
    light: Light = Light()
    light_source: list[LightSource] = Field(default=[], description="modulators of a comb's lines")
    laser: list[Laser] = Field(default=[], max_length=1, description="the one light of kind tunable_laser")
    current_meter: list[CurrentMeter] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "BenchFile":
        self._refuse_wrong_light()
        for role, entries in self.roles():
            # Before any is enumerated.
            if (
                count := sum(block.count() for entry in entries for block in getattr(entry, "channels", ()))
            ) > LARGEST_BLOCK:
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

    def _refuse_wrong_light(self) -> None:
        """Refuse two kinds of light, or none."""
        swept = self.light.kind == TUNABLE_LASER
        if self.laser and self.light_source:
            raise ValueError(
                "both kinds of light, a [[laser]] and a [[light_source]]: want one of them: [light] kind = "
                "'tunable_laser' with [[laser]], or 'comb' with the modulators' [[light_source]]; leave the other out"
            )
        if self.laser and not swept:
            raise ValueError(
                "light.kind = 'comb', and a [[laser]]: want kind = 'tunable_laser' with it, or a [[light_source]]"
            )
        if self.light_source and swept:
            raise ValueError(
                "light.kind = 'tunable_laser', and a [[light_source]]: want a [[laser]] with it, or kind = 'comb'"
            )
        if not (self.laser or self.light_source):
            key = "laser" if swept else "light_source"
            raise ValueError(f"missing key '{key}'; add it (docs/bench.md shows every key)")

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
        roles = ("voltage_source", "heater_source", "light_source", "laser", "current_meter")
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
            "light_source": {(line,) for line in range(channels)} if self.light_source else set(),
            "laser": set(),
            "current_meter": {(row,) for row in range(rows)},
        }
        for role, entries in self.roles():
            seen: set[tuple[int | str, ...]] = set()
            for i, entry in enumerate(entries):
                for place, channel in channel_map(entry).items():
                    if role == "current_meter" and len(place) == 2 and place[:1] in wanted[role]:
                        # Two channels make a row.
                        wanted[role] |= {(place[0], "through"), (place[0], "drop")}
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
            halves = {place[0] for place in wanted[role] if len(place) == 2} if role == "current_meter" else set()
            for row in halves:
                if (row,) in seen:
                    raise InputError(
                        f"bench {self.name}: {role}.channels: row {row} has a channel for its difference and one for "
                        "a photodiode of it; keep one kind"
                    )
                wanted[role].discard((row,))
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


def _place(role: str, place: tuple[int | str, ...]) -> str:
    if role in ("voltage_source", "heater_source"):
        return f"ring {place[1]} of row {place[0]}"
    port = f"the {place[1]} port of " if len(place) == 2 else ""
    return f"{port}{'line' if role == 'light_source' else 'row'} {place[0]}"


def _refuse_shared_channels(role: str, entries: list[Any]) -> None:
    """Refuse two rings, lines or rows on one channel: they would be driven or read as one."""
    taken: dict[tuple[str, int], tuple[int | str, ...]] = {}
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
    first = gravest(error)
    place = place_of(first)
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        return f"unknown key '{place}'; {nearest(str(first['loc'][-1]), known)}"
    if first["type"] == "missing":
        return f"missing key '{place}'; add it (calibration/demo_8x8/bench.toml shows every key)"
    if first["type"] == "value_error":
        return f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
    return f"{wrong_value(first, shown(first['input']))}; mend the value"


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    """Keys of the table at a place of the file."""
    tables: dict[str, type[BaseModel]] = {
        "voltage_source": VoltageSource, "heater_source": HeaterSource, "light_source": LightSource, "light": Light,
        "laser": Laser, "current_meter": CurrentMeter,
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
