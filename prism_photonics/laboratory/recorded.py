"""What a file holds, as it stands there: an axis, columns, and what the file says of both. No unit is converted yet."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from prism_photonics.laboratory.quantity import axis_kind, is_axis, is_level, is_loss, split_label
from prism_photonics.units import InputError

MOST_BYTES = 1 << 30
MOST_SAMPLES = 50_000_000
LEAST_SAMPLES = 8
"""Fewer are no spectrum."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column of values.

    Attributes:
        name: Of the trace.
        values: As written.
        unit: That the file names, or None.
        loss: Whether its name says that what is counted is lost.
    """

    name: str
    values: Float[np.ndarray, " samples"]
    unit: str | None
    loss: bool = False


@dataclass(frozen=True, eq=False)
class Recorded:
    """A file's content.

    Attributes:
        path: The file.
        format: What it was recognised as.
        axis: As written.
        axis_unit: That the file names, or None.
        axis_kind: ``wavelength``, ``frequency``, or nothing where the file does not say.
        columns: In the order of the file.
        assumed_unit: Of columns that name none, where the format itself is known to fix it; and who says so.
        conditions: By names with units.
        device: What was measured, as the file names it.
        notes: What was understood.
        lines: The line of each sample, for messages; none where the file has no lines.
    """

    path: Path
    format: str
    axis: Float[np.ndarray, " samples"]
    axis_unit: str | None
    axis_kind: str
    columns: tuple[Column, ...]
    assumed_unit: tuple[str, str] | None = None
    conditions: Mapping[str, float] = field(default_factory=dict)
    device: str = ""
    notes: tuple[str, ...] = ()
    lines: Int[np.ndarray, " samples"] | None = None

    def place(self, sample: int) -> str:
        """Where a sample stands, for messages."""
        if self.lines is not None:
            return f"{self.path}, line {int(self.lines[sample])}"
        return f"{self.path}, sample {sample + 1}"


def columns_of(
    path: Path, labels: Iterable[str], arrays: Iterable[Float[np.ndarray, " samples"]], *, headed: bool
) -> tuple[int, tuple[Column, ...], tuple[str, ...]]:
    """Which of some labelled arrays is the axis, which are signals, and what was left out.

    Args:
        path: The file, for messages.
        labels: One an array; empty where it has none.
        arrays: Of one length.
        headed: Whether the labels come from the file; else the first array is the axis.

    Returns:
        The place of the axis, the columns, and notes.

    Raises:
        InputError: There is no axis, or nothing beside it.
    """
    arrays, parts = list(arrays), [split_label(label) for label in labels]
    axes = [i for i, (name, unit, _) in enumerate(parts) if is_axis(name, unit)] if headed else [0]
    if not axes and parts and not any(unit for _, unit, _ in parts):
        axes = [0]
    if not axes:
        raise InputError(
            f"{path}: got no column of wavelengths or frequencies, want one whose name says so; name it, such as wl_nm"
        )
    # Of several, the one that names its unit; a wavelength before a frequency.
    axis = min(axes, key=lambda i: (parts[i][1] is None, axis_kind(parts[i][0]) == "frequency", i))
    columns, notes, taken = [], [], set()
    for i, (name, unit, odd) in enumerate(parts):
        if i == axis or i in axes:
            continue
        if headed and name.casefold() in ("", "index", "unnamed: 0", "#") and _counts(arrays[i]):
            continue
        if odd:
            notes.append(f"column {i + 1} is in '{clean(odd)}', no unit of light: left out")
            continue
        if not is_level(name):
            notes.append(f"{clean(name)} is no level: left out")
            continue
        name = clean(name) or f"channel_{len(columns) + 1}"
        while name in taken:
            name += "_again"
        taken.add(name)
        columns.append(Column(name, arrays[i], unit, is_loss(name)))
    if not columns:
        raise InputError(f"{path}: got no column of light beside the axis, want dB, dBm, mW or W; export it too")
    return axis, tuple(columns), tuple(notes)


def clean(text: str) -> str:
    """A name as it may be shown: printable, on one line, not long."""
    return " ".join(re.sub(r"[^\w µμλ.+()%/-]", " ", text).split())[:40].strip()


def _counts(values: Float[np.ndarray, " samples"]) -> bool:
    return bool(len(values) > 1 and np.all(np.diff(values) == 1) and values[0] in (0, 1))
