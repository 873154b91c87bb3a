"""A beam in the film's plane, with exact slopes: what a 1×2 splitter's sizes change is had by differentiation.

The field up the film, H, obeys ∂x(1/ε₁·∂x H) + ∂y(1/ε₂·∂y H) + k²·H = 0 with the plane's ε₁ across and ε₂ along
(`plane`), x along the light. With ψ = H/√ε₁ that is −∂x²ψ = S·ψ, S a symmetric tridiagonal matrix on a grid across half
of the splitter, whose middle is a mirror. Light that runs one way has ψ(x + d) = exp(i·√S·d)·ψ(x), of which a Padé form
takes one tridiagonal solution a step and keeps the power: with P = S/β² − 1 about a reference β,

    √S·d ≈ β·d·(1 + (P/2)/(1 + P/4)).

Reflections are left out; what leaves sideways meets a layer that absorbs. JAX differentiates all of it.

Source: G. R. Hadley, Opt. Lett. 17, 1426 (1992), 10.1364/OL.17.001426, wide-angle beam propagation by Padé forms.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from prism_photonics.process.solver.plane import Plane

STEP_UM = 0.05  # across
WINDOW_UM, LAYER_UM, ABSORBS = 8.2, 1.6, 0.4  # half of it; its absorbing end, and how much that absorbs, of k²
TAPER_STEPS, SECTION_STEPS = 80, 240
TURNS, TURNS_BESIDE, BESIDE = 5, 3, 1e-4  # of the inverse iteration for a guide's mode


class Shape(NamedTuple):
    """What the splitter is drawn with, tops of ribs, in µm; each a number, or a scalar that JAX traces."""

    mmi_width_um: Any
    mmi_length_um: Any
    taper_width_um: Any
    taper_length_um: Any
    port_pitch_um: Any

    @classmethod
    def of(cls, design: Any) -> "Shape":
        """The sizes of what has them by the same names, as a splitter's design does."""
        return cls(*(getattr(design, name) for name in cls._fields))

    @property
    def sizes(self) -> dict[str, Any]:
        """By name, in µm."""
        return self._asdict()


class Matrix(NamedTuple):
    """A symmetric tridiagonal matrix in 1/µm²: its diagonal and what stands beside it."""

    diagonal: Inexact[Array, " cells"]
    beside: Inexact[Array, " between"]

    def times(self, field: Inexact[Array, " cells"]) -> Inexact[Array, " cells"]:
        """The product with a field."""
        beside = self.beside * field[1:], self.beside * field[:-1]
        return self.diagonal * field + jnp.pad(beside[0], (0, 1)) + jnp.pad(beside[1], (1, 0))

    def solved(self, field: Inexact[Array, " cells"]) -> Inexact[Array, " cells"]:
        """The field that the matrix brings to this one."""
        lower, upper = jnp.pad(self.beside, (1, 0)), jnp.pad(self.beside, (0, 1))
        return jax.lax.linalg.tridiagonal_solve(lower, self.diagonal, upper, field[:, None])[:, 0]


def matrix(
    plane: Plane,
    left_um: Float[Array, ""] | float,
    right_um: Float[Array, ""] | float,
    *,
    step_um: float = STEP_UM,
    odd: bool = False,
) -> Matrix:
    """S of half of a cross-section with one rib, from the mirror plane out; of a rib across it ``left_um`` is < 0.

    Of fields that are even about the mirror, or odd: beyond it stands the first cell's negative then.
    """
    cells = round(WINDOW_UM / step_um)
    edges_um = step_um * jnp.arange(cells + 1.0)
    across = plane.across.cells(edges_um, left_um, right_um)
    along = plane.along.cells(edges_um[:-1] + 0.5 * step_um, left_um, right_um)
    flux = 1.0 / (along * step_um**2)
    lost = jnp.pad(flux, (1, 0)) + jnp.pad(flux, (0, 1), constant_values=0.0)
    lost = lost.at[0].add(2.0 * flux[0]) if odd else lost
    k2 = (2.0 * np.pi / plane.wl) ** 2
    return Matrix((k2 - lost) / across, flux / jnp.sqrt(across[1:] * across[:-1]))


def guided(
    plane: Plane,
    left_um: Float[Array, ""] | float,
    right_um: Float[Array, ""] | float,
    *,
    step_um: float = STEP_UM,
    odd: bool = False,
) -> Float[Array, " cells"]:
    """The fundamental mode of a rib, of unit power, by inverse iteration; ``odd`` as of `matrix`: TE1 of one across."""
    found = matrix(plane, left_um, right_um, step_um=step_um, odd=odd)
    at_um = step_um * (jnp.arange(len(found.diagonal)) + 0.5)
    middle_um, half_um = 0.5 * (left_um + right_um), 0.5 * (right_um - left_um)
    here = jax.lax.stop_gradient(found)
    bell = jnp.exp(-(((at_um - middle_um) / half_um) ** 2))
    start = jax.lax.stop_gradient(bell * at_um if odd else bell)

    def turn(_: Any, field: Any) -> Any:
        field = field / jnp.linalg.norm(field)
        return Matrix(here.diagonal - field @ here.times(field), here.beside).solved(field)

    field = jax.lax.fori_loop(0, TURNS, turn, start)
    near = field @ here.times(field) / (field @ field)
    # Slopes go through what follows: far enough from the mode's own value for a matrix that can be solved, near enough
    # that its neighbours' parts of the slope are right to 1e-9.
    shifted = Matrix(found.diagonal - near * (1.0 + BESIDE), found.beside)

    def turn_beside(_: Any, field: Any) -> Any:
        return shifted.solved(field / jnp.linalg.norm(field))

    field = jax.lax.fori_loop(0, TURNS_BESIDE, turn_beside, field)
    return field * jnp.sign(field.sum()) / jnp.linalg.norm(field)


def through(
    plane: Plane,
    shape: Shape,
    *,
    width_um: float,
    wider_um: Float[Array, ""] | float = 0.0,
    step_um: float = STEP_UM,
    steps: tuple[int, int] = (TAPER_STEPS, SECTION_STEPS),
) -> Float[Array, ""]:
    """Share of the power of the access guide's mode that both outputs' modes have together.

    Args:
        plane: The film at one wavelength.
        shape: What is drawn.
        width_um: Of the guides.
        wider_um: By how much the making leaves all ribs wider, where they are.
        step_um: Of the grid across.
        steps: Along a taper, and along the section.
    """
    guide_um, access_um, section_um = (w + wider_um for w in (width_um, shape.taper_width_um, shape.mmi_width_um))
    middle_um = 0.5 * shape.port_pitch_um
    along = (jnp.arange(steps[0]) + 0.5) / steps[0]
    opening_um = 0.5 * (guide_um + (access_um - guide_um) * along)
    half_um = jnp.full(steps[1], 0.5) * section_um
    left_um = jnp.concatenate([-opening_um, -half_um, middle_um - opening_um[::-1]])
    right_um = jnp.concatenate([opening_um, half_um, middle_um + opening_um[::-1]])
    each = [shape.taper_length_um / steps[0], shape.mmi_length_um / steps[1], shape.taper_length_um / steps[0]]
    lengths_um = jnp.repeat(jnp.stack([jnp.asarray(e) for e in each]), np.array([steps[0], steps[1], steps[0]]))
    ends_um = jnp.stack([jnp.zeros(()), middle_um]) - 0.5 * guide_um
    start, out = jax.vmap(lambda left: guided(plane, left, left + guide_um, step_um=step_um))(ends_um)
    at = {"lengths_um": lengths_um, "left_um": left_um, "right_um": right_um, "step_um": step_um}
    light = onwards(plane, start.astype(complex), **at)
    return jnp.abs(out @ light) ** 2


def onwards(
    plane: Plane,
    light: Inexact[Array, " cells"],
    *,
    lengths_um: Float[Array, " steps"],
    left_um: Float[Array, " steps"],
    right_um: Float[Array, " steps"],
    step_um: float,
    odd: bool = False,
) -> Inexact[Array, " cells"]:
    """Light through steps, each of a length and with a rib of its own; ``odd`` as of `matrix`."""
    at_um = step_um * (jnp.arange(len(light)) + 0.5)
    layer = jnp.maximum(at_um - (WINDOW_UM - LAYER_UM), 0.0) / LAYER_UM
    beta = 2.0 * np.pi / plane.wl / jnp.sqrt(plane.across.top)

    def one(light: Any, step: Any) -> tuple[Any, None]:
        length_um, left_um, right_um = step
        s, turn = matrix(plane, left_um, right_um, step_um=step_um, odd=odd), 0.25j * beta * length_um
        p = Matrix(s.diagonal / beta**2 - 1.0 + 1j * ABSORBS * layer**2, s.beside / beta**2)
        ahead, behind = (Matrix(1.0 + part * p.diagonal, part * p.beside) for part in (0.25 + turn, 0.25 - turn))
        return behind.solved(ahead.times(light)), None

    return jax.lax.scan(jax.checkpoint(one), light, (lengths_um, left_um, right_um))[0]
