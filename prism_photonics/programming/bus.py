"""Buses in units of weight: the part of a calibration that programming evaluates many times.

The same lines serve one bus in JAX's arrays, which is mapped over many and compiled, and many buses in NumPy's.
"""

from types import ModuleType

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int

from prism_photonics.calibration.beyond import Beyond
from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.unknowns import RowModel, tuned_pm, tuning_pm_V
from prism_photonics.circuit import prepared, prepared_polarized, prepared_reflecting
from prism_photonics.circuit.polarized import PreparedPolarizedRow, prepare_polarized_row
from prism_photonics.circuit.prepared import PreparedRow, prepare_row
from prism_photonics.circuit.prepared_reflecting import PreparedReflectingRow, prepare_reflecting_row
from prism_photonics.codec.modulation import namespace
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.lightpath.ring.model import RingParams, electrode_volts

# Points of a curve: a start needs to be near, a reachable range exact (0.1 % of full scale between two points).
START_POINTS, REACH_POINTS = 33, 129


class Bus(eqx.Module):
    """A bus and its rings, or many; channels, too, stand in the order of the rings that serve them.

    Attributes:
        row: The light's path, voltages apart.
        rings: Ring optics, for their tuning.
        beyond: What the fit knows beyond the plain row, if anything; for the tuning too.
        crosstalk: Share of a voltage that the neighbouring ring sees, across each gap.
        drop_ratio: Responsivity of the drop photodiode over the through one.
        scale: Effective weight per unit of ``T_through − ρ·T_drop``.
        asked: 1, or 0 for an excluded ring: it is held at rest and asked for nothing.
    """

    row: PreparedRow | PreparedReflectingRow | PreparedPolarizedRow
    rings: RingParams
    beyond: Beyond | None
    crosstalk: Float[Numbers, "... gaps"]
    drop_ratio: Float[Numbers, "..."]
    scale: Float[Numbers, "... channels"]
    asked: Float[Numbers, "... rings"]


class Curves(eqx.Module):
    """Own-channel weight of every ring against its own voltage, the others at rest at 0 V.

    A ring's weight falls to its minimum on resonance and rises on both sides; the side that rises higher is used. It is
    the side with more voltage, unless curvature of the tuning bends that one back.
    Beyond the resonance the curve is held flat, so that it is monotone.
    """

    volts: Float[Numbers, " scan"]
    weights: Float[Numbers, "scan ... rings"]

    @property
    def low(self) -> Float[Numbers, "... rings"]:
        """Lowest weight of every ring."""
        return self.weights.min(0)

    @property
    def high(self) -> Float[Numbers, "... rings"]:
        """Highest weight of every ring."""
        return self.weights.max(0)


def bus_of(calibration: Calibration, number: Int[Numbers, "..."]) -> Bus:
    """A bus by its number, counted bus by bus, row by row; or many, in the arrays of the calibration."""
    xp = namespace(calibration.unit_A)
    count = calibration.rows.gain_A.shape[1]
    row, bus = number // count, number % count
    model = jax.tree.map(lambda leaf: leaf[row, bus], calibration.rows)
    # `Calibration.effective_scale` of these buses alone: of the whole bank it would cost a row more than its solution.
    light, unit_A = calibration.light_scale.reshape(count, -1)[bus], calibration.unit_A[row][..., None]
    own = calibration.channel_of_ring[row, bus]
    excluded = calibration.excluded.reshape(calibration.rows.gain_A.shape)[row, bus]
    wl_um = calibration.wl_um[own]
    return Bus(
        row=_prepared(wl_um, model),
        rings=model.rings,
        beyond=model.beyond,
        crosstalk=model.crosstalk,
        drop_ratio=model.drop_ratio,
        scale=xp.take_along_axis(model.gain_A * light / unit_A, own, -1),
        asked=1.0 - xp.take_along_axis(excluded, own, -1),
    )


def weights_at(bus: Bus, volts: Float[Numbers, "... rings"]) -> Float[Numbers, "... channels"]:
    """Effective weights at ring voltages in V."""
    shift_pm = tuned_pm(bus.rings, bus.beyond, electrode_volts(volts, bus.crosstalk))
    return bus.scale * _solver(bus).balanced(bus.row, shift_pm, bus.drop_ratio)


def weights_and_slopes(
    bus: Bus, volts: Float[Numbers, "... rings"]
) -> tuple[Float[Numbers, "... channels"], Float[Numbers, "... channels rings"]]:
    """Effective weights at ring voltages in V, and their slopes in 1/V."""
    acting = electrode_volts(volts, bus.crosstalk)
    shift_pm = tuned_pm(bus.rings, bus.beyond, acting)
    transmission, by_pm = _solver(bus).balanced_and_slopes(bus.row, shift_pm, bus.drop_ratio)
    pm_V = tuning_pm_V(bus.rings, bus.beyond, acting)
    by_acting = namespace(by_pm).moveaxis(by_pm, 0, -1) * pm_V[..., None, :]
    # A stray share reaches both neighbours, so the slopes by acting voltage mix as the voltages do.
    slopes = electrode_volts(by_acting, bus.crosstalk[..., None, :])
    return bus.scale * transmission, bus.scale[..., None] * slopes


def tuning_curves(bus: Bus, max_voltage_V: float, points: int) -> Curves:
    """Curves over the driver's range; the little that a ring's neighbours move with it is left out."""
    xp = namespace(bus.scale)
    volts = xp.linspace(-max_voltage_V, max_voltage_V, points)
    along = (points, *(1 for _ in bus.scale.shape))
    swept_pm = tuned_pm(bus.rings, bus.beyond, volts.reshape(along))
    curves = bus.scale * _solver(bus).balanced_alone(bus.row, bus.rings.offset_pm, swept_pm, bus.drop_ratio)
    bottom = xp.argmin(curves, axis=0)
    index = xp.arange(points).reshape(along)
    before, after = (xp.where(side, curves, -xp.inf).max(0) for side in (index <= bottom, index >= bottom))
    upwards = after >= before
    held = xp.where(xp.where(upwards, index >= bottom, index <= bottom), curves, curves.min(0))
    monotone = xp.where(upwards, _running_max(held), _running_max(held[::-1])[::-1])
    return Curves(volts, monotone)


def voltages_alone(curves: Curves, weights: Float[Numbers, "... rings"]) -> Float[Numbers, "... rings"]:
    """Voltage at which every ring, alone, has its weight; the nearest end of its curve where it has none."""
    xp, points = namespace(curves.weights), len(curves.volts)
    rising = curves.weights[-1] >= curves.weights[0]
    # Flat stretches (beyond the resonance) carry no voltage information: tip them by a hair.
    tip = 1e-9 * xp.arange(points).reshape(points, *(1 for _ in rising.shape))
    curve = xp.where(rising, curves.weights, curves.weights[::-1]) + tip
    volts = xp.where(rising, curves.volts.reshape(tip.shape), curves.volts[::-1].reshape(tip.shape))
    after = xp.clip((curve <= weights).sum(0), 1, points - 1)[None]
    (w0, w1), (v0, v1) = (
        (xp.take_along_axis(leaf, after - 1, 0)[0], xp.take_along_axis(leaf, after, 0)[0]) for leaf in (curve, volts)
    )
    return v0 + xp.clip((weights - w0) / (w1 - w0), 0.0, 1.0) * (v1 - v0)


def _prepared(
    wl_um: Float[Numbers, "... channels"], model: RowModel
) -> PreparedRow | PreparedReflectingRow | PreparedPolarizedRow:
    """Buses as fitted, prepared for the solver that knows all that they have."""
    rings, buses, beyond = model.rings, model.buses, model.beyond
    if beyond is None:
        return prepare_row(wl_um, rings, buses)
    reflections, dispersion = beyond.reflections, beyond.dispersion
    if beyond.tm is None:
        return prepare_reflecting_row(wl_um, rings, buses, reflections, dispersion=dispersion)
    return prepare_polarized_row(wl_um, rings, buses, reflections, second=beyond.tm, dispersion=dispersion)


def _solver(bus: Bus) -> ModuleType:
    """What solves the bus's row."""
    if isinstance(bus.row, PreparedPolarizedRow):
        return prepared_polarized
    return prepared if isinstance(bus.row, PreparedRow) else prepared_reflecting


def _running_max(curves: Float[Numbers, "scan ... rings"]) -> Float[Numbers, "scan ... rings"]:
    return np.maximum.accumulate(curves) if isinstance(curves, np.ndarray) else jax.lax.cummax(curves, axis=0)
