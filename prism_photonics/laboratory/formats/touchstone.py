"""Touchstone, read by scikit-rf: frequencies ascend, so wavelengths descend; a level is 20·log10 of the field."""

import io
import re
import warnings

import numpy as np

from prism_photonics.extras import load
from prism_photonics.laboratory.formats.guard import refusing_damage
from prism_photonics.laboratory.recorded import MOST_SAMPLES, Column, Recorded
from prism_photonics.laboratory.source import Source
from prism_photonics.units import InputError, counted

_OPTION = re.compile(r"^\s*#(?=.*\b[kMGT]?Hz\b)(?=.*\b(?:MA|DB|RI)\b)", re.I)
MOST_PORTS = 8


def recognise(source: Source) -> bool:
    """Whether one of the first lines is Touchstone's option line, ``# GHz S MA R 50``."""
    return any(_OPTION.match(line) for line in source.lines[:200])


def read(source: Source) -> Recorded:
    """Every scattering parameter but the reflections that mirror it.

    Raises:
        InputError: The rows are not those of so many ports.
        MissingExtraError: scikit-rf is not installed.
    """
    ports = _ports(source)
    skrf = load("skrf", what=f"{source.path} (Touchstone)")
    stream = io.StringIO(source.text)
    stream.name = f"measured.s{ports}p"  # by which scikit-rf learns the number of ports
    what = f"Touchstone of {counted(ports, 'port')}"
    with (
        refusing_damage(source.path, got=what, want="scattering parameters", cure="export it again"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        network = skrf.Network()
        network.read_touchstone(stream)
        frequency, s = np.asarray(network.f, float), np.asarray(network.s)
    if s.ndim != 3 or s.shape[1:] != (ports, ports) or len(frequency) != len(s) or s.size > MOST_SAMPLES:
        raise InputError(
            f"{source.path}: got parameters of shape {s.shape}, want those of {counted(ports, 'port')}; export it again"
        )
    columns = [
        Column(f"S{i + 1}{j + 1}", np.abs(s[:, i, j]) ** 2, "ratio")
        for j in range(ports)
        for i in range(ports)
        if i != j or ports == 1
    ]
    return Recorded(
        path=source.path,
        format=f"Touchstone of {counted(ports, 'port')}",
        axis=frequency,
        axis_unit="Hz",
        axis_kind="frequency",
        columns=tuple(columns),
        notes=(
            "S21 is what leaves port 2 of the light that enters port 1: which is the ring's through is for you to say",
        ),
    )


def _ports(source: Source) -> int:
    """How many ports there are: each frequency is followed by 2·n² numbers."""
    rows = []
    for i, line in enumerate(source.lines):
        text = line.split("!")[0].strip()
        named = re.match(r"\[number of ports\]\s*(\d{1,2})$", text, re.I)
        if named and 1 <= int(named[1]) <= MOST_PORTS:
            return int(named[1])
        if not text or text[0] in "#[":
            continue
        try:
            rows.append((i, [float(word) for word in text.split()]))
        except ValueError:
            raise InputError(
                f"{source.path}, line {i + 1}: got no row of numbers, want Touchstone's; export it again"
            ) from None
        if len(rows) > 64:
            break
    # A frequency begins a row of an odd count of numbers; rows that go on have an even one.
    begins = [k for k, (_, row) in enumerate(rows) if len(row) % 2]
    if len(begins) < 2:
        raise InputError(f"{source.path}: got fewer than two frequencies, want a sweep; the file is cut short")
    numbers = sum(len(row) for _, row in rows[begins[0] : begins[1]]) - 1
    ports = round((numbers / 2) ** 0.5)
    if not 1 <= ports <= MOST_PORTS or 2 * ports**2 != numbers:
        line = rows[begins[0]][0] + 1
        raise InputError(
            f"{source.path}, line {line}: got {numbers} numbers after the first frequency, want 2·n² for n ports, at "
            f"most {MOST_PORTS}; export it again"
        )
    return ports
