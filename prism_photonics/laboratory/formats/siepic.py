"""SiEPIC's stages: a header of ``#`` lines, then one line a channel, the wavelengths first."""

import re

import numpy as np

from prism_photonics.files.fields import shown
from prism_photonics.laboratory.header import pairs_of, understood
from prism_photonics.laboratory.quantity import axis_kind, is_axis, is_loss, split_label
from prism_photonics.laboratory.recorded import MOST_SAMPLES, Column, Recorded, clean
from prism_photonics.laboratory.source import Source
from prism_photonics.laboratory.table import EMPTY
from prism_photonics.units import InputError

STAGES_WRITE_dBm = ("dBm", "SiEPIC's stages write it")
_LEAST_CELLS = 5


def recognise(source: Source) -> bool:
    """Whether some line begins with a name of wavelengths and goes on with many numbers."""
    return _axis_line(source) is not None


def read(source: Source) -> Recorded:
    """One line a channel.

    Raises:
        InputError: A line is no row of numbers, or shorter or longer than that of the wavelengths.
    """
    at = _axis_line(source)
    assert at is not None
    conditions, device, notes = understood(pairs_of(source.lines[:at]))
    rows: list[tuple[str, np.ndarray]] = []
    for i in range(at, len(source.lines)):
        if source.lines[i].strip() and not source.lines[i].startswith("#"):
            rows.append(_row(source, i, rows[0][1] if rows else None))
    if len(rows) < 2:
        raise InputError(f"{source.path}: got wavelengths and no channel below them, want one; the file is cut short")
    (label, axis), channels = rows[0], rows[1:]
    name, unit, _ = split_label(label)
    # The header gives the step with its unit, which is the axis's.
    step = next(
        (match[1] for line in source.lines[:at] if (match := re.search(r"step.*?[\d.]+ ?([nup]m)\b", line))), None
    )
    if unit is None and step == "nm":
        unit = "nm"
        notes = (*notes, "the axis is in nm, as the header's step is")
    columns, taken = [], set()
    for label, values in channels:
        channel, power, _ = split_label(label)
        channel = clean(channel) or f"channel_{len(columns) + 1}"
        if channel in taken:
            raise InputError(f"{source.path}: got two rows named {shown(channel)}, want each once; mend the file")
        taken.add(channel)
        columns.append(Column(channel, values, power, is_loss(channel)))
    return Recorded(
        path=source.path,
        format="SiEPIC rows csv",
        axis=axis,
        axis_unit=unit,
        axis_kind=axis_kind(name),
        columns=tuple(columns),
        assumed_unit=STAGES_WRITE_dBm,
        conditions=conditions,
        device=device,
        notes=notes,
    )


def _axis_line(source: Source) -> int | None:
    for i, line in enumerate(source.lines[:200]):
        label, _, rest = line[:400].partition(",")
        if line.startswith("#") or not is_axis(*split_label(label)[:2]) or line.count(",") < _LEAST_CELLS:
            continue
        if all(_number(cell) is not None for cell in rest.split(",")[:4]):
            return i
    return None


def _row(source: Source, i: int, axis: np.ndarray | None) -> tuple[str, np.ndarray]:
    label, *cells = source.lines[i].rstrip(", ").split(",")
    if len(cells) > MOST_SAMPLES:
        raise InputError(f"{source.path}: got more than {MOST_SAMPLES} numbers, want at most so many; export less")
    if axis is not None and len(cells) != len(axis):
        raise InputError(
            f"{source.path}, line {i + 1}: {shown(clean(label))} has {len(cells)} values for {len(axis)} wavelengths, "
            f"want as many; the file is cut short, export it again"
        )
    try:
        values = np.array(cells, dtype=np.str_).astype(float)
    except ValueError:
        values = np.empty(len(cells))
        for j, cell in enumerate(cells):
            number = _number(cell)
            if number is None:
                raise InputError(
                    f"{source.path}, line {i + 1}, column {j + 2}: got {shown(cell)}, want a number; mend or "
                    f"export it again"
                ) from None
            values[j] = number
    return label, values


def _number(cell: str) -> float | None:
    cell = cell.strip()
    if cell.casefold() in EMPTY:
        return float("nan")
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
