"""Sizes of the 1×2 splitter by gradients: least loss at the worst of some wavelengths and errors of the width.

The beam in the film's plane (`beam`) tells the loss and its slopes; a quasi-Newton search within limits of what is
drawn turns them to sizes. A plane is no film: what is found is to be solved again (`splitter`, `meow-sim`).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float

from prism_photonics.process.solver.beam import LAYER_UM, WINDOW_UM, Shape, through
from prism_photonics.process.solver.plane import Plane
from prism_photonics.units import InputError

WORST = 8  # the mean of losses to this power stands for the worst one
SCALE_UM = np.array([0.2, 0.2, 0.2, 1.0])  # of what is searched for: so much moves the loss alike
LEAST = 1e-7  # share of the loss that a step has to save
BESIDE_UM = 1.0  # of slab at least, between the section and the layer that absorbs


@dataclass(frozen=True)
class Limits:
    """What may be drawn, in µm.

    Attributes:
        total_um: Length of section and both tapers.
        access_um: Least and most, of the access guides' wide ends.
        gap_um: Between the outputs' wide ends: what the rules and the etch leave at the walls' foot.
        margin_um: From an output's outer edge to the section's.
        length_um: Of the section.
    """

    total_um: float = 84.0
    access_um: tuple[float, float] = (1.6, 3.2)
    gap_um: tuple[float, float] = (0.8, 2.4)
    margin_um: tuple[float, float] = (0.1, 1.0)
    length_um: tuple[float, float] = (10.0, 74.0)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Of what is searched for."""
        return self.access_um, self.gap_um, self.margin_um, self.length_um

    def shape(self, searched: Float[Array, " 4"] | Float[np.ndarray, " 4"]) -> Shape:
        """What is drawn at a place of the search."""
        access_um, gap_um, margin_um, length_um = searched
        taper_um = 0.5 * (self.total_um - length_um)
        return Shape(2.0 * (access_um + margin_um) + gap_um, length_um, access_um, taper_um, access_um + gap_um)

    def place(self, shape: Shape) -> Float[np.ndarray, " 4"]:
        """The place of the search nearest to what is drawn."""
        gap_um = float(shape.port_pitch_um - shape.taper_width_um)
        margin_um = 0.5 * float(shape.mmi_width_um - shape.port_pitch_um - shape.taper_width_um)
        at = np.array([float(shape.taper_width_um), gap_um, margin_um, float(shape.mmi_length_um)])
        return np.clip(at, *np.array(self.bounds).T)


@dataclass(frozen=True)
class Found:
    """Where a search ended.

    Attributes:
        shape: The sizes.
        loss_dB: What stands for the worst loss, at the start and after each step.
        calls: How often loss and slopes were asked for.
    """

    shape: Shape
    loss_dB: tuple[float, ...]
    calls: int


def losses_dB(
    film: Plane, shape: Shape, *, width_um: float, wider_um: Float[Array, " errors"]
) -> Float[Array, "wls errors"]:
    """Loss beyond the division, tapers and all.

    Args:
        film: The film at some wavelengths.
        shape: What is drawn.
        width_um: Of the guides.
        wider_um: By how much the making leaves all ribs wider, in µm.
    """

    def one(plane: Any, wider: Any) -> Any:
        return through(plane, shape, width_um=width_um, wider_um=wider)

    return -10.0 * jnp.log10(jax.vmap(jax.vmap(one, (None, 0)), (0, None))(film, wider_um))


def worst_and_slopes(
    film: Plane, shape: Shape, *, width_um: float, wider_um: Float[Array, " errors"]
) -> tuple[float, Shape]:
    """What stands for the worst of `losses_dB`, of the same arguments, and its slope in dB/µm along each size."""
    at = Shape(*(jnp.asarray(float(size)) for size in shape))
    value, slopes = _worst_and_slopes(at, film, width_um, wider_um)
    return float(value), Shape(*(float(slope) for slope in slopes))


def improved(
    film: Plane,
    start: Shape,
    *,
    width_um: float,
    wider_um: Float[Array, " errors"],
    limits: Limits = Limits(),
) -> Found:
    """Search from sizes to start with, brought within the limits, for some that lose less.

    Args:
        film: The film at the wavelengths that count.
        start: Sizes to begin with.
        width_um: Of the guides.
        wider_um: Errors of the width that count, in µm.
        limits: What may be drawn.

    Raises:
        InputError: The widest section does not fit into the beam's window.
    """
    widest_um = float(limits.shape(np.array([most for _, most in limits.bounds])).mmi_width_um)
    room_um = 2.0 * (WINDOW_UM - LAYER_UM - BESIDE_UM)
    if widest_um > room_um:
        raise InputError(
            f"splitter: sections up to {widest_um:g} µm wide; want {room_um:g} µm at most, what the beam's window "
            "holds; lower the limits of access, gap or margin"
        )

    # Sizes are linear in what is searched for.
    origin = np.array(limits.shape(np.zeros(4)))
    turns = np.array([limits.shape(unit) for unit in np.eye(4)]) - origin

    def asked(parts: Any) -> tuple[float, Any]:
        shape = limits.shape(parts * SCALE_UM)
        value, slopes = worst_and_slopes(film, shape, width_um=width_um, wider_um=wider_um)
        return value, turns @ np.array(slopes) * SCALE_UM

    begin = limits.place(start) / SCALE_UM
    steps = [asked(begin)[0]]
    ended = scipy.optimize.minimize(
        asked,
        begin,
        jac=True,
        method="L-BFGS-B",
        bounds=np.array(limits.bounds) / SCALE_UM[:, None],
        options={"ftol": LEAST},
        callback=lambda intermediate_result: steps.append(float(intermediate_result.fun)),
    )
    shape = Shape(*(float(size) for size in limits.shape(ended.x * SCALE_UM)))
    return Found(shape, tuple(steps), int(ended.nfev) + 1)


@partial(jax.jit, static_argnums=2)
@jax.value_and_grad
def _worst_and_slopes(shape: Shape, film: Plane, width_um: float, wider_um: Float[Array, " errors"]) -> Any:
    losses = losses_dB(film, shape, width_um=width_um, wider_um=wider_um)
    return jnp.mean(losses**WORST) ** (1.0 / WORST)
