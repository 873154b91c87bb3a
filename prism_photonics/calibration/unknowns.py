"""Unknowns of a calibration for one row, in units of the spec's expected scatter.

Every unknown but the bus phases has a Gaussian prior of unit variance: the spec's [variation] table. The data decide
nearly all of them; the prior settles what balanced readings cannot separate, such as a ring's loss and its couplings.
"""

import dataclasses
from functools import cache
from types import MappingProxyType

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy import ndarray

from prism_photonics.calibration.beyond import Beyond
from prism_photonics.circuit.params import designed_feed
from prism_photonics.circuit.polarized import prepare_polarized_row
from prism_photonics.circuit.prepared_polarized import balanced
from prism_photonics.circuit.row import row_response
from prism_photonics.lightpath.arrays import Numbers
from prism_photonics.lightpath.ring.dispersion import dispersed
from prism_photonics.lightpath.ring.model import RingParams, electrode_volts, resonance_shift_pm
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.lightpath.waveguide.model import PathParams
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.neighbours import voltage_share
from prism_photonics.units import ratio_from_dB


class Unknowns(eqx.Module):
    """Standardised deviations of one row (leading axes may hold rows or starts) from the design; phases in rad."""

    kappa1: Float[Numbers, "... rings"]
    kappa2: Float[Numbers, "... rings"]
    loss: Float[Numbers, "... rings"]
    offset: Float[Numbers, "... rings"]
    slope: Float[Numbers, "... rings"]
    curvature: Float[Numbers, "... rings"]
    phase_rad: Float[Numbers, "... gaps"]
    crosstalk: Float[Numbers, "... gaps"]
    gain: Float[Numbers, "... channels"]
    drop_ratio: Float[Numbers, "..."]


class Scatter(eqx.Module):
    """Standard deviations that one unit of each unknown stands for."""

    kappa: Float[Numbers, ""]
    loss: Float[Numbers, ""]
    offset_pm: Float[Numbers, ""]
    slope: Float[Numbers, ""]
    curvature_pm_V2: Float[Numbers, ""]
    crosstalk: Float[Numbers, ""]
    gain: Float[Numbers, ""]
    drop_ratio: Float[Numbers, ""]

    @classmethod
    def from_spec(cls, spec: ChipSpec) -> "Scatter":
        """The spec's variation, with small floors so that an ideal chip's spec can be calibrated too."""
        v = spec.variation
        levels = tree_levels(spec.chip.rows)
        gain2 = (
            (v.line_power_dB * np.log(10.0) / 10.0) ** 2 + levels * v.splitter_imbalance**2 + v.responsivity_relative**2
        )
        deviations = {
            # κ² goes with the square of the coupler's angle.
            "kappa": max(2.0 * v.gap_nm * 1e-3 / spec.profile.gap_law.decay_um, 1e-3),
            "loss": max(v.loss_log, 1e-3),
            "offset_pm": max(spec.resonance_pm, 0.1),
            "slope": max(v.slope_relative, 1e-3),
            "curvature_pm_V2": max(v.curvature_pm_V2, 1e-4),
            "crosstalk": max(voltage_share(spec), 1e-5),
            "gain": max(float(np.sqrt(gain2)), 1e-3),
            "drop_ratio": max(np.sqrt(2.0) * v.responsivity_relative, 1e-3),
        }
        return cls(**{name: np.asarray(value, dtype=float) for name, value in deviations.items()})


class RowModel(eqx.Module):
    """A row that predicts currents.

    Attributes:
        rings: Ring optics.
        buses: Bus segments.
        crosstalk: Share of a voltage that the neighbouring ring sees, across each gap.
        gain_A: Current of a fully lit, fully passed line, in A.
        drop_ratio: Responsivity of the drop photodiode over the through one.
        beyond: What the plain row lacks; None where the readings did not ask for it.
    """

    rings: RingParams
    buses: PathParams
    crosstalk: Float[Numbers, "... gaps"]
    gain_A: Float[Numbers, "... channels"]
    drop_ratio: Float[Numbers, "..."]
    beyond: Beyond | None = None

    def shift_pm(self, acting_V: Float[Numbers, "... rings"]) -> Float[Numbers, "... rings"]:
        """Resonance shift of every ring in pm at acting voltages in V."""
        return tuned_pm(self.rings, self.beyond, acting_V)


def tuned_pm(rings: RingParams, beyond: Beyond | None, acting_V: Float[Numbers, "..."]) -> Float[Numbers, "..."]:
    """Resonance shift in pm of rings at acting voltages in V, with the tuning by V³ if any was fitted."""
    shift_pm = resonance_shift_pm(rings, acting_V)
    return shift_pm if beyond is None else shift_pm + beyond.cubic_pm_V3 * acting_V**3


def tuning_pm_V(rings: RingParams, beyond: Beyond | None, acting_V: Float[Numbers, "..."]) -> Float[Numbers, "..."]:
    """Slope of `tuned_pm` by the acting voltage, in pm/V."""
    slope_pm_V = rings.slope_pm_V + 2.0 * rings.curvature_pm_V2 * acting_V
    return slope_pm_V if beyond is None else slope_pm_V + 3.0 * beyond.cubic_pm_V3 * acting_V**2


@cache
def columns(rings: int) -> MappingProxyType[str, slice]:
    """Where each field of `Unknowns` stands in the flat vector of a bus."""
    gaps = {"phase_rad": rings - 1, "crosstalk": rings - 1, "drop_ratio": 1}
    found, first = {}, 0
    for field in dataclasses.fields(Unknowns):
        after = first + gaps.get(field.name, rings)
        found[field.name], first = slice(first, after), after
    return MappingProxyType(found)


def ring_model(unknowns: Unknowns, design: RingParams, scatter: Scatter) -> RingParams:
    """The rings that a set of unknowns describes, as NumPy arrays."""
    # The gap's error is Gaussian, so κ² = 1 − t² is log-normal; a loss error multiplies ln a.
    t1 = np.sqrt(1.0 - (1.0 - design.t1**2) * np.exp(scatter.kappa * unknowns.kappa1))
    t2 = np.sqrt(1.0 - (1.0 - design.t2**2) * np.exp(scatter.kappa * unknowns.kappa2))
    return RingParams(
        t1=t1,
        t2=t2,
        a=design.a ** np.exp(scatter.loss * unknowns.loss),
        opl_um=design.opl_um,
        gpl_um=design.gpl_um,
        offset_pm=scatter.offset_pm * unknowns.offset,
        slope_pm_V=design.slope_pm_V * (1.0 + scatter.slope * unknowns.slope),
        curvature_pm_V2=scatter.curvature_pm_V2 * unknowns.curvature,
        wl0_um=design.wl0_um,
    )


def row_model(
    unknowns: Unknowns,
    design: RingParams,
    buses: PathParams,
    *,
    gain_A: Float[ndarray, "... channels"],
    scatter: Scatter,
) -> RowModel:
    """The rows that sets of unknowns describe, as NumPy arrays of any leading axes.

    Args:
        unknowns: The unknowns.
        design: Designed rings.
        buses: Designed bus segments.
        gain_A: The design's current of each fully passed line.
        scatter: Standard deviation that one unit of each unknown stands for.
    """
    # Only the sum of both buses' phases between two rings is seen by intensities; the through bus carries it.
    phases = np.zeros(np.shape(buses.phase_rad))
    phases[..., 0, 1:-1] = unknowns.phase_rad
    return RowModel(
        ring_model(unknowns, design, scatter),
        dataclasses.replace(buses, phase_rad=phases),
        scatter.crosstalk * unknowns.crosstalk,
        gain_A * np.exp(scatter.gain * unknowns.gain),
        1.0 + scatter.drop_ratio * unknowns.drop_ratio,
    )


def designed_gain_A(spec: ChipSpec, *, laser: bool = False) -> Float[ndarray, "rows buses channels"]:
    """Current in A from dark to full light of each line when its bus passes everything, by design.

    A tunable ``laser`` has no tilt, gives the chip as much as a line behind its modulator, and is dark when it is off.
    """
    loss_dB = spec.modulator.loss_dB + spec.detector.loss_dB
    feed, comb = designed_feed(spec, xp=np), spec.comb_design
    lines_W = np.asarray(comb.line_powers_W) / (1.0 + spec.modulator_design.leak)
    lines_W = np.full(comb.channels, comb.line_power_W) if laser else lines_W
    return spec.detector.responsivity_A_W * ratio_from_dB(-loss_dB) * (feed.amplitude**2)[..., None] * lines_W


def channel_transmission(
    wl: Float[Array, ""],
    row: RowModel,
    volts: Float[Array, " rings"],
    drift_pm: Float[Array, " rings"] | float = 0.0,
) -> Float[Array, ""]:
    """Balanced transmission of a row for one channel, ``T_through − ρ·T_drop``, dimensionless.

    Args:
        wl: The channel's wavelength in µm.
        row: The row.
        volts: Acting voltages of its rings in V.
        drift_pm: How far each ring has drifted, in pm.
    """
    shift_pm = row.shift_pm(electrode_volts(volts, row.crosstalk)) + drift_pm
    if row.beyond is not None and row.beyond.tm is not None:
        both = prepare_polarized_row(
            wl[None],
            row.rings,
            row.buses,
            row.beyond.reflections,
            second=row.beyond.tm,
            dispersion=row.beyond.dispersion,
        )
        return balanced(both, shift_pm, row.drop_ratio)[0]
    if row.beyond is None:
        fields = row_response(wl[None], row.rings, row.buses, shift_pm)
    else:
        rings = dispersed(wl, row.rings, row.beyond.dispersion)
        fields = row_response(wl[None], rings, row.buses, shift_pm, reflections=row.beyond.reflections)
    return (jnp.abs(fields.through) ** 2 - row.drop_ratio * jnp.abs(fields.drop) ** 2)[0]


def row_transmission(
    wl: Float[Array, " channels"], row: RowModel, volts: Float[Array, " rings"]
) -> Float[Array, " channels"]:
    """`channel_transmission` of every channel at one setting of the row's voltages."""
    return jax.vmap(lambda wl_c: channel_transmission(wl_c, row, volts))(wl)
