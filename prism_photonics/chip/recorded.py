"""A chip that answers from a folder of what was measured, and knows nothing else.

`recording` stands between a job and its chip, as a journal does, and keeps what is asked and what is answered. Whoever
has the folder and the spec can then run the same job again, or argue about it, without the bench: `RecordedChip` gives
each recorded reading once, to the question that it answered. What was never measured is refused, never interpolated.
"""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.chip.abstract import LONGEST_WAIT_S, AbstractChip
from prism_photonics.chip.journal import SCHEMA, SWEEP, JournaledChip, checked_line, require_readings
from prism_photonics.chip.laser import LaserRange, Sweep
from prism_photonics.files import write_text
from prism_photonics.files.arrays import open_file
from prism_photonics.files.fields import SPEC_HASH, YES_NO, Number, Text, require_values, shown
from prism_photonics.seeds import LARGEST_SEED
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

FILE = "readings.jsonl"
LARGEST_BYTES = 1 << 32
CURE = "record it again"
# On one machine questions repeat to the last digit; on another, roundings of the last digit stay far within these.
LIGHT_TOLERANCE = 1e-9
HEATER_TOLERANCE_mW = 1e-6
WAVELENGTH_TOLERANCE_nm = 1e-6
HEADER = {
    "spec_hash": Text(SPEC_HASH, "the hash of a spec"),
    "label": Text(r"[^\n]{0,400}", "the label of a chip"),
    "seed": Number(low=0, high=LARGEST_SEED, whole=True),
    "max_voltage_V": Number(low=0, high=1e4, unit="V", above=True),
    "max_heater_mW": Number(low=0, high=1e6, unit="mW"),
    "untrimmed": YES_NO,
    "always_paused": YES_NO,
}


def recording(chip: AbstractChip, folder: str | Path, *, seed: int, untrimmed: bool = False) -> JournaledChip:
    """The same chip, whose settings and readings are also written to a folder. Close it, or use it in ``with``.

    Args:
        chip: The chip.
        folder: Where ``readings.jsonl`` and ``spec.toml`` go; an older recording there is moved aside.
        seed: Of the job, so that whoever runs it again asks the same.
        untrimmed: Whether the job searches its rings first.

    Raises:
        InputError: The folder cannot be written, or is another program's.
    """
    identity = {
        "label": chip.label,
        "seed": seed,
        "max_voltage_V": chip.max_voltage_V,
        "max_heater_mW": chip.max_heater_mW,
        "untrimmed": int(untrimmed),
        "always_paused": int(chip.paused),
        "laser": None if chip.laser is None else asdict(chip.laser),
        "channel_of_ring": chip.channel_of_ring.tolist(),
    }
    kept = JournaledChip(chip, chip.spec, Path(folder) / FILE, identity=identity)
    try:
        write_text(Path(folder) / "spec.toml", str(chip.spec))
    except BaseException:
        kept.close()  # or its lock would be held until the program ends
        raise
    return kept


def recorded_job(folder: str | Path) -> dict[str, Any]:
    """The header of a recording: label, seed, limits, and whether its rings were searched.

    Raises:
        InputError: No recording, or a damaged one.
    """
    return _entries(Path(folder) / FILE)[0]


@final
class RecordedChip(AbstractChip):
    """A chip that only knows what was measured."""

    def __init__(self, spec: ChipSpec, folder: str | Path) -> None:
        """Open a recording.

        Args:
            spec: The spec of the chip that was measured.
            folder: What `recording` wrote.

        Raises:
            InputError: No recording, a damaged one, or one of another spec.
        """
        self._path = Path(folder) / FILE
        header, self._entries = _entries(self._path)
        if header["spec_hash"] != spec.hash:
            raise InputError(
                f"{self._path}: measured was a chip of spec {header['spec_hash'][:12]}, this is {spec.name} (spec "
                f"{spec.hash[:12]}); take the spec.toml beside it"
            )
        super().__init__(spec, label=header["label"])
        require_readings(self._entries, self._path, rows=self.rows, cure=CURE)
        self._max_voltage_V, self._max_heater_mW = header["max_voltage_V"], header["max_heater_mW"]
        self._always_paused = bool(header["always_paused"])
        self._laser = _laser(self._path, header["laser"])
        if header["channel_of_ring"] is not None:
            self._assigned(header["channel_of_ring"])
        self._readings = _Readings(self._path, self._entries, spec)
        self._volts = self._power_mW = np.full((self.rows, self.channels), np.nan)
        self._at = 0
        self._read_s = 0.0
        self._waited = False

    @property
    def paused(self) -> bool:
        """As the chip that was measured would say: a bench always, a virtual die after a wait."""
        return self._always_paused or self._waited

    def _assigned(self, order: Any) -> None:
        """Take which ring served which channel when the recording began, as after a trimming."""
        try:
            served = np.array(order, dtype=int).reshape(self._channel_of_ring.shape)
            if served.tolist() != order:
                raise ValueError
            self.assign(served, None)
        except (InputError, TypeError, ValueError, OverflowError):
            raise InputError(
                f"{self._path}: channel_of_ring = {shown(order)}, want one ring for every channel of every bus; {CURE}"
            ) from None

    @property
    def left(self) -> int:
        """How many recorded readings and sweeps were not asked for yet."""
        return int(np.sum(~self._readings.used)) + sum(not used for used in self._readings.swept.values())

    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        self._volts = volts

    def _heat(self, power_mW: Float[ndarray, "rows rings"]) -> None:
        self._power_mW = power_mW

    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        which = self._readings.answer(self._volts, self._power_mW, light, averages=averages)
        self._at, entry = int(self._readings.place[which]) + 1, self._entries[self._readings.place[which]]
        # A question out of turn is answered with what was read then; time still runs forwards.
        self._read_s = max(self._read_s, entry["s"])
        self._waited = False
        return np.array(entry["A"], dtype=float)

    def _sweep(self, wavelength_nm: Float[ndarray, " points"], averages: int, bus: int) -> Sweep:
        at = self._readings.answer_sweep(self._volts, self._power_mW, wavelength_nm, averages=averages, bus=bus)
        self._at, entry = at + 1, self._entries[at]
        self._read_s = max(self._read_s, entry["s"])
        self._waited = False
        return Sweep(*(np.array(entry[name], dtype=float) for name in SWEEP))

    def _wait(self, seconds: float) -> None:
        for k in range(self._at, len(self._entries)):
            entry = self._entries[k]
            if "light" in entry or "sweep" in entry:
                break
            if "wait" in entry and abs(entry["wait"] - seconds) <= 1e-9 * max(1.0, seconds):
                self._at, self._waited = k + 1, True
                return
        raise InputError(
            f"{self._path}: a wait of {seconds:g} s was not recorded after entry {self._at}, want what was measured; "
            f"run the job that was recorded, with its seed"
        )

    def _clock_s(self) -> float:
        return self._read_s


class _Readings:
    """The recorded readings as arrays, each with the setting that it was taken at."""

    def __init__(self, path: Path, entries: list[dict[str, Any]], spec: ChipSpec) -> None:
        self._path, self._step_V = path, spec.voltage_step_V
        shape = (spec.chip.rows, spec.chip.rings)
        # What a chip was at before it was first set is not known.
        volts, power = [np.full(shape, np.nan)], [np.full(shape, np.nan)]
        place, light, averages, setting = [], [], [], []
        self.swept: dict[int, bool] = {}
        self._sweeps: dict[int, tuple[ndarray, int, int, tuple[int, int]]] = {}
        for k, entry in enumerate(entries):
            if "set" in entry:
                volts.append(_array(path, k, entry["set"], shape))
            elif "heat" in entry:
                power.append(_array(path, k, entry["heat"], shape))
            elif "light" in entry:
                place.append(k)
                light.append(_array(path, k, entry["light"], shape[1:]))
                averages.append(_whole(path, k, entry.get("averages")))
                setting.append((len(volts) - 1, len(power) - 1))
            elif "sweep" in entry:
                asked = entry["sweep"]
                wavelength_nm = _array(path, k, asked, (len(asked) if isinstance(asked, list) else 0,))
                bus, samples = _whole(path, k, entry.get("bus"), least=0), _whole(path, k, entry.get("averages"))
                self._sweeps[k] = wavelength_nm, samples, bus, (len(volts) - 1, len(power) - 1)
                self.swept[k] = False
            elif not _is_wait(entry):
                raise InputError(
                    f"{path}: entry {k + 1} is {shown(entry)}, want a setting, a reading, a sweep or a wait; {CURE}"
                )
        self._volts, self._power = np.array(volts), np.array(power)
        self._light = np.array(light).reshape(-1, shape[1])
        self._averages, self._setting = np.array(averages, int), np.array(setting, int).reshape(-1, 2)
        self.place = np.array(place, int)
        self.used = np.zeros(len(place), bool)
        self._next = 0

    def answer(
        self,
        volts: Float[ndarray, "rows rings"],
        power_mW: Float[ndarray, "rows rings"],
        light: Float[ndarray, " channels"],
        *,
        averages: int,
    ) -> int:
        """The reading that answers a question: the next one in turn, else the first such one that is left."""
        turn = np.arange(self._next, min(self._next + 1, len(self.used)))
        for some in (turn, np.flatnonzero(~self.used)):
            lit = some[(self._averages[some] == averages) & ~self.used[some]]
            lit = lit[np.all(np.abs(self._light[lit] - light) <= LIGHT_TOLERANCE, axis=1)]
            fits = lit[
                self._is_at(self._volts, self._setting[lit, 0], volts, self._step_V / 2)
                & self._is_at(self._power, self._setting[lit, 1], power_mW, HEATER_TOLERANCE_mW)
            ]
            if len(fits):
                which = int(fits[0])
                self.used[which] = True
                self._next = which + 1
                return which
        raise InputError(self._refusal(volts, power_mW, light, averages))

    def answer_sweep(
        self,
        volts: Float[ndarray, "rows rings"],
        power_mW: Float[ndarray, "rows rings"],
        wavelength_nm: Float[ndarray, " points"],
        *,
        averages: int,
        bus: int,
    ) -> int:
        """The entry of the sweep that answers a question: the first such one that is left."""
        alike = [
            k
            for k, (recorded_nm, samples, lit, _) in self._sweeps.items()
            if (samples, lit, len(recorded_nm)) == (averages, bus, len(wavelength_nm))
            and np.all(np.abs(recorded_nm - wavelength_nm) <= WAVELENGTH_TOLERANCE_nm)
        ]
        at = [k for k in alike if self._stood(self._sweeps[k][3], volts, power_mW)]
        for k in at:
            if not self.swept[k]:
                self.swept[k] = True
                return k
        asked = (
            f"{self._path}: a sweep of {len(wavelength_nm)} points from {wavelength_nm[0]:.4f} to "
            f"{wavelength_nm[-1]:.4f} nm with {averages} averages"
        )
        cure = "want what was measured; run the job that was recorded, with its seed, or measure it"
        if not alike:
            raise InputError(f"{asked} was never taken, {cure}")
        if not at:
            raise InputError(f"{asked} was never taken at these voltages and heater powers, {cure}")
        raise InputError(f"{asked} was taken as often as is asked for at these voltages already, {cure}")

    def _stood(self, setting: tuple[int, int], volts: ndarray, power_mW: ndarray) -> bool:
        """Whether a setting is this one."""
        at = np.array(setting)
        return bool(
            self._is_at(self._volts, at[:1], volts, self._step_V / 2)[0]
            and self._is_at(self._power, at[1:], power_mW, HEATER_TOLERANCE_mW)[0]
        )

    def _is_at(self, settings: ndarray, index: ndarray, asked: ndarray, tolerance: float) -> ndarray:
        """Which of some readings were taken at a setting; one that was never set is like itself alone."""
        unique, back = np.unique(index, return_inverse=True)
        off = np.abs(settings[unique] - asked).reshape(len(unique), asked.size)
        same = np.isnan(settings[unique]).reshape(len(unique), asked.size) & np.isnan(asked).reshape(1, -1)
        return np.all((off <= tolerance) | same, axis=1)[back]

    def _refusal(self, volts: ndarray, power_mW: ndarray, light: ndarray, averages: int) -> str:
        lines = np.flatnonzero(light)
        what = f"line {lines[0]} alone" if len(lines) == 1 else f"{len(lines)} lines lit"
        asked = f"{self._path}: a reading of {what} with {averages} averages"
        cure = "want what was measured; run the job that was recorded, with its seed, or measure it"
        lit = (self._averages == averages) & np.all(np.abs(self._light - light) <= LIGHT_TOLERANCE, axis=1)
        if not lit.any():
            return f"{asked} was never taken, {cure}"
        if np.isnan(volts).any():
            return f"{asked} was never taken before voltages were set, {cure}"
        at_volts = lit.copy()
        at_volts[lit] = self._is_at(self._volts, self._setting[lit, 0], volts, self._step_V / 2)
        if at_volts.any():
            heated = self._is_at(self._power, self._setting[at_volts, 1], power_mW, HEATER_TOLERANCE_mW).any()
            return (
                f"{asked} was taken as often as is asked for at these voltages already, {cure}"
                if heated
                else (f"{asked} was never taken at these voltages and heater powers, {cure}")
            )
        off = np.abs(self._volts[np.unique(self._setting[lit, 0])] - volts)
        off = off[~np.isnan(off).any(axis=(1, 2))]
        if not len(off):
            return f"{asked} was taken only before voltages were set, {cure}"
        nearest = off[int(np.argmin(off.max(axis=(1, 2))))]
        row, ring = np.unravel_index(int(np.argmax(nearest)), nearest.shape)
        return (
            f"{asked} was never taken at these voltages: in the nearest setting ring {ring} of row {row} is "
            f"{nearest[row, ring]:.3g} V off, {cure}"
        )


def _entries(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and entries of a recording; a torn last line is not read."""
    with open_file(str(path), path, want="what 'prism calibrate --recording FOLDER' keeps") as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise InputError(f"{path}: got more than {LARGEST_BYTES} bytes, want at most so many; record less")
    entries = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        checksum, _, text = line.partition(b" ")
        entry = checked_line(checksum, text)
        if entry is None:
            raise InputError(f"{path}: line {number} is damaged, want it as it was recorded; {CURE}")
        entries.append(entry)
    if not entries or entries[0].get("schema") != SCHEMA:
        found = shown(entries[0].get("schema")) if entries else "no line"
        raise InputError(f"{path}: got {found}, want a recording of schema '{SCHEMA}'; {CURE}")
    # Recordings of before a trimming could be told hold no order.
    free = {name: entries[0].get(name) for name in ("laser", "channel_of_ring")}
    return {**require_values(str(path), entries[0], HEADER, cure=CURE), **free}, entries[1:]


def _array(path: Path, k: int, values: Any, shape: tuple[int, ...]) -> ndarray:
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(f"{path}: entry {k + 1} is {shown(values)}, want {shape} finite numbers; {CURE}")
    return array


def _whole(path: Path, k: int, value: Any, *, least: int = 1) -> int:
    if type(value) is not int or not least <= value < 1 << 62:
        name = "averages" if least else "bus"
        raise InputError(f"{path}: entry {k + 1}: {name} = {shown(value)}, want a whole number from {least}; {CURE}")
    return value


def _laser(path: Path, values: Any) -> LaserRange | None:
    """The laser of a recording that has one."""
    if values is None:
        return None
    names = [field.name for field in fields(LaserRange)]
    numbers = list(values.values()) if isinstance(values, dict) and set(values) == set(names) else [None]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise InputError(f"{path}: laser = {shown(values)}, want {', '.join(names)} as numbers; {CURE}")
    try:
        return LaserRange(**{name: float(number) for name, number in values.items()})
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _is_wait(entry: dict[str, Any]) -> bool:
    wait = entry.get("wait")
    return isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait <= LONGEST_WAIT_S
