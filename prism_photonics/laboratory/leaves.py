"""Spectra kept as named arrays, as in MATLAB, HDF5, npz and parquet: which is the axis, which the channels."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from prism_photonics.laboratory.formats.siepic import STAGES_WRITE_dBm
from prism_photonics.laboratory.header import understood
from prism_photonics.laboratory.quantity import axis_kind, is_axis, is_level, is_loss, split_label
from prism_photonics.laboratory.recorded import MOST_SAMPLES, Column, Recorded, clean
from prism_photonics.units import InputError

Leaf = Shaped[np.ndarray, "..."]
MOST_NAMED = 4
"""Arrays that a note names."""


def from_leaves(
    path: Path,
    leaves: Mapping[str, Leaf],
    *,
    format_name: str,
    notes: tuple[str, ...] = (),
    units: Mapping[str, str] | None = None,
) -> Recorded:
    """A spectrum among named arrays.

    Args:
        path: The file, for messages.
        leaves: Arrays by name, with those of the structures that they lie in before it: ``testResult.rows.channel_1``.
        format_name: As shown.
        notes: What was understood so far.
        units: That the file names beside its arrays, as attributes of HDF5.

    Raises:
        InputError: There is no axis, or no channel, or one is of another length.
    """
    size = sum(leaf.size for leaf in leaves.values())
    if size > MOST_SAMPLES:
        raise InputError(f"{path}: got {size} numbers, want at most {MOST_SAMPLES}; export less")
    for name, leaf in leaves.items():
        if leaf.dtype.kind == "c":
            raise InputError(
                f"{path}: {clean(name)} holds complex numbers, want levels; save their powers |a|² as ratio"
            )
    numbers = {name: leaf for name, leaf in leaves.items() if leaf.dtype.kind in "fiu" and leaf.size}
    vectors = {name: np.squeeze(leaf) for name, leaf in numbers.items() if leaf.size > 1}
    parts = {name: split_label(_label(name, units or {})) for name in vectors}
    axes = [name for name in vectors if is_axis(*parts[name][:2]) and vectors[name].ndim == 1]
    if not axes:
        names = ", ".join(clean(name) for name in list(leaves)[:6]) or "nothing"
        raise InputError(f"{path}: got no axis among {names}, want an array whose name says so; name it wl_nm")
    axis = min(axes, key=lambda name: (parts[name][1] is None, axis_kind(parts[name][0]) == "frequency"))
    samples = vectors[axis].size
    columns: list[Column] = []
    left_out: list[str] = []
    for name, values in vectors.items():
        if name in axes:
            continue
        label, unit, odd = parts[name]
        if (
            odd
            or not is_level(label)
            or values.ndim > 2
            or (values.ndim == 1 and values.size != samples and not _is_channel(label, unit))
        ):
            left_out.append(clean(name))
            continue
        columns += _columns(path, clean(label) or f"channel_{len(columns) + 1}", values, unit=unit, samples=samples)
    if not columns:
        raise InputError(f"{path}: got wavelengths and no channel beside them, want levels; save them as channel_1_dBm")
    taken: set[str] = set()
    for column in columns:
        if column.name in taken:
            raise InputError(f"{path}: got two channels named {column.name!r}, want each once; name them apart")
        taken.add(column.name)
    scalars = [
        (name.rpartition(".")[2].replace("_", " "), f"{leaf.item():.12g}")
        for name, leaf in numbers.items()
        if leaf.size == 1
    ]
    conditions, _, said = understood(scalars)
    stage = "testResult." in axis
    return Recorded(
        path=path,
        format=f"{format_name} (testResult)" if stage else format_name,
        axis=vectors[axis].astype(float),
        axis_unit=parts[axis][1],
        axis_kind=axis_kind(parts[axis][0]),
        columns=tuple(columns),
        assumed_unit=STAGES_WRITE_dBm if stage else None,
        conditions=conditions,
        notes=(*notes, *([_told(left_out)] if left_out else []), *said),
    )


def _label(name: str, units: Mapping[str, str]) -> str:
    """The last part of a name, with the unit that stands beside its array."""
    last = name.rpartition(".")[2]
    return f"{last} [{units[name]}]" if name in units and split_label(last)[1] is None else last


def _told(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}: no level for each wavelength, left out"


def _is_channel(label: str, unit: str | None) -> bool:
    return unit is not None or label.casefold().startswith(("channel", "ch_", "power", "through", "drop", "trans"))


def _columns(path: Path, name: str, values: Leaf, *, unit: str | None, samples: int) -> list[Column]:
    """One column, or one for each channel of an array (channels, wavelengths) in either order."""
    if values.ndim == 1:
        if values.size != samples:
            raise InputError(
                f"{path}: {name} has {values.size} values for {samples} wavelengths, want as many; the sweep stopped, "
                f"or they belong to another: leave out the wavelengths that were not read, or export it again"
            )
        return [Column(name, values.astype(float), unit, is_loss(name))]
    if samples not in values.shape or values.shape[0] == values.shape[1]:
        raise InputError(
            f"{path}: {name} has shape {values.shape} for {samples} wavelengths, want (channels, {samples})"
        )
    rows = values if values.shape[1] == samples else values.T
    return [Column(f"{name}_{k + 1}", row.astype(float), unit, is_loss(name)) for k, row in enumerate(rows)]
