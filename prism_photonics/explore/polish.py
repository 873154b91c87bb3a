"""Polish of sized rings: gap, bias and straight moved along gradients to where the least headroom is largest.

The smallest of many headrooms has corners; with it as an unknown of its own, ``max h`` subject to
``headroom_i(x) ≥ h``, every function is smooth, and sequential quadratic programming finds the point where several
rules bind at once. The slopes are taken from places close by, all in one go of NumPy: the tests hold them against the
exact ones, which JAX takes seconds to compile.

Source: D. Kraft, A software package for sequential quadratic programming, DFVLR-FB 88-28 (1988): scipy's SLSQP.
"""

import math
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from prism_photonics.budget.light_sizing import Changes
from prism_photonics.budget.ring_margins import (
    RingDemand,
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


def polished_keys(spec: ChipSpec, *, hold_straight: bool = False) -> Changes:
    """Gap, bias and straight of a spec's rings, moved to where the least headroom of the rules on rings is largest.

    Args:
        spec: A spec whose rings are sized: equal gaps on both sides.
        hold_straight: Leave the straights, which come in steps of a guided wavelength, as they are.
    """
    demand, ring = ring_demand(spec), spec.ring
    start = np.array([ring.gap_through_um, ring.bias_pm, spec.ring_designs[0].straight_um])
    first = float(ring_rooms(spec, demand, start[:, None]).min())

    def place(x: Any) -> Any:
        return start + SCALES * x[:-1]

    low, high = -REACH, REACH.copy()
    low[0] = max(low[0], (least_gap_um(spec.profile) - start[0]) / SCALES[0])
    low[2] = max(low[2], -start[2] / SCALES[2])
    if hold_straight:
        low[2] = high[2] = 0.0
    found = minimize(
        lambda x: -x[-1],
        np.array([0.0, 0.0, 0.0, first]),
        jac=lambda x: np.array([0.0, 0.0, 0.0, -1.0]),
        method="SLSQP",
        bounds=[*zip(np.minimum(low, 0.0), high, strict=True), (None, None)],
        constraints={
            "type": "ineq",
            "fun": lambda x: ring_rooms(spec, demand, place(x)[:, None])[:, 0] - x[-1],
            "jac": lambda x: _with_headroom(ring_slopes(spec, demand, place(x)) * SCALES),
        },
        options={"maxiter": STEPS},
    )
    gap_um, bias_pm, straight_um = place(found.x)
    gap = round(float(gap_um), 3)
    keys: Changes = {
        "ring.gap_through_um": gap,
        "ring.gap_drop_um": gap,
        "ring.bias_pm": round(float(bias_pm), 1) + 0.0,
    }
    if not hold_straight:
        # The channel fills them up to the next step.
        keys["ring.straight_um"] = max(math.floor(float(straight_um) * 10.0 - 3.0) / 10.0, 0.0)
    return keys


def ring_rooms(spec: ChipSpec, demand: RingDemand, at: Any, xp: ModuleType = np) -> Any:
    """Headrooms of the rules on rings at gaps (µm), biases (pm) and straights (µm).

    Args:
        spec: The spec; radius, arms, lobes and drive are its own.
        demand: What it asks of its rings.
        at: The three numbers of each place.
        xp: NumPy, or JAX's.

    Returns:
        Rules by places.
    """
    gap_um, bias_pm, straight_um = at
    ring = ring_numbers(
        spec,
        radius_um=spec.ring.radius_um,
        arm_um=spec.ring.arm_um,
        straight_um=straight_um,
        gap_um=gap_um,
        lobe_deg=spec.ring.lobe_half_angle_deg,
        xp=xp,
    )
    volts = spec.drive.max_voltage_V
    shape = shape_headrooms(demand, ring, xp)
    return xp.stack(
        [
            reach_headroom(demand, ring, bias_pm=bias_pm, voltage_V=volts, xp=xp),
            row_headroom(demand, ring, bias_pm=bias_pm, voltage_V=volts, xp=xp),
            *(shape[rule] for rule in sorted(shape) if rule != "band"),
        ]
    )


def ring_slopes(spec: ChipSpec, demand: RingDemand, at: Float[ndarray, " 3"]) -> Float[ndarray, "rules 3"]:
    """Slopes of `ring_rooms` with each of the three numbers, by central differences."""
    moves = np.diag(NEAR * SCALES)
    above, below = np.split(ring_rooms(spec, demand, at[:, None] + np.hstack([moves, -moves])), 2, axis=1)
    return (above - below) / (2.0 * NEAR * SCALES)


def _with_headroom(slopes: Float[ndarray, "rules 3"]) -> Float[ndarray, "rules 4"]:
    """Slopes of the constraints: each rule's, and of the headroom that none may fall below."""
    return np.hstack([slopes, -np.ones((len(slopes), 1))])
