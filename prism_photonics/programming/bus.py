"""One bus of one row in units of weight: what programming asks of a calibration, cheap to ask many times."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.circuit.prepared import PreparedRow, balanced_alone, balanced_and_slopes, prepare_row
from prism_photonics.lightpath.ring.model import RingParams, electrode_volts, resonance_shift_pm

# Points of a curve: a start needs to be near, a reachable range exact (0.1 % of full scale between two points).
START_POINTS, REACH_POINTS = 33, 129


class Bus(eqx.Module):
    """A bus and its rings; channels, too, stand in the order of the rings that serve them.

    Attributes:
        row: The light's path, voltages apart.
        rings: Ring optics, for their tuning.
        crosstalk: Share of a voltage that the neighbouring ring sees, across each gap.
        drop_ratio: Responsivity of the drop photodiode over the through one.
        scale: Effective weight per unit of ``T_through − ρ·T_drop``.
        asked: 1, or 0 for an excluded ring: it is held at rest and asked for nothing.
    """

    row: PreparedRow
    rings: RingParams
    crosstalk: Float[Array, " gaps"]
    drop_ratio: Float[Array, ""]
    scale: Float[Array, " channels"]
    asked: Float[Array, " rings"]


class Curves(eqx.Module):
    """Own-channel weight of every ring against its own voltage, the others at rest at 0 V.

    A ring's weight falls to its minimum on resonance and rises on both sides; the side with more voltage is used.
    Beyond the resonance the curve is held flat, so that it is monotone.
    """

    volts: Float[Array, " scan"]
    weights: Float[Array, "scan rings"]

    @property
    def low(self) -> Float[Array, " rings"]:
        """Lowest weight of every ring."""
        return self.weights.min(0)

    @property
    def high(self) -> Float[Array, " rings"]:
        """Highest weight of every ring."""
        return self.weights.max(0)


def bus_of(calibration: Calibration, number: Int[Array, ""]) -> Bus:
    """A bus of a row by its number, counted bus by bus, row by row."""
    count = calibration.rows.gain_A.shape[1]
    row, bus = number // count, number % count
    model = jax.tree.map(lambda leaf: leaf[row, bus], calibration.rows)
    # `Calibration.effective_scale` of this bus alone: of the whole bank it would cost a row more than its solution.
    scale = model.gain_A * calibration.light_scale.reshape(count, -1)[bus] / calibration.unit_A[row]
    own = calibration.channel_of_ring[row, bus]
    return Bus(
        row=prepare_row(calibration.wl_um[own], model.rings, model.buses),
        rings=model.rings,
        crosstalk=model.crosstalk,
        drop_ratio=model.drop_ratio,
        scale=scale[own],
        asked=1.0 - calibration.excluded[row].reshape(count, -1)[bus][own],
    )


def weights_and_slopes(
    bus: Bus, volts: Float[Array, " rings"]
) -> tuple[Float[Array, " channels"], Float[Array, "channels rings"]]:
    """Effective weights at ring voltages in V, and their slopes in 1/V."""
    acting = electrode_volts(volts, bus.crosstalk)
    shift_pm = resonance_shift_pm(bus.rings, acting)
    balanced, by_pm = balanced_and_slopes(bus.row, shift_pm, bus.drop_ratio)
    by_acting = by_pm * (bus.rings.slope_pm_V + 2.0 * bus.rings.curvature_pm_V2 * acting)[:, None]
    # A stray share reaches both neighbours, so the slopes by acting voltage mix as the voltages do.
    slopes = electrode_volts(by_acting.T, bus.crosstalk)
    return bus.scale * balanced, bus.scale[:, None] * slopes


def tuning_curves(bus: Bus, max_voltage_V: float, points: int) -> Curves:
    """Curves over the driver's range; the little that a ring's neighbours move with it is left out."""
    volts = jnp.linspace(-max_voltage_V, max_voltage_V, points)
    swept_pm = resonance_shift_pm(bus.rings, volts[:, None])
    curves = bus.scale * balanced_alone(bus.row, bus.rings.offset_pm, swept_pm, bus.drop_ratio)
    bottom = jnp.argmin(curves, axis=0)
    index = jnp.arange(points)[:, None]
    upwards = bottom <= points // 2
    held = jnp.where(jnp.where(upwards, index >= bottom, index <= bottom), curves, curves.min(0))
    monotone = jnp.where(upwards, jax.lax.cummax(held, axis=0), jax.lax.cummax(held, axis=0, reverse=True))
    return Curves(volts, monotone)


def voltages_alone(curves: Curves, weights: Float[Array, " rings"]) -> Float[Array, " rings"]:
    """Voltage at which every ring, alone, has its weight; the nearest end of its curve where it has none."""
    rising = curves.weights[-1] >= curves.weights[0]

    def one(w, curve, up):
        xp = jnp.where(up, curve, curve[::-1])
        fp = jnp.where(up, curves.volts, curves.volts[::-1])
        # Flat stretches (beyond the resonance) carry no voltage information: tip them by a hair.
        return jnp.interp(w, xp + 1e-9 * jnp.arange(len(xp)), fp)

    return jax.vmap(one, in_axes=(0, 1, 0))(weights, curves.weights, rising)
