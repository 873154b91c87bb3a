"""Programming: the voltages whose exact row gives the wanted weights, all rings of a row at once."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy import ndarray

from prism_photonics.calibrate.calibration import Calibration, of_row
from prism_photonics.calibrate.levenberg import least_squares
from prism_photonics.calibrate.unknowns import RowModel, row_transmission
from prism_photonics.units import InputError

SCAN = 129
TOLERANCE = 2e-3
# A tenth of what one code of a 14-bit driver moves a weight: refining further would be rounded away.
SOLVED = 2e-5
PAGES_AT_ONCE = 32


@dataclass(frozen=True)
class OutOfReach:
    """A target that no voltage within the limit reaches."""

    page: int
    row: int
    ring: int
    asked: float
    reached: float
    reachable: tuple[float, float]

    def __str__(self) -> str:
        """One line: where, asked, reachable, cure."""
        low, high = self.reachable
        return (
            f"ring {self.ring} of row {self.row}, page {self.page}: weight {self.asked:.3f} is out of reach, "
            f"got {self.reached:.3f}; its range is {low:.3f} to {high:.3f}; lower the weight scale or raise "
            "drive.max_voltage_V"
        )


@dataclass(frozen=True)
class Programmed:
    """Voltages for a bank, or for pages of one (leading axis).

    Attributes:
        volts: Ring voltages on the DAC grid in V, (pages, rows, rings).
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
    _, branch = _scan(calibration)
    return np.asarray(branch.min(0)), np.asarray(branch.max(0))


def program(calibration: Calibration, weights: Float[ndarray, "*pages rows rings"]) -> Programmed:
    """Voltages that realise effective weights, through the fitted coherent row.

    A start from each ring's own tuning curve is refined by Levenberg–Marquardt on the whole row with the drive limit
    as a box, then rounded to the DAC grid.

    Args:
        calibration: The calibrated chip; it knows the drive limit and the DAC grid.
        weights: Wanted effective weights; one page or several.

    Returns:
        Voltages, what they give, and what is out of reach.

    Raises:
        InputError: NaN or infinite weights, or a wrong shape.
    """
    wanted = np.asarray(weights, dtype=float)
    shape = calibration.shape
    if wanted.ndim not in (2, 3) or wanted.shape[-2:] != shape:
        raise InputError(f"program: weights of shape {wanted.shape}; this chip takes {shape} or pages of it")
    if not np.isfinite(wanted).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(wanted))[0])
        raise InputError(
            f"program: weight at {place} is {wanted[place]}; weights are finite numbers: mend the signatures"
        )
    pages = wanted.reshape(-1, *shape)
    scan_volts, branch = _scan(calibration)
    exact = _solve(calibration, jnp.asarray(pages), scan_volts, branch)
    volts = calibration.on_dac_grid(np.asarray(exact))
    predicted = np.asarray(_predict_pages(calibration, jnp.asarray(volts)))
    # Reach is judged before rounding: what the driver's codes cost is in the residual, not a target missed.
    reached = np.asarray(_predict_pages(calibration, exact))
    excluded = np.asarray(calibration.excluded)
    low, high = np.asarray(branch.min(0)), np.asarray(branch.max(0))
    missed = tuple(
        OutOfReach(
            int(p),
            int(n),
            int(c),
            float(pages[p, n, c]),
            float(reached[p, n, c]),
            (float(low[n, c]), float(high[n, c])),
        )
        for p, n, c in np.argwhere((np.abs(reached - pages) > TOLERANCE) & ~excluded)
    )
    return Programmed(volts, predicted, np.where(excluded, 0.0, predicted - pages), missed)


@eqx.filter_jit
def _predict_pages(
    calibration: Calibration, volts: Float[Array, "pages rows rings"]
) -> Float[Array, "pages rows rings"]:
    return jax.vmap(calibration.weights)(volts)


def _scan(calibration: Calibration) -> tuple[Float[Array, " scan"], Float[Array, "scan rows rings"]]:
    """Every ring's own weight against its voltage; beyond its resonance the curve is held flat, so it is monotone.

    A ring's weight falls to its minimum on resonance and rises on both sides; the side with more voltage is used.
    """
    volts = jnp.linspace(-calibration.max_voltage_V, calibration.max_voltage_V, SCAN)
    curves = _tuning_curves(calibration, volts)
    bottom = jnp.argmin(curves, axis=0)
    index = jnp.arange(SCAN)[:, None, None]
    upwards = bottom <= SCAN // 2
    on_branch = jnp.where(upwards, index >= bottom, index <= bottom)
    floor = curves.min(0)
    held = jnp.where(on_branch, curves, floor)
    return volts, jnp.where(upwards, jax.lax.cummax(held, axis=0), jax.lax.cummax(held, axis=0, reverse=True))


@eqx.filter_jit
def _tuning_curves(calibration: Calibration, volts: Float[Array, " scan"]) -> Float[Array, "scan rows rings"]:
    """Own-channel weight of each ring swept alone, the others at rest at 0 V."""
    by_bus = calibration.rows.gain_A.shape

    def at(v):
        def one(channel):
            # Buses are circuits of their own, so one ring of each can be swept at a time.
            settings = jnp.zeros(by_bus).at[..., channel].set(v)
            return calibration.weights(of_row(settings)).reshape(by_bus)[..., channel]

        return of_row(jax.vmap(one, out_axes=-1)(jnp.arange(by_bus[2])))

    return jax.lax.map(at, volts)


@eqx.filter_jit
def _solve(
    calibration: Calibration,
    wanted: Float[Array, "pages rows rings"],
    scan_volts: Float[Array, " scan"],
    branch: Float[Array, "scan rows rings"],
) -> Float[Array, "pages rows rings"]:
    """Start from single-ring inverses, refine whole rows inside the drive limit."""
    scale, top_V = calibration.effective_scale(), calibration.max_voltage_V
    # An excluded ring is held at rest and asked for nothing.
    asked = 1.0 - calibration.excluded.reshape(scale.shape)
    increasing = branch[-1] >= branch[0]

    def start(w, curve, up):
        xp = jnp.where(up, curve, curve[::-1])
        fp = jnp.where(up, scan_volts, scan_volts[::-1])
        # Flat stretches (beyond the resonance) carry no voltage information: tip them by a hair.
        return jnp.interp(w, xp + 1e-9 * jnp.arange(SCAN), fp)

    def one_bus(w, row: RowModel, row_scale, curves, up, ask):
        first = jax.vmap(start, in_axes=(0, 1, 0))(w, curves, up)

        def residuals(v):
            return ask * (row_scale * row_transmission(calibration.wl_um, row, v) - w)

        goal = w.shape[0] * SOLVED**2
        return least_squares(
            residuals,
            first,
            jacobian=jax.jacfwd(residuals),
            steps=30,
            cost_goal=goal,
            lower=-top_V * ask,
            upper=top_V * ask,
        ).x

    by_bus = scale.shape
    per_bus = jax.vmap(jax.vmap(one_bus))
    curves = jnp.moveaxis(branch.reshape(SCAN, *by_bus), 0, 2)
    upwards = increasing.reshape(by_bus)
    return jax.lax.map(
        lambda page: of_row(per_bus(page.reshape(by_bus), calibration.rows, scale, curves, upwards, asked)),
        wanted,
        batch_size=PAGES_AT_ONCE,
    )
