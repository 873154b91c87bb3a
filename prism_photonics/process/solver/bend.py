"""Radiation loss of a bend: the bend is straightened by a change of coordinates and its outside absorbs.

With ρ = R + x and w = R·φ the bend becomes a straight guide whose ε and μ are scaled by ρ/R across and R/ρ along.
Beyond the caustic a stretched coordinate dx̃ = s·dx with Im s > 0 (a perfectly matched layer) takes up what radiates;
the loss is then Im(n_eff), referred to the rib's centre.

Source: transformation optics of a bend and of matched layers, textbook (M. Heiblum, J. H. Harris, IEEE J. Quantum
Electron. 11, 75 (1975), 10.1109/JQE.1975.1068563; W. C. Chew, W. H. Weedon, Microw. Opt. Technol. Lett. 7, 599 (1994)).
"""

import numpy as np
from jaxtyping import Complex, Float

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.fem import Mode, Problem
from prism_photonics.process.solver.mesh import CrossSection, Grid, Stack, rib
from prism_photonics.process.solver.optics import permittivity

LAYER_UM = 2.5  # thickness of the absorbing layer
STRENGTH = 4.0  # its largest Im s


def bend_mode(
    stack: Stack,
    crystal: Crystal,
    grid: Grid,
    wl: float,
    *,
    radius_um: float,
    angle_deg: float,
    temperature_K: float,
    near: float,
) -> tuple[Mode, Problem]:
    """The TE mode of a bend; ``near`` guesses its index.

    The index lies nearest to ``near`` among the modes that are mostly polarised in the plane and lose least.
    """
    outer = 0.40 * radius_um + 1.5 + LAYER_UM  # past the caustic R·(n_eff/n_oxide − 1)
    section = rib(stack, grid, outer_um=outer)
    eps, mu = straightened(
        section, permittivity(section, crystal, wl, angle_deg=angle_deg, temperature_K=temperature_K), radius_um
    )
    problem = Problem(section.mesh)
    modes = problem.solve(eps, wl, near=near + 0j, count=6, mu=mu)
    return max(modes, key=lambda mode: _likeness(problem, mode, near)), problem


def loss_dB_cm(mode: Mode, wl: float) -> float:
    """Loss in dB/cm of a mode whose index has an imaginary part."""
    return float(20.0 / np.log(10.0) * 2.0 * np.pi / wl * mode.n_eff.imag * 1e4)


def straightened(
    section: CrossSection, eps: Float[np.ndarray, "3 3 elements"], radius_um: float
) -> tuple[Complex[np.ndarray, "3 3 elements"], Complex[np.ndarray, "3 3 elements"]]:
    """ε and μ of the straight guide that stands for the bend, with the absorbing layer on its outside."""
    x = section.mesh.p[0][section.mesh.t].mean(axis=0)
    start = section.mesh.p[0].max() - LAYER_UM
    depth = np.clip((x - start) / LAYER_UM, 0.0, None)
    s = 1.0 + 1j * STRENGTH * depth**2
    rho = (radius_um + x + 1j * STRENGTH * LAYER_UM * depth**3 / 3.0) / radius_um
    jacobian = np.stack([1.0 / s, np.ones_like(s), 1.0 / rho])  # d(new)/d(old)
    factor = jacobian[:, None] * jacobian[None, :] / jacobian.prod(axis=0)
    return eps * factor, np.eye(3)[:, :, None] * factor


def _likeness(problem: Problem, mode: Mode, near: float) -> float:
    return problem.te_fraction(mode) - abs(mode.n_eff.real - near) * 20.0 - min(abs(mode.n_eff.imag) * 10.0, 5.0)
