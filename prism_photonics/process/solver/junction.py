"""What a junction between a straight guide and a bend loses: the overlap of both guides' own modes on one mesh.

A bend's mode is that of the straight guide that stands for it (`bend.straightened`), whose transverse fields are the
bend's own. Its field leans outwards, so that of the straight guide's light not all finds it.

Source: A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 23 and 31.
"""

from dataclasses import dataclass

import numpy as np

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.bend import LAYER_UM, loss_dB_cm, straightened
from prism_photonics.process.solver.fem import Mode, Problem
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.optics import permittivity

GRID = Grid(near=0.06, growth=0.25, far=0.30)
SIDE_UM = 3.0  # of the window inside the absorbing layer, outside the rib


@dataclass(frozen=True)
class Junction:
    """A straight guide that goes over into a bend.

    Attributes:
        radius_um: Of the bend.
        passed: Share of the power in the straight guide's mode that goes on in the bend's, or back.
        n_eff: Index of the bend's mode.
        loss_dB_cm: What the bend radiates.
    """

    radius_um: float
    passed: float
    n_eff: float
    loss_dB_cm: float

    @property
    def loss_dB(self) -> float:
        """Loss of one junction in dB."""
        return float(-10.0 * np.log10(self.passed))


def junction(
    stack: Stack, crystal: Crystal, wl: float, *, radius_um: float, angle_deg: float = 90.0, grid: Grid = GRID
) -> Junction:
    """Solve the junction of a straight guide and a bend in TE.

    Args:
        stack: The film with the rib's width.
        crystal: Its crystal.
        wl: Wavelength in µm.
        radius_um: Of the bend's middle.
        angle_deg: Direction of travel at the junction to crystal y, 0 or 90; 90 is layout x.
        grid: Element sizes.
    """
    section = rib(stack, grid, outer_um=SIDE_UM + LAYER_UM)
    problem = Problem(section.mesh)
    eps = permittivity(section, crystal, wl, angle_deg=angle_deg, temperature_K=TEMPERATURE_K)
    straight = _te(problem, problem.solve(eps, wl, near=float(np.sqrt(eps[1, 1].max())), count=4))
    bent_eps, mu = straightened(section, eps, radius_um)
    near = straight.n_eff.real + 2.8 / radius_um**2
    modes = problem.solve(bent_eps, wl, near=near + 0j, count=6, mu=mu)

    def overlap(a: Mode, b: Mode) -> complex:
        """Of the fields, one of them with the magnetic field that its own guide gives it."""
        return complex(_electric(problem, a) @ _magnetic(problem, b, pencils[id(b)]))

    pencils = {id(straight): problem.pencil(eps, wl), **{id(m): problem.pencil(bent_eps, wl, mu) for m in modes}}

    def passed(bent: Mode) -> float:
        both = 0.5 * (overlap(straight, bent) + overlap(bent, straight))
        return abs(both**2 / (overlap(straight, straight) * overlap(bent, bent)))

    bent = max(modes, key=passed)
    return Junction(radius_um, passed(bent), float(bent.n_eff.real), loss_dB_cm(bent, wl))


def _electric(problem: Problem, mode: Mode) -> np.ndarray:
    return mode.field[: problem.t.N]


def _magnetic(problem: Problem, mode: Mode, pencil: tuple) -> np.ndarray:
    _, first, second = pencil
    return (mode.n_eff * (second @ mode.field) + first @ mode.field)[: problem.t.N]


def _te(problem: Problem, modes: list[Mode]) -> Mode:
    return max((m for m in modes if problem.te_fraction(m) > 0.5), key=lambda mode: mode.n_eff.real)
