"""A served chip that understands the commands of a bench file: a rehearsal of that file, without its instruments.

Each command template of the file is read backwards: what stands in its fields is what the served chip is told in its
own language (`served`), and what it answers goes back in the unit and the form that the file says. So every template,
unit, channel map, log format and range of the file is exercised; whether the maker's instrument has those commands is
not.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import final

from prism_photonics.chip.benchfile import BenchFile
from prism_photonics.chip.instruments import Entry, HeaterSource, LightSource, VoltageSource, channel_map
from prism_photonics.chip.laserfile import METRES, Laser
from prism_photonics.chip.meterfile import CurrentMeter
from prism_photonics.chip.rehearsal_text import (
    Answer,
    Fields,
    joined,
    listed,
    logged_text,
    numbers,
    parsed,
    rule,
    state_text,
)  # fmt: skip
from prism_photonics.chip.rehearsed_meter import meter_rules
from prism_photonics.chip.resource import canonical
from prism_photonics.chip.serve import serving_all
from prism_photonics.chip.served import ServedChip
from prism_photonics.chip.session import Client
from prism_photonics.chip.tunable import TunableLaser


@final
class Rehearsal:
    """The instruments of a bench file, played by one served chip."""

    def __init__(self, bench: BenchFile, served: ServedChip, *, rings: int) -> None:
        """Take the bench file's instruments apart.

        Args:
            bench: The file, complete for the chip.
            served: The chip in its box.
            rings: Rings of a row.
        """
        self.served = served
        self._client = Client()
        self._rings = rings
        self._pairs = served.laser is not None
        self.instruments: dict[str, RehearsedInstrument] = {}
        for _, entries in bench.roles():
            for entry in entries:
                name = canonical(entry.resource)
                played = self.instruments.setdefault(name, RehearsedInstrument(self, entry))
                played.rules += self._rules(entry)

    def tell(self, command: str) -> str:
        """What the served chip answers to one of its own commands; empty where it has nothing to say."""
        reply, _ = self.served.answer(command, self._client)
        return reply or ""

    def complaints(self) -> Iterator[str]:
        """The served chip's errors since the last time."""
        while self._client.errors:
            yield self._client.errors.popleft()

    # ------------------------------------------------------------ the roles

    def _rules(self, entry: Entry) -> list[tuple[re.Pattern[str], list[str], Answer]]:
        rules = {
            VoltageSource: self._voltages, HeaterSource: self._heaters, LightSource: self._lines, Laser: self._laser,
            CurrentMeter: self._meter,
        }[type(entry)](entry)  # fmt: skip
        fixed = [entry.commands.idn, entry.commands.unlock, *entry.commands.start, *entry.commands.stop]
        known: list[tuple[str, Answer]] = [(text, lambda fields: None) for text in fixed[1:] if text]
        known.append((fixed[0], lambda fields: f"{entry.idn or 'rehearsed'},rehearsed"))
        if entry.commands.lock:
            known.append((entry.commands.lock, lambda fields: "1"))
        return [rule(text, answer) for text, answer in (*rules, *known) if text]

    def _voltages(self, entry: VoltageSource) -> list[tuple[str, Answer]]:
        native = {channel: self._ring(place) for place, channel in channel_map(entry).items()}
        commands = entry.commands

        def query(fields: Fields) -> str:
            channels = fields.get("channel") or fields.get("channels") or list(native)
            return self._spoken(entry, self.tell(f"SOUR:VOLT? {listed(native[int(c)] for c in channels)}"))

        return [
            (commands.set, lambda fields: self._set("SOUR:VOLT", native, fields)),
            (commands.query, query),
            (commands.wait, lambda fields: self._quietly(f"DIAG:WAIT {fields['seconds'][0]!r}")),
            (commands.clock, lambda fields: self.tell("DIAG:CLOC?")),
        ]

    def _heaters(self, entry: HeaterSource) -> list[tuple[str, Answer]]:
        native = {channel: self._ring(place) for place, channel in channel_map(entry).items()}

        def power_mW(sent: float) -> float:
            if entry.unit == "mW":
                return sent
            return 1e3 * sent**2 * (1.0 / entry.resistance_ohm if entry.unit == "V" else entry.resistance_ohm)

        return [(entry.commands.set, lambda fields: self._set("SOUR:HEAT", native, fields, power_mW))]

    def _lines(self, entry: LightSource) -> list[tuple[str, Answer]]:
        native = {channel: int(place[0]) + 1 for place, channel in channel_map(entry).items()}
        return [(entry.commands.set, lambda fields: self._set("SOUR:TRAN", native, fields))]

    def _laser(self, entry: Laser) -> list[tuple[str, Answer]]:
        commands = entry.commands

        def nm(fields: Fields, name: str) -> float | None:
            for unit, factor in (("nm", 1.0), ("pm", 1e-3), ("m", 1e9)):
                if f"{name}_{unit}" in fields:
                    return factor * fields[f"{name}_{unit}"][0]
            return None

        def prepare(fields: Fields) -> None:
            for name, word in (("start", "STAR"), ("stop", "STOP"), ("step", "STEP")):
                if (value := nm(fields, name)) is not None:
                    self._quietly(f"SOUR:WAV:SWE:{word} {value!r}")
            for name, factor in (("speed_nm_s", 1.0), ("speed_m_s", 1e9)):
                if name in fields:
                    self._quietly(f"SOUR:WAV:SWE:SPE {factor * fields[name][0]!r}")

        def read_back(fields: Fields) -> str:
            metres = float(self.tell("SOUR:WAV?")) * METRES["nm"]
            return f"{entry.prefix}{metres / METRES[entry.wavelength_unit]:.12E}{entry.suffix}"

        def stands() -> bool:
            return self.tell("SOUR:WAV:SWE:STAT?") == "0"

        def logged(fields: Fields) -> str:
            metres = numbers(self.tell("READ:DATA?")) * METRES["nm"]
            return logged_text(metres / METRES[entry.log_unit], entry.log_format, entry.log_byte_order)

        return [
            (commands.wavelength, lambda fields: self._quietly(f"SOUR:WAV {nm(fields, 'wavelength')!r}")),
            (commands.query, read_back),
            (commands.power, lambda fields: None),
            (commands.bus, lambda fields: self._quietly(f"ROUT:BUS {int(fields['bus'][0]) - entry.first_bus + 1}")),
            (commands.lit, lambda fields: self._quietly("SOUR:POW:STAT 1")),
            (commands.dark, lambda fields: self._quietly("SOUR:POW:STAT 0")),
            (commands.state, lambda fields: state_text(self.tell("SOUR:WAV:STAT?") == "0", commands.ready)),
            *((text, prepare) for text in commands.sweep),
            (commands.sweep_start, lambda fields: self._quietly("SOUR:WAV:SWE:STAT 1")),
            (commands.sweep_state, lambda fields: state_text(stands(), commands.sweep_done)),
            (commands.sweep_stop, lambda fields: self._quietly("SOUR:WAV:SWE:STAT 0")),
            (commands.logged, logged),
        ]

    def _meter(self, entry: CurrentMeter) -> list[tuple[str, Answer]]:
        native = {channel: self._port(place) for place, channel in channel_map(entry).items()}
        return meter_rules(entry, native, self.tell)

    # ------------------------------------------------------------ between the languages

    def _ring(self, place: tuple[int | str, ...]) -> int:
        return int(place[0]) * self._rings + int(place[1]) + 1

    def _port(self, place: tuple[int | str, ...]) -> int:
        """The served meter's channel of a place: one for each row, or two behind a laser."""
        if not self._pairs:
            return int(place[0]) + 1
        return 2 * int(place[0]) + 1 + (len(place) == 2 and place[1] == "drop")

    def _set(
        self, header: str, native: dict[int, int], fields: Fields, convert: Callable[[float], float] = float
    ) -> None:
        channels = fields.get("channel") or fields.get("channels") or []
        values = fields.get("value") or fields.get("values") or []
        sent = ",".join(repr(convert(value)) for value in values)
        self._quietly(f"{header} {sent},{listed(native[int(c)] for c in channels)}")

    def _quietly(self, command: str) -> None:
        self.tell(command)

    def _spoken(self, entry: Entry, reply: str) -> str:
        return joined(parsed(reply), entry) if reply else ""


@final
class RehearsedInstrument:
    """One instrument of a rehearsal on a line of its own, with its own queue of errors."""

    def __init__(self, rehearsal: Rehearsal, entry: Entry) -> None:
        self.rules: list[tuple[re.Pattern[str], list[str], Answer]] = []
        self._rehearsal, self._commands = rehearsal, entry.commands

    def replies(self, line: str, client: Client) -> Iterator[str | None]:
        """Do what one line says, and give what it answers."""
        command = line.strip()
        if not command:
            return
        if command == self._commands.error:
            yield client.errors.popleft() if client.errors else (self._commands.no_error or '0,"No error"')
            return
        for pattern, names, answer in self.rules:
            if match := pattern.fullmatch(command):
                fields = {n: [float(w) for w in t.split(",")] for n, t in zip(names, match.groups(), strict=True)}
                reply = answer(fields)
                for complaint in self._rehearsal.complaints():
                    client.complain(complaint)
                yield reply or None
                return
        client.complain(f'-113,"Undefined header; {command[:60]} is no command of the bench file"')

    def delay_s(self) -> float:
        """Time in s until a reply may be sent."""
        return self._rehearsal.served.delay_s()

    def leave(self, client: Client) -> None:
        """A connection has ended."""
        return


@contextmanager
def rehearsing(bench: BenchFile, served: ServedChip, *, rings: int) -> Iterator[BenchFile]:
    """Play a bench file's instruments from a thread of this program, for tests and notebooks.

    Args:
        bench: The file.
        served: The chip in its box.
        rings: Rings of a row.

    Yields:
        The same file with the addresses at which its instruments are played.
    """
    instruments = Rehearsal(bench, served, rings=rings).instruments
    with serving_all(list(instruments.values())) as resources:
        yield at_addresses(bench, dict(zip(instruments, resources, strict=True)))


def rehearsed_text(path: Path, bench: BenchFile, addresses: Mapping[str, str]) -> str:
    """The text of a bench file with its instruments at other addresses, which are given by `resource.canonical`."""
    text = path.read_text(encoding="utf-8").replace('"@ivi"', '"@py"')
    for _, entries in bench.roles():
        for entry in entries:
            text = text.replace(f'"{entry.resource}"', f'"{addresses[canonical(entry.resource)]}"')
    return text


def laser_like(bench: BenchFile) -> TunableLaser | None:
    """A simulated laser that jitters, sweeps and steps as a bench file says of its own; None of a comb's bench."""
    if not bench.laser:
        return None
    entry, usual = bench.laser[0], TunableLaser()
    return replace(
        usual,
        jitter_pm=entry.jitter_pm,
        speed_nm_s=entry.fastest_nm_s or usual.speed_nm_s,
        dead_s=entry.sweep_s or usual.dead_s,
        step_s=entry.settle_s or usual.step_s,
    )


def at_addresses(bench: BenchFile, addresses: Mapping[str, str]) -> BenchFile:
    """A bench file whose instruments are at other addresses, which are given by `resource.canonical`."""
    data = bench.model_dump()
    data["visa_library"] = "@py"
    for role, entries in bench.roles():
        for i, entry in enumerate(entries):
            data[role][i]["resource"] = addresses[canonical(entry.resource)]
    return BenchFile.model_validate(data)
