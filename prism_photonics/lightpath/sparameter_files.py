"""Files of scattering parameters: Touchstone, read by scikit-rf, and tables of comma-separated values."""

import csv
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prism_photonics.extras import load
from prism_photonics.files.toml import read_text
from prism_photonics.lightpath.sparameters import SParameters
from prism_photonics.units import SPEED_OF_LIGHT_UM_S, InputError, nearest

MOST_PORTS = 16
TOUCHSTONE = re.compile(r"\.s(\d{1,2})p$", re.I)
_COLUMN = re.compile(r"^(\w+?)_from_(\w+?)_(re|im)$")


def read_sparameters(path: Path | str, *, ports: Sequence[str] | None = None) -> SParameters:
    """Read scattering parameters, by the file's name: Touchstone (``.s3p``) or a table (``.csv``).

    Touchstone counts time as electrical engineers do, ``exp(+jωt)``, so that phases fall along a line; ours grow, and
    its parameters are turned. A table has the column ``wl_um`` and of every parameter two, ``o2_from_o1_re`` and
    ``o2_from_o1_im``, phases growing along a guide; of the two ways between two ports one may be left out.

    Args:
        path: The file.
        ports: Names of the ports of a Touchstone file in its order; ``o1``, ``o2``, … when none are given.

    Returns:
        What the file says; hold it to the laws with `require_physical` (`sax_model` does so).

    Raises:
        InputError: The file cannot be read, or holds no scattering parameters.
        MissingExtraError: A Touchstone file, and scikit-rf is not installed.
    """
    path = Path(path)
    if found := TOUCHSTONE.search(path.name):
        return _touchstone(path, int(found[1]), ports)
    if path.suffix.lower() == ".csv":
        if ports is not None:
            raise InputError(f"{path}: ports are given, a table names its own; leave them out")
        return _table(path)
    raise InputError(f"{path}: want Touchstone (.s2p, .s3p, …) or a table (.csv); give such a file")


def _touchstone(path: Path, count: int, ports: Sequence[str] | None) -> SParameters:
    if not 1 <= count <= MOST_PORTS:
        raise InputError(f"{path}: got {count} ports, want 1 to {MOST_PORTS}; split the part")
    names = tuple(ports) if ports is not None else tuple(f"o{n + 1}" for n in range(count))
    if len(names) != count or len(set(names)) != count:
        raise InputError(f"{path}: got ports {', '.join(names)}, the file has {count}; give {count} names")
    text = read_text(path, what="scattering parameters", name="Touchstone file")
    skrf = load("skrf", what=f"{path} (Touchstone)")
    stream = io.StringIO(text)
    stream.name = f"part.s{count}p"  # by which scikit-rf learns the number of ports
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = skrf.Network()
            network.read_touchstone(stream)
            frequency, s = np.asarray(network.f, float), np.asarray(network.s, complex)
    except Exception:  # scikit-rf raises a dozen types at damaged files
        raise InputError(f"{path}: got no readable Touchstone of {count} ports; export it again") from None
    if s.shape != (len(frequency), count, count) or not np.all(frequency > 0.0):
        raise InputError(f"{path}: got parameters of shape {s.shape}, want those of {count} ports; export it again")
    # scikit-rf takes what is cut short as it is.
    if _numbers(text) != len(frequency) * (1 + 2 * count**2):
        raise InputError(f"{path}: got no readable Touchstone of {count} ports (cut short); export it again")
    order = np.argsort(-frequency)
    return SParameters(str(path), names, SPEED_OF_LIGHT_UM_S / frequency[order], s[order].conj())


def _numbers(text: str) -> int:
    """How many numbers a Touchstone file's rows hold."""
    rows = (line.split("!")[0].strip() for line in text.splitlines())
    return sum(len(row.split()) for row in rows if row and row[0] not in "#[")


def _table(path: Path) -> SParameters:
    text = read_text(path, what="scattering parameters", name="csv table")
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise InputError(f"{path}: got no table ({error}), want numbers below a header; export it again") from None
    header = [word.strip() for word in rows[0]] if rows else []
    if "wl_um" not in header:
        raise InputError(f"{path}: no column 'wl_um'; {nearest('wl_um', header)}")
    try:
        values = np.array([[float(word) for word in row] for row in rows[1:] if row], dtype=float)
    except ValueError as error:
        raise InputError(f"{path}: {error}; want numbers alone below the header; export it again") from None
    if values.ndim != 2 or values.shape[1] != len(header):
        raise InputError(f"{path}: rows and header differ in length; export it again")
    columns = dict(zip(header, values.T, strict=True))
    wl_um = columns.pop("wl_um")
    parts = {}
    for name, column in columns.items():
        if not (found := _COLUMN.match(name)):
            raise InputError(f"{path}: column {name[:40]!r} is no parameter; want such as 'o2_from_o1_re'")
        parts[found[1], found[2], found[3]] = column
    ports = tuple(sorted({port for out, entered, _ in parts for port in (out, entered)}))
    s = np.zeros((len(wl_um), len(ports), len(ports)), dtype=complex)
    for i, out in enumerate(ports):
        for j, entered in enumerate(ports):
            way = (out, entered) if (out, entered, "re") in parts else (entered, out)
            missing = [part for part in ("re", "im") if (*way, part) not in parts]
            if missing:
                raise InputError(f"{path}: no column '{way[0]}_from_{way[1]}_{missing[0]}'; add it")
            s[:, i, j] = parts[*way, "re"] + 1j * parts[*way, "im"]
    order = np.argsort(wl_um)
    return SParameters(str(path), ports, wl_um[order], s[order])
