"""Programming: voltages at which the exact row has the wanted weights, solved for all rings of a row together.

Buses do not see each other, so each bus of each row is a small problem of its own. Buses are solved in rounds of few
steps: the first settles nearly all, the next ones go on with what is left, such as those with a target out of reach. On
a CPU a round is cut into chunks that stay in a core's cache, and chunks run side by side; an accelerator takes larger
ones.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy import ndarray

from prism_photonics.calibration.assign import by_place, inverse
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.cores import cores
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.programming.bus import (
    REACH_POINTS,
    START_POINTS,
    bus_of,
    tuning_curves,
    voltages_alone,
    weights_and_slopes,
    weights_at,
)
from prism_photonics.programming.levenberg import least_squares
from prism_photonics.programming.rounding import round_bus
from prism_photonics.units import InputError

# A target that is missed by more, in units of weight, is named as out of reach (design choice).
TOLERANCE = 2e-3
# A tenth of what one code of a 14-bit driver moves a weight: refining further would be rounded away.
SOLVED = 2e-5
# Most rounds of a bus, and steps of each (design choices).
ROUNDS, STEPS = 8, 5
# A step may throw a ring onto the bottom of its curve, where no slope leads back. What is left over starts again from
# weights drawn in by so much, up the slopes.
RESTARTS = (0.8, 0.5)
# Two sizes only, one for a row and one for a bank: each is compiled once.
BUSES_AT_ONCE, BUSES_ON_ACCELERATOR = (16, 128), (128, 16384)
# Buses times slopes of each up to which no compiler, which takes some ten seconds, is worth waiting for (design
# choice).
MOST_UNCOMPILED = 2**18
# Numbers of an array that NumPy works on at once: what stays in a core's cache (design choice).
NUMBERS_AT_ONCE = 4096


@dataclass(frozen=True)
class OutOfReach:
    """A target that no voltage within the limit reaches, given the targets of the row's other rings.

    Attributes:
        page: The page of weights.
        row: The chip's row.
        ring: The ring, by channel.
        asked: The weight that was asked for.
        reached: The weight that the voltages found give it.
        reachable: Lowest and highest weight of the ring with its neighbours at rest.
    """

    page: int
    row: int
    ring: int
    asked: float
    reached: float
    reachable: tuple[float, float]

    def __str__(self) -> str:
        """One line: where, asked, reachable, cure."""
        low, high = self.reachable
        reach = f"with its neighbours at rest it reaches {low:.3f} to {high:.3f}"
        if low <= self.asked <= high:
            reach += ", but not beside the weights asked of them"
        return (
            f"ring {self.ring} of row {self.row}, page {self.page}: weight {self.asked:.3f} is out of reach, "
            f"got {self.reached:.3f}; {reach}; lower the weight scale or raise drive.max_voltage_V"
        )


@dataclass(frozen=True)
class Programmed:
    """Voltages for a bank, or for pages of one (leading axis).

    Attributes:
        volts: Ring voltages on the DAC grid in V, (pages, rows, rings); of the asked rows only. Rings count by their
            place along the bus, weights by channel.
        predicted: Effective weights that the calibration predicts there.
        residual: Predicted minus wanted: the drive limit's share and the driver's rounding; 0 for excluded rings, which
            stay at 0 V.
        out_of_reach: Targets that no voltage within the limit meets to `TOLERANCE`, before rounding.
    """

    volts: Float[ndarray, "pages rows rings"]
    predicted: Float[ndarray, "pages rows rings"]
    residual: Float[ndarray, "pages rows rings"]
    out_of_reach: tuple[OutOfReach, ...]


def reachable_weights(
    calibration: Calibration,
) -> tuple[Float[ndarray, "rows rings"], Float[ndarray, "rows rings"]]:
    """Lowest and highest effective weight of every ring on the branch that programming uses, neighbours at rest.

    Returns:
        (low, high), dimensionless.
    """
    return _reachable(calibration, np.arange(calibration.shape[0]))


def rings_short_of(calibration: Calibration, limit: float) -> Bool[ndarray, "rows rings"]:
    """Rings whose reachable weights do not hold ± limit.

    Points of a coarse scan are points of a fine one, too: only rows of which the coarse one shows some ring to fall
    short are scanned finely.
    """
    rows = np.arange(calibration.shape[0])

    def short(function: Callable[..., tuple[Any, ...]], some: Int[ndarray, " rows"]) -> Bool[ndarray, "rows rings"]:
        low, high = _reachable(calibration, some, function)
        return (low > -limit) | (high < limit)

    found = short(_reach_coarsely, rows)
    doubtful = np.flatnonzero(found.any(1))
    if doubtful.size:
        found[doubtful] = short(_reach, doubtful)
    return found


def common_range(calibration: Calibration) -> tuple[float, float]:
    """The interval of effective weights that every ring in use reaches, with 2 % of it kept in hand.

    Raises:
        InputError: The rings have no weight in common; the worst one is named.
    """
    low, high = reachable_weights(calibration)
    excluded = np.asarray(calibration.excluded)
    low, high = np.where(excluded, -np.inf, low), np.where(excluded, np.inf, high)
    if high.min() <= low.max():
        low_is_worst = -low.max() < high.min()
        row, ring = np.argwhere(low == low.max())[0] if low_is_worst else np.argwhere(high == high.min())[0]
        raise InputError(
            f"validate: ring {ring} of row {row} reaches only {low[row, ring]:.2f} to {high[row, ring]:.2f}, so "
            "the rings have none in common; raise drive.max_voltage_V, trim better, or use another die"
        )
    margin = 0.02 * (high.min() - low.max())
    return float(low.max() + margin), float(high.min() - margin)


def program(
    calibration: Calibration, weights: Float[ndarray, "*pages rows rings"], *, rows: Sequence[int] | None = None
) -> Programmed:
    """Voltages that realise effective weights, through the fitted coherent row.

    A start from each ring's own tuning curve is refined by Levenberg–Marquardt on the whole row with the drive limit
    as a box, then rounded to the DAC grid row by row (`rounding`).

    Args:
        calibration: The calibrated chip; it knows the drive limit and the DAC grid.
        weights: Wanted effective weights; one page or several.
        rows: The chip's rows that the weights are for, when not all of them: a new block is one row.

    Returns:
        Voltages, what they give, and what is out of reach.

    Raises:
        InputError: NaN or infinite weights, a wrong shape, or rows that the chip does not have.
    """
    wanted = np.asarray(weights, dtype=float)
    chosen = _chosen_rows(calibration, rows)
    shape = (len(chosen), calibration.shape[1])
    if wanted.ndim not in (2, 3) or wanted.shape[-2:] != shape:
        raise InputError(f"program: weights of shape {wanted.shape}; this chip takes {shape} or pages of it")
    if not np.isfinite(wanted).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(wanted))[0])
        raise InputError(
            f"program: weight at {index} is {wanted[index]}; weights are finite numbers: mend the signatures"
        )
    pages = wanted.reshape(-1, *shape)
    buses = np.tile(_buses_of(calibration, chosen), len(pages))
    own = np.asarray(calibration.channel_of_ring)[chosen]
    solved = _solve(calibration, buses, by_place(pages, own).reshape(len(buses), -1))
    volts, *found = (a.reshape(pages.shape) for a in solved)
    predicted, reached = (by_place(a, inverse(own)) for a in found)
    # Reach is judged before rounding: what the driver's codes cost is in the residual, not a target missed.
    excluded = np.asarray(calibration.excluded)[chosen]
    missed_at = np.argwhere((np.abs(reached - pages) > TOLERANCE) & ~excluded)
    at_fault = np.unique(missed_at[:, 1])
    low, high = np.empty(shape), np.empty(shape)
    if len(at_fault):
        low[at_fault], high[at_fault] = _reachable(calibration, chosen[at_fault])
    missed = tuple(
        OutOfReach(
            int(p),
            int(chosen[n]),
            int(c),
            float(pages[p, n, c]),
            float(reached[p, n, c]),
            (float(low[n, c]), float(high[n, c])),
        )
        for p, n, c in missed_at
    )
    return Programmed(volts, predicted, np.where(excluded, 0.0, predicted - pages), missed)


def _chosen_rows(calibration: Calibration, rows: Sequence[int] | None) -> Int[ndarray, " rows"]:
    count = calibration.shape[0]
    if rows is None:
        return np.arange(count)
    chosen = np.asarray(rows, dtype=int).reshape(-1)
    wrong = [int(row) for row in chosen if not 0 <= row < count]
    if wrong or len(set(chosen.tolist())) != len(chosen) or not len(chosen):
        raise InputError(
            f"program: rows {list(rows)}; want different rows of 0 to {count - 1}"
            + (f", row {wrong[0]} is not on this chip" if wrong else "")
        )
    return chosen


def _buses_of(calibration: Calibration, rows: Int[ndarray, " rows"]) -> Int[ndarray, " buses"]:
    count = calibration.rows.gain_A.shape[1]
    return (rows[:, None] * count + np.arange(count)).ravel()


def _reachable(
    calibration: Calibration, rows: Int[ndarray, " rows"], function: Callable[..., tuple[Any, ...]] | None = None
) -> tuple[Float[ndarray, "rows rings"], Float[ndarray, "rows rings"]]:
    low, high = _in_chunks(function or _reach, calibration, (_buses_of(calibration, rows),))
    by_channel = inverse(np.asarray(calibration.channel_of_ring)[rows])
    return by_place(low.reshape(len(rows), -1), by_channel), by_place(high.reshape(len(rows), -1), by_channel)


def _solve(
    calibration: Calibration, buses: Int[ndarray, " buses"], wanted: Float[ndarray, "buses channels"]
) -> tuple[Float[ndarray, "buses channels"], ...]:
    """Voltages on the DAC grid, weights there, and weights before rounding."""
    volts, cost = _descend(calibration, buses, wanted, wanted)
    for share in RESTARTS:
        left = np.flatnonzero(cost > _goal(wanted.shape[1]))
        if not left.size:
            break
        tried, tried_cost = _descend(calibration, buses[left], wanted[left], share * wanted[left])
        better = tried_cost < cost[left]
        volts[left[better]], cost[left[better]] = tried[better], tried_cost[better]
    return _in_chunks(_round, calibration, (buses, wanted, volts))


def _goal(channels: int) -> float:
    return channels * SOLVED**2


def _descend(
    calibration: Calibration,
    buses: Int[ndarray, " buses"],
    wanted: Float[ndarray, "buses channels"],
    begin: Float[ndarray, "buses channels"],
) -> tuple[Float[ndarray, "buses channels"], Float[ndarray, " buses"]]:
    """Voltages and costs, started at the voltages at which each ring alone has its weight."""
    (volts,) = _in_chunks(_start, calibration, (buses, begin))
    cost = np.empty(len(buses))
    left = np.arange(len(buses))
    for _ in range(ROUNDS):
        problem = (buses[left], wanted[left], volts[left])
        volts[left], cost[left], settled = _in_chunks(_refine, calibration, problem)
        left = left[~settled]
        if not len(left):
            break
    return volts, cost


def _in_chunks(
    function: Callable[..., tuple[Any, ...]], calibration: Calibration, buses: tuple[ndarray, ...]
) -> tuple[ndarray, ...]:
    """A function of buses over any number of them, chunk by chunk: NumPy's where they are few, else compiled."""
    count, channels = len(buses[0]), calibration.wl_um.shape[0]
    if count * channels**2 <= MOST_UNCOMPILED:
        return _uncompiled(function, calibration, buses)
    few, many = BUSES_AT_ONCE if jax.default_backend() == "cpu" else BUSES_ON_ACCELERATOR
    # There are few sizes to compile for.
    size = few if count <= few else many
    padded = -(-count // size) * size
    index = np.minimum(np.arange(padded), count - 1).reshape(-1, size)

    def one(chunk: Int[ndarray, " size"]) -> tuple[ndarray, ...]:
        found = _compiled(function, calibration, tuple(jnp.asarray(leaf[chunk]) for leaf in buses))
        return tuple(np.array(leaf) for leaf in found)

    if len(index) == 1:
        done = [one(index[0])]
    else:
        # A compiled call leaves Python free, so threads fill the cores.
        with ThreadPoolExecutor(cores()) as pool:
            done = list(pool.map(one, index))
    return tuple(np.concatenate(leaves)[:count] for leaves in zip(*done, strict=True))


def _uncompiled(
    function: Callable[..., tuple[Any, ...]], calibration: Calibration, buses: tuple[ndarray, ...]
) -> tuple[ndarray, ...]:
    """The function by NumPy: slower than compiled, and done long before a compiler is."""
    plain = jax.tree.map(np.asarray, calibration)
    channels = calibration.wl_um.shape[0]
    size = max(NUMBERS_AT_ONCE // channels, 1)
    done = [function(plain, *(leaf[first : first + size] for leaf in buses)) for first in range(0, len(buses[0]), size)]
    return tuple(np.concatenate(leaves) for leaves in zip(*done, strict=True))


@eqx.filter_jit
def _compiled(
    function: Callable[..., tuple[Any, ...]], calibration: Calibration, buses: tuple[Array, ...]
) -> tuple[Array, ...]:
    return jax.vmap(lambda *one: function(calibration, *one))(*buses)


# What follows takes one bus in JAX's arrays or many in NumPy's: see `bus_of`.


def _reach(
    calibration: Calibration, buses: Int[Numbers, "..."]
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "... channels"]]:
    curves = tuning_curves(bus_of(calibration, buses), calibration.max_voltage_V, REACH_POINTS)
    return curves.low, curves.high


def _reach_coarsely(
    calibration: Calibration, buses: Int[Numbers, "..."]
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "... channels"]]:
    curves = tuning_curves(bus_of(calibration, buses), calibration.max_voltage_V, START_POINTS)
    return curves.low, curves.high


def _start(
    calibration: Calibration, buses: Int[Numbers, "..."], wanted: Float[Numbers, "... channels"]
) -> tuple[Float[Numbers, "... channels"]]:
    curves = tuning_curves(bus_of(calibration, buses), calibration.max_voltage_V, START_POINTS)
    return (voltages_alone(curves, wanted),)


def _refine(
    calibration: Calibration,
    buses: Int[Numbers, "..."],
    wanted: Float[Numbers, "... channels"],
    start: Float[Numbers, "... channels"],
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "..."], Bool[Numbers, "..."]]:
    """Voltages after one round, their cost, and whether a bus needs no other."""
    top_V, goal = calibration.max_voltage_V, _goal(wanted.shape[-1])
    bus = bus_of(calibration, buses)

    def linearized(volts):
        weights, slopes = weights_and_slopes(bus, volts)
        return bus.asked * (weights - wanted), bus.asked[..., None] * slopes

    found = least_squares(
        lambda volts: bus.asked * (weights_at(bus, volts) - wanted),
        start,
        linearized=linearized,
        steps=STEPS,
        cost_goal=goal,
        lower=-top_V * bus.asked,
        upper=top_V * bus.asked,
    )
    # A bus that stopped before its last step comes no nearer from here.
    return found.x, found.cost, (found.cost <= goal) | (found.steps < STEPS)


def _round(
    calibration: Calibration,
    buses: Int[Numbers, "..."],
    wanted: Float[Numbers, "... channels"],
    volts: Float[Numbers, "... channels"],
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "... channels"], Float[Numbers, "... channels"]]:
    limit_V, step_V = calibration.max_voltage_V, calibration.voltage_step_V
    return round_bus(bus_of(calibration, buses), volts, wanted, max_voltage_V=limit_V, step_V=step_V)
