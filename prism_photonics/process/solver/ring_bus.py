"""The coupler of a ring beside a straight bus by its local supermodes: another road than `process.coupling`'s integral.

The ring's near side is cut into straight slices whose gaps follow the circle, on one mesh with lines at the walls of
all, so that each slice is solved once. Light in the bus's own mode excites a slice's two supermodes, which run on and
meet the next one's; beyond the middle all is mirrored. So no gap law, no parabola and no weak coupling is taken for
granted. What a step would lose is no loss of a smooth bend: each step's overlaps are brought to the nearest unitary
matrix, which leaves nothing of first order in the slices' length. A ring's rib is longer than its chord, by
1/cosθ − 1 of each µm, which its share of the light has in phase.

Source: local normal modes (A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 28).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.matching import Ribs, SliceModes, sections, slice_modes
from prism_photonics.process.solver.mesh import Grid, Stack

GRID = Grid(near=0.08, growth=0.3, far=0.3, side=1.8, below=1.2, above=1.0)
SLICES = 10  # to the middle
REACH_DECAYS = 5.0  # the slices begin where the coupling has fallen by so many e-foldings


@dataclass(frozen=True)
class PointCoupler:
    """What a ring's near side does to light in either guide's own mode.

    Attributes:
        through: Amplitude that stays in the bus.
        cross: Amplitude that goes over to the ring.
    """

    through: complex
    cross: complex

    @property
    def kappa2(self) -> float:
        """Share of the power that goes over."""
        return abs(self.cross) ** 2


def point_coupler(
    stack: Stack,
    crystal: Crystal,
    wl: float,
    *,
    gap_um: float,
    radius_um: float,
    decay_um: float,
    straight_um: float = 0.0,
    slices: int = SLICES,
    arc_phase: bool = True,
    grid: Grid = GRID,
) -> PointCoupler:
    """Solve the coupler of a ring and a bus along layout x.

    Args:
        stack: The film with the width of both ribs.
        crystal: Its crystal.
        wl: Wavelength in µm.
        gap_um: Least gap between the top edges.
        radius_um: Of the ring's middle.
        decay_um: Over which the coupling falls with the gap by e, for how far to reach.
        straight_um: Of the ring along the bus.
        slices: Before the middle.
        arc_phase: Whether the ring is longer than its chord.
        grid: Element sizes.
    """
    # Along the bus, where the two ribs' middles are so far apart; the outer edge of the circle is no nearer there.
    reach_um = np.sqrt(2.0 * REACH_DECAYS * radius_um * decay_um)
    edges = np.linspace(reach_um, 0.0, slices + 1)
    at_um = 0.5 * (edges[1:] + edges[:-1])
    gaps_um = gap_um + radius_um - np.sqrt(radius_um**2 - at_um**2)
    lengths_um, stretch = -np.diff(edges), 1.0 / np.sqrt(1.0 - (at_um / radius_um) ** 2) - 1.0
    if straight_um > 0.0:
        gaps_um, lengths_um = np.append(gaps_um, gap_um), np.append(lengths_um, 0.5 * straight_um)
        stretch = np.append(stretch, 0.0)
    width, left = stack.width_um, 0.5 * stack.width_um
    bus = (-left, left)
    rings = [(left + gap, left + gap + width) for gap in gaps_um]
    ribs: list[Ribs] = [[bus], *([ring] for ring in rings), *([bus, ring] for ring in rings)]
    solved = [slice_modes(section, crystal, wl, count=4) for section in sections(stack, grid, ribs, mirrored=False)]
    lone, *alone = (_te(modes, 1) for modes in solved[: len(rings) + 1])
    pairs = [_te(modes, 2) for modes in solved[len(rings) + 1 :]]
    starts = np.array([guide.overlap(pairs[0])[0] for guide in (lone, alone[0])])
    light = _unitary(starts).astype(complex)
    for n, here in enumerate(pairs):
        light = light * np.exp(2j * np.pi / wl * here.n_eff * lengths_um[n])
        if arc_phase:
            own = alone[n].overlap(here)[0]
            own /= np.linalg.norm(own)
            turn = 2.0 * np.pi / wl * alone[n].n_eff[0] * stretch[n] * lengths_um[n]
            light = light @ (np.eye(2) + (np.exp(1j * turn) - 1.0) * np.outer(own, own))
        if n + 1 < len(pairs):
            light = light @ _unitary(here.overlap(pairs[n + 1]))
    # Beyond the middle the same again, backwards: a reciprocal part's transposed.
    through, cross = light[0] @ light[0], light[0] @ light[1]
    return PointCoupler(complex(through), complex(cross))


def _te(modes: SliceModes, count: int) -> SliceModes:
    """The first modes with the field in the film's plane."""
    mine = np.flatnonzero(modes.te_fraction > 0.5)[:count]
    return SliceModes(modes.n_eff[mine], modes.te_fraction[mine], modes.electric[mine], modes.magnetic[mine])


def _unitary(matrix: Float[np.ndarray, "modes modes"]) -> Float[np.ndarray, "modes modes"]:
    u, _, v = np.linalg.svd(matrix)
    return u @ v
