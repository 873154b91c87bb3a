"""The second TE mode of a film's guide: where it lies, and how it couples to a neighbour, from a table.

A rib that holds TE1 besides TE0 couples to a neighbour in more ways than a model of one mode knows: TE1 to TE1, and TE0
to TE1 across the gap, out of step by Δβ, so that a short coupler does it and a long one does not. A bend's modes lean
outwards besides, which brings their tails nearer to a neighbour outside. `lightpath.ring.two_modes` makes a ring's
coupler of it. Signs: the tail on the neighbour's side is positive.

The tables lie beside this file as text (``second_mode_tables/NAME.json``), written by ``python -m
prism_photonics.process.solver.second_mode NAME``.

Source: A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 29 for the coupling across a plane between two guides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from prism_photonics.process.bends import load_bends
from prism_photonics.process.coupling import GapLaw
from prism_photonics.process.film_tables import film_table
from prism_photonics.process.profile import film_name

FILMS = ("tfln600", "tfln400")
"""Films whose guide holds a second TE mode and whose table is there."""


class _Guide(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    n_eff: tuple[float, float]
    n_g: tuple[float, float]


class _Law(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    coupling_per_um: float
    gap_um: float
    decay_um: float
    residual: float


class _Bend(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    radius_um: float
    n_eff: tuple[float, float]
    tail: Mapping[str, tuple[float, float]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    film: str
    provenance: Mapping[str, Any]
    wl_um: float
    angle_deg: Mapping[str, _Guide]
    gaps: tuple[Mapping[str, float], ...]
    laws: Mapping[str, _Law]
    bends: tuple[_Bend, ...]
    convergence: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class BentModes:
    """TE0 and TE1 of bends, in the last axis.

    Attributes:
        beta_1_um: Propagation constants along the bend's middle.
        tail: Field outside of the bend over that of the straight guide's mode of the same power.
    """

    beta_1_um: Float[np.ndarray, "... 2"]
    tail: Float[np.ndarray, "... 2"]


@dataclass(frozen=True)
class SecondModeTable:
    """TE0 and TE1 of one film's guide, light along layout x where no angle is given.

    Attributes:
        file: Content of the table's file, with ``provenance`` and the solver's convergence.
        lean_um: What a curvature leans TE0 to TE1, times the radius: sin θ = lean/R.
    """

    file: _File
    lean_um: float

    def indices(self, angle_deg: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """(n_eff, n_g) of TE0 and of TE1, light at 0 or 90 degrees to crystal y."""
        way = self.file.angle_deg[f"{angle_deg:g}"]
        return (way.n_eff[0], way.n_g[0]), (way.n_eff[1], way.n_g[1])

    @cached_property
    def second(self) -> GapLaw:
        """Coupling of TE1 with TE1."""
        return self._law("second")

    @cached_property
    def beta_1_um(self) -> Float[np.ndarray, " 2"]:
        """Propagation constants of TE0 and TE1 in a straight guide."""
        return self._k * np.array(self.file.angle_deg["90"].n_eff)

    def decay_1_um(self, beta_1_um: Any) -> Any:
        """How fast the tail of a wave falls beside the rib: γ = √(β² − k²·n²).

        The index n of what the tail is in follows from the laws of TE0 and TE1, whose couplings fall as their tails.
        """
        return np.sqrt(np.maximum(beta_1_um**2 - self._outside, 1e-6))

    def bend(self, radius_um: Any, outside_um: Any) -> BentModes:
        """The modes of bends and their tails so far outside of the top edge; beyond the table as at its end.

        A film's table ends where bends let TE1 go; of sharper ones it tells what TE1 would be if they held it.
        What a bend does to an index goes as 1/R², and to the logarithm of a tail as 1/R: they are interpolated so.
        """
        bends, at = self.file.bends, 1.0 / np.asarray(radius_um)[..., None]
        radii = np.array([bend.radius_um for bend in bends])
        straight = np.array(self.file.angle_deg["90"].n_eff)
        by_square = (np.array([bend.n_eff for bend in bends]) - straight) * radii[:, None] ** 2
        near_um, far_um = (float(key) for key in bends[0].tail)
        near, far = (np.log([list(bend.tail.values())[n] for bend in bends]) * radii[:, None] for n in (0, 1))

        def held(column: Any) -> Any:
            # Nodes by falling radius have rising curvature.
            order = np.argsort(1.0 / radii)
            found = [np.interp(at[..., 0], (1.0 / radii)[order], column[order, mode]) for mode in (0, 1)]
            return np.stack(found, axis=-1)

        part = (np.asarray(outside_um)[..., None] - near_um) / (far_um - near_um)
        tail = np.exp(((1.0 - part) * held(near) + part * held(far)) * at)
        return BentModes(self._k * (straight + held(by_square) * at**2), tail)

    @property
    def _k(self) -> float:
        return 2.0 * np.pi / self.file.wl_um

    @cached_property
    def _outside(self) -> float:
        """k²·n² of what the tails are in."""
        decays = np.array([self._law(name).decay_um for name in ("first", "second")])
        return float(np.mean(self.beta_1_um**2 - 1.0 / decays**2))

    def _law(self, name: str) -> GapLaw:
        found = self.file.laws[name]
        return GapLaw(found.coupling_per_um, found.gap_um, found.decay_um)


def second_mode_table(process: str) -> SecondModeTable | None:
    """TE1 of a film by its name, or of the film that a measured profile overlays; None where no guide holds it.

    Raises:
        InputError: No such film, or the measured profile cannot be read.
    """
    if film_name(process) not in FILMS:
        return None
    return SecondModeTable(
        film_table(process, "second_mode_tables", _File), load_bends(process).file.angle_deg["90"].line_um[0]
    )
