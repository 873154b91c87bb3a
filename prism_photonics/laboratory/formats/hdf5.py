"""HDF5, which MATLAB 7.3 files are: groups of numbers; links to other files are not followed."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from prism_photonics.extras import load
from prism_photonics.laboratory.formats.guard import refusing_damage
from prism_photonics.laboratory.leaves import Leaf, from_leaves
from prism_photonics.laboratory.quantity import unit_named
from prism_photonics.laboratory.recorded import MOST_SAMPLES, Recorded
from prism_photonics.laboratory.source import Source
from prism_photonics.units import InputError

_MARK = b"\x89HDF\r\n\x1a\n"
_STARTS = (0, 512, 1024, 2048)
"""Where the mark may stand: MATLAB writes half a kilobyte of text before it."""
DEEPEST = 8


def recognise(source: Source) -> bool:
    """Whether HDF5's mark stands where it may."""
    return any(source.raw[start : start + 8] == _MARK for start in _STARTS)


def read(source: Source) -> Recorded:
    """The numbers of all groups.

    Raises:
        InputError: It is damaged, or holds more than can be.
        MissingExtraError: h5py is not installed.
    """
    h5py = load("h5py", what=f"{source.path} (HDF5)")
    matlab = source.raw[:6] == b"MATLAB"
    with (
        refusing_damage(source.path, got="HDF5", want="groups of numbers", cure="save it again"),
        h5py.File(io.BytesIO(source.raw), "r") as file,
    ):
        units: dict[str, str] = {}
        leaves = dict(_leaves(h5py, file, "", depth=0, room=[MOST_SAMPLES], units=units))
    return from_leaves(source.path, leaves, format_name="MATLAB 7.3" if matlab else "HDF5", units=units)


def _leaves(
    h5py: Any, group: Any, name: str, *, depth: int, room: list[int], units: dict[str, str]
) -> Iterator[tuple[str, Leaf]]:
    """The numeric arrays of nested groups, by their path, as long as there is room; their units go into ``units``."""
    if depth > DEEPEST:
        return
    for key in group:
        # A soft link may run in a circle, an external one out of the file.
        if key.startswith("#") or not isinstance(group.get(key, getlink=True), h5py.HardLink):
            continue
        path, thing = f"{name}.{key}" if name else key, group[key]
        if isinstance(thing, h5py.Group):
            yield from _leaves(h5py, thing, path, depth=depth + 1, room=room, units=units)
        elif isinstance(thing, h5py.Dataset) and thing.dtype.kind in "fiuc" and thing.shape is not None:
            if thing.external or thing.is_virtual:
                continue
            room[0] -= thing.size
            if room[0] < 0:
                raise InputError(f"{group.file.filename}: got more than {MOST_SAMPLES} numbers, want fewer; save less")
            for attribute in ("unit", "units"):
                if isinstance(unit := thing.attrs.get(attribute), str) and unit_named(unit):
                    units[path] = unit
            yield path, np.asarray(thing[()])
