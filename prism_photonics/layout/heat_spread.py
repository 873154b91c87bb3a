"""Heat of one heater across the die by finite elements, round the heater: what far rings feel, against the closed form.

Oxide over silicon (the film counts as oxide), round about an axis; the surface insulated, the silicon's back cold. The
heater is a disc of even heat, as wide as a ring. `lightpath.ring.heating` holds the closed form: a point on
silicon alone, with its images. Needs the extra ``modes``.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from prism_photonics.extras import asked_by
from prism_photonics.layout.heater_field import SILICA
from prism_photonics.lightpath.ring.heater import SILICON
from prism_photonics.lightpath.ring.heating import SUBSTRATE_UM, temperature_rise

with asked_by("heat across a die"):
    from skfem import Basis, BilinearForm, ElementTriP2, FacetBasis, LinearForm, MeshTri, condense, solve

EDGE_UM = 5_000.0  # where the die ends, insulated
FINE_UM = 0.5
GROWTH = 0.15


@dataclass(frozen=True)
class Spread:
    """Rise at distances from a heater's middle, per mW, in K.

    Attributes:
        away_um: Distances.
        film_K_mW: In the film.
        silicon_K_mW: At the silicon's surface.
        closed_K_mW: By the closed form.
    """

    away_um: Float[ndarray, " sites"]
    film_K_mW: Float[ndarray, " sites"]
    silicon_K_mW: Float[ndarray, " sites"]
    closed_K_mW: Float[ndarray, " sites"]


@BilinearForm
def _flow(u, v, w):
    return w["k"] * (u.grad[0] * v.grad[0] + u.grad[1] * v.grad[1]) * w.x[0]


@LinearForm
def _heat(v, w):
    return (w.x[0] <= w["radius"]) * v * w.x[0]


def spread(
    away_um: Float[ndarray, " sites"],
    *,
    source_um: float,
    buried_um: float,
    over_um: float,
    fine_um: float = FINE_UM,
) -> Spread:
    """Solve for a disc of heat on the oxide over the film.

    Args:
        away_um: Distances from its middle, up to a tenth of the way to the die's edge.
        source_um: Its radius.
        buried_um: Oxide between silicon and film.
        over_um: From the film up to the heater, where the oxide ends.
        fine_um: Element size at the disc's edge and in the oxide.
    """
    top = buried_um + over_um
    r = _graded([0.0, source_um, EDGE_UM], fine_um)
    z = _graded([-SUBSTRATE_UM, 0.0, buried_um, top], fine_um)
    mesh = MeshTri.init_tensor(r, z)
    basis = Basis(mesh, ElementTriP2())
    height = mesh.p[1][mesh.t].mean(axis=0)
    k = np.where(height > 0.0, SILICA, SILICON)[:, None] * np.ones((1, basis.X.shape[1]))
    surface = FacetBasis(mesh, ElementTriP2(), facets=mesh.facets_satisfying(lambda x: np.abs(x[1] - top) < 1e-9))
    load = _heat.assemble(surface, radius=source_um)
    load *= 1e-3 / (2.0 * np.pi * load.sum())  # ∫ q·2π·r·dr = 1 mW; what a function of 1 takes up is all of it
    cold = basis.get_dofs(lambda x: np.abs(x[1] + SUBSTRATE_UM) < 1e-9).all()
    rise = np.asarray(solve(*condense(_flow.assemble(basis, k=k), load, D=cold)))

    def at(height_um: float) -> Float[ndarray, " sites"]:
        return basis.probes(np.array([away_um, np.full(len(away_um), height_um)])) @ rise

    closed = 1e-3 * temperature_rise(away_um) / (2.0 * np.pi * SILICON)
    return Spread(away_um, at(buried_um), at(0.0), closed)


def _graded(marks: list[float], fine_um: float) -> Float[ndarray, " nodes"]:
    """Nodes through all marks, fine there and growing on the way to the middle between two."""
    nodes = [marks[0]]
    for a, b in pairwise(marks):
        half, steps = (b - a) / 2.0, []
        while sum(steps) < half:
            steps.append(fine_um + GROWTH * sum(steps))
        along = half * np.cumsum(steps) / sum(steps)
        nodes += [*(a + along), *(b - along[-2::-1]), b]
    return np.array(nodes)
