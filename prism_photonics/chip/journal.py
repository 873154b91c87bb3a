"""A journal of every reading, so that nothing measured is lost: a job that was killed goes on where it stopped.

`JournaledChip` stands between a job and its chip and writes each setting and each reading to a file as it is made, one
line at a time. Opened again with ``resume``, it answers from the file as long as the job asks what it asked before, and
from the chip after that. A job is a function of spec and seed, so it asks the same again; should it not, it is refused.

A line is ``CRC32 JSON``. Lines are only ever added, each in one write: whatever kills the program leaves whole lines
and at most one torn one, which is dropped. They are pushed to the disk once a second and at the end.
"""

import contextlib
import json
import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.chip.laser import Sweep
from prism_photonics.chip.lock import claim, is_at
from prism_photonics.files import make_folder
from prism_photonics.files.fields import Number, require_arrays, require_values, shown
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

SCHEMA = "prism_photonics.journal/2"
SYNC_PERIOD_S = 1.0
CURE = "calibrate anew, without --resume"
# Far beyond any meter and any job; a meter that gave no number is no fault of the journal's.
READING = {"A": Number(("row",), low=-1e3, high=1e3, unit="A", gaps=True)}
TIME = Number(low=0, high=1e12, unit="s, never falling")
SWEEP = {
    "nm": Number(("point",), low=100.0, high=1e5, unit="nm"),
    "A": Number(("point", "row"), low=-1e3, high=1e3, unit="A", gaps=True),
    "t": Number(("point",), low=0, high=1e12, unit="s"),
}
ANSWERS = ("A", "s", "nm", "t")
"""What of an entry was answered; the rest was asked."""


@final
class JournaledChip(AbstractChip):
    """A chip whose readings are kept. Close it, or use it in a ``with`` statement.

    Attributes:
        kept: How many readings were on file.
        aside: Where an older journal was moved, if there was one that is not resumed.
    """

    def __init__(
        self,
        chip: AbstractChip,
        spec: ChipSpec,
        path: str | Path,
        *,
        identity: Mapping[str, Any],
        resume: bool = False,
        retake: bool = False,
    ) -> None:
        """Begin a journal, or go on with one.

        Args:
            chip: The chip.
            spec: Its spec.
            path: The journal. An older one is moved aside unless it is resumed.
            identity: Further properties that a resumed job must share: instruments, die, seed.
            resume: Use the readings that are there; without a journal there, begin one.
            retake: Take them again and compare: for a simulated chip, whose noise and clock then go on as if the job
                had never stopped.

        Raises:
            InputError: The journal belongs to another job, is damaged, in use, or cannot be written.
        """
        super().__init__(spec, label=chip.label)
        self._max_voltage_V, self._max_heater_mW = chip.max_voltage_V, chip.max_heater_mW
        self._laser, self._channel_of_ring = chip.laser, chip.channel_of_ring
        self._chip, self._retake = chip, retake
        self._path = Path(path)
        # Through JSON, so that it compares with what was read.
        header = json.loads(json.dumps({"schema": SCHEMA, "spec_hash": spec.hash, **identity}))
        make_folder(self._path.parent)
        self._file = claim(self._path, who=f"the journal {self._path}")
        self.aside: Path | None = None
        try:
            if not resume and os.fstat(self._file).st_size:
                self._begin_anew()
            self._old, self._size = _read(self._file, self._path, header)
            require_readings(self._old, self._path, rows=spec.chip.rows)
            self._synced_s = time.monotonic()
            self._asked = 0
            self._read_s = 0.0
            self._gap_s = 0.0
            self._undriven = self._unheated = np.empty((0, 0))
            self.kept = sum("A" in entry for entry in self._old)
            if not self._size:
                self._write(header)
        except BaseException:
            os.close(self._file)
            raise

    @property
    def paused(self) -> bool:
        """As the chip behind says."""
        return self._chip.paused

    def close(self) -> None:
        """Push everything to the disk and let go of the file."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def finish(self) -> None:
        """Remove the journal: all that it holds has become a record."""
        # While it is locked: afterwards a file of that name may be another program's.
        if self._file >= 0 and is_at(self._file, self._path):
            self._path.unlink()
        self.close()

    def __enter__(self) -> "JournaledChip":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _begin_anew(self) -> None:
        """Move the older journal, which is ours alone now, aside and begin another."""
        self.aside = _move_aside(self._path)
        old, self._file = self._file, claim(self._path, who=f"the journal {self._path}")
        os.close(old)

    def _wait(self, seconds: float) -> None:
        """Let time pass, unless it has passed already."""
        entry = {"wait": seconds}
        known = self._known(entry) is not None
        if not known or self._retake:
            self._catch_up()
            self._chip.wait(seconds)
        if not known:
            self._write(entry)

    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        entry = {"set": volts.tolist()}
        known = self._known(entry) is not None
        # On file already: not driven before a new reading needs it.
        self._undriven = volts
        if not known or self._retake:
            self._catch_up()
        if not known:
            self._write(entry)

    def _heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        entry = {"heat": power_mW.tolist()}
        known = self._known(entry) is not None
        self._unheated = power_mW
        if not known or self._retake:
            self._catch_up()
        if not known:
            self._write(entry)

    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        question = {"light": light.tolist(), "averages": averages}
        kept = self._known(question)
        if kept is not None and not self._retake:
            self._read_s = kept["s"]
            return np.array(kept["A"])
        self._catch_up()
        current_A = self._chip.measure(light, averages=averages)
        if kept is None:
            self._tick()
            self._write({**question, "A": current_A.tolist(), "s": self._read_s})
            return current_A
        self._retaken(current_A, kept)
        return current_A

    def _sweep(self, wavelength_nm: Float[ndarray, " points"], averages: int, bus: int) -> Sweep:
        question = {"sweep": wavelength_nm.tolist(), "averages": averages, "bus": bus}
        kept = self._known(question)
        if kept is not None and not self._retake:
            self._read_s = kept["s"]
            return Sweep(*(np.array(kept[name], dtype=float) for name in SWEEP))
        self._catch_up()
        found = self._chip.sweep(wavelength_nm, averages=averages, bus=bus)
        if kept is None:
            self._tick()
            time_s = found.time_s + self._gap_s
            arrays = (found.wavelength_nm, found.current_A, time_s)
            self._write({**question, **{n: a.tolist() for n, a in zip(SWEEP, arrays, strict=True)}, "s": self._read_s})
            return replace(found, time_s=time_s)
        self._retaken(found.current_A, kept)
        return replace(found, time_s=np.array(kept["t"], dtype=float))

    def _tick(self) -> None:
        """Take the time of a new reading."""
        # A program begun anew may have a clock begun anew: time goes on from the last reading.
        self._gap_s = max(self._gap_s, self._read_s - self._chip.time_s)
        self._read_s = self._chip.time_s + self._gap_s

    def _retaken(self, current_A: Float[ndarray, "..."], kept: dict[str, Any]) -> None:
        """Compare currents that were taken again with those on file.

        Raises:
            InputError: They differ.
        """
        self._read_s = kept["s"]
        before_A = np.array(kept["A"], dtype=float)
        if not np.array_equal(current_A, before_A, equal_nan=True):
            raise InputError(
                f"{self._path}: reading {self._asked}: this chip gives {current_A.flat[0]:.6g} A, the journal holds "
                f"{before_A.flat[0]:.6g} A; the journal is another die's: calibrate anew, without --resume"
            )

    def _clock_s(self) -> float:
        return self._read_s

    def _catch_up(self) -> None:
        """Drive and heat the rings to where the job believes them to be."""
        if self._undriven.size:
            self._chip.set(self._undriven)
            self._undriven = np.empty((0, 0))
        if self._unheated.size:
            self._chip.heat(self._unheated)
            self._unheated = np.empty((0, 0))

    def _known(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """The entry on file that answers the next question, or None when the file has come to its end."""
        if self._asked == len(self._old):
            return None
        entry = self._old[self._asked]
        self._asked += 1
        if {key: value for key, value in entry.items() if key not in ANSWERS} != question:
            raise InputError(
                f"{self._path}: entry {self._asked}: the journal holds {_named(entry)}, this job asks for "
                f"{_named(question)}; it is another job's: calibrate anew, without --resume"
            )
        return entry

    def _write(self, entry: Mapping[str, Any]) -> None:
        text = json.dumps(entry, separators=(",", ":")).encode()
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        try:
            sent = os.write(self._file, line)
            if sent < len(line):
                # A full disk takes a part; asking for the rest tells why.
                sent += os.write(self._file, line[sent:])
            if sent < len(line):
                raise OSError("a part of the line was not taken")
            if time.monotonic() - self._synced_s > SYNC_PERIOD_S:
                os.fsync(self._file)
                self._synced_s = time.monotonic()
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise InputError(
                f"{self._path}: cannot be written ({error.strerror or error}); the readings before are kept: make room "
                "and go on with --resume"
            ) from None
        self._size += len(line)


def _read(file: int, path: Path, header: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The entries of a journal after its header, and the size of its whole lines; a torn end is cut off."""
    with os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(0)
        content = stream.read()
    entries, size = [], 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        checksum, _, text = line.partition(b" ")
        entry = checked_line(checksum, text)
        if entry is None:
            # Only the end can be torn; damage before it is not ours, and what follows cannot be trusted.
            raise InputError(f"{path}: line {number} is damaged; mend the disk, and calibrate anew without --resume")
        entries.append(entry)
        size += len(line) + 1
    if size < len(content):
        os.ftruncate(file, size)
    if not entries:
        return [], 0
    found = entries.pop(0)
    for key in {**header, **found}:
        if found.get(key) != header.get(key):
            raise InputError(
                f"{path}: the journal's {key} is {found.get(key)!r}, this job's {header.get(key)!r}; resume with what "
                "it was begun with, or calibrate anew without --resume"
            )
    return entries, size


def require_readings(entries: list[dict[str, Any]], path: Path, *, rows: int, cure: str = CURE) -> None:
    """Refuse a journal whose sums are right and whose readings cannot be; questions are compared as they are asked."""
    read_s = 0.0
    for number, entry in enumerate(entries, start=1):
        if "light" not in entry and "sweep" not in entry:
            continue
        source = f"{path}: entry {number}"
        fields, sizes = READING, {"row": rows}
        if "sweep" in entry:
            asked = entry["sweep"]
            if not isinstance(asked, list):
                raise InputError(f"{source}: sweep = {shown(asked)}, want a list of wavelengths; {cure}")
            fields, sizes = SWEEP, sizes | {"point": len(asked)}
        arrays = {}
        for name in fields:
            try:
                arrays[name] = np.array(entry.get(name), dtype=float)
            except (TypeError, ValueError):
                want = f"{rows} currents" if name == "A" else "numbers"
                raise InputError(f"{source}: {name} = {shown(entry.get(name))}, want {want}; {cure}") from None
        require_arrays(source, arrays, fields, sizes=sizes, cure=cure)
        time_s = require_values(source, entry, {"s": replace(TIME, low=read_s)}, cure=cure)
        read_s = time_s["s"]


def checked_line(checksum: bytes, text: bytes) -> dict[str, Any] | None:
    """The entry of a line, or None where it is damaged."""
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _move_aside(path: Path) -> Path:
    """Keep an older journal under the next free name, and say which."""
    number = 1
    while (other := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    path.rename(other)
    return other


def _named(entry: Mapping[str, Any]) -> str:
    if "sweep" in entry:
        return f"a sweep of {len(entry['sweep'])} wavelengths"
    if "light" in entry:
        return f"a reading with {entry['averages']} averages"
    if "heat" in entry:
        return "heater powers"
    return "a setting" if "set" in entry else f"a wait of {entry.get('wait')} s"
