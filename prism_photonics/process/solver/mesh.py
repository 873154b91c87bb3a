"""The rib's cross-section as a mesh whose lines follow every material boundary, slanted walls included.

Triangles come from a rectangular grid that is sheared along the side walls. A boundary therefore never cuts an element,
and a mode index moves smoothly with width and thickness, which a staircase does not.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from skfem import MeshTri

OXIDE, FILM = 0, 1


@dataclass(frozen=True)
class Stack:
    """One rib waveguide: the drawn width is that of the rib's top. Lengths in µm."""

    thickness_um: float
    etch_um: float
    width_um: float
    wall_deg: float

    @property
    def slab_um(self) -> float:
        """Film left beside the rib."""
        return self.thickness_um - self.etch_um

    @property
    def wall_um(self) -> float:
        """How far a side wall reaches out from top to foot."""
        return self.etch_um / math.tan(math.radians(self.wall_deg))


@dataclass(frozen=True)
class Grid:
    """Element sizes and window, in µm.

    Attributes:
        near: Element size at the rib's edges.
        far: Largest element size.
        growth: How fast elements grow with their distance from an edge.
        side: Window beyond the rib's foot, on each side.
        below: Buried oxide inside the window.
        above: Cladding inside the window, above the rib.
    """

    near: float = 0.05
    far: float = 0.40
    growth: float = 0.35
    side: float = 2.5
    below: float = 1.6
    above: float = 1.4


@dataclass(frozen=True)
class CrossSection:
    """A mesh, each element's material (`OXIDE` or `FILM`), and the heights between which the rib stands."""

    mesh: MeshTri
    material: Int[np.ndarray, " elements"]
    electrode_um: tuple[float, float]


def rib(stack: Stack, grid: Grid, outer_um: float | None = None) -> CrossSection:
    """One rib, centred on x = 0, in a window with walls on all sides; ``outer_um`` widens the window's right side."""
    top, foot = stack.width_um / 2, stack.width_um / 2 + stack.wall_um
    left, right = foot + grid.side, foot + (grid.side if outer_um is None else outer_um)
    return _section(stack, grid, [(-left, -left), (-top, -foot), (top, foot), (right, right)], ribs=(1,))


def rib_between(stack: Stack, grid: Grid, gap_um: float) -> CrossSection:
    """One rib midway between two electrodes ``gap_um`` apart; the mesh has lines at the electrodes' edges."""
    top, foot, face = stack.width_um / 2, stack.width_um / 2 + stack.wall_um, gap_um / 2
    edge = face + grid.side
    columns = [(-edge, -edge), (-face, -face), (-top, -foot), (top, foot), (face, face), (edge, edge)]
    return _section(stack, grid, columns, ribs=(2,))


def half_pair(stack: Stack, grid: Grid, gap_um: float) -> CrossSection:
    """The right half of two equal parallel ribs; ``gap_um`` is between their top edges, the mirror plane at x = 0.

    Raises:
        ValueError: The walls meet above the slab, so the etch would not reach it.
    """
    if gap_um / 2 <= stack.wall_um:
        raise ValueError(f"gap {gap_um} µm closes above the slab: the walls take {2 * stack.wall_um:.3f} µm")
    inner, outer = gap_um / 2, gap_um / 2 + stack.width_um
    edge = outer + stack.wall_um + grid.side
    columns = [(0.0, 0.0), (inner, inner - stack.wall_um), (outer, outer + stack.wall_um), (edge, edge)]
    return _section(stack, grid, columns, ribs=(1,))


def graded(start: float, stop: float, near: tuple[bool, bool], grid: Grid) -> Float[np.ndarray, " nodes"]:
    """Nodes from ``start`` to ``stop``, growing by `Grid.growth` a step away from the ends marked ``near``."""
    length = stop - start

    def grow(distance: float) -> float:  # the local element size
        return min(grid.far, grid.near + grid.growth * distance)

    at, nodes = 0.0, [0.0]
    while at < length:
        distance = min(at if near[0] else math.inf, length - at if near[1] else math.inf)
        if near[1] and distance < at:  # look ahead: the step ends nearer to the fine end
            distance = max(0.0, length - at - grow(length - at))
        at += grow(max(distance, 0.0))
        nodes.append(at)
    return start + np.array(nodes) * length / nodes[-1]


def _section(stack: Stack, grid: Grid, columns: list[tuple[float, float]], ribs: tuple[int, ...]) -> CrossSection:
    """A mesh with columns given by their x at the rib's top and at its foot; ``ribs`` are the columns left standing."""
    slab, film = stack.slab_um, stack.thickness_um
    levels = [-grid.below, 0.0, slab, film, film + grid.above]
    y = _join([graded(levels[i], levels[i + 1], (i > 0, i < 3), grid) for i in range(4)])
    tops, feet = zip(*columns, strict=True)
    last = len(columns) - 2
    x = _join([graded(tops[i], tops[i + 1], (i > 0, i < last), grid) for i in range(last + 1)])
    mesh = MeshTri.init_tensor(x, y)
    px, py = mesh.p
    down = np.clip((film - py) / stack.etch_um, 0.0, 1.0)  # 0 at the rib's top, 1 at its foot
    foot_x = np.interp(px, tops, feet)
    center = mesh.p[:, mesh.t].mean(axis=1)
    column = np.searchsorted(tops[1:-1], center[0])
    in_film = (center[1] > 0) & ((center[1] < slab) | ((center[1] < film) & np.isin(column, ribs)))
    moved = np.vstack([(1 - down) * px + down * foot_x, py])
    return CrossSection(MeshTri(moved, mesh.t), np.where(in_film, FILM, OXIDE), (slab, film))


def _join(pieces: list[Float[np.ndarray, " _"]]) -> Float[np.ndarray, " nodes"]:
    return np.concatenate([piece[:-1] for piece in pieces[:-1]] + [pieces[-1]])
