"""Joint rounding of a bus's voltages to the DAC grid by coordinate descent on the weight error."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prism_photonics.programming.bus import Bus, weights_and_slopes

SWEEPS = 2


def round_bus(
    bus: Bus,
    volts: Float[Array, " rings"],
    wanted: Float[Array, " channels"],
    *,
    max_voltage_V: float,
    step_V: float,
) -> tuple[Float[Array, " rings"], Float[Array, " channels"], Float[Array, " channels"]]:
    """Voltages on the DAC grid that keep a bus near its weights.

    From each ring's nearest code, ring after ring is moved by the whole codes that lower ``|W(v) − w|²`` most, with W
    to first order about the exact voltages: coordinate descent on a closest-vector problem. The result is never worse
    than the nearest codes: both are put through the exact row.

    Args:
        bus: The bus.
        volts: Exact voltages in V, within the limit.
        wanted: Wanted effective weights.
        max_voltage_V: The grid runs from minus this to plus this; no code lies outside.
        step_V: One code.

    Returns:
        (voltages on the grid, weights there, weights at the exact voltages).
    """
    exact, slopes = weights_and_slopes(bus, volts)
    # An excluded ring is asked for nothing and stays where it is.
    by_code = bus.asked[:, None] * slopes * bus.asked * step_V
    top = jnp.round(2.0 * max_voltage_V / step_V)
    position = (volts + max_voltage_V) / step_V
    nearest = jnp.clip(jnp.round(position), 0.0, top)
    length2 = jnp.sum(by_code**2, axis=0) + 1e-30

    def descend(turn, state):
        codes, error = state
        ring = turn % codes.shape[0]
        column = by_code[:, ring]
        code = jnp.clip(codes[ring] - jnp.round(column @ error / length2[ring]), 0.0, top)
        return codes.at[ring].set(code), error + column * (code - codes[ring])

    error = bus.asked * (exact - wanted) + by_code @ (nearest - position)
    rounded, _ = jax.lax.fori_loop(0, SWEEPS * nearest.shape[0], descend, (nearest, error))
    # Clipped once more: the last code times the step may exceed the limit by a rounding.
    both = jnp.clip(jnp.stack([rounded, nearest]) * step_V - max_voltage_V, -max_voltage_V, max_voltage_V)
    weights = jax.vmap(lambda v: weights_and_slopes(bus, v)[0])(both)
    better = jnp.argmin(jnp.sum(bus.asked * (weights - wanted) ** 2, axis=-1))
    return both[better], weights[better], exact
