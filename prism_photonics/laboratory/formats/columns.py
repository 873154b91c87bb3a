"""Text with a row for each wavelength: csv, EHVA and EXFO, Santec, Keysight, smallest and largest loss."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from prism_photonics.laboratory.formats.santec import santec_columns
from prism_photonics.laboratory.header import pairs_of, understood
from prism_photonics.laboratory.quantity import axis_kind, is_axis, split_label, unit_named
from prism_photonics.laboratory.recorded import Recorded, columns_of
from prism_photonics.laboratory.source import Source
from prism_photonics.laboratory.table import Table, read_table


@dataclass(frozen=True)
class Dialect:
    """A writer of such tables.

    Attributes:
        name: As shown.
        recognise: Whether a table is its.
        note: What its files leave open.
    """

    name: str
    recognise: Callable[[Table], bool]
    note: str = ""


def _header_says(pattern: str) -> Callable[[Table], bool]:
    return lambda table: any(re.search(pattern, line, re.I) for line in table.header[:60])


def _labels_say(*patterns: str) -> Callable[[Table], bool]:
    return lambda table: all(any(re.search(p, label, re.I) for label in table.labels) for p in patterns)


SANTEC, KEYSIGHT = "Santec STS csv", "Keysight csv"
DIALECTS = (
    Dialect("EHVA or EXFO csv", _header_says(r"^(?:result|domain) unit symbol\s*:")),
    Dialect(
        "smallest and largest loss csv",
        _labels_say(r"^min\w* (?:loss|il)\b", r"^max\w* (?:loss|il)\b"),
        "the smallest loss is that of the best polarisation at each wavelength, the largest that of the worst: which "
        "polarisation that is stays open, and the largest is no spectrum of one mode",
    ),
    Dialect(
        SANTEC,
        _labels_say(r"^wavelength ?\(nm\)$", r"slot.{0,4}\d|mpm|\bch ?\d"),
        "measurement, raw and reference files look alike: that this is no reference is for you to know",
    ),
    Dialect(KEYSIGHT, _header_says(r"keysight|agilent|n77\d\d|photonic application suite")),
)


def read(source: Source) -> Recorded:
    """A table with a row for each wavelength.

    Raises:
        InputError: The text holds none.
    """
    table = read_table(source.path, source.lines)
    pairs = pairs_of(table.header[: len(table.header) - 1] if table.headed else table.header)
    conditions, device, notes = understood(pairs)
    dialect = next((each for each in DIALECTS if each.recognise(table)), Dialect("csv", lambda _: True))
    labels = table.labels or [""] * len(table.columns)
    named = [split_label(label) for label in table.labels]
    headed = any(is_axis(name, unit) or unit for name, unit, _ in named)
    axis, columns, left_out = columns_of(source.path, labels, list(table.columns), headed=headed)
    name, unit, _ = split_label(labels[axis])
    # EHVA's header names both units once for the whole file.
    stated = {key.casefold(): unit_named(value) for key, value in pairs if key.casefold().endswith("unit symbol")}
    power = stated.get("result unit symbol")
    columns = tuple(column if column.unit else replace(column, unit=power) for column in columns)
    if dialect.name == SANTEC:
        columns, told = santec_columns(columns)
        left_out = (*left_out, *told)
    if dialect.name == KEYSIGHT and any(column.loss for column in columns):
        # Of TE and TM, which stand beside the loss averaged over both, as of that.
        columns = tuple(replace(column, loss=column.unit == "dB" or column.loss) for column in columns)
    return Recorded(
        path=source.path,
        format=dialect.name,
        axis=table.columns[axis],
        axis_unit=unit or stated.get("domain unit symbol"),
        axis_kind=axis_kind(name),
        columns=columns,
        conditions=conditions,
        device=device,
        notes=(*((dialect.note,) if dialect.note else ()), *notes, *left_out),
        lines=table.lines,
    )
