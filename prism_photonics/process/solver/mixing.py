"""What a bend couples of TE to TM, in first order of its curvature: a second road beside the bent mode's upright share.

The bend straightened by a conformal change of its coordinates has other ε and μ (`bend`); what they add to the straight
guide's eigenproblem, held between the straight guide's two modes, is g·R whatever the radius.

Source: perturbation theory of coupled modes, textbook (A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 31).
"""

import numpy as np

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import TEMPERATURE_K


def first_order_mixing(
    stack: Stack, crystal: Crystal, wl: float, angle_deg: float, *, grid: Grid, radius_um: float = 40.0
) -> float:
    """g·R of a rib, k·|TMᴴ·δK·TE|·R of the straight rib's modes.

    Args:
        stack: Film and rib.
        crystal: The film's.
        wl: Wavelength in µm.
        angle_deg: Direction of travel from layout y.
        grid: Elements.
        radius_um: Of the bend; hardly matters.
    """
    section = rib(stack, grid)
    eps = permittivity(section, crystal, wl, angle_deg=angle_deg, temperature_K=TEMPERATURE_K)
    problem = Problem(section.mesh)
    modes = problem.solve(eps, wl, near=float(np.sqrt(eps[1, 1].max())), count=6)
    te = next(mode for mode in modes if problem.te_fraction(mode) > 0.5)
    tm = next(mode for mode in modes if problem.te_fraction(mode) <= 0.5)
    rho = (radius_um + section.mesh.p[0][section.mesh.t].mean(axis=0)) / radius_um
    jacobian = np.stack([np.ones_like(rho), np.ones_like(rho), 1.0 / rho])
    factor = jacobian[:, None] * jacobian[None, :] / jacobian.prod(axis=0)
    straight, bent = problem.pencil(eps, wl), problem.pencil(eps * factor, wl, np.eye(3)[:, :, None] * factor)
    n = 0.5 * (te.n_eff + tm.n_eff)
    added = sum(n**power * (after - before) for power, (before, after) in enumerate(zip(straight, bent, strict=True)))
    coupled = abs(tm.field.conj() @ (added @ te.field)) / np.sqrt(abs(te.norm * tm.norm))
    return float(2.0 * np.pi / wl * coupled * radius_um)
