"""The edge coupler: what the mode at the facet shares with a fibre's spot, and what its taper passes.

The spot is a Gaussian, centred where it shares most, the gap to the facet filled with a liquid of the oxide's index:
what is reflected, under a hundredth, is left out. The share is that of the fields across, along layout y.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.matching import TEMPERATURE_K, sections
from prism_photonics.process.solver.mesh import Grid, Stack
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.splitter import taper

GRID = Grid(near=0.08, growth=0.3, far=0.6, side=8.0, below=6.0, above=6.0)
SPOTS_UM = (2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 10.4)
"""Diameters at 1/e² of power: lensed fibres of 2 to 3 µm, arrays of high-aperture fibre 3 to 4, plain fibre 10.4."""
SLICES = 48
STEP_UM = 0.05  # of the spot's height
LEFT_UM = 0.002  # of the slab outside a strip of it: elements of no height have no stiffness


@dataclass(frozen=True)
class Facet:
    """The TE mode at a facet.

    Attributes:
        n_eff: Its index.
        across: Its field along layout y at points of half of the facet.
        at_um: Those points, from the axis and from the buried oxide's top.
        area: Weight of each.
    """

    n_eff: float
    across: Float[np.ndarray, " points"]
    at_um: Float[np.ndarray, "2 points"]
    area: Float[np.ndarray, " points"]

    def returned_dB(self, outside: float) -> float:
        """Power that an upright facet sends back, by Fresnel's law for the mode's index, in dB.

        Args:
            outside: Index of what the facet meets: 1 for air, the oxide's for a liquid that matches it.
        """
        return 20.0 * math.log10(abs(self.n_eff - outside) / (self.n_eff + outside))

    def shared(self, spot_um: float) -> float:
        """Share of a spot's power that the mode takes up, the spot at its best height."""
        x, y = self.at_um
        heights = np.arange(-1.0, 1.0 + STEP_UM, STEP_UM)
        found = []
        for height in heights:
            spot = np.exp(-4.0 * (x**2 + (y - height) ** 2) / spot_um**2)
            product = (self.across * spot * self.area).sum() ** 2
            found.append(product / (self.across**2 * self.area).sum() / (spot**2 * self.area).sum())
        return float(max(found))


def facet(stack: Stack, crystal: Crystal, wl: float, tip_um: float, *, grid: Grid = GRID) -> Facet:
    """The mode of a rib as narrow as the tip, light along layout x."""
    (section,) = sections(stack, grid, [[(0.0, tip_um / 2.0)]])
    eps = permittivity(section, crystal, wl, angle_deg=90.0, temperature_K=TEMPERATURE_K)
    problem = Problem(section.mesh)
    modes = problem.solve(eps, wl, near=float(np.sqrt(eps[1, 1].max())), count=4)
    mode = next(mode for mode in modes if problem.te_fraction(mode) > 0.5)
    field = mode.field[: problem.t.N]
    across, _ = np.asarray(problem.t.interpolate((field / field[np.argmax(np.abs(field))]).real))
    at_um = np.asarray(problem.t.global_coordinates())
    return Facet(mode.n_eff.real, across.ravel(), at_um.reshape(2, -1), problem.t.dx.ravel())


def slab_strip(stack: Stack) -> Stack:
    """A strip of the slab alone, the film etched away beside it."""
    return replace(stack, thickness_um=stack.slab_um, etch_um=stack.slab_um - LEFT_UM)


def edge_table(
    stack: Stack, crystal: Crystal, *, wl: float, tip_um: float, length_um: float, strips_um: Sequence[float]
) -> dict[str, Any]:
    """What a linear taper from a tip loses, spot by spot; and what strips of slab would, for which nothing is drawn.

    Args:
        stack: The film and the guide's width.
        crystal: Its crystal.
        wl: Wavelength in µm.
        tip_um: Width of the rib's top at the facet.
        length_um: Length of the taper.
        strips_um: Widths of strips of slab.
    """
    drawn = facet(stack, crystal, wl, tip_um)

    def taper_dB(slices: int) -> float:
        through = taper(stack, crystal, wl, start_um=tip_um, end_um=stack.width_um, length_um=length_um, slices=slices)
        return _dB(abs(through) ** 2)

    finer = replace(GRID, near=0.05, growth=0.2)
    wide = replace(GRID, side=12.0, below=9.0, above=9.0)
    return {
        "tip_um": tip_um,
        "length_um": length_um,
        "n_eff": round(drawn.n_eff, 5),
        "spot_um": list(SPOTS_UM),
        "loss_dB": _losses_dB(drawn),
        "taper_dB": taper_dB(SLICES),
        "tips_dB": {
            f"{width:g}": _losses_dB(facet(stack, crystal, wl, width)) for width in (tip_um - 0.1, tip_um + 0.1)
        },
        "strips_dB": {f"{width:g}": _losses_dB(facet(slab_strip(stack), crystal, wl, width)) for width in strips_um},
        "convergence": [
            {"varied": what, "loss_dB": _losses_dB(found)}
            for what, found in (
                ("elements of two thirds the size", facet(stack, crystal, wl, tip_um, grid=finer)),
                ("a window half again as wide", facet(stack, crystal, wl, tip_um, grid=wide)),
            )
        ]
        + [{"varied": "taper of half as many slices", "taper_dB": taper_dB(SLICES // 2)}],
    }


def _losses_dB(found: Facet) -> list[float]:
    return [_dB(found.shared(spot)) for spot in SPOTS_UM]


def _dB(power: float) -> float:
    return round(float(-10.0 * np.log10(power)), 4)
