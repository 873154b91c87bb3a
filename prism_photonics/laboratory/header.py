"""What is taken from a header: conditions and the device, by a list. All else stays there, names of people first."""

import math
import re
from collections.abc import Iterable

from prism_photonics.laboratory.recorded import clean
from prism_photonics.units import dBm_from_watt

_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_SCALE = {
    "V": {"V": 1.0, "mV": 1e-3},
    "A": {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "µA": 1e-6},
    "W": {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "µW": 1e-6},
    "C": {"C": 1.0, "°C": 1.0, "degC": 1.0},
    "nm_s": {"nm/s": 1.0, "pm/s": 1e-3},
    "nm": {"nm": 1.0, "pm": 1e-3},
}
_UNITS = frozenset(name for scale in _SCALE.values() for name in scale) | {"dBm", "K"}
# What a key must say, the name of the condition, its unit; {} is the number of its channel, if it has one.
_CONDITIONS = (
    (re.compile(r"laser power|tls power|input power|output power", re.I), "laser_power_dBm", "dBm"),
    (re.compile(r"(?:dissipated|electrical|heater|bias) power(?: ch(?:annel)? ?(\d+))?", re.I), "bias{}_power_W", "W"),
    (re.compile(r"(?<!max )(?:voltage|bias)(?: ch(?:annel)? ?(\d+))?", re.I), "bias{}_V", "V"),
    (re.compile(r"(?<!max )current(?: ch(?:annel)? ?(\d+))?", re.I), "current{}_A", "A"),
    (re.compile(r"(?:sweep|scan) ?speed", re.I), "sweep_speed_nm_s", "nm_s"),
    (re.compile(r"temperature", re.I), "temperature_C", "C"),
    (re.compile(r"^resln$|^resolution", re.I), "resolution_nm", "nm"),
    (re.compile(r"(?:wavelength|axis) (?:accuracy|uncertainty|zero)", re.I), "wavelength_accuracy_nm", "nm"),
)
_DEVICE = re.compile(r"^(?:device|component|structure)(?:[ _]?(?:id|name))?$", re.I)
_ALIGNMENT = re.compile(r"\balign", re.I)


def pairs_of(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Keys and values of header lines such as ``# key: value``, ``key = value`` or ``"key",value``."""
    found = []
    for line in lines:
        line = line.strip().lstrip("#%/! \t").replace('"', "")
        match = re.match(r"([^:=,;\t]{1,80})[:=,;\t]\s*(.{1,200})$", line)
        if match:
            found.append((" ".join(match[1].replace("_", " ").split()), match[2].strip().strip(",;").strip()))
    return found


def understood(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, float], str, tuple[str, ...]]:
    """Conditions by names with units, the device, and notes, of a header's keys and values."""
    conditions: dict[str, float] = {}
    device, notes = "", []
    for key, value in pairs:
        if _DEVICE.match(key):
            device = clean(value)
        elif _ALIGNMENT.search(key) and re.search(r"fail|pass", value, re.I):
            passed = re.search(r"fail", value, re.I) is None
            conditions["alignment_passed"] = float(passed)
            if not passed:
                notes.append("the file says that the alignment failed")
        else:
            for pattern, name, unit in _CONDITIONS:
                match = pattern.search(key)
                number = _number(value, key, unit) if match else None
                if match and number is not None:
                    channel = match[1] if match.groups() and match[1] not in (None, "1") else ""
                    conditions[name.format(channel)] = number
                    break
    return conditions, device, tuple(notes)


def _number(value: str, key: str, unit: str) -> float | None:
    """A value in a unit, None where it is no number or in a unit that is not known."""
    match = _NUMBER.match(value)
    if match is None:
        return None
    number = float(match[0].replace(",", "."))
    if not math.isfinite(number):
        return None
    named = value[match.end() :].strip(" ()[]") or _unit_of(key)
    if unit == "dBm":
        if named in ("", "dBm"):
            return number
        scale = _SCALE["W"].get(named)
        return dBm_from_watt(number * scale) if scale and number > 0 else None
    scale = 1.0 if not named else _SCALE[unit].get(named)
    if unit == "C" and named == "K":
        return number - 273.15
    return None if scale is None else number * scale


def _unit_of(key: str) -> str:
    """The unit that a key names at its end, in brackets or as its last word; empty without one."""
    in_brackets = "".join(re.findall(r"[\[(]([^\])]*)[\])]\s*$", key))
    last = key.rpartition(" ")[2]
    return in_brackets or (last if last in _UNITS else "")
