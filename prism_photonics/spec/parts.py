"""Parts that others have simulated or measured, bound in a spec by the files of their scattering parameters.

A file is read once a process, held to the laws, and tells the loss that rules and ledger count with: that of the worst
line and output. The exact circuit is `prism_photonics.circuit.given`.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.files.fields import shown
from prism_photonics.lightpath.sparameter_files import read_sparameters
from prism_photonics.lightpath.sparameters import SParameters, require_physical
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Slot:
    """Where a spec binds a part.

    Attributes:
        component: The device, as a netlist calls it.
        loss: The key of the table that its loss belongs to.
        outputs: Ports where light leaves that entered o1.
    """

    component: str
    loss: str
    outputs: tuple[str, ...]

    @property
    def ports(self) -> tuple[str, ...]:
        """All ports."""
        return ("o1", *self.outputs)


SLOTS: Mapping[str, Slot] = {
    "splitter": Slot("splitter", "excess_loss_dB", ("o2", "o3")),
    "coupler": Slot("edge_coupler", "loss_dB", ("o2",)),
}
"""By the spec's table."""


def read_part(path: str, table: str, on_fault: Literal["refuse", "project"]) -> SParameters:
    """Scattering parameters of the part of a table, held to the laws.

    Args:
        path: Touchstone or csv.
        table: ``splitter`` or ``coupler``.
        on_fault: What becomes of parameters that break a law.

    Raises:
        InputError: The file cannot be read, has other ports, or breaks a law.
    """
    given, slot = read_sparameters(path), SLOTS[table]
    if given.ports != slot.ports:
        raise InputError(f"{path}: ports {', '.join(given.ports)}; {slot.component} has {', '.join(slot.ports)}")
    return require_physical(given, on_fault=on_fault)


@lru_cache(maxsize=64)
def bound_part(path: str, table: str, on_fault: Literal["refuse", "project"]) -> SParameters:
    """`read_part`, read once a process: a chip does not change while it is designed."""
    return read_part(path, table, on_fault)


def loss_dB(part: SParameters, table: str, wl_um: Float[ndarray, " lines"]) -> float:
    """Loss of the worse output at the worst line, beyond an even division, in dB.

    Raises:
        InputError: A line lies outside the part's wavelengths, or gets no light.
    """
    low, high, outputs = float(part.wl_um[0]), float(part.wl_um[-1]), SLOTS[table].outputs
    if wl_um.min() < low - 1e-9 or wl_um.max() > high + 1e-9:
        raise InputError(
            f"{part.source}: known from {low:g} to {high:g} µm, the comb's lines reach from {wl_um.min():g} to "
            f"{wl_um.max():g}; export it wider"
        )
    passed = np.abs(part.at(wl_um)[:, [part.ports.index(port) for port in outputs], part.ports.index("o1")]) ** 2
    line, output = np.unravel_index(np.argmin(passed), passed.shape)
    if not passed[line, output] > 0.0:
        raise InputError(
            f"{part.source}: no light leaves {outputs[output]} at {1e3 * wl_um[line]:.2f} nm; ask for other data"
        )
    return max(-10.0 * math.log10(len(outputs) * passed[line, output]), 0.0)


def require_one_loss(data: Mapping[str, Any]) -> None:
    """Refuse a table that tells a part's loss twice, names no file, or says what to do with one that it does not name.

    Raises:
        InputError: It does.
    """
    for table, slot in SLOTS.items():
        keys = data.get(table)
        if not isinstance(keys, dict):
            continue
        if not isinstance(name := keys.get("sparameters", "mmi.s3p"), str) or not name.strip():
            raise InputError(f"{table}.sparameters: got {shown(name)}, want the name of a Touchstone or csv file")
        if "sparameters" in keys and slot.loss in keys:
            raise InputError(
                f"{table}: '{slot.loss}' and 'sparameters' both tell its loss; leave {slot.loss} out, it is read off "
                "the file"
            )
        if "on_fault" in keys and "sparameters" not in keys:
            raise InputError(f"{table}.on_fault: no 'sparameters' are given; name their file, or leave on_fault out")


def beside(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The content of a spec's file, the files of its parts looked for in the file's own folder."""
    found = dict(data)
    for table in SLOTS:
        keys = found.get(table)
        if isinstance(keys, dict) and isinstance(keys.get("sparameters"), str):
            found[table] = {**keys, "sparameters": (folder / keys["sparameters"]).absolute().as_posix()}
    return found


def digest(part: SParameters) -> str:
    """SHA-256 of what it is, wherever its file lies."""
    numbers = (",".join(part.ports).encode(), part.wl_um.astype("<f8").tobytes(), part.s.astype("<c16").tobytes())
    return hashlib.sha256(b"".join(numbers)).hexdigest()
