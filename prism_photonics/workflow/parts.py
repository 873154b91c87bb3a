"""A chip whose coupler or splitter is one that others have simulated: what reaches the rows instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.extras import asked_by
from prism_photonics.netlist import from_spec
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError, nearest

with asked_by("scattering parameters of a part"):
    from prism_photonics.circuit.models import device_models
    from prism_photonics.circuit.sparameter_files import read_sparameters
    from prism_photonics.circuit.sparameters import require_physical, sax_model
    from prism_photonics.layout.feed import Feed

PARTS = {"splitter": 3, "edge_coupler": 2}  # ports


@dataclass(frozen=True)
class FeedChange:
    """Light that reaches the rows with parts of others, beside what the spec's ideal parts bring.

    Attributes:
        bank: The bank's name.
        arriving_dB: Power at each row's entrance for unit power in the fibre, in dB.
        change_dB: The same, minus that of the ideal parts.
    """

    bank: str
    arriving_dB: Float[ndarray, "rows channels"]
    change_dB: Float[ndarray, "rows channels"]

    def to_json(self) -> dict[str, Any]:
        """Rows by channels in dB, rounded to 0.001."""
        return {
            "bank": self.bank,
            "arriving_dB": self.arriving_dB.round(3).tolist(),
            "change_dB": self.change_dB.round(3).tolist(),
        }

    def lines(self) -> list[str]:
        """One line a row."""
        spread = np.ptp(self.arriving_dB, axis=1)
        return [
            f"{self.bank}, row {row}: {powers.mean():.2f} dB reach it, {self.change_dB[row].mean():+.2f} dB; "
            f"its channels differ by {spread[row]:.2f} dB"
            for row, powers in enumerate(self.arriving_dB)
        ]


def feed_with_parts(spec: ChipSpec, files: Mapping[str, Path | str], *, project: bool = False) -> list[FeedChange]:
    """The feed of a chip, solved exactly with scattering parameters of others, reflections included; bank by bank.

    Args:
        spec: The chip.
        files: Touchstone or csv by component: ``splitter`` (o1 in; o2, o3 out), ``edge_coupler`` (o1 fibre, o2 chip).
        project: Whether what breaks a law is projected onto what keeps it, with a warning, instead of refused.

    Raises:
        InputError: A component or a file is refused, its ports are not the component's, or a row stays dark.
    """
    parts = {}
    for component, path in files.items():
        if component not in PARTS:
            raise InputError(
                f"part '{component[:40]}': {nearest(component[:40], PARTS)}; only what feeds rows is replaced"
            )
        given = read_sparameters(path)
        wanted = tuple(f"o{n + 1}" for n in range(PARTS[component]))
        if given.ports != wanted:
            raise InputError(f"{path}: ports {', '.join(given.ports)}; {component} has {', '.join(wanted)}")
        parts[component] = sax_model(require_physical(given, on_fault="project" if project else "refuse"))
    netlist, wl = from_spec(spec), np.asarray(spec.comb_design.wl_um)
    models = device_models(spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm)
    feeds = [Feed(netlist, models, wl, parts=used) for used in (parts, {})]
    found = []
    for bank in netlist.banks:
        ours, ideal = (feed.to_rows(bank) for feed in feeds)
        rows = [f"row_{n}" for n in range(spec.chip.rows)]
        for row in rows:
            if not np.all(ours.get(row, 0.0)):
                raise InputError(
                    f"{bank}, {row}: the parts send no light there, want some at every line; mend their files"
                )
        power, without = (np.array([_decibel(rows_of[row], wl.shape) for row in rows]) for rows_of in (ours, ideal))
        found.append(FeedChange(bank, power, power - without))
    return found


def _decibel(field: Any, shape: tuple[int, ...]) -> Float[ndarray, " channels"]:
    return 20.0 * np.log10(np.abs(np.broadcast_to(field, shape)))
