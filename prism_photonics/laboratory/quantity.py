"""Units of spectra: read from the names that files give their columns, told apart by size where a file names none."""

import re
from typing import Literal

import numpy as np
from jaxtyping import Float

from prism_photonics.laboratory.sweep import Unit
from prism_photonics.units import SPEED_OF_LIGHT_UM_S

WavelengthUnit = Literal["nm", "um", "m", "pm", "THz", "GHz", "Hz"]
PowerUnit = Literal["dB", "dBm", "loss_dB", "W", "mW", "uW", "nW", "pW", "ratio", "%"]

NM_PER: dict[str, float] = {"nm": 1.0, "um": 1e3, "m": 1e9, "pm": 1e-3}
"""Nanometres in each unit of length."""
HZ_PER: dict[str, float] = {"THz": 1e12, "GHz": 1e9, "Hz": 1.0}
W_PER: dict[str, float] = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "nW": 1e-9, "pW": 1e-12}
RATIO_PER: dict[str, float] = {"ratio": 1.0, "%": 1e-2}
AXIS_UNITS = (*NM_PER, *HZ_PER)
LOSS = "loss_dB"
"""Decibels that count what is lost, so that a transmission below one is positive."""
POWER_UNITS = ("dB", "dBm", LOSS, *W_PER, *RATIO_PER)
LOWEST_NM, HIGHEST_NM = 200.0, 20_000.0
"""Where waveguides are measured, with room: below, glass is black, and above it is too."""

_AXIS_WORDS = re.compile(r"wave ?-?_?len|lambda|λ|\bwl\b|^wl_|_wl$", re.I)
_FREQUENCY_WORDS = re.compile(r"freq", re.I)
_LOSS_WORDS = re.compile(r"loss|attenuation|\bil\b|^il_|_il$", re.I)
_UNIT_AT_THE_END = re.compile(
    r"^(?P<name>.*?)\s*(?:[\[(]\s*(?P<boxed>[^\])]{0,12})[\])]|[_/ ](?P<bare>[^\s_/()\[\]]{1,5}))\s*$"
)
_SPELLINGS = {
    "µm": "um", "μm": "um", "micron": "um", "microns": "um", "nanometer": "nm", "nanometers": "nm", "meter": "m",
    "meters": "m", "metre": "m", "metres": "m", "dbm": "dBm", "db": "dB", "nm": "nm", "um": "um", "pm": "pm",
    "thz": "THz",
    "ghz": "GHz", "hz": "Hz", "µw": "uW", "μw": "uW", "uw": "uW", "watt": "W", "watts": "W", "ratio": "ratio",
}  # fmt: skip
_OF_NO_LIGHT = ("ps", "ns", "us", "ms", "rad", "deg", "degC", "mV", "mA", "uA", "nA")
"""Units at the end of a name in which no light is counted; V and A are left out, for traces are named A to G."""
_NO_LEVEL = re.compile(r"\bpdl\b|^pdl_|_pdl$|polari[sz]ation.(?:dependent|mode)|dispersion|time.domain", re.I)


def is_level(name: str) -> bool:
    """Whether a name is a level's over wavelength: dispersion, and what depends on polarisation or time, is none."""
    return not _NO_LEVEL.search(name)


def unit_named(text: str) -> str | None:
    """The unit that a text spells, as it is written here, or None."""
    text = text.strip()
    if text in AXIS_UNITS or text in POWER_UNITS:
        return text
    return _SPELLINGS.get(text.casefold())


def split_label(label: str) -> tuple[str, str | None, str]:
    """A column's label as its name, its unit, and what stands in the unit's place if it is none that is known.

    ``wavelength [nm]``, ``Wavelength(nm)``, ``wl_nm`` and ``wavelength/nm`` all name their unit.
    """
    label = " ".join(label.replace('"', " ").split())
    match = _UNIT_AT_THE_END.match(label)
    if match is None:
        return label, unit_named(label), ""
    found = unit_named(match["boxed"] or match["bare"] or "")
    if found is not None:
        return match["name"].strip(" _-:,"), found, ""
    if match["boxed"] is not None:
        return match["name"].strip(" _-:,"), None, match["boxed"].strip()
    if match["bare"] in _OF_NO_LIGHT:
        return match["name"].strip(" _-:,"), None, match["bare"]
    return label, None, ""


def is_axis(name: str, unit: str | None) -> bool:
    """Whether a column of this name and unit is an axis of wavelengths or frequencies."""
    return unit in AXIS_UNITS or bool(_AXIS_WORDS.search(name) or _FREQUENCY_WORDS.search(name))


def axis_kind(name: str) -> str:
    """``wavelength``, ``frequency``, or nothing where the name does not say."""
    if _AXIS_WORDS.search(name):
        return "wavelength"
    return "frequency" if _FREQUENCY_WORDS.search(name) else ""


def is_loss(name: str) -> bool:
    """Whether a name says that what it counts is lost, so that a positive dB is a transmission below one."""
    return bool(_LOSS_WORDS.search(name))


def to_nm(axis: Float[np.ndarray, " samples"], unit: str) -> Float[np.ndarray, " samples"]:
    """An axis in nm: a length is scaled, a frequency f becomes c/f."""
    if unit in NM_PER:
        return axis * NM_PER[unit]
    with np.errstate(divide="ignore", over="ignore"):
        return SPEED_OF_LIGHT_UM_S * 1e3 / (axis * HZ_PER[unit])


def units_that_fit(axis: Float[np.ndarray, " samples"], kind: str) -> list[str]:
    """The units in which every sample of an axis lies between 200 and 20,000 nm.

    Args:
        axis: The axis.
        kind: ``wavelength`` or ``frequency`` where its name says so: then only such units are tried.
    """
    tried = {"wavelength": list(NM_PER), "frequency": list(HZ_PER)}.get(kind, AXIS_UNITS)
    fitting = []
    for unit in tried:
        wl_nm = to_nm(axis, unit)
        if np.all((wl_nm >= LOWEST_NM) & (wl_nm <= HIGHEST_NM)):
            fitting.append(unit)
    return fitting


def to_values(values: Float[np.ndarray, " samples"], unit: str) -> tuple[Float[np.ndarray, " samples"], Unit]:
    """Values in dB, dBm, W or as a ratio, with which of them it is."""
    if unit in W_PER:
        return values * W_PER[unit], "W"
    if unit in RATIO_PER:
        return values * RATIO_PER[unit], "ratio"
    return values, "dBm" if unit == "dBm" else "dB"
