"""The coupler of a ring beside a straight bus by its local supermodes: another road than `process.coupling`'s integral.

The ring's near side is cut into straight slices whose gaps follow its curve, on one mesh with lines at the walls of
all, so that each slice is solved once. Light in the bus's own mode excites a slice's two supermodes, which run on and
meet the next one's; beyond the middle all is mirrored. So no gap law, no parabola and no weak coupling is taken for
granted. What a step would lose is no loss of a smooth bend: each step's overlaps are brought to the nearest unitary
matrix, which leaves nothing of first order in the slices' length. That the ring's rib is longer than its chord is left
out, as in `process.coupling`: the phase of what couples at ± x differs from the middle's by β·x³/(6R²), by 0.03 rad
where the coupling has halved at R = 20 µm.

Source: local normal modes (A. W. Snyder, J. D. Love, Optical Waveguide Theory, ch. 28).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from prism_photonics.process.coupling import ramp_reach_um, ramp_rise
from prism_photonics.process.materials import Crystal
from prism_photonics.process.solver.matching import Ribs, SliceModes, sections, slice_modes
from prism_photonics.process.solver.mesh import Grid, Stack

GRID = Grid(near=0.08, growth=0.3, far=0.3, side=1.8, below=1.2, above=1.0)
SLICES = 10  # to the middle
REACH_DECAYS = 5.0  # the slices begin where the coupling has fallen by so many e-foldings
FINE = 4001  # points of a ramp
APART_UM = 0.02  # at least, between the walls of one slice and of another


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
    ramp_um: float = 0.0,
    cosine: bool = False,
    slices: int = SLICES,
    grid: Grid = GRID,
) -> PointCoupler:
    """Solve the coupler of a ring and a bus along layout x.

    Args:
        stack: The film with the width of both ribs.
        crystal: Its crystal.
        wl: Wavelength in µm.
        gap_um: Least gap between the top edges.
        radius_um: Of the ring's middle, behind its ramps where it has such.
        decay_um: Over which the coupling falls with the gap by e, for how far to reach.
        straight_um: Of the ring along the bus.
        ramp_um: Length of a ramp of curvature between the straight and the arc; 0 for none.
        cosine: Whether the curvature grows along it as a raised cosine, or evenly.
        slices: Before the middle.
        grid: Element sizes.
    """
    gaps_um, lengths_um = sliced(
        width_um=stack.width_um,
        gap_um=gap_um,
        radius_um=radius_um,
        decay_um=decay_um,
        straight_um=straight_um,
        slices=slices,
        ramp_um=ramp_um,
        cosine=cosine,
    )
    width, left = stack.width_um, 0.5 * stack.width_um
    bus = (-left, left)
    rings = [(left + gap, left + gap + width) for gap in gaps_um]
    ribs: list[Ribs] = [[bus], [rings[0]], *([bus, ring] for ring in rings)]
    solved = [slice_modes(section, crystal, wl, count=4) for section in sections(stack, grid, ribs, mirrored=False)]
    pairs = [_te(modes, 2) for modes in solved[2:]]
    return carried(
        wl,
        np.concatenate([_te(guide, 1).overlap(pairs[0]) for guide in solved[:2]]),
        [pair.n_eff for pair in pairs],
        [here.overlap(there) for here, there in pairwise(pairs)],
        lengths_um=lengths_um,
    )


def sliced(
    *,
    width_um: float,
    gap_um: float,
    radius_um: float,
    decay_um: float,
    straight_um: float,
    slices: int,
    ramp_um: float = 0.0,
    cosine: bool = False,
) -> tuple[Float[np.ndarray, " slices"], Float[np.ndarray, " slices"]]:
    """Gap and length in µm of each slice before the middle: arguments as `point_coupler` has them."""
    # A ring's near wall at the first slice has to lie before its far wall at the middle.
    span_um = min(REACH_DECAYS * decay_um, width_um - APART_UM)
    if ramp_um > 0.0:  # slices thinner where it opens: the walls of two have to differ
        fine = np.linspace(0.0, float(ramp_reach_um(radius_um, ramp_um, span_um, cosine=cosine)), FINE)
        rise, _, _ = ramp_rise(fine, radius_um, ramp_um, cosine=cosine)
        parts = np.linspace(1.0, 0.0, 2 * slices + 1)
        at_um = np.interp(span_um * parts**2, rise, fine)
        edges, gaps_um = at_um[::2], gap_um + span_um * parts[1::2] ** 2
    else:
        edges = np.linspace(np.sqrt(2.0 * radius_um * span_um - span_um**2), 0.0, slices + 1)
        at_um = 0.5 * (edges[1:] + edges[:-1])
        gaps_um = gap_um + radius_um - np.sqrt(radius_um**2 - at_um**2)
    lengths_um = -np.diff(edges)
    if straight_um > 0.0:
        return np.append(gaps_um, gap_um), np.append(lengths_um, 0.5 * straight_um)
    return gaps_um, lengths_um


def carried(
    wl: float,
    into: Float[np.ndarray, "guides modes"],
    n_eff: Sequence[Float[np.ndarray, " modes"]],
    overlaps: Sequence[Float[np.ndarray, "modes modes"]],
    *,
    lengths_um: Float[np.ndarray, " slices"],
) -> PointCoupler:
    """Light through slices up to the middle and, mirrored, out again, by whatever solver has their supermodes.

    Args:
        wl: Wavelength in µm.
        into: Overlaps of either guide's own mode with the first slice's.
        n_eff: Of the modes, slice by slice.
        overlaps: Of each slice's modes with the next one's.
        lengths_um: Of the slices.
    """
    light = _unitary(into).astype(complex)
    for n, (here, length_um) in enumerate(zip(n_eff, lengths_um, strict=True)):
        light = light * np.exp(2j * np.pi / wl * here * length_um)
        if n < len(overlaps):
            light = light @ _unitary(overlaps[n])
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
