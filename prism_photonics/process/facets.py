"""What an upright facet sends back into its guide: Fresnel's law for the index of the mode at the coupler's tip.

The tables lie beside this file as text (``facet_tables/NAME.json``), written by ``python -m
prism_photonics.process.solver.facets NAME``.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from prism_photonics.process.film_tables import film_table
from prism_photonics.units import InputError

AIR = 1.0
"""Refractive index of what lies between a facet and a fibre that is brought to it dry."""


class _Tip(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    width_um: tuple[float, ...]
    n_eff: tuple[float, ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    film: str
    provenance: Mapping[str, Any]
    wl_um: float
    n_silica: float
    rib: _Tip
    slab: _Tip
    taper: Mapping[str, float]
    convergence: tuple[Mapping[str, Any], ...]


def silica_index(process: str) -> float:
    """Index of the oxide, of the fibre's glass, and of the liquid between them where there is one."""
    return _table(process).n_silica


def tip_index(process: str, width_um: float, *, of: Literal["rib", "slab"] = "rib") -> float:
    """Index of the TE mode at a tip, light along layout x, at 1.55 µm.

    Args:
        process: The film, by its name or that of the film that a measured profile overlays.
        width_um: Width of the tip; between the table's nodes a straight line.
        of: Whether the tip is one of the rib on its slab, or of the slab alone, as a kit's second taper leaves it.

    Raises:
        InputError: The tip is narrower or wider than the table's, or holds no light.
    """
    tip = getattr(_table(process), of)
    if not tip.width_um[0] <= width_um <= tip.width_um[-1]:
        raise InputError(
            f"facet: a tip {width_um:g} µm wide of {process}'s {of}; want {tip.width_um[0]:g} to "
            f"{tip.width_um[-1]:g} µm, what the table of facets holds"
        )
    return float(np.interp(width_um, tip.width_um, tip.n_eff))


def taper_passes(process: str) -> float:
    """Power that the drawn taper of the rib passes, from tip to bus."""
    return 10.0 ** (-0.1 * _table(process).taper["loss_dB"])


def fresnel(inside: float, outside: float) -> float:
    """Field that an upright interface sends back, by Fresnel's law for normal incidence."""
    return (inside - outside) / (inside + outside)


def _table(process: str) -> _File:
    return film_table(process, "facet_tables", _File)
