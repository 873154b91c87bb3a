"""A virtual chip: the exact circuit with hidden fabrication errors and receiver noise, behind the bench's door.

The truth lives in closures of the chip's two private functions; no attribute leads to it.
"""

from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy import ndarray

from prism_photonics.chip.abstract import AbstractChip
from prism_photonics.circuit.params import BankParams, designed_bank
from prism_photonics.circuit.row import bank_powers
from prism_photonics.lightpath.detector.model import noise_variance_A2
from prism_photonics.lightpath.modulator.encoding import quantize
from prism_photonics.lightpath.ring.model import electrode_volts
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError, ratio_from_dB


class _Truth(eqx.Module):
    """One fabricated die: its optics, each line's power at the modulator, each photodiode's response."""

    bank: BankParams
    line_W: Float[Array, " channels"]
    response_A_W: Float[Array, "2 rows"]
    crosstalk: Float[Array, "rows gaps"]


@final
class VirtualChip(AbstractChip):
    """A seeded die on a perfect bench. Make one with `fabricate`."""

    def __init__(self, spec: ChipSpec, drive: Callable, read: Callable) -> None:
        super().__init__(spec)
        self._drive_hidden = drive
        self._read_hidden = read

    @classmethod
    def fabricate(cls, spec: ChipSpec, key: PRNGKeyArray) -> "VirtualChip":
        """Draw a die from the spec's variation; the same key gives the same die and the same noise.

        Args:
            spec: The chip and how it scatters.
            key: JAX random key.

        Returns:
            A chip that can be set and measured.
        """
        truth_key, noise_key = jax.random.split(key)
        truth = _draw(spec, truth_key)
        detector, modulator = spec.detector_design, spec.modulator_design
        rin_std = np.sqrt(10.0 ** (spec.comb.rin_dB_Hz / 10.0) * detector.bandwidth_Hz)
        noise = np.random.default_rng(np.asarray(jax.random.key_data(noise_key)).tolist())
        step_V, top_V = spec.voltage_step_V, spec.drive.max_voltage_V
        adc = (detector.adc_bits, -detector.adc_full_scale_A, detector.adc_full_scale_A)
        # The powers hold until the next `set`: a reading then costs a few microseconds.
        state: dict[str, ndarray] = {}

        def drive(volts: Float[ndarray, "rows rings"]) -> None:
            # The driver's own guard: whatever reached it, no code stands for more than its rails.
            if not (np.abs(volts) <= top_V).all():
                raise InputError(f"chip.set: a voltage beyond the driver's ±{top_V:g} V; nothing was written")
            on_grid = np.round((volts + top_V) / step_V) * step_V - top_V
            plus, minus = _currents_at_full_light(truth, jnp.asarray(on_grid))
            state["plus"], state["minus"] = np.asarray(plus), np.asarray(minus)

        def read(light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
            light = quantize(light, modulator.dac_bits, 0.0, 1.0)
            plus, minus = state["plus"] * light, state["minus"] * light
            line_A = plus - minus
            # Thermal and shot noise belong to a row; a line's intensity noise is the laser's, common to all rows.
            white = np.sqrt(noise_variance_A2(detector, (plus + minus).sum(-1), line_A, rin_dB_Hz=-np.inf))
            wobble = rin_std * noise.standard_normal((averages, light.size))
            samples = line_A.sum(-1) + wobble @ line_A.T + white * noise.standard_normal((averages, white.size))
            return quantize(samples, *adc).mean(0)

        drive(np.zeros((spec.chip.rows, spec.chip.channels)))
        return cls(spec, drive, read)

    def _drive(self, volts: Float[ndarray, "rows rings"]) -> None:
        self._drive_hidden(volts)

    def _read(self, light: Float[ndarray, " channels"], averages: int) -> Float[ndarray, " rows"]:
        return self._read_hidden(light, averages)


@eqx.filter_jit
def _currents_at_full_light(
    truth: _Truth, volts: Float[Array, "rows rings"]
) -> tuple[Float[Array, "rows channels"], Float[Array, "rows channels"]]:
    """Photocurrents (through, drop) in A of every row, one fully lit line at a time."""
    through, drop = bank_powers(truth.bank, electrode_volts(volts, truth.crosstalk))
    arriving_W = truth.line_W * truth.bank.feed.amplitude[:, None] ** 2
    return truth.response_A_W[0][:, None] * arriving_W * through, truth.response_A_W[1][:, None] * arriving_W * drop


@eqx.filter_jit
def _draw(spec: ChipSpec, key: PRNGKeyArray) -> _Truth:
    """Draw the hidden die: see `VariationTable` for what scatters and by how much."""
    v = spec.variation
    rows, channels = spec.chip.rows, spec.chip.channels
    shape = (rows, channels)
    keys = iter(jax.random.split(key, 16))
    normal = lambda *size: jax.random.normal(next(keys), size)  # noqa: E731
    design = designed_bank(spec)
    offset_pm = v.resonance_local_pm * normal(*shape) + v.resonance_correlated_pm * _correlated(spec, normal(*shape))
    gap_scale = [
        jnp.exp(-v.gap_nm * 1e-3 * normal(*shape) / spec.profile.optics.coupler_decay_um.value) for _ in range(2)
    ]
    rings = design.rings
    rings = eqx.tree_at(
        lambda r: (r.t1, r.t2, r.a, r.offset_pm, r.slope_pm_V, r.curvature_pm_V2),
        rings,
        (
            jnp.sqrt(1.0 - (1.0 - rings.t1**2) * gap_scale[0]),
            jnp.sqrt(1.0 - (1.0 - rings.t2**2) * gap_scale[1]),
            # ln a scales with the loss, so a log-normal loss is a skewed Q with a heavy tail.
            rings.a ** jnp.exp(v.loss_log * normal(*shape)),
            offset_pm,
            rings.slope_pm_V * (1.0 + v.slope_relative * normal(*shape)),
            v.curvature_pm_V2 * normal(*shape),
        ),
    )
    # A bus of 100 µm collects many radians of index error: its phase is uniform.
    phases = jax.random.uniform(next(keys), design.buses.phase_rad.shape, maxval=2.0 * jnp.pi)
    buses = eqx.tree_at(lambda b: b.phase_rad, design.buses, phases)
    feed = eqx.tree_at(
        lambda f: f.amplitude, design.feed, design.feed.amplitude * jnp.sqrt(_tree_shares(spec, next(keys)))
    )
    line_dB = v.line_power_dB * normal(channels) - spec.modulator.loss_dB
    response = spec.detector.responsivity_A_W * ratio_from_dB(-spec.detector.loss_dB)
    return _Truth(
        bank=BankParams(design.wl_um, rings, buses, feed),
        line_W=spec.comb_design.line_power_W * 10.0 ** (line_dB / 10.0),
        response_A_W=response * (1.0 + v.responsivity_relative * normal(2, rows)),
        # No published spread of electrode crosstalk: 30 % from gap to gap is a design choice.
        crosstalk=v.crosstalk_relative * (1.0 + 0.3 * normal(rows, channels - 1)),
    )


def _correlated(spec: ChipSpec, white: Float[Array, "rows rings"]) -> Float[Array, "rows rings"]:
    """Unit-variance Gaussian field over the die with correlation ``exp(−d²/2ℓ²)``, sampled at the rings."""
    sites = (jnp.arange(spec.chip.rows) * spec.row_pitch_um, jnp.arange(spec.chip.channels) * spec.ring.pitch_um)

    def factor(where_um: Float[Array, " sites"]) -> Float[Array, "sites sites"]:
        distance2 = (where_um[:, None] - where_um[None]) ** 2
        covariance = jnp.exp(-distance2 / (2.0 * spec.variation.correlation_length_um**2))
        return jnp.linalg.cholesky(covariance + 1e-9 * jnp.eye(where_um.size))

    # The kernel is separable: one factor per direction instead of one for all pairs of rings.
    return factor(sites[0]) @ white @ factor(sites[1]).T


def _tree_shares(spec: ChipSpec, key: PRNGKeyArray) -> Float[Array, " rows"]:
    """Power of each row relative to an even split: every splitter of the tree has its own imbalance."""
    shares = jnp.ones(1)
    for level, level_key in enumerate(jax.random.split(key, tree_levels(spec.chip.rows) + 1)[1:]):
        imbalance = spec.variation.splitter_imbalance * jax.random.normal(level_key, (2**level,))
        shares = (shares[:, None] * jnp.stack([1.0 - imbalance, 1.0 + imbalance], -1)).reshape(-1)
    return shares
