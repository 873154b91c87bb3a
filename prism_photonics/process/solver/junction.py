"""What a junction between a straight guide and a bend loses, and to which modes: overlaps of both on one mesh.

A bend's mode is that of the straight guide that stands for it (`bend.straightened`), whose transverse fields are the
bend's own. Its field leans outwards, so that of the straight guide's light not all finds it. The window is closed on
the straight guide's side, so that its modes are a whole set: where a film guides no second mode, what a bend takes is
found in the window's.

Source: A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 23 and 31.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.bend import LAYER_UM, loss_dB_cm, straightened
from prism_photonics.process.solver.fem import Mode, Problem
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.optics import permittivity

GRID = Grid(near=0.06, growth=0.25, far=0.30)
SIDE_UM = 3.0  # of the window inside the absorbing layer, outside the rib
STRAIGHT, BENT = 24, 10  # modes asked for on either side
GUIDED = 1e-3  # Im n_eff above which a solution is the absorbing layer's
LEAST_SHARE = 1e-3  # of what is taken: lines with less are left out
PURE_TM = 0.1  # share of the field in the plane below which the first such mode is the film's TM


@dataclass(frozen=True)
class Junction:
    """A straight guide that goes over into a bend.

    Attributes:
        radius_um: Of the bend.
        passed: Share of the power in the straight guide's mode that goes on in the bend's, or back.
        straight_n_eff: Index of the straight guide's mode.
        n_eff: Index of the bend's mode.
        loss_dB_cm: What the bend radiates.
        lines: Index, and share of the bend's mode, of the straight guide's other modes, the largest share first; the
            film's first TM left out, which is `process.polarization`'s matter.
    """

    radius_um: float
    passed: float
    straight_n_eff: float
    n_eff: float
    loss_dB_cm: float
    lines: tuple[tuple[float, float], ...]

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
    guide = Guide(stack, crystal, wl, angle_deg=angle_deg, grid=grid)
    straight, bent = guide.straight(STRAIGHT), guide.bent(1.0 / radius_um, BENT)
    in_plane = [guide.problem.te_fraction(mode) for mode in straight.modes]
    te = next(n for n, share in enumerate(in_plane) if share > 0.5)
    tm = next((n for n, share in enumerate(in_plane) if share < PURE_TM), None)
    shares = np.abs(straight.overlap(bent)) ** 2
    one = int(np.argmax(shares[te]))
    mine = shares[:, one]
    others = [n for n in range(len(mine)) if n not in (te, tm)]
    least = LEAST_SHARE * mine[others].sum()
    lines = [(float(straight.modes[n].n_eff.real), float(mine[n])) for n in others if mine[n] > least]
    return Junction(
        radius_um,
        float(mine[te]),
        float(straight.modes[te].n_eff.real),
        float(bent.modes[one].n_eff.real),
        loss_dB_cm(bent.modes[one], wl),
        tuple(sorted(lines, key=lambda line: -line[1])),
    )


class Guide:
    """A guide on one mesh, to be solved straight and at any curvature.

    Args:
        stack: The film with the rib's width.
        crystal: Its crystal.
        wl: Wavelength in µm.
        angle_deg: Direction of travel to crystal y, 0 or 90.
        grid: Element sizes.

    Attributes:
        problem: The eigenproblem of its mesh.
    """

    def __init__(self, stack: Stack, crystal: Crystal, wl: float, *, angle_deg: float, grid: Grid = GRID) -> None:
        self._section = rib(stack, grid, outer_um=SIDE_UM + LAYER_UM)
        self._eps = permittivity(self._section, crystal, wl, angle_deg=angle_deg, temperature_K=TEMPERATURE_K)
        self._wl = wl
        self._first: float | None = None
        self.problem = Problem(self._section.mesh)

    def straight(self, count: int) -> "Side":
        """The first modes of the straight guide, the window's behind the guided ones."""
        above = float(np.sqrt(self._eps[1, 1].max()))  # the film's own index: no mode has more
        modes = self.problem.solve(self._eps, self._wl, near=above, count=count)
        self._first = modes[0].n_eff.real
        return Side(self.problem, modes, self.problem.pencil(self._eps, self._wl))

    def bent(self, curvature_1_um: float, count: int) -> "Side":
        """Of a bend, the guided modes among the ``count`` nearest in index to the straight guide's first.

        The bend's first lies above it by what is of second order in the curvature.
        """
        eps, mu = straightened(self._section, self._eps, 1.0 / curvature_1_um)
        near = (self.straight(1).modes[0].n_eff.real if self._first is None else self._first) + 0j
        found = self.problem.solve(eps, self._wl, near=near, count=count, mu=mu)
        guided = [mode for mode in found if abs(mode.n_eff.imag) < GUIDED]
        return Side(self.problem, guided, self.problem.pencil(eps, self._wl, mu))


class Side:
    """Modes on one side of a junction, normed without conjugation: a bend's absorbing layer makes them complex.

    Args:
        problem: Of the mesh that all sides have in common.
        modes: Its solutions.
        pencil: Of the permittivities that they solve.

    Attributes:
        modes: The solutions.
    """

    def __init__(self, problem: Problem, modes: list[Mode], pencil: tuple) -> None:
        _, first, second = pencil
        unknowns = problem.t.N
        electric, magnetic = [], []
        for mode in modes:
            largest = mode.field[np.argmax(np.abs(mode.field[:unknowns]))]
            field = mode.field * (abs(largest) / largest)
            e, h = field[:unknowns], (mode.n_eff * (second @ field) + first @ field)[:unknowns]
            norm = np.sqrt(e @ h)
            electric.append(e / norm)
            magnetic.append(h / norm)
        self.modes = modes
        self._electric, self._magnetic = np.array(electric), np.array(magnetic)

    def electric(self, mode: int) -> Complex[np.ndarray, " unknowns"]:
        """The transverse electric field's unknowns of one mode."""
        return self._electric[mode]

    def overlap(self, other: "Side") -> Complex[np.ndarray, "modes others"]:
        """⟨a|b⟩ = ½·∫(E_a × H_b + E_b × H_a)·dA of every mode here with every one there."""
        return 0.5 * (self._electric @ other._magnetic.T + self._magnetic @ other._electric.T)
