"""What fields say of a film's metal: capacitance of electrodes and wires, what reaches neighbours, a heater's heat.

The tables lie beside this file as text (``metal_tables/NAME.json``), written by ``python -m
prism_photonics.layout.metal_tables NAME``, so that a spec knows them without the solver.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import BaseModel, ConfigDict

from prism_photonics.process.film_tables import film_table
from prism_photonics.units import InputError

type Grid = tuple[tuple[float, ...], ...]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Electrodes(_Table):
    gap_um: tuple[float, ...]
    width_um: tuple[float, ...]
    fF_um: Grid


class _Tracks(_Table):
    width_um: tuple[float, ...]
    space_um: tuple[float, ...]
    fF_um: Grid
    neighbour_fF_um: Grid


class _Squares(_Table):
    side_um: tuple[float, ...]
    fF: tuple[float, ...]


class _Neighbours(_Table):
    electrode_gap_um: float
    electrode_width_um: float
    radius_um: float
    apart_um: tuple[float, ...]
    share: tuple[float, ...]
    share_back: tuple[float, ...]
    track_share: tuple[float, ...]


class _Heater(_Table):
    width_um: float
    conductance_W_K_um: float
    rib_share: float


class _File(_Table):
    film: str
    provenance: Mapping[str, Any]
    electrodes: _Electrodes
    tracks: _Tracks
    squares: _Squares
    neighbours: _Neighbours
    heater: _Heater
    convergence: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class MetalTable:
    """The metal of one film.

    Attributes:
        file: Content of the table's file, with ``provenance`` and ``convergence``.
    """

    file: _File

    def electrodes_fF_um(self, gap_um: float, width_um: float) -> float:
        """What a driver sees of a signal electrode per µm of lobe, its ground electrode and the silicon at zero.

        Raises:
            InputError: The sizes lie outside the table; so for all that follow.
        """
        e = self.file.electrodes
        asked = (("ring.electrode_gap_um", gap_um, e.gap_um), ("ring.electrode_width_um", width_um, e.width_um))
        return self._between(asked, e.fF_um)

    def track_fF_um(self, width_um: float, space_um: float) -> tuple[float, float]:
        """Of a track of second metal between two alike: all that it has with these at zero, and that to one of them."""
        t = self.file.tracks
        asked = (("a track's width", width_um, t.width_um), ("tracks' space", space_um, t.space_um))
        return self._between(asked, t.fF_um), self._between(asked, t.neighbour_fF_um)

    def square_fF(self, side_um: float) -> float:
        """A pad of second metal, alone, its four edges' fringes with it."""
        s = self.file.squares
        return self._between((("a pad's side", side_um, s.side_um),), s.fF)

    def neighbour_share(self, apart_um: float) -> float:
        """Share of a ring's tuning that the next ring of its row has by its field, the outer electrodes so far apart.

        A bound: straight lobes, which face each other over all of their length, and the worse of both directions. Of
        lobes farther apart than the table's it falls on as between its last two.

        Args:
            apart_um: Between the edges of both rings' outer electrodes.
        """
        n = self.file.neighbours
        if apart_um <= n.apart_um[0]:
            raise InputError(
                f"neighbouring rings: {apart_um:g} µm between their electrodes; want more than {n.apart_um[0]:g} "
                f"(table of {self.file.film}'s metal); raise ring.pitch_um or give variation.crosstalk_relative"
            )
        worst = np.maximum(n.share, n.share_back)
        x, y = np.log(n.apart_um), np.log(worst)
        last = y[-1] + (y[-1] - y[-2]) / (x[-1] - x[-2]) * (np.log(apart_um) - x[-1])
        return float(np.exp(last if apart_um > n.apart_um[-1] else np.interp(np.log(apart_um), x, y)))

    def _between(self, asked: Sequence[tuple[str, float, tuple[float, ...]]], values: Any) -> float:
        """Straight between the nodes of logarithms, axis by axis."""
        found: Float[ndarray, ...] = np.log(np.array(values))
        for name, value, nodes in asked:
            if not nodes[0] <= value <= nodes[-1]:
                raise InputError(
                    f"{name} = {value:g}; want {nodes[0]:g} to {nodes[-1]:g}, what the table of {self.file.film}'s "
                    "metal covers; give system.ring_fF, or a size within"
                )
            where = float(np.interp(np.log(value), np.log(nodes), np.arange(len(nodes))))
            n = min(int(where), len(nodes) - 2)
            found = found[n] + (where - n) * (found[n + 1] - found[n])
        return float(np.exp(found))


def load_metal(process: str) -> MetalTable:
    """The metal of a film by its name, or of the film that a measured profile overlays.

    Raises:
        InputError: No such film, or the measured profile cannot be read.
    """
    return MetalTable(film_table(process, "metal_tables", _File))
