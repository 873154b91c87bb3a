"""Joint rounding of a bus's voltages to the DAC grid by coordinate descent on the weight error."""

from jaxtyping import Float

from prism_photonics.codec.modulation import namespace
from prism_photonics.lightpath.arrays import Numbers, scan
from prism_photonics.programming.bus import Bus, weights_and_slopes, weights_at

SWEEPS = 2


def round_bus(
    bus: Bus,
    volts: Float[Numbers, "... rings"],
    wanted: Float[Numbers, "... channels"],
    *,
    max_voltage_V: float,
    step_V: float,
) -> tuple[Float[Numbers, "... rings"], Float[Numbers, "... channels"], Float[Numbers, "... channels"]]:
    """Voltages on the DAC grid that keep a bus near its weights.

    From each ring's nearest code, ring after ring is moved by the whole codes that lower ``|W(v) − w|²`` most, with W
    to first order about the exact voltages: coordinate descent on a closest-vector problem. The result is never worse
    than the nearest codes: both are put through the exact row.

    Args:
        bus: The bus, or many.
        volts: Exact voltages in V, within the limit.
        wanted: Wanted effective weights.
        max_voltage_V: The grid runs from minus this to plus this; no code lies outside.
        step_V: One code.

    Returns:
        (voltages on the grid, weights there, weights at the exact voltages).
    """
    xp = namespace(volts)
    exact, slopes = weights_and_slopes(bus, volts)
    # An excluded ring is asked for nothing and stays where it is.
    by_code = bus.asked[..., :, None] * slopes * bus.asked[..., None, :] * step_V
    top = round(2.0 * max_voltage_V / step_V)
    position = (volts + max_voltage_V) / step_V
    nearest = xp.clip(xp.round(position), 0.0, top)

    def descend(error, ring):
        old, column, length2 = ring
        code = xp.clip(old - xp.round((column * error).sum(-1) / length2), 0.0, top)
        return error + column * (code - old)[..., None], (code,)

    error = bus.asked * (exact - wanted) + (by_code @ (nearest - position)[..., None])[..., 0]
    columns = xp.moveaxis(by_code, -1, 0)
    length2, codes = (columns**2).sum(-1) + 1e-30, xp.moveaxis(nearest, -1, 0)
    for _ in range(SWEEPS):
        error, (codes,) = scan(descend, error, (codes, columns, length2))
    # Clipped once more: the last code times the step may exceed the limit by a rounding.
    both = [
        xp.clip(code * step_V - max_voltage_V, -max_voltage_V, max_voltage_V)
        for code in (xp.moveaxis(codes, 0, -1), nearest)
    ]
    weights = [weights_at(bus, some) for some in both]
    misses = [(bus.asked * (some - wanted) ** 2).sum(-1) for some in weights]
    # Of two that are as good, the one that was descended to.
    better = (misses[0] <= misses[1])[..., None]
    return xp.where(better, *both), xp.where(better, *weights), exact
