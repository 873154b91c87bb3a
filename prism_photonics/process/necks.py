"""Necks in a bus: short narrow parts that let a second mode go, from a table of the film.

A rib that holds TE1 hands on along a bus what one ring has turned to it, and the next rings, which couple to TE1 many
times as strongly as to TE0, send it back. A neck in which TE1 is hardly held, between two rings, ends that. Its tapers
are so long that TE0 does not mind.

The tables lie beside this file as text (``neck_tables/NAME.json``), written by ``python -m
prism_photonics.process.solver.necks NAME``.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from prism_photonics.process.film_tables import film_table
from prism_photonics.process.profile import film_name
from prism_photonics.units import InputError

FILMS = ("tfln600", "tfln400")
"""Films whose table is there."""
TAPER_UM, FLAT_UM = 15.0, 10.0
"""Lengths of each of a neck's two tapers, and of what lies between them; design choices."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    film: str
    provenance: Mapping[str, Any]
    wl_um: tuple[float, ...]
    width_um: tuple[float, ...]
    taken_dB: Sequence[Sequence[tuple[float, float]]]
    finer_dB: tuple[float, float]


class Taken(NamedTuple):
    """Loss of a neck in dB: of TE0, the most of 1.50 to 1.60 µm, and of TE1, the least."""

    first_dB: float
    second_dB: float


def neck(process: str, width_um: float) -> Taken:
    """What a neck of a width takes on a film, by its name or that of the film that a measured profile overlays.

    A width of 0 is no neck.

    Raises:
        InputError: The film has no table, or the width lies outside of it.
    """
    if width_um == 0.0:
        return Taken(0.0, 0.0)
    film = film_name(process)
    if film not in FILMS:
        known = ", ".join(FILMS)
        raise InputError(f"ring.neck_um = {width_um:g}: no table of necks on film {film}, want 0; known: {known}")
    table = film_table(process, "neck_tables", _File)
    low, high = table.width_um[0], table.width_um[-1]
    if not low <= width_um <= high:
        raise InputError(f"ring.neck_um = {width_um:g}; want 0, or {low:g} to {high:g}, the widths of {film}'s table")
    least = np.array(table.taken_dB)[..., 1].min(axis=0)
    return Taken(float(first_dB(process, width_um)), float(np.interp(width_um, table.width_um, least)))


def first_dB(process: str, width_um: Any, xp: ModuleType = np) -> Any:
    """Loss of TE0 alone, of a width that JAX may trace; none on a film without a table."""
    if film_name(process) not in FILMS:
        return 0.0
    table = film_table(process, "neck_tables", _File)
    most = np.array(table.taken_dB)[..., 0].max(axis=0)
    return xp.where(width_um == 0.0, 0.0, xp.interp(width_um, np.array(table.width_um), most))
