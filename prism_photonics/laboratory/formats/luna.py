"""Luna's optical vector analyser: Jones elements, tab separated with column names on line nine, or as csv.

Source: names of columns as public scripts read them, ``X Axis - Wavelength (nm)``, ``X Axis - Frequency (GHz)``,
``Insertion Loss (dB)``, ``JM Element a Amplitude`` (of the field, linear) and ``JM Element a Phase (rad)``.
"""

import re

import numpy as np

from prism_photonics.laboratory.quantity import axis_kind, is_axis, split_label
from prism_photonics.laboratory.recorded import Column, Recorded
from prism_photonics.laboratory.source import Source
from prism_photonics.laboratory.table import Table, read_table
from prism_photonics.units import InputError

_ELEMENT = r"\bJ(?:M|ones)\b[^\t,]*element ([abcd])\b[^\t,]*"


def recognise(source: Source) -> bool:
    """Whether one of the first lines names amplitudes of Jones elements, between tabs or commas."""
    return any(
        re.search(r"[\t,]", line) and re.search(_ELEMENT + "amplitude", line, re.I) for line in source.lines[:20]
    )


def read(source: Source) -> Recorded:
    """Transmission averaged over polarisation, and that of its best and its worst at each wavelength.

    Raises:
        InputError: Elements are missing.
    """
    table = read_table(source.path, source.lines)
    if not table.headed:
        raise InputError(
            f"{source.path}, line {int(table.lines[0])}: got {len(table.columns)} columns of numbers, want as many as "
            f"the line above names; the file is damaged, save it again"
        )
    axes = [
        i for i, label in enumerate(table.labels) if is_axis(*split_label(label)[:2]) and "axis" in label.casefold()
    ]
    axes = axes or [i for i, label in enumerate(table.labels) if is_axis(*split_label(label)[:2])]
    amplitude, phase = _elements(table, "amplitude"), _elements(table, "phase")
    if not axes or sorted(amplitude) != list("abcd"):
        raise InputError(
            f"{source.path}: got Jones elements {', '.join(sorted(amplitude)) or 'none'}, want an axis and a to d; "
            f"save all columns"
        )
    axis = min(axes, key=lambda i: axis_kind(table.labels[i]) == "frequency")
    _, unit, _ = split_label(table.labels[axis])
    size = np.stack([amplitude[letter] for letter in "abcd"])
    notes = ["the polarisation of the chip is not known to the analyser: mean, best and worst of all are given"]
    if np.nanmin(size) < 0:
        notes.append("amplitudes are negative, so they are in dB: 20·log10 of the field")
        size = 10.0 ** (size / 20.0)
    columns = [Column("mean", np.sum(size**2, axis=0) / 2, "ratio")]
    if sorted(phase) == list("abcd"):
        angle = np.stack([phase[letter] for letter in "abcd"])
        best, worst = _extremes(size * np.exp(1j * angle))
        columns += [Column("best polarisation", best, "ratio"), Column("worst polarisation", worst, "ratio")]
    else:
        notes.append("no phases of the elements: best and worst polarisation cannot be told")
    return Recorded(
        path=source.path,
        format="Luna OVA txt" if "\t" in source.lines[int(table.lines[0]) - 1] else "Luna OVA csv",
        axis=table.columns[axis],
        axis_unit=unit,
        axis_kind=axis_kind(table.labels[axis]),
        columns=tuple(columns),
        notes=tuple(notes),
        lines=table.lines,
    )


def _elements(table: Table, what: str) -> dict[str, np.ndarray]:
    found = {}
    for label, values in zip(table.labels, table.columns, strict=True):
        match = re.search(_ELEMENT + what, label, re.I)
        if match:
            found[match[1].lower()] = values
    return found


def _extremes(jones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares of both singular values of the matrix ((a, b), (c, d)): λ = (Σ|J|² ± √((Σ|J|²)² − 4·|det J|²)) / 2."""
    a, b, c, d = jones
    total = np.sum(np.abs(jones) ** 2, axis=0)
    root = np.sqrt(np.maximum(total**2 - 4 * np.abs(a * d - b * c) ** 2, 0.0))
    return (total + root) / 2, (total - root) / 2
