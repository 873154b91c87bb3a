"""Mode matching: light through a part cut into straight slices, by the overlaps of their modes on one mesh.

Two cross-sections that meet are solved on one mesh, which has lines at the walls of both. There the modes' unknowns are
the same, so that an overlap is a product with the finite elements' own matrices, exact for the discrete fields:

    P_ab = ∫ (E_a × H_b)·dA ∝ E_a·(n_b·E_b − ∇e_b),    ⟨a|b⟩ = ½·(P_ab + P_ba),    ⟨a|a⟩ = 1.

What of a mode a is no mode b is radiated; what is reflected is left out. Light travels along a crystal axis (0° or 90°
to crystal y), so that fields are real.

Source: eigenmode expansion, textbook (A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 28 and 31).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import (
    CrossSection,
    Grid,
    Stack,
    _section,  # the mode tables carry the hash of its file: a public name there would make them old
)
from prism_photonics.process.solver.optics import permittivity

Ribs = Sequence[tuple[float, float]]
"""Left and right edge of each rib's top in µm; a left edge of 0 is the mirror plane's."""

TEMPERATURE_K = 300.0
AXIS_UM = 0.5  # about the axis at half the film's height the sign of a field is taken


@dataclass(frozen=True)
class SliceModes:
    """Modes of one cross-section, each with unit power.

    Attributes:
        n_eff: Indices, the largest first.
        te_fraction: Share of each one's transverse field in the film's plane.
        electric: The transverse electric field's unknowns.
        magnetic: What the transverse magnetic field gives in an overlap.
    """

    n_eff: Float[np.ndarray, " modes"]
    te_fraction: Float[np.ndarray, " modes"]
    electric: Float[np.ndarray, "modes unknowns"]
    magnetic: Float[np.ndarray, "modes unknowns"]

    def overlap(self, other: "SliceModes") -> Float[np.ndarray, "modes others"]:
        """⟨a|b⟩ of every mode here with every one there: amplitudes that pass, either way."""
        there, back = self.electric @ other.magnetic.T, self.magnetic @ other.electric.T
        return 0.5 * (there + back)


def sections(stack: Stack, grid: Grid, slices: Sequence[Ribs], *, mirrored: bool = True) -> list[CrossSection]:
    """Cross-sections of slices that meet, on one mesh.

    Args:
        stack: The film; its own width is not used.
        grid: Element sizes, and the window beyond the outermost foot.
        slices: The ribs of each.
        mirrored: Whether x = 0 is a mirror plane, and the window's left side.

    Raises:
        ValueError: Walls cross above the slab.
    """
    slant = {}
    for left, right in (rib for ribs in slices for rib in ribs):
        slant[round(right, 6)] = stack.wall_um
        if not (mirrored and left <= 0.0):
            slant[round(left, 6)] = -stack.wall_um
    edge = max(abs(x) for x in slant) + stack.wall_um + grid.side
    ends = [(0.0 if mirrored else -edge, 0.0), (edge, 0.0)]
    columns = [(x, x + out) for x, out in sorted([*slant.items(), *ends])]
    feet = [foot for _, foot in columns]
    if any(b - a < 1e-3 for a, b in pairwise(feet)):
        raise ValueError("walls of two slices cross above the slab; want ribs further apart")
    middles = [(a[0] + b[0]) / 2.0 for a, b in pairwise(columns)]
    return [
        _section(
            stack,
            grid,
            columns,
            tuple(n for n, x in enumerate(middles) if any(left < x < right for left, right in ribs)),
        )
        for ribs in slices
    ]


def slice_modes(
    section: CrossSection, crystal: Crystal, wl: float, *, count: int, angle_deg: float = 90.0
) -> SliceModes:
    """The first modes of a cross-section, by their indices; with a mirror plane those with the TE field even.

    Args:
        section: One of `sections`.
        crystal: The film's crystal.
        wl: Wavelength in µm.
        count: How many.
        angle_deg: Direction of travel to crystal y, 0 or 90; 90 is layout x.
    """
    eps = permittivity(section, crystal, wl, angle_deg=angle_deg, temperature_K=TEMPERATURE_K)
    problem = Problem(section.mesh)
    modes = problem.solve(eps, wl, near=0.95 * float(np.sqrt(eps[1, 1].max())), count=count)
    _, first, second = problem.pencil(eps, wl)
    unknowns = problem.t.N
    x, y = np.asarray(problem.t.global_coordinates())
    # A mode's sign is free. The same slice on another mesh has to have the same: that of its field about the axis.
    about = np.exp(-((x / AXIS_UM) ** 2) - (y / AXIS_UM) ** 2) * problem.t.dx
    electric, magnetic = [], []
    for mode in modes:
        largest = mode.field[np.argmax(np.abs(mode.field[:unknowns]))]
        field = mode.field * (abs(largest) / largest)  # real: the axes of the crystal lie along and across the guide
        e, h = field[:unknowns], (mode.n_eff.real * (second @ field) + first @ field)[:unknowns]
        across, up = np.asarray(problem.t.interpolate(e.real))
        norm = np.sqrt(float((e @ h).real)) * np.sign(((across + 0.1 * up) * about).sum())
        electric.append(e.real / norm)
        magnetic.append(h.real / norm)
    return SliceModes(
        np.array([mode.n_eff.real for mode in modes]),
        np.array([problem.te_fraction(mode) for mode in modes]),
        np.array(electric),
        np.array(magnetic),
    )
