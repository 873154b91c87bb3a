"""Light through a curve by mode matching: slices of constant curvature, each with the modes of its own curvature.

Solved are a few curvatures on one mesh; the way from one's modes to the next one's is a turn of the basis, of which a
slice between them has its part. Each turn is brought to the nearest orthogonal matrix: a smooth curve leaves nothing of
what a step would lose to modes that are left out.

Source: local normal modes (A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 19 and 28).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import scipy.linalg
from jaxtyping import Complex, Float

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.junction import BENT, GRID, Guide
from prism_photonics.process.solver.mesh import Grid, Stack
from prism_photonics.units import InputError

NODES = 6


def through_curve(
    stack: Stack,
    crystal: Crystal,
    wl: float,
    *,
    curvature_1_um: Float[np.ndarray, " slices"],
    length_um: float,
    modes: int,
    nodes: int = NODES,
    angle_deg: float = 90.0,
    grid: Grid = GRID,
) -> Float[np.ndarray, " modes"]:
    """Power that light of a straight guide's first mode has in each of its modes behind a curve.

    The crystal's axes stay as they lie at the curve's beginning.

    Args:
        stack: The film with the rib's width.
        crystal: Its crystal.
        wl: Wavelength in µm.
        curvature_1_um: Of each slice, all slices equally long, 0 or more.
        length_um: Of all slices together.
        modes: How many take part: no more than the film guides.
        nodes: Curvatures to solve, from 0 to the largest.
        angle_deg: Direction of travel to crystal y, 0 or 90.
        grid: Element sizes.

    Returns:
        Shares, the mode with the largest index first.

    Raises:
        InputError: A slice bends to the other side.
    """
    if not curvature_1_um.any():
        return np.eye(modes)[0]  # a straight keeps its modes apart
    at = {"curvature_1_um": curvature_1_um, "length_um": length_um, "modes": modes}
    return np.abs(light_behind(stack, crystal, wl, **at, nodes=nodes, angle_deg=angle_deg, grid=grid)) ** 2


def light_behind(
    stack: Stack,
    crystal: Crystal,
    wl: float,
    *,
    curvature_1_um: Float[np.ndarray, " slices"],
    length_um: float,
    modes: int,
    nodes: int = NODES,
    angle_deg: float = 90.0,
    grid: Grid = GRID,
) -> Complex[np.ndarray, " modes"]:
    """The same as amplitudes, with the phase of each: arguments and errors of `through_curve`."""
    if (least := float(curvature_1_um.min())) < 0.0:
        raise InputError(f"curvature_1_um: {least:g}; want 0 or more: all slices bend to one side")
    guide = Guide(stack, crystal, wl, angle_deg=angle_deg, grid=grid)
    if not curvature_1_um.any():
        n_eff = guide.straight(1).modes[0].n_eff.real
        return np.eye(modes)[0] * np.exp(2j * np.pi / wl * n_eff * length_um)
    at = np.linspace(0.0, float(curvature_1_um.max()), nodes)
    sides = [guide.straight(modes), *(guide.bent(float(curvature), BENT) for curvature in at[1:])]
    index = np.array([[mode.n_eff.real for mode in side.modes[:modes]] for side in sides])
    turns = [np.real(here.overlap(there)[:modes, :modes]) for here, there in pairwise(sides)]
    return along_curve(wl, at, index, turns, curvature_1_um=curvature_1_um, length_um=length_um)


def along_curve(
    wl: float,
    at_1_um: Float[np.ndarray, " nodes"],
    n_eff: Float[np.ndarray, "nodes modes"],
    overlaps: Sequence[Float[np.ndarray, "modes modes"]],
    *,
    curvature_1_um: Float[np.ndarray, " slices"],
    length_um: float,
) -> Complex[np.ndarray, " modes"]:
    """Light through slices of constant curvature, by whatever solver has the modes of some curvatures.

    Args:
        wl: Wavelength in µm.
        at_1_um: The curvatures that are solved, from 0 upwards.
        n_eff: Of their modes.
        overlaps: Of each one's modes with the next one's.
        curvature_1_um: Of each slice, within ``at_1_um``.
        length_um: Of all slices together.

    Returns:
        Amplitudes in the modes of the straight guide, of light that was in its first.
    """
    modes = n_eff.shape[1]
    bases, steps, sign = [np.eye(modes)], [], np.ones(modes)
    for overlap in overlaps:
        turn = sign[:, None] * _orthogonal(overlap)
        sign = np.sign(np.diag(turn))  # a mode's sign is free: as that of the one that it stems from
        steps.append(np.real(scipy.linalg.logm(turn * sign)))
        bases.append(bases[-1] @ (turn * sign))
    step_um = length_um / len(curvature_1_um)
    light = np.eye(modes)[0].astype(complex)
    for curvature in curvature_1_um:
        node = min(int(np.searchsorted(at_1_um, curvature, side="right")) - 1, len(at_1_um) - 2)
        part = (curvature - at_1_um[node]) / (at_1_um[node + 1] - at_1_um[node])
        basis = bases[node] @ scipy.linalg.expm(part * steps[node])
        here = (1.0 - part) * n_eff[node] + part * n_eff[node + 1]
        light = ((light @ basis) * np.exp(2j * np.pi / wl * here * step_um)) @ basis.T
    return light


def _orthogonal(overlap: Float[np.ndarray, "modes modes"]) -> Float[np.ndarray, "modes modes"]:
    u, _, v = np.linalg.svd(overlap)
    return u @ v
