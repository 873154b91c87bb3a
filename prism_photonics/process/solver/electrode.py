"""The static field of two electrodes beside the rib, and how much of V/gap the mode feels.

Two perfect conductors as tall as the etch stand on the slab, ``gap_um`` apart, the rib midway; oxide all round. The
potential solves ∇·(ε∇φ) = 0 with the film's clamped permittivities on the very mesh on which the mode is solved, so
that field and mode are multiplied element by element.
"""

import numpy as np
from jaxtyping import Float
from skfem import BilinearForm, condense, solve
from skfem.helpers import grad

from prism_photonics.process.materials import SILICA_STATIC, Crystal
from prism_photonics.process.solver.fem import Mode, Problem
from prism_photonics.process.solver.mesh import CrossSection, Grid, Stack, rib_between
from prism_photonics.process.solver.optics import film_axes, permittivity, spread


@BilinearForm
def _laplace(u, v, w):
    return w["xx"] * u.grad[0] * v.grad[0] + w["yy"] * u.grad[1] * v.grad[1]


def field_factor(
    stack: Stack, crystal: Crystal, grid: Grid, wl: float, *, gap_um: float, temperature_K: float
) -> float:
    """Mean of E·gap/V that the TE mode feels, weighted by its electro-optic sensitivity (light along crystal y).

    With n_z the film's index for the mode's field, dn_eff = ½·n_z³·r33·(V/gap)·factor. 1 would be a uniform field V/gap
    and a mode that lies in the film alone.
    """
    section = rib_between(stack, grid, gap_um)
    field = static_field(section, crystal, gap_um)  # of ±½ V
    problem = Problem(section.mesh)
    eps = permittivity(section, crystal, wl, angle_deg=0.0, temperature_K=temperature_K)
    modes = problem.solve(eps, wl, near=float(np.sqrt(eps[0, 0].max())), count=4)
    mode: Mode = next(mode for mode in modes if problem.te_fraction(mode) > 0.5)
    unit = spread(section, np.diag([1.0, 0.0, 0.0]), np.zeros((3, 3)))
    n_z = np.sqrt(eps[0, 0].max())
    return 2.0 * n_z * gap_um * problem.slope(mode, problem.permittivity(unit * field))


def static_field(section: CrossSection, crystal: Crystal, gap_um: float) -> Float[np.ndarray, " elements"]:
    """Field across the rib in 1/µm of every element, for one volt between the electrodes."""
    problem = Problem(section.mesh)
    film = film_axes((crystal.static_ordinary, crystal.static_extraordinary), 0.0)
    eps = spread(section, film, SILICA_STATIC * np.eye(3))
    one = np.ones((1, problem.z.X.shape[1]))
    matrix = _laplace.assemble(problem.z, xx=eps[0, 0][:, None] * one, yy=eps[1, 1][:, None] * one)
    x, y = problem.z.doflocs
    low, high = section.electrode_um
    metal = (np.abs(x) >= gap_um / 2 - 1e-9) & (y >= low - 1e-9) & (y <= high + 1e-9)
    held = np.flatnonzero(metal)
    phi = np.zeros(problem.z.N)
    phi[held] = -0.5 * np.sign(x[held])
    phi = solve(*condense(matrix, np.zeros(problem.z.N), x=phi, D=held))
    potential = problem.z.interpolate(np.asarray(phi))
    return -grad(potential)[0].mean(axis=1)  # pyright: ignore
