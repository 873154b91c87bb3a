"""What a permanent trimming is to do to the rings of an untrimmed die: a table for who trims, and for what comes after.

`trimming.csv` has a row for each ring: where it was found, which channel it is to serve, and how far it has to be
moved. After it was done the same file tells which ring serves which channel.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from prism_photonics.files import write_text
from prism_photonics.files.fields import shown
from prism_photonics.files.toml import read_text
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

FILE = "trimming.csv"
COLUMNS = ("row", "bus", "place", "channel", "found_nm", "found_std_pm", "dips", "shift_pm", "other_way_pm")
MOST_PM = 1e6
"""No free spectral range is longer."""
CURE = "make it again with 'prism calibrate --bench untrimmed:… --light tunable_laser'"


@final
@dataclass(frozen=True)
class Trimming:
    """A trimming of all rings, leaves of shape (rows, buses, channels) by place along the bus.

    Attributes:
        bench: The chip that is to be trimmed, as `AbstractChip.label` names it.
        spec_hash: Its spec.
        channel_of_ring: The channel that each ring is to serve.
        found_nm: Where it was found, in nm, of the order nearest to that channel.
        std_pm: Standard error of that, in pm.
        dips: What told it; none: it was not found, and is left where it is.
        shift_pm: How far it is to be moved, in pm; positive to the red.
        other_way_pm: How far if it can only be moved the other way.
        path: Where it was read from; empty of one that was not.
    """

    bench: str
    spec_hash: str
    channel_of_ring: Int[ndarray, "rows buses channels"]
    found_nm: Float[ndarray, "rows buses channels"]
    std_pm: Float[ndarray, "rows buses channels"]
    dips: Int[ndarray, "rows buses channels"]
    shift_pm: Float[ndarray, "rows buses channels"]
    other_way_pm: Float[ndarray, "rows buses channels"]
    path: str = ""

    def write(self, path: Path) -> None:
        """Write the table.

        Raises:
            InputError: The place cannot be written.
        """
        lines = [f"# trimming of {self.bench}, spec {self.spec_hash}", ",".join(COLUMNS)]
        for at in np.ndindex(self.shift_pm.shape):
            numbers = (self.channel_of_ring, self.found_nm, self.std_pm, self.dips, self.shift_pm, self.other_way_pm)
            channel, found_nm, std_pm, dips, shift_pm, other_pm = (leaf[at] for leaf in numbers)
            place = ",".join(str(n) for n in at)
            lines.append(f"{place},{channel},{found_nm:.4f},{std_pm:.2f},{dips},{shift_pm:.2f},{other_pm:.2f}")
        write_text(path, "\n".join(lines) + "\n")


def trimming_of(path: str | Path) -> str:
    """The bench that a trimming is of.

    Raises:
        InputError: It is no trimming.
    """
    return _head(Path(path))[0]


def read_trimming(path: str | Path, spec: ChipSpec) -> Trimming:
    """Read a table that `Trimming.write` wrote.

    Args:
        path: The file.
        spec: Of the chip that is, or was, to be trimmed.

    Raises:
        InputError: It cannot be read, is no trimming or another chip's, or a number in it cannot be.
    """
    path = Path(path)
    bench, spec_hash, lines = _head(path)
    if spec_hash != spec.hash:
        raise InputError(
            f"{path}: is of a chip of spec {shown(spec_hash[:12])}, this is {spec.name} (spec {spec.hash[:12]}); give "
            "the trimming of this chip"
        )
    shape = (spec.chip.rows, spec.chip.buses, spec.chip.channels)
    found = {name: np.full(shape, np.nan) for name in COLUMNS[3:]}
    for number, line in enumerate(lines, start=3):
        where, cells = f"{path}, line {number}", line.split(",")
        if len(cells) != len(COLUMNS):
            raise InputError(f"{where}: got {len(cells)} cells, want {len(COLUMNS)}; {CURE}")
        values = [_number(where, name, cell) for name, cell in zip(COLUMNS, cells, strict=True)]
        at = tuple(int(value) for value in values[:3])
        if not all(0 <= n < most for n, most in zip(at, shape, strict=True)):
            raise InputError(f"{where}: got ring {at}, want row, bus and place of a chip of {shape}; {CURE}")
        if not np.isnan(found["shift_pm"][at]):
            raise InputError(f"{where}: got ring {at} a second time, want every ring once; {CURE}")
        for name, value in zip(COLUMNS[3:], values[3:], strict=True):
            found[name][at] = value
    missing = np.argwhere(np.isnan(found["shift_pm"]))
    if missing.size:
        row, bus, place = missing[0]
        raise InputError(f"{path}: got no ring {place} of row {row}, bus {bus}, want every ring once; {CURE}")
    channel = found["channel"].astype(int)
    if (np.sort(channel, axis=-1) != np.arange(shape[-1])).any():
        raise InputError(f"{path}: a channel of a bus is served twice, want one ring for each; {CURE}")
    return Trimming(
        bench,
        spec_hash,
        channel,
        found["found_nm"],
        found["found_std_pm"],
        found["dips"].astype(int),
        found["shift_pm"],
        found["other_way_pm"],
        str(path),
    )


def _head(path: Path) -> tuple[str, str, list[str]]:
    """Bench, spec, and the lines below the names of the columns."""
    text = read_text(path, what="trimming", name=FILE)
    lines = text.splitlines()
    head, spec, spec_hash = (lines[0] if lines else "").removeprefix("# trimming of ").rpartition(", spec ")
    if not (spec and lines[0].startswith("# trimming of ") and lines[1:2] == [",".join(COLUMNS)]):
        raise InputError(f"{path}: got no trimming, want a '{FILE}' that 'prism calibrate' wrote; {CURE}")
    return head, spec_hash, lines[2:]


def _number(where: str, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    whole = name in ("row", "bus", "place", "channel", "dips")
    if not abs(value) <= MOST_PM or (whole and value != int(value)):
        raise InputError(f"{where}: {name} = {shown(cell)}, want a {'whole ' * whole}number; {CURE}")
    return value
