"""Simulated parts of a film: the 1×2 splitter that its cross-section asks for, and what it passes.

The tables lie beside this file as text (``part_tables/NAME.json``), written by ``python -m
prism_photonics.process.solver.parts NAME``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from prism_photonics.process.film_tables import film_table
from prism_photonics.units import InputError


class _Splitter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    sizes: Mapping[str, float]
    width_um: float
    wl_um: tuple[float, ...]
    s21: Mapping[str, tuple[float, ...]]
    loss_dB: tuple[float, ...]
    taper_dB: tuple[float, ...]
    length_dB: Mapping[str, float]
    errors_dB: Mapping[str, Mapping[str, float]]
    input_displaced_nm: Mapping[str, Mapping[str, float]]
    convergence: tuple[Mapping[str, Any], ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    film: str
    provenance: Mapping[str, Any]
    splitter: _Splitter


@dataclass(frozen=True)
class PartTable:
    """The parts of one film.

    Attributes:
        file: Content of the table's file, with ``provenance``, and of each part its convergence and what errors of the
            making cost.
    """

    file: _File

    @property
    def splitter_sizes(self) -> Mapping[str, float]:
        """Sizes of the 1×2 splitter in µm, by the fields of `lightpath.splitter.design.SplitterDesign`."""
        return self.file.splitter.sizes

    def splitter_loss_dB(self, wl_um: float = 1.55) -> float:
        """What the splitter loses beyond the division, tapers and all, smooth walls and no error of the making.

        Args:
            wl_um: Wavelength; a parabola through the three nearest nodes.

        Raises:
            InputError: The wavelength lies outside the table.
        """
        nodes, loss_dB = np.array(self.file.splitter.wl_um), np.array(self.file.splitter.loss_dB)
        if not nodes[0] <= wl_um <= nodes[-1]:
            raise InputError(
                f"splitter: wl_um = {wl_um:g}; want {nodes[0]:g} to {nodes[-1]:g}, what the simulation of "
                f"{self.file.film}'s covers; give splitter.excess_loss_dB"
            )
        near = np.sort(np.argsort(np.abs(nodes - wl_um))[:3])
        return float(np.polyval(np.polyfit(nodes[near] - wl_um, loss_dB[near], 2), 0.0))


def load_parts(process: str) -> PartTable:
    """Simulated parts of a film by its name, or of the film that a measured profile overlays.

    Raises:
        InputError: No such film, or the measured profile cannot be read.
    """
    return PartTable(film_table(process, "part_tables", _File))
