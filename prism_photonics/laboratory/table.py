"""Tables of numbers in text: what parts columns and decimals, where the numbers begin, and what is no number."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from prism_photonics.files.fields import shown
from prism_photonics.laboratory.quantity import is_axis, split_label, unit_named
from prism_photonics.laboratory.recorded import MOST_SAMPLES
from prism_photonics.units import InputError

EMPTY = ("", "-", "--", "na", "n/a", "#n/a", "null", "none", "nan", "-nan", "nan(ind)", "-nan(ind)")
"""What stands for no reading."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_LINES_LOOKED_AT = 2000
"""Headers are shorter."""


@dataclass(frozen=True, eq=False)
class Table:
    """A block of numbers.

    Attributes:
        header: The lines above it.
        labels: Of the columns; empty where the line above holds none.
        columns: Of shape (columns, rows); NaN where a cell is empty.
        lines: The line of each row.
    """

    header: tuple[str, ...]
    labels: tuple[str, ...]
    columns: Float[np.ndarray, "columns rows"]
    lines: Int[np.ndarray, " rows"]

    @property
    def headed(self) -> bool:
        """Whether the file names its columns."""
        return bool(self.labels)


@dataclass(frozen=True)
class Manner:
    """How a table is written: what parts its columns (None: white space), and whether its decimals have a comma."""

    separator: str | None
    comma: bool

    def cells(self, line: str) -> list[str]:
        """The cells of a line, without quotes."""
        return [cell.strip().strip('"').strip() for cell in line.split(self.separator)]

    def number(self, cell: str) -> float:
        """The number of a cell; NaN where it is empty.

        Raises:
            ValueError: It is neither.
        """
        if cell.casefold() in EMPTY:
            return np.nan
        if "_" in cell:  # Python reads 1_000
            raise ValueError(cell)
        return float(cell.replace(",", ".") if self.comma else cell)


def manner_of(line: str) -> Manner:
    """How a line of numbers is written."""
    if "\t" in line or ";" in line:
        separator = "\t" if "\t" in line else ";"
        return Manner(separator, "," in line and "." not in line)
    words = line.split()
    if len(words) > 1 and all(_DECIMAL_COMMA.fullmatch(word) for word in words):
        return Manner(None, True)
    return Manner("," if "," in line else None, False)


def read_table(path: Path, lines: list[str], *, start: int = 0, least_columns: int = 2, uneven: bool = False) -> Table:
    """The first block of numbers of a text, with the names of its columns.

    Args:
        path: The file, for messages.
        lines: Of the text.
        start: Where to look from.
        least_columns: Columns that it must have.
        uneven: Whether columns may end at different rows.

    Raises:
        InputError: There is none, or a line in it is not like the others.
    """
    first, manner = _first_row(path, lines, start=start, least_columns=least_columns)
    width = len(manner.cells(lines[first]))
    labels = _labels(lines[start:first], manner, width)
    last = max(i for i in range(first, len(lines)) if lines[i].strip())
    # Text below the numbers is no row.
    while not _begins_with_number(lines[last], manner):
        last -= 1
    numbers = [i for i in range(first, last + 1) if lines[i].strip()]
    if len(numbers) * width > MOST_SAMPLES:
        raise InputError(f"{path}: got {len(numbers) * width} numbers, want at most {MOST_SAMPLES}; export less")
    rows = [lines[i] for i in numbers]
    values = _fast(rows, manner, width)
    if values is None:
        values = _careful(path, rows, numbers, manner=manner, width=width)
    if not uneven:
        _refuse_uneven(path, values, rows, numbers, manner=manner)
    if _torn(lines, rows, last=last):
        values, numbers = values[:-1], numbers[:-1]
    # A separator at the end of each line makes a column of nothing.
    used = ~np.isnan(values).all(axis=0)
    used |= np.array([bool(label) for label in labels]) if labels else np.arange(width) == 0
    return Table(
        header=tuple(lines[start:first]),
        labels=tuple(label for label, use in zip(labels, used, strict=True) if use) if labels else (),
        columns=np.ascontiguousarray(values[:, used].T),
        lines=np.array(numbers, int) + 1,
    )


def _first_row(path: Path, lines: list[str], *, start: int, least_columns: int) -> tuple[int, Manner]:
    """The first line of numbers: the next one, if any, is of the same width."""
    for i in range(start, min(len(lines), start + _LINES_LOOKED_AT)):
        if not lines[i].strip():
            continue
        manner = manner_of(lines[i])
        if not _is_row(lines[i], manner, least_columns):
            continue
        following = next((line for line in lines[i + 1 : i + 5] if line.strip()), None)
        if following is None or _begins_with_number(following, manner):
            return i, manner
    raise InputError(
        f"{path}: got no table of numbers in its first {_LINES_LOOKED_AT} lines, want a wavelength and a level in each "
        f"row; export the spectrum as csv"
    )


def _is_row(line: str, manner: Manner, least_columns: int) -> bool:
    try:
        numbers = [manner.number(cell) for cell in manner.cells(line)]
    except ValueError:
        return False
    return len(numbers) >= least_columns and any(np.isfinite(numbers))


def _begins_with_number(line: str, manner: Manner) -> bool:
    try:
        return any(np.isfinite(manner.number(cell)) for cell in manner.cells(line)[:1])
    except ValueError:
        return False


def _labels(above: list[str], manner: Manner, width: int) -> tuple[str, ...]:
    """The names of the columns: the last line above the numbers, where it has as many cells, or the last two."""
    rows = [manner.cells(line.lstrip("#").lstrip("%")) for line in reversed(above) if line.strip()][:2]
    rows = [cells for cells in rows if len(cells) == width and any(re.search(r"[^\W\d]", cell) for cell in cells)]
    if not rows:
        return ()
    if len(rows) == 2 and all(not cell or unit_named(cell.strip("[]()")) for cell in rows[0]):
        # Names in one line, their units in the next.
        units = [cell.strip("[]()") for cell in rows[0]]
        return tuple(f"{name} [{unit}]" if unit else name for name, unit in zip(rows[1], units, strict=True))
    cells = rows[0]
    # A setting such as "LOG",5.0 is no heading; channels may be headed by their numbers.
    if any(_is_number(cell, manner) for cell in cells[1:]) and not is_axis(*split_label(cells[0])[:2]):
        return ()
    return tuple(cells)


def _is_number(cell: str, manner: Manner) -> bool:
    try:
        return bool(np.isfinite(manner.number(cell)))
    except ValueError:
        return False


def _fast(rows: list[str], manner: Manner, width: int) -> Float[np.ndarray, "rows columns"] | None:
    """All numbers at once, or None where something is in the way."""
    if manner.separator is None:
        cells = [row.split() for row in rows]
        if any(len(row) != width for row in cells):
            return None
        flat = [cell for row in cells for cell in row]
    else:
        if any(row.count(manner.separator) != width - 1 for row in rows):
            return None
        flat = manner.separator.join(rows).split(manner.separator)
    if manner.comma:
        flat = [cell.replace(",", ".") for cell in flat]
    try:
        return np.array(flat, dtype=np.str_).astype(float).reshape(len(rows), width)
    except ValueError:
        return None


def _careful(
    path: Path, rows: list[str], numbers: list[int], *, manner: Manner, width: int
) -> Float[np.ndarray, "rows columns"]:
    """Number by number, so that the first that is none is named."""
    values = np.empty((len(rows), width))
    for k, row in enumerate(rows):
        cells = manner.cells(row)
        if len(cells) != width:
            raise InputError(
                f"{path}, line {numbers[k] + 1}: got {len(cells)} columns, want {width} as above; the file is cut "
                f"short or put together from two, export it again"
            )
        for j, cell in enumerate(cells):
            try:
                values[k, j] = manner.number(cell)
            except ValueError:
                raise InputError(
                    f"{path}, line {numbers[k] + 1}, column {j + 1}: got {shown(cell)}, want a number; mend or "
                    f"export it again"
                ) from None
    return values


def _refuse_uneven(
    path: Path, values: Float[np.ndarray, "rows columns"], rows: list[str], numbers: list[int], *, manner: Manner
) -> None:
    """Refuse a column that has no more cells from some row on: a sweep that stopped, or tables put side by side."""
    for j, cell in enumerate(manner.cells(rows[-1])):
        read = np.flatnonzero(~np.isnan(values[:, j]))
        if cell or not len(read):
            continue
        end = int(read[-1])
        if end + 2 == len(rows):
            raise InputError(
                f"{path}, line {numbers[-1] + 1}: got no value in column {j + 1}, want one as in the lines above; the "
                f"sweep stopped or the file is cut short there: take the line out, or export it again"
            )
        if not any(manner.cells(row)[j] for row in rows[end + 1 :]):
            raise InputError(
                f"{path}, line {numbers[end + 1] + 1}, column {j + 1}: ends here, others at line {numbers[-1] + 1}, "
                f"want columns of one length; cut the rest off, or write nan where nothing was read"
            )


def _torn(lines: list[str], rows: list[str], *, last: int) -> bool:
    """Whether the file ends in the middle of its last number, which then is not what was measured."""
    if last != len(lines) - 1 or len(rows) < 3:
        return False
    return len(rows[-1]) < min(len(row) for row in rows[-50:-1])
