"""A film as a plane: what light sees along it where the etch has left so much of the film, walls and all.

A slab of the film between oxides holds one wave with the field in its plane; its index, N(h) of a slab h thick, is the
plane's index there. A rib's wall slopes, so that h falls from the whole film to the slab over a width of its own and
the index with it: nothing jumps, and what a cell of a grid holds is a smooth function of where a wall is. The crystal's
axes lie along and across the light: a wave along layout x sees ``n_o``, one along layout y ``n_e``.

Source: effective-index method (R. M. Knox, P. P. Toulios, Proc. MRI Symp. Submillimeter Waves 20, 497, 1970), the slab
between two like media by its exact equation.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float
from numpy.polynomial import Chebyshev, Polynomial

from prism_photonics.process.materials import SILICA, SILICA_DN_DT, Crystal, sellmeier
from prism_photonics.process.solver.matching import TEMPERATURE_K
from prism_photonics.process.solver.mesh import Stack

DEGREE, NODES = 10, 60  # of the polynomials along a wall


class Wall(eqx.Module):
    """A quantity of the plane along a rib's wall, from its top (0) to its foot (1).

    Attributes:
        terms: Of a polynomial, what it is more than at the foot; the constant first.
        foot: Value at the foot and beside the rib.
        width_um: How far the wall reaches out.
    """

    terms: Float[Array, "*wls terms"]
    foot: Float[Array, "*wls"]
    width_um: Float[Array, "*wls"]

    @property
    def top(self) -> Float[Array, "*wls"]:
        """Value at the top and inside the rib."""
        return self.foot + self.terms[..., 0]

    def cells(
        self, edges_um: Float[Array, " edges"], left_um: Float[Array, ""] | float, right_um: Float[Array, ""] | float
    ) -> Float[Array, " cells"]:
        """Mean over each cell of a grid, of a rib whose top reaches from ``left_um`` to ``right_um``."""
        beyond = self._out(edges_um - right_um), self._out(left_um - edges_um)
        return self.foot - self.terms[0] + (jnp.diff(beyond[0]) - jnp.diff(beyond[1])) / jnp.diff(edges_um)

    def _out(self, out_um: Float[Array, " edges"]) -> Float[Array, " edges"]:
        """∫ of the quantity from a top edge outwards."""
        part = jnp.clip(out_um / self.width_um, 0.0, 1.0)
        powers = jnp.arange(1.0, len(self.terms) + 1.0)
        integral = jnp.append(0.0, self.terms / powers)
        return self.terms[0] * jnp.minimum(out_um, 0.0) + self.width_um * jnp.polyval(integral[::-1], part)


class Plane(eqx.Module):
    """A film at one wavelength, or at several, light along layout x.

    Attributes:
        wl: Wavelengths in µm.
        across: 1/N², of the wave along layout x, whose field lies across.
        along: N², of the wave along layout y.
    """

    wl: Float[Array, "*wls"]
    across: Wall
    along: Wall


def slab_index(thickness_um: float, n_film: float, n_oxide: float, wl: float) -> float:
    """Index of the first wave with the field in the slab's plane: tan(κh/2) = γ/κ."""
    k = 2.0 * np.pi / wl

    def turn(n: float) -> float:
        inside, beside = np.sqrt(n_film**2 - n**2), np.sqrt(n**2 - n_oxide**2)
        return float(k * inside * thickness_um - 2.0 * np.arctan2(beside, inside))

    return scipy.optimize.root_scalar(turn, bracket=(n_oxide, n_film), xtol=1e-14).root


def planes(stack: Stack, crystal: Crystal, wls: Sequence[float]) -> Plane:
    """A film's plane at wavelengths in µm, one behind the other."""
    each = [_plane(stack, crystal, wl) for wl in wls]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


def _plane(stack: Stack, crystal: Crystal, wl: float) -> Plane:
    warm = TEMPERATURE_K - crystal.sellmeier_K
    n_o = float(sellmeier(wl, crystal.ordinary)) + warm * crystal.dn_o_dT
    n_e = float(sellmeier(wl, crystal.extraordinary)) + warm * crystal.dn_e_dT
    n_oxide = float(sellmeier(wl, SILICA)) + warm * SILICA_DN_DT
    part = 0.5 * (1.0 + np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES))
    heights_um = stack.thickness_um - np.append(part, 1.0) * stack.etch_um
    across, along = (np.array([slab_index(height, n, n_oxide, wl) for height in heights_um]) for n in (n_o, n_e))

    def wall(values: Float[np.ndarray, " nodes"]) -> Wall:
        more = values[:-1] - values[-1]
        fit = Chebyshev.fit(part, more, DEGREE, domain=[0.0, 1.0]).convert(kind=Polynomial)
        return Wall(jnp.asarray(fit.coef), jnp.asarray(values[-1]), jnp.asarray(stack.wall_um))

    return Plane(jnp.asarray(wl), wall(across**-2.0), wall(along**2))
