"""The manifest of a drawn chip, as `prism layout` writes it: what is to be measured, and where its file is."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prism_photonics.files.arrays import open_file
from prism_photonics.files.fields import shown
from prism_photonics.units import InputError, nearest

NAME = "manifest.csv"
MOST_BYTES = 64 << 20
"""A chip of 65,536 rings has a manifest of 8 MiB."""
WANTED = ("name", "kind", "x_um", "y_um", "channel", "structure", "gap_nm", "length_um", "passes", "drop", "file")
ROWS = ("row", "monitor")
"""Kinds with the circuit's own rings: read by photodiodes, or by the fibres that see one row without them."""
KINDS = (*ROWS, "loopback", "reference", "cutback", "gap_sweep", "length_sweep", "splitter", "taper", "photodiode")
SIMILAR = {f"{kind}s": kind for kind in KINDS}


@dataclass(frozen=True)
class DrawnRing:
    """A ring that was drawn.

    Attributes:
        name: In the manifest.
        gap_nm: Gap to its through bus.
        length_um: Circumference.
        at_um: Its centre.
    """

    name: str
    gap_nm: float
    length_um: float
    at_um: tuple[float, float]


@dataclass(frozen=True)
class Structure:
    """What is measured in one sweep.

    Attributes:
        name: In the manifest.
        kind: One of `KINDS`.
        file: Name of its file, without its end.
        length_um: Length of its guide between two couplers; NaN where rings stand in it.
        passes: Double passes of a serpentine.
        dropped: Whether light leaves by a drop port, too.
        rings: Its rings, in the order in which light meets them.
    """

    name: str
    kind: str
    file: str
    length_um: float
    passes: int
    dropped: bool
    rings: tuple[DrawnRing, ...]


def read_manifest(path: Path) -> tuple[Structure, ...]:
    """The structures of a manifest, in its order.

    Raises:
        InputError: It cannot be read, was written before structures stood in it, or a line of it is damaged.
    """
    with open_file(str(path), path, want="the manifest.csv of a drawn chip") as stream:
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise InputError(f"{path}: got more than {MOST_BYTES >> 20} MiB, want a manifest; give that of prism layout")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: got no UTF-8 text, want a manifest.csv; give that of prism layout") from None
    return parse_manifest(text, where=str(path))


def parse_manifest(text: str, *, where: str) -> tuple[Structure, ...]:
    """As `read_manifest`, of its text; ``where`` names it in messages."""
    try:
        lines = list(csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"{where}: got no table ({error}), want a manifest.csv; draw the chip again") from None
    head = list(lines[0]) if lines else []
    missing = [column for column in WANTED if column not in head]
    if missing:
        raise InputError(
            f"{where}: got no column {missing[0]}, want those that this version writes; draw the chip again by prism "
            "layout"
        )
    rings: dict[str, list[tuple[float, DrawnRing]]] = {}
    found: list[tuple[int, dict[str, str]]] = []
    for number, line in enumerate(lines, start=2):
        if line["kind"] == "structure":
            found.append((number, line))
        elif line["structure"]:
            place = (
                _number(line, "channel", where, number) if line["kind"] == "ring" else len(rings.get(line["file"], ()))
            )
            ring = DrawnRing(
                line["name"],
                _number(line, "gap_nm", where, number),
                _number(line, "length_um", where, number),
                (_number(line, "x_um", where, number), _number(line, "y_um", where, number)),
            )
            rings.setdefault(line["file"], []).append((place, ring))
    structures = []
    for number, line in found:
        kind, file = line["structure"], line["file"]
        if kind not in KINDS:
            raise InputError(
                f"{where}, line {number}: got structure {shown(kind)}, want one of {', '.join(KINDS)}; "
                f"{nearest(kind[:100], KINDS)}"
            )
        if not file or Path(file).name != file or file in {each.file for each in structures}:
            raise InputError(
                f"{where}, line {number}: got file {shown(file)}, want a name of its own for each structure; mend it"
            )
        source = file
        if kind == "monitor":  # it sees the rings of a row
            same = [ln["file"] for _, ln in found if ln["structure"] == "row" and _place(ln) == _place(line)]
            if not same:
                raise InputError(
                    f"{where}, line {number}: got monitor of no row, want its row and bus; draw the chip again"
                )
            source = same[0]
        inside = tuple(ring for _, ring in sorted(rings.get(source, ()), key=lambda one: one[0]))
        if kind == "monitor":
            inside = tuple(replace(ring, name=f"{line['name']}/{ring.name.rpartition('/')[2]}") for ring in inside)
        guide = not inside
        structures.append(
            Structure(
                name=line["name"],
                kind=kind,
                file=file,
                length_um=_number(line, "length_um", where, number) if guide else math.nan,
                passes=int(_number(line, "passes", where, number)) if guide else 0,
                dropped=bool(line["drop"]) or kind == "row",
                rings=inside,
            )
        )
    if not structures:
        raise InputError(f"{where}: got no structure, want rows or test structures; draw the chip again")
    return tuple(structures)


def chosen_structures(structures: Sequence[Structure], wanted: str) -> tuple[Structure, ...]:
    """Those of ``all``, or of names and kinds such as ``gap_sweep,cutback,row_3``, in the manifest's order.

    Raises:
        InputError: The chip has no such structure.
    """
    if wanted.strip() == "all":
        return tuple(structures)
    asked = {SIMILAR.get(part.strip(), part.strip()) for part in wanted.split(",")}
    known = {name for one in structures for name in (one.name, one.kind)}
    for part in sorted(asked - known):
        kinds = sorted({one.kind for one in structures})
        raise InputError(
            f"--structures: got {shown(part)}, want all, or some of {', '.join(kinds)}; {nearest(part[:100], known)}"
        )
    return tuple(one for one in structures if one.name in asked or one.kind in asked)


def _place(line: Mapping[str, str | None]) -> tuple[str | None, str | None]:
    return line.get("row"), line.get("bus")


def _number(line: Mapping[str, str | None], column: str, where: str, number: int) -> float:
    said = line.get(column) or ""
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}, line {number}: {column} is {shown(said)}, want a number; draw the chip again")
    return value
