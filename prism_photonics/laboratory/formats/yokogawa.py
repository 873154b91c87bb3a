"""Yokogawa's optical spectrum analysers: sections of settings, then up to seven pairs of wavelength and level.

Source: public scripts that read these files: headings ``Tr A(WL)`` and ``Tr A(LEVEL)`` (or ``Tr A(FREQ)``), levels at
−200 and below for none. The maker's manuals were not at hand.
"""

import re

import numpy as np

from prism_photonics.laboratory.header import pairs_of, understood
from prism_photonics.laboratory.quantity import axis_kind, split_label
from prism_photonics.laboratory.recorded import Column, Recorded
from prism_photonics.laboratory.source import Source
from prism_photonics.laboratory.table import Table, read_table
from prism_photonics.units import InputError

MOST_TRACES = 7


def recognise(source: Source) -> bool:
    """Whether the text has a line ``[TRACE DATA]``."""
    return _start(source) is not None


def read(source: Source) -> Recorded:
    """All traces that share one axis.

    Raises:
        InputError: There is no trace, or each has an axis of its own.
    """
    start = _start(source)
    assert start is not None
    table = read_table(source.path, source.lines, start=start + 1, uneven=True)
    header = source.lines[:start]
    pairs = pairs_of(header)
    conditions, _, notes = understood(pairs)
    names, axes, levels, axis_labels = _pairs(source, table)
    if "resolution_nm" in conditions:
        notes = (*notes, f"an analyser of {conditions['resolution_nm']:g} nm resolution: narrower lines look as wide")
    # A linear axis of levels has a base level, a logarithmic one decibels a division.
    keys = {key.casefold() for key, _ in pairs}
    power = "W" if "basel" in keys and "log" not in keys else "dBm"
    if any(key.casefold() == "lsunt" and value.strip() == "1" for key, value in pairs):
        notes = (
            *notes,
            f"levels are {power} per nm of the analyser's own resolution, not powers: shapes hold, losses do not",
        )
    reference = next((k for k, axis in enumerate(axes) if len(axis)), None)
    if reference is None:
        raise InputError(f"{source.path}: got no trace with levels, want one; store it with a trace displayed")
    columns = []
    for name, axis, level in zip(names, axes, levels, strict=True):
        if not len(axis):
            notes = (*notes, f"trace {name} is empty")
        elif len(axis) != len(axes[reference]) or np.any(axis != axes[reference]):
            raise InputError(
                f"{source.path}: trace {name} has {len(axis)} wavelengths of its own, trace {names[reference]} has "
                f"{len(axes[reference])}, want one axis; store each in a file"
            )
        else:
            columns.append(Column(f"trace_{name}", level, None))
    label, unit, _ = split_label(axis_labels[reference])
    return Recorded(
        path=source.path,
        format="Yokogawa OSA csv",
        axis=axes[reference],
        axis_unit=unit,
        axis_kind=axis_kind(label),
        columns=tuple(columns),
        assumed_unit=(power, "the sections above the traces say"),
        conditions=conditions,
        notes=notes,
        lines=table.lines[: len(axes[reference])],
    )


def _start(source: Source) -> int | None:
    return next(
        (i for i, line in enumerate(source.lines[:500]) if line.strip().strip('"').upper() == "[TRACE DATA]"), None
    )


def _pairs(source: Source, table: Table) -> tuple[list[str], list[np.ndarray], list[np.ndarray], list[str]]:
    """Name, axis and levels of each trace, without the empty rows at the end of the shorter ones."""
    count, odd = divmod(len(table.columns), 2)
    if odd or not 1 <= count <= MOST_TRACES:
        raise InputError(
            f"{source.path}: got {len(table.columns)} columns of traces, want pairs of wavelength and level, at most "
            f"{MOST_TRACES}; store it again"
        )
    names, axes, levels, labels = [], [], [], []
    for k in range(count):
        axis, level = table.columns[2 * k], table.columns[2 * k + 1]
        heading = table.labels[2 * k] if table.labels else ""
        letter = re.search(r"\b(?:tr(?:ace)?)[ _]?([A-G])\b", heading, re.I)
        there = ~np.isnan(axis) & (axis > 0)  # a hidden trace is written as zeros
        if not np.all(np.diff(np.flatnonzero(there)) == 1):
            raise InputError(
                f"{source.path}: trace {k + 1} has rows without a wavelength, want one in each; store it again"
            )
        names.append(letter[1].upper() if letter else "ABCDEFG"[k])
        axes.append(axis[there])
        levels.append(level[there])
        # Without headings the numbers tell: no axis fits both.
        said = re.search(r"(freq)|wl|wave", heading, re.I)
        labels.append("" if said is None else "frequency" if said[1] else "wavelength")
    return names, axes, levels, labels
