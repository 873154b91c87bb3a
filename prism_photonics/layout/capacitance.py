"""Capacitance of drawn metal by 2-D static fields: electrodes beside a rib, parallel tracks over the substrate.

Conductors are rectangles in the cross-section; ∇·(ε∇φ) = 0 is solved on quadratic elements for each of them at 1 V, the
others at zero, and Maxwell's matrix is the fields' energy. Needs the extra ``modes``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.sparse.linalg as spl
from jaxtyping import Bool, Float
from numpy import ndarray

from prism_photonics.extras import asked_by
from prism_photonics.process.layers import Deck, load_deck
from prism_photonics.process.materials import CRYSTALS, SILICA_STATIC
from prism_photonics.process.profile import Profile
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

with asked_by("capacitance of drawn metal"):
    from skfem import Basis, BilinearForm, ElementTriP2, MeshTri

EPSILON_0_FF_UM = 8.8541878128e-3
ABOVE_UM = 40.0  # of the window
BESIDE_UM = 60.0
NEAR_UM = 0.1  # element size at edges: half of it moves the electrodes' capacitance by 0.3 %
FAR_UM = 3.0
GROWTH = 0.3  # how fast elements grow with their distance from an edge


@dataclass(frozen=True)
class Strip:
    """A conductor in the cross-section, in µm."""

    left_um: float
    right_um: float
    bottom_um: float
    top_um: float


@dataclass(frozen=True)
class Oxide:
    """Oxide up to a height, air above: permittivity along x and along y at points, and the heights where it jumps."""

    top_um: float

    @property
    def levels_um(self) -> tuple[float, ...]:
        """Its top."""
        return (self.top_um,)

    def __call__(
        self, x: Float[ndarray, " points"], y: Float[ndarray, " points"]
    ) -> tuple[Float[ndarray, " points"], Float[ndarray, " points"]]:
        """The same both ways."""
        value = np.where(y < self.top_um, SILICA_STATIC, 1.0)
        return value, value


@dataclass(frozen=True)
class Rib:
    """A film's ribs (walls upright) on their slab, clamped permittivities, in oxide.

    Attributes:
        profile: The film.
        at_um: Middles of the ribs.
    """

    profile: Profile
    at_um: tuple[float, ...] = (0.0,)

    @property
    def levels_um(self) -> tuple[float, ...]:
        """Bottom and top of the slab, top of the rib."""
        film = self.profile.film
        return 0.0, film.thickness_um.value - film.etch_um.value, film.thickness_um.value

    def __call__(
        self, x: Float[ndarray, " points"], y: Float[ndarray, " points"]
    ) -> tuple[Float[ndarray, " points"], Float[ndarray, " points"]]:
        """Along layout x, which is crystal z, and up."""
        _, slab, top = self.levels_um
        off_um = np.abs(x[:, None] - np.array(self.at_um)).min(axis=1)
        film: Bool[ndarray, " points"] = (y > 0.0) & (
            (y < slab) | ((y < top) & (off_um < self.profile.film.rib_width_um.value / 2.0))
        )
        crystal = CRYSTALS[self.profile.crystal]
        across, up = (
            np.where(film, value, SILICA_STATIC) for value in (crystal.static_extraordinary, crystal.static_ordinary)
        )
        return across, up


@runtime_checkable
class Medium(Protocol):
    """What surrounds conductors: its constant along x and up, at points, and the heights where it jumps."""

    @property
    def levels_um(self) -> tuple[float, ...]:
        """Heights where it jumps."""
        ...

    def __call__(
        self, x: Float[ndarray, " points"], y: Float[ndarray, " points"]
    ) -> tuple[Float[ndarray, " points"], Float[ndarray, " points"]]:
        """Constants along x and up."""
        ...


@dataclass(frozen=True)
class Solved:
    """Solutions of ∇·(c∇φ) = 0, one for each conductor at 1 and the others at zero.

    Attributes:
        basis: Elements.
        potentials: Values at its nodes, conductor by conductor.
        conductance: What flows from each into each, in the constant's unit: Maxwell's matrix over ε₀.
    """

    basis: Basis
    potentials: Float[ndarray, "strips nodes"]
    conductance: Float[ndarray, "strips strips"]

    def at(self, x_um: float, y_um: float) -> Float[ndarray, " strips"]:
        """The potentials at a point."""
        probe = self.basis.probes(np.array([[x_um], [y_um]]))
        return np.array([(probe @ potential)[0] for potential in self.potentials])


@BilinearForm
def _energy(u, v, w):
    return w["xx"] * u.grad[0] * v.grad[0] + w["yy"] * u.grad[1] * v.grad[1]


def maxwell_fF_um(
    strips: Sequence[Strip],
    permittivity: Medium,
    *,
    floor_um: float,
    grounded: bool = True,
    near_um: float = NEAR_UM,
) -> Float[ndarray, "strips strips"]:
    """Maxwell's capacitance matrix of parallel conductors, in fF per µm of length.

    Args:
        strips: The conductors, which must not touch.
        permittivity: What surrounds them, relative.
        floor_um: Height of the window's floor: the silicon, where it is grounded.
        grounded: Whether the floor is a conductor at zero, or a wall that no field crosses, as the other sides are.
        near_um: Element size at edges.

    Raises:
        InputError: As `solved`.
    """
    found = solved(strips, permittivity, floor_um=floor_um, grounded=grounded, near_um=near_um)
    return EPSILON_0_FF_UM * found.conductance


def solved(
    strips: Sequence[Strip], medium: Medium, *, floor_um: float, grounded: bool = True, near_um: float = NEAR_UM
) -> Solved:
    """Solve the static field of parallel conductors, of whatever obeys ∇·(c∇φ) = 0; arguments as `maxwell_fF_um`.

    Raises:
        InputError: A conductor reaches below the floor, or two touch.
    """
    for n, strip in enumerate(strips):
        if strip.bottom_um <= floor_um:
            raise InputError(f"conductor {n}: bottom_um = {strip.bottom_um:g}; want above the floor at {floor_um:g}")
        for other in strips[:n]:
            apart = max(strip.left_um - other.right_um, other.left_um - strip.right_um)
            if max(apart, strip.bottom_um - other.top_um, other.bottom_um - strip.top_um) <= 0.0:
                raise InputError(f"conductor {n}: touches another; want them apart; join them into one")
    left = min(strip.left_um for strip in strips) - BESIDE_UM
    right = max(strip.right_um for strip in strips) + BESIDE_UM
    top = max(strip.top_um for strip in strips) + ABOVE_UM
    levels = [level for level in medium.levels_um if floor_um < level < top]
    # 0.6 − 0.5 and 0.1 are one height: a thinner element than a fm has no stiffness that numbers can hold.
    xs = sorted({round(x, 9) for x in (left, right, *(x for s in strips for x in (s.left_um, s.right_um)))})
    ys = sorted({round(y, 9) for y in (floor_um, top, *levels, *(y for s in strips for y in (s.bottom_um, s.top_um)))})
    mesh = MeshTri.init_tensor(_graded(xs, near_um), _graded(ys, near_um))
    basis = Basis(mesh, ElementTriP2())
    across, up = medium(*mesh.p[:, mesh.t].mean(axis=1))
    one = np.ones((1, basis.X.shape[1]))
    matrix = _energy.assemble(basis, xx=across[:, None] * one, yy=up[:, None] * one)
    x, y = basis.doflocs
    inside = [
        np.flatnonzero(
            (x >= s.left_um - 1e-9) & (x <= s.right_um + 1e-9) & (y >= s.bottom_um - 1e-9) & (y <= s.top_um + 1e-9)
        )
        for s in strips
    ]
    floor = np.flatnonzero(y <= floor_um + 1e-9) if grounded else np.array([], dtype=int)
    fields = np.zeros((len(inside), basis.N))
    for field, nodes in zip(fields, inside, strict=True):
        field[nodes] = 1.0
    free = np.setdiff1d(np.arange(basis.N), np.concatenate([*inside, floor]))
    rows = matrix.tocsr()[free]
    # One factorisation serves all conductors.
    inverse = spl.splu(rows[:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    fields[:, free] = -inverse.solve(rows @ fields.T).T
    return Solved(basis, fields, fields @ (matrix @ fields.T))


def electrodes_fF_um(spec: ChipSpec, *, near_um: float = NEAR_UM) -> float:
    """What a driver sees of a ring's signal electrode per µm of lobe, ground electrode and substrate at zero."""
    ring, deck = spec.ring, load_deck(spec.process)
    metal = deck.stack["metal1"]
    near, far = ring.electrode_gap_um / 2.0, ring.electrode_gap_um / 2.0 + ring.electrode_width_um
    low, high = metal.bottom_um, metal.bottom_um + metal.thickness_um
    pair = (Strip(-far, -near, low, high), Strip(near, far, low, high))
    return float(maxwell_fF_um(pair, Rib(spec.profile), floor_um=-deck.buried_um, near_um=near_um)[0, 0])


def track_fF_um(deck: Deck, *, width_um: float, space_um: float, near_um: float = NEAR_UM) -> tuple[float, float]:
    """Of a track of second metal between two alike: all of its capacitance with these at zero, and to one of them."""
    metal, pitch = deck.stack["metal2"], width_um + space_um
    low, high = metal.bottom_um, metal.bottom_um + metal.thickness_um
    tracks = [Strip(n * pitch - width_um / 2.0, n * pitch + width_um / 2.0, low, high) for n in (-1, 0, 1)]
    c = maxwell_fF_um(tracks, Oxide(high), floor_um=-deck.buried_um, near_um=near_um)
    return float(c[1, 1]), float(-c[1, 0])


def square_fF(deck: Deck, *, side_um: float, near_um: float = NEAR_UM) -> float:
    """A square pad of second metal, alone: the plate of its area, and twice the fringe that a strip as wide has."""
    metal = deck.stack["metal2"]
    low, high = metal.bottom_um, metal.bottom_um + metal.thickness_um
    one, two = (
        float(
            maxwell_fF_um(
                [Strip(-n * side_um / 2.0, n * side_um / 2.0, low, high)],
                Oxide(high),
                floor_um=-deck.buried_um,
                near_um=near_um,
            )[0, 0]
        )
        for n in (1, 2)
    )
    plate = two - one  # what the second width adds has no edges
    return (plate + 2.0 * (one - plate)) * side_um


@dataclass(frozen=True)
class Pair:
    """Two rings of a row in the cross-section through their middles, lobes straight.

    Attributes:
        radius_um: Of both.
        apart_um: Between the facing edges of their outer electrodes.
        gap_um: Between the electrodes of a lobe.
        width_um: Of an electrode.
        tracks: Wires of other rows, 6 µm wide and 4 µm apart, beside the first ring.
    """

    radius_um: float
    apart_um: float
    gap_um: float
    width_um: float
    tracks: int = 0


def field_shares(
    profile: Profile, deck: Deck, pair: Pair, *, near_um: float = NEAR_UM
) -> Float[ndarray, "conductors 2"]:
    """What either ring's tuning takes from each conductor's voltage, in parts of its own electrodes' share.

    A lobe's tuning goes as the potential's step across its rib. A ring's right lobe has its signal outside and its left
    lobe inside, so both of a ring's own add.

    Returns:
        Rows: the first ring's signal electrodes, the second's, and the tracks from the first ring outwards.
    """
    metal, tall = deck.stack["metal1"], deck.stack["metal2"]
    low, high = metal.bottom_um, metal.bottom_um + metal.thickness_um
    half, reach = (pair.gap_um + pair.width_um) / 2.0, pair.radius_um + pair.gap_um / 2.0 + pair.width_um
    middles = (0.0, 2.0 * reach + pair.apart_um)
    ribs = tuple(middle + side * pair.radius_um for middle in middles for side in (-1, 1))
    strips, owners = [], []
    for n, rib in enumerate(ribs):
        for at in (rib - half, rib + half):  # of either lobe the eastern one carries the signal
            strips.append(Strip(at - pair.width_um / 2.0, at + pair.width_um / 2.0, low, high))
            owners.append(n // 2 if at > rib else -1)
    over, thick = tall.bottom_um, tall.bottom_um + tall.thickness_um
    for n in range(pair.tracks):
        west = reach + 4.0 + 10.0 * n
        strips.append(Strip(west, west + 6.0, over, thick))
        owners.append(2 + n)
    found = solved(strips, Rib(profile, ribs), floor_um=-deck.buried_um, near_um=near_um)
    rib_um, middle_um = profile.film.rib_width_um.value, profile.film.thickness_um.value / 2.0
    steps = np.array([found.at(x - rib_um / 2.0, middle_um) - found.at(x + rib_um / 2.0, middle_um) for x in ribs])
    of_rings = steps.reshape(2, 2, -1).sum(axis=1)
    shares = np.array([of_rings[:, [o == n for o in owners]].sum(axis=1) for n in range(2 + pair.tracks)])
    return shares / np.array([shares[0, 0], shares[1, 1]])


def _graded(marks: Sequence[float], near_um: float) -> Float[ndarray, " nodes"]:
    """Nodes through all marks, near each other there and growing on the way to the middle between two."""
    nodes = [marks[0]]
    for a, b in pairwise(marks):
        half, steps = (b - a) / 2.0, []
        while sum(steps) < half:
            steps.append(min(near_um + GROWTH * sum(steps), FAR_UM))
        along = half * np.cumsum(steps) / sum(steps)
        nodes += [*(a + along), *(b - along[-2::-1]), b]
    return np.array(nodes)
