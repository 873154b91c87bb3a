"""From what a file holds to a spectrum in known units: what it leaves open is told apart, asked for, or refused."""

import numpy as np
from jaxtyping import Float

from prism_photonics.laboratory.quantity import (
    AXIS_UNITS,
    HIGHEST_NM,
    LOSS,
    LOWEST_NM,
    POWER_UNITS,
    to_nm,
    to_values,
    unit_named,
    units_that_fit,
)
from prism_photonics.laboratory.recorded import LEAST_SAMPLES, MOST_SAMPLES, Column, Recorded
from prism_photonics.laboratory.stretches import in_floor, one_reading, saturated, stuck_at_start
from prism_photonics.laboratory.sweep import Sweep, Trace, Unit
from prism_photonics.units import InputError, counted, nearest

EMPTY_dB = -200.0
"""Optical spectrum analysers write −210 where they have no reading; no meter hears less than −200 dBm."""
HIGHEST = {"dBm": 40.0, "dB": 3.0, "W": 10.0, "ratio": 2.0}
"""10 W burn a waveguide; a passive chip gives back no more than it got, but for a reference taken a little wrong."""
ALL_NOISE = 0.99
"""The share of noise from which on nothing else is in a trace."""
MOST_NAMED = 6
"""Traces that a note names; the others are counted."""
MOST_REPEATED = 0.01
"""The share of wavelengths that may stand twice."""
_UNIT: dict[Unit, str] = {"dBm": " dBm", "dB": " dB", "W": " W", "ratio": ""}


def resolved(recorded: Recorded, *, wavelength_unit: str | None, power_unit: str | None) -> Sweep:
    """A file's spectrum in nm, and in dB, dBm, W or as a ratio.

    Args:
        recorded: What the file holds.
        wavelength_unit: Of the axis, where the file does not name it.
        power_unit: Of the traces, where the file does not name it.

    Raises:
        InputError: The file says otherwise, the unit stays open, or the numbers cannot be in it.
    """
    samples = len(recorded.axis)
    if samples < LEAST_SAMPLES:
        raise InputError(
            f"{recorded.path}: got {samples} wavelengths, want at least {LEAST_SAMPLES}; export the whole sweep"
        )
    if samples * (1 + len(recorded.columns)) > MOST_SAMPLES:
        raise InputError(f"{recorded.path}: got more than {MOST_SAMPLES} numbers, want at most so many; export less")
    wavelength_unit, power_unit = _known(wavelength_unit, AXIS_UNITS), _known(power_unit, POWER_UNITS)
    notes = list(recorded.notes)
    wl_nm = _wavelengths(recorded, wavelength_unit, notes)
    columns = [
        (column, *_levels(recorded, column, power_unit, notes)) for column in _levelled(recorded, power_unit, notes)
    ]
    order, keep = _order(recorded, wl_nm, [values for _, values, _ in columns], notes)
    sorted_wl = wl_nm[order]
    traces = {
        column.name: _trace(
            column.name, _at_each(values[order], keep), unit, sorted_wl[keep], notes=notes, turned=_turned(wl_nm)
        )
        for column, values, unit in columns
    }
    if not any(np.isfinite(trace.values).any() for trace in traces.values()):
        raise InputError(f"{recorded.path}: got no number in any trace, want readings; measure it again")
    return Sweep(
        path=recorded.path,
        format=recorded.format,
        wl_nm=sorted_wl[keep],
        traces=traces,
        conditions=dict(recorded.conditions),
        device=recorded.device,
        notes=tuple(notes),
    )


def _known(unit: str | None, allowed: tuple[str, ...]) -> str | None:
    if unit is None:
        return None
    found = unit_named(unit)
    if found not in allowed:
        raise InputError(f"got unit {unit!r}, want one of {', '.join(allowed)}; {nearest(unit, allowed)}")
    return found


def _wavelengths(recorded: Recorded, asked: str | None, notes: list[str]) -> Float[np.ndarray, " samples"]:
    axis, path = recorded.axis, recorded.path
    lost = np.flatnonzero(~np.isfinite(axis))
    if len(lost):
        raise InputError(
            f"{recorded.place(int(lost[0]))}: got no wavelength, want one for each reading (two columns of different "
            f"length?); mend the file"
        )
    if asked is not None and recorded.axis_unit not in (None, asked):
        raise InputError(
            f"{path}: the file says {recorded.axis_unit}, the option {asked}, want one of them; leave "
            f"--wavelength-unit out"
        )
    unit = recorded.axis_unit or asked
    if unit is None:
        fitting = units_that_fit(axis, recorded.axis_kind)
        if len(fitting) != 1:
            got = f"{axis.min():g} to {axis.max():g} without a unit"
            which = (
                f"could be {' or '.join(fitting)}" if fitting else f"are {LOWEST_NM:g} to {HIGHEST_NM:g} nm in no unit"
            )
            raise InputError(f"{path}: got an axis of {got}, which {which}; say it by --wavelength-unit")
        unit = fitting[0]
        notes.append(f"the axis names no unit: only {unit} puts it between {LOWEST_NM:g} and {HIGHEST_NM:g} nm")
    wl_nm = to_nm(axis, unit)
    wrong = np.flatnonzero(~((wl_nm >= LOWEST_NM) & (wl_nm <= HIGHEST_NM)))
    if len(wrong):
        fitting = units_that_fit(axis, recorded.axis_kind)
        hint = f"in {' or '.join(fitting)} it would fit: probably the wrong unit" if fitting else "mend the file"
        got = f"{axis[wrong[0]]:g} {unit}"
        if unit != "nm":
            got = f"{got}, which is {wl_nm[wrong[0]]:g} nm"
        raise InputError(f"{recorded.place(int(wrong[0]))}: got {got}, want {LOWEST_NM:g} to {HIGHEST_NM:g} nm; {hint}")
    return wl_nm


def _levelled(recorded: Recorded, asked: str | None, notes: list[str]) -> list[Column]:
    """The columns whose unit is known or can be asked for: beside others, one that may be anything is left out."""
    if asked is not None or recorded.assumed_unit is not None:
        return list(recorded.columns)
    kept = [one for one in recorded.columns if one.unit or one.loss or not _may_be_anything(one)]
    if not any(one.unit or one.loss for one in kept):
        return list(recorded.columns)
    for column in recorded.columns:
        if column not in kept:
            _note(notes, f"{column.name}: no unit, and all positive: left out (--power-unit tells)")
    return kept


def _may_be_anything(column: Column) -> bool:
    there = column.values[np.isfinite(column.values)]
    return bool(len(there) and there.min() >= 0)


def _levels(
    recorded: Recorded, column: Column, asked: str | None, notes: list[str]
) -> tuple[Float[np.ndarray, " samples"], Unit]:
    name, path = column.name, recorded.path
    lost = column.loss or asked == LOSS
    if asked == LOSS:
        asked = "dB"
    if asked is not None and column.unit not in (None, asked):
        raise InputError(
            f"{path}: {name} is in {column.unit} by the file and in {asked} by the option, want one of them; leave "
            f"--power-unit out"
        )
    unit = column.unit or asked
    raw = np.where(np.isposinf(column.values), np.nan, column.values)
    there = raw[np.isfinite(raw)]
    if unit is None and recorded.assumed_unit is not None and not column.loss:
        unit, source = recorded.assumed_unit
        _note(notes, f"no unit of power is named: {unit}, as {source}")
    if unit is None and column.loss:
        unit = "dB"
        _note(notes, f"{name}: no unit, a loss is taken to be in dB")
    if unit is None and len(there):
        if there.min() >= 0:
            raise InputError(
                f"{path}: {name} has values of {there.min():g} to {there.max():g} without a unit, want to know it; "
                f"say it by --power-unit dB, dBm, mW, W or ratio"
            )
        unit = "dB"
        _note(
            notes,
            "no unit of power is named: some values are negative, so decibels, and whether they are dBm is left open "
            "(--power-unit); shapes do not depend on it",
        )
    values, known = to_values(raw, unit or "dB")
    if known == "dB" and lost and len(there) and np.median(there) > 0:
        values = -values
        _note(notes, f"{name}: loss counted as positive, turned into transmission")
    there = values[np.isfinite(values)]
    if len(there) and there.max() > HIGHEST[known]:
        at = int(np.nanargmax(np.where(np.isfinite(values), values, -np.inf)))
        shown = _UNIT[known]
        cure = {
            "dB": "dBm where dB was said, or a loss counted as positive (--power-unit loss_dB)?",
            "dBm": "probably another unit, or no power; name it in the column's name, or by --power-unit",
            "W": "probably mW or dBm; name it in the column's name, or by --power-unit",
            "ratio": "probably a percentage or a power; name it in the column's name, or by --power-unit",
        }[known]
        raise InputError(
            f"{recorded.place(at)}: {name} = {there.max():g}{shown}, want at most {HIGHEST[known]:g}{shown}; {cure}"
        )
    if known in ("dB", "dBm"):
        empty = np.isfinite(values) & (values <= EMPTY_dB)
        if empty.any():
            notes.append(f"{name}: {_share(empty)} stand at {EMPTY_dB:g} dB or less, no reading: left out")
            values = np.where(empty, np.nan, values)
    return values, known


def _order(recorded: Recorded, wl_nm: Float[np.ndarray, " samples"], columns: list, notes: list[str]):
    """The order in which wavelengths ascend, and which samples then begin a new one."""
    steps = np.diff(wl_nm)
    span = float(np.ptp(wl_nm))
    if span == 0:
        raise InputError(f"{recorded.path}: got one wavelength alone, {wl_nm[0]:g} nm, want a sweep; measure it again")
    if np.sum(np.abs(steps)) > 1.5 * span:
        back = int(np.argmax(np.sign(steps) == -np.sign(np.sum(steps) or steps[0]))) + 1
        raise InputError(
            f"{recorded.place(back)}: the axis turns back to {wl_nm[back]:g} nm, want one sweep a file; cut it there"
        )
    # A laser that had not started yet: only the last reading at the first wavelength belongs to it.
    waiting = int(np.argmax(steps != 0))
    first = waiting if waiting >= 2 else 0
    if first:
        notes.append(f"the axis stands still over the first {first + 1} samples: the last of them is kept")
    order = first + np.argsort(wl_nm[first:], kind="stable")
    if np.any(np.diff(order) < 0):
        turned = _turned(wl_nm)
        if turned and np.all(steps[first:] <= 0):
            notes.append("the axis descends: turned")
        else:
            back = counted(int(np.sum((steps < 0) != turned)), "step")
            notes.append(f"the axis does not run one way ({back} back): sorted")
    new = np.r_[True, np.diff(wl_nm[order]) > 0]
    repeated = int(np.sum(~new))
    if repeated > MOST_REPEATED * len(order):
        at = int(order[np.argmin(new)])
        raise InputError(
            f"{recorded.place(at)}: {wl_nm[at]:.10g} nm stands again ({repeated} of {len(order)} samples repeat a "
            f"wavelength), want each once; export the axis with more digits, with ; between columns of decimal commas"
        )
    if repeated:
        stand = "1 wavelength stands" if repeated == 1 else f"{repeated} wavelengths stand"
        notes.append(f"{stand} twice: the mean of both readings is kept")
    return order, np.flatnonzero(new)


def _at_each(values: Float[np.ndarray, " samples"], keep: np.ndarray) -> Float[np.ndarray, " wavelengths"]:
    """Readings of each wavelength: the mean where one stands twice."""
    if len(keep) == len(values):
        return values
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.add.reduceat(np.where(there, values, 0.0), keep) / np.add.reduceat(there.astype(float), keep)


def _turned(wl_nm: Float[np.ndarray, " samples"]) -> bool:
    return bool(wl_nm[-1] < wl_nm[0])


def _trace(
    name: str,
    values: Float[np.ndarray, " wavelengths"],
    unit: Unit,
    wl_nm: Float[np.ndarray, " wavelengths"],
    *,
    notes: list[str],
    turned: bool,
) -> Trace:
    as_swept = values[::-1] if turned else values
    full = saturated(values)
    # One reading all over is no wait for the meter, where readings are missing either.
    stuck = 0 if one_reading(values) else stuck_at_start(as_swept)
    # A sweep that begins on the plateau of a full meter has not waited for its meter.
    if stuck and not (full[-1 if turned else 0] and np.sum(full) > stuck):
        place = slice(-stuck, None) if turned else slice(0, stuck)
        notes.append(
            f"{name}: the first {stuck} samples, {_range(wl_nm[place])}, repeat one reading (the meter "
            f"had not begun): left out"
        )
        values = values.copy()
        values[place] = np.nan
    full, full_share = saturated(values), 0.0
    if one_reading(values):
        full_share = 1.0
        shown = np.nanmax(values)
        notes.append(f"{name}: all readings are {shown:g}{_UNIT[unit]}: a full meter, or one that measured nothing")
    elif full.any():
        full_share = float(np.mean(full))
        notes.append(f"{name}: saturated over {_share(full)}, {_range(wl_nm[full])}: left out")
        values = np.where(full, np.nan, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = values if unit in ("dB", "dBm") else 10 * np.log10(np.maximum(values, 0.0))
    floor = in_floor(level)
    if np.mean(floor) > ALL_NOISE:
        _note(notes, f"{name}: nothing but the noise of a meter")
    elif floor.any():
        notes.append(f"{name}: no more than the noise of its meter at {_share(floor)}, {_range(wl_nm[floor])}: marked")
    values = np.where(np.isneginf(values), np.nan, values)
    gaps = np.isnan(values) & ~full
    if gaps.all():
        notes.append(f"{name}: holds no reading")
    elif gaps.any():
        notes.append(f"{name}: no reading at {_share(gaps)}")
    return Trace(name, unit, values, floor, full_share)


def _note(notes: list[str], text: str) -> None:
    """Add a note once; what was said of another trace, as in ``channel_3: …``, is said of both."""
    name, colon, rest = text.partition(": ")
    for i, other in enumerate(notes):
        names, _, same = other.partition(": ")
        if other == text:
            return
        if colon and same == rest:
            shown = names.split(", ")
            notes[i] = f"{names}, {name}: {rest}" if len(shown) < MOST_NAMED else f"{_and_more(shown)}: {rest}"
            return
    notes.append(text)


def _and_more(names: list[str]) -> str:
    """The names that a note holds already, and one more that it counts instead."""
    last, _, count = names[-1].partition(" and ")
    return ", ".join([*names[:-1], f"{last} and {int(count.split()[0]) + 1 if count else 1} more"])


def _share(where: np.ndarray) -> str:
    return f"{np.sum(where)} of {len(where)} samples ({100 * np.mean(where):.3g} %)"


def _range(wl_nm: Float[np.ndarray, " some"]) -> str:
    return f"{wl_nm[0]:.3f} to {wl_nm[-1]:.3f} nm"
