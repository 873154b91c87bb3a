"""LabExT's json: ``values`` by names with units in brackets, ``measurement settings`` with a value and a unit each."""

import json
from typing import Any

import numpy as np

from prism_photonics.laboratory.header import understood
from prism_photonics.laboratory.quantity import axis_kind, is_axis, split_label
from prism_photonics.laboratory.recorded import Recorded, clean, columns_of
from prism_photonics.laboratory.source import Source
from prism_photonics.units import InputError


def recognise(source: Source) -> bool:
    """Whether the text begins as JSON does."""
    return (source.text or "").lstrip()[:1] in ("{", "[")


def read(source: Source) -> Recorded:
    """The arrays of ``values``.

    Raises:
        InputError: It is no JSON, or no ``values`` of one length in it.
    """
    try:
        content = json.loads(source.text or "", parse_int=float)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source.path}, line {error.lineno}, column {error.colno}: got no JSON ({error.msg}), want LabExT's; "
            f"the file is cut short or damaged, save it again"
        ) from None
    values = content.get("values") if isinstance(content, dict) else None
    if not isinstance(values, dict) or not values:
        raise InputError(f"{source.path}: got JSON without 'values', want LabExT's layout; export the spectrum as csv")
    arrays = {name: _array(source, name, array) for name, array in values.items() if isinstance(array, list)}
    arrays, short = _as_long_as_the_axis(source, arrays)
    axis, columns, notes = columns_of(source.path, arrays, arrays.values(), headed=True)
    name, unit, _ = split_label(list(arrays)[axis])
    conditions, device, said = understood([*_settings(content.get("measurement settings")), *_device(content)])
    return Recorded(
        path=source.path,
        format="LabExT json",
        axis=list(arrays.values())[axis],
        axis_unit=unit,
        axis_kind=axis_kind(name),
        columns=columns,
        conditions=conditions,
        device=device,
        notes=(*notes, *short, *said),
    )


def _as_long_as_the_axis(
    source: Source, arrays: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The arrays with a value for each wavelength, and a note on each other: LabExT leaves what it did not do empty.

    Raises:
        InputError: No array beside the axis is as long as it.
    """
    axes = [name for name in arrays if is_axis(*split_label(name)[:2])]
    lengths = {len(arrays[name]) for name in axes or arrays}
    kept = {name: array for name, array in arrays.items() if len(array) in lengths}
    if len(lengths) != 1 or len(kept) < 2:
        which = ", ".join(f"{clean(name)} {len(array)}" for name, array in arrays.items()) or "none"
        raise InputError(f"{source.path}: got arrays of lengths {which[:200]}, want one length; measure it again")
    return kept, tuple(
        f"{clean(name)}: {f'{len(array)} values for {len(kept[axes[0]])} wavelengths' if len(array) else 'empty'}, "
        "left out"
        for name, array in arrays.items()
        if name not in kept
    )


def _array(source: Source, name: str, values: list[Any]) -> np.ndarray:
    numbers = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if isinstance(value, float):
            numbers[i] = value
        elif value is not None:
            raise InputError(
                f"{source.path}: {clean(name)}[{i}] is of type {type(value).__name__}, want a number; measure it again"
            )
    return numbers


def _settings(settings: Any) -> list[tuple[str, str]]:
    """Keys and values of ``{"laser power": {"value": 0.0, "unit": "dBm"}}``."""
    if not isinstance(settings, dict):
        return []
    found = []
    for key, entry in settings.items():
        if isinstance(entry, dict) and isinstance(entry.get("value"), float):
            unit = entry.get("unit")
            found.append((key[:80], f"{entry['value']:.12g} {unit if isinstance(unit, str) else ''}"))
    return found


def _device(content: dict[str, Any]) -> list[tuple[str, str]]:
    """What was measured, ``{"id": "17", "type": "ring"}``, as one name."""
    device = content.get("device")
    if not isinstance(device, dict):
        return []
    parts = [part for key in ("type", "id") if isinstance(part := device.get(key), str | float)]
    return [("device", " ".join(f"{part:g}" if isinstance(part, float) else part for part in parts))]
