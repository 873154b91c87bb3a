"""Polish of sized rings: gap, bias and radius moved along exact gradients to where the least headroom is largest.

The closed forms of `budget.ring_margins` run under JAX as they do under NumPy, so their gradients are exact. The
smallest of many headrooms has corners; with it as an unknown of its own, ``max h`` subject to ``headroom_i(x) ≥ h``,
every function is smooth, and sequential quadratic programming finds the point where several rules bind at once. The
room of rings in their row (`row_headroom`), which JAX would compile for as long as all others, takes its slopes from
places close by, all in one go of NumPy.

Source: D. Kraft, A software package for sequential quadratic programming, DFVLR-FB 88-28 (1988): scipy's SLSQP.
"""

import math
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from prism_photonics.budget.light_sizing import Changes, with_keys
from prism_photonics.budget.ring_margins import (
    RingDemand,
    RingNumbers,
    reach_headroom,
    ring_demand,
    ring_numbers,
    row_headroom,
    shape_headrooms,
)
from prism_photonics.process.trench import least_gap_um
from prism_photonics.spec import ChipSpec

STEPS = 40
SCALES = np.array([0.02, 10.0, 1.0])
"""Typical moves of gap (µm), bias (pm) and straight (µm): the unknowns are counted in them."""
REACH = np.array([5.0, 10.0, 2.0])
"""Moves of each unknown that are allowed, in the same units."""
NEAR = 1e-4
"""Distance of the places close by, in the same units: central differences err by some 1e-8 there."""


def polished_keys(spec: ChipSpec) -> Changes:
    """Gap, bias and straight of a spec's rings, moved to where the least headroom of the rules on rings is largest.

    Args:
        spec: A spec whose rings are sized: equal gaps on both sides.
    """
    demand, ring = ring_demand(spec), spec.ring
    start = np.array([ring.gap_through_um, ring.bias_pm, spec.ring_designs[0].straight_um])
    rooms = jax.jit(partial(ring_rooms, spec, demand))
    slopes = jax.jit(jax.jacfwd(partial(ring_rooms, spec, demand)))
    first = float(min(np.min(rooms(start)), row_rooms(spec, demand, start[:, None])[0]))

    def place(x: Any) -> Any:
        return start + SCALES * x[:-1]

    low, high = -REACH, REACH.copy()
    low[0] = max(low[0], (least_gap_um(spec.profile) - start[0]) / SCALES[0])
    low[2] = max(low[2], -start[2] / SCALES[2])
    found = minimize(
        lambda x: -x[-1],
        np.array([0.0, 0.0, 0.0, first]),
        jac=lambda x: np.array([0.0, 0.0, 0.0, -1.0]),
        method="SLSQP",
        bounds=[*zip(np.minimum(low, 0.0), high, strict=True), (None, None)],
        constraints={
            "type": "ineq",
            "fun": lambda x: np.append(rooms(place(x)), row_rooms(spec, demand, place(x)[:, None])) - x[-1],
            "jac": lambda x: _with_headroom(np.vstack([slopes(place(x)), row_slopes(spec, demand, place(x))]) * SCALES),
        },
        options={"maxiter": STEPS},
    )
    gap_um, bias_pm, straight_um = place(found.x)
    gap = round(float(gap_um), 3)
    # The straights come in steps of a guided wavelength, which the channel then fills up.
    return {
        "ring.gap_through_um": gap,
        "ring.gap_drop_um": gap,
        "ring.bias_pm": round(float(bias_pm), 1) + 0.0,
        "ring.straight_um": max(math.floor(float(straight_um) * 10.0 - 3.0) / 10.0, 0.0),
    }


def ring_rooms(spec: ChipSpec, demand: RingDemand, at: Any) -> Any:
    """Headrooms of the rules on rings that stand alone at a gap (µm), bias (pm) and straight (µm); by JAX.

    Args:
        spec: The spec; radius, arms, lobes and drive are its own.
        demand: What it asks of its rings.
        at: The three numbers.
    """
    ring, bias_pm = _rings(spec, at, jnp)
    reach = reach_headroom(demand, ring, bias_pm=bias_pm, voltage_V=spec.drive.max_voltage_V, xp=jnp)
    shape = shape_headrooms(demand, ring, jnp)
    return jnp.stack([reach, *(shape[rule] for rule in sorted(shape) if rule != "band")])


def row_rooms(spec: ChipSpec, demand: RingDemand, at: Float[ndarray, "3 places"]) -> Float[ndarray, " places"]:
    """Headroom of `row_reach` at gaps (µm), biases (pm) and straights (µm); see `ring_rooms`."""
    ring, bias_pm = _rings(spec, at, np)
    return row_headroom(demand, ring, bias_pm=bias_pm, voltage_V=spec.drive.max_voltage_V)


def row_slopes(spec: ChipSpec, demand: RingDemand, at: Float[ndarray, " 3"]) -> Float[ndarray, " 3"]:
    """Slopes of `row_rooms` with each of the three numbers, by central differences."""
    moves = np.diag(NEAR * SCALES)
    above, below = np.split(row_rooms(spec, demand, at[:, None] + np.hstack([moves, -moves])), 2)
    return (above - below) / (2.0 * NEAR * SCALES)


def polished(spec: ChipSpec) -> ChipSpec:
    """A spec with its rings polished.

    Raises:
        pydantic.ValidationError: No spec may hold them.
    """
    return with_keys(spec, polished_keys(spec))


def _rings(spec: ChipSpec, at: Any, xp: ModuleType) -> tuple[RingNumbers, Any]:
    """Figures of the rings at a gap, bias and straight, and the bias."""
    gap_um, bias_pm, straight_um = at[0], at[1], at[2]
    ring = ring_numbers(
        spec,
        radius_um=spec.ring.radius_um,
        arm_um=spec.ring.arm_um,
        straight_um=straight_um,
        gap_um=gap_um,
        lobe_deg=spec.ring.lobe_half_angle_deg,
        xp=xp,
    )
    return ring, bias_pm


def _with_headroom(slopes: Float[ndarray, "rules 3"]) -> Float[ndarray, "rules 4"]:
    """Slopes of the constraints: each rule's, and of the headroom that none may fall below."""
    return np.hstack([slopes, -np.ones((len(slopes), 1))])
