"""A chip whose coupler or splitter is one that others have simulated: what reaches the rows instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.extras import asked_by
from prism_photonics.netlist import from_spec
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.parts import SLOTS, read_part
from prism_photonics.units import InputError, nearest

with asked_by("scattering parameters of a part"):
    from prism_photonics.circuit.given import feed_power, given_models
    from prism_photonics.circuit.sparameters import sax_model

TABLES = {slot.component: table for table, slot in SLOTS.items()}


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


def feed_with_parts(
    spec: ChipSpec, files: Mapping[str, Path | str] = MappingProxyType({}), *, project: bool = False
) -> list[FeedChange]:
    """The feed of a chip, solved exactly with scattering parameters of others, reflections included; bank by bank.

    Args:
        spec: The chip; parts that it binds itself (``splitter.sparameters``, ``coupler.sparameters``) are used.
        files: Touchstone or csv by component, in place of the spec's: ``splitter`` (o1 in; o2, o3 out),
            ``edge_coupler`` (o1 fibre, o2 chip).
        project: Whether what breaks a law in these is projected onto what keeps it, with a warning, instead of refused.

    Raises:
        InputError: A component or a file is refused, its ports are not the component's, or a row stays dark.
    """
    parts = dict(given_models(spec))
    for component, path in files.items():
        if component not in TABLES:
            raise InputError(
                f"part '{component[:40]}': {nearest(component[:40], TABLES)}; only what feeds rows is replaced"
            )
        given = read_part(str(path), TABLES[component], "project" if project else "refuse")
        parts[component] = sax_model(given)
    ours, ideal = (10.0 * np.log10(feed_power(spec, used)) for used in (parts, {}))
    return [
        FeedChange(bank, ours[:, bus], ours[:, bus] - ideal[:, bus]) for bus, bank in enumerate(from_spec(spec).banks)
    ]
