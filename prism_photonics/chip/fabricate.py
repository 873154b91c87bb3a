"""One die as the foundry might deliver it: the design, scattered as the spec's variation says."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from prism_photonics.circuit.params import BankParams, designed_bank
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.spec import ChipSpec
from prism_photonics.units import ratio_from_dB


class Die(eqx.Module):
    """The truth of one die.

    Attributes:
        bank: Its optics.
        full_A: Photocurrent of each fully lit line if all of it reached the through or the drop photodiode, in A.
        crosstalk: Share of a ring's voltage that its neighbour sees, across each gap.
        inl_phase_rad: Shape of each modulator driver's nonlinearity.
        heater_share: Share of each heater's shift that a ring one pitch away sees.
    """

    bank: BankParams
    full_A: Float[Array, "2 rows rings"]
    crosstalk: Float[Array, "rows buses gaps"]
    inl_phase_rad: Float[Array, " rings"]
    heater_share: Float[Array, "rows rings"]


@eqx.filter_jit
def draw_die(spec: ChipSpec, key: PRNGKeyArray) -> Die:
    """Draw a die: see `VariationTable` and `TrimTable` for what scatters and by how much."""
    v = spec.variation
    design = designed_bank(spec)
    shape, (rows, buses, channels) = design.shape, design.shape
    keys = iter(jax.random.split(key, 16))
    normal = lambda *size: jax.random.normal(next(keys), size)  # noqa: E731
    # An error of the gap scales the coupler's angle C(g)·L.
    gap_scale = [jnp.exp(-v.gap_nm * 1e-3 * normal(*shape) / spec.profile.gap_law.decay_um) for _ in range(2)]
    rings = eqx.tree_at(
        lambda r: (r.t1, r.t2, r.a, r.offset_pm, r.slope_pm_V, r.curvature_pm_V2),
        design.rings,
        (
            jnp.cos(jnp.arccos(design.rings.t1) * gap_scale[0]),
            jnp.cos(jnp.arccos(design.rings.t2) * gap_scale[1]),
            # ln a scales with the loss, so a log-normal loss is a skewed Q with a heavy tail.
            design.rings.a ** jnp.exp(v.loss_log * normal(*shape)),
            resonance_errors_pm(spec, next(keys)).reshape(shape),
            design.rings.slope_pm_V * (1.0 + v.slope_relative * normal(*shape)),
            v.curvature_pm_V2 * normal(*shape),
        ),
    )
    # A bus of 100 µm collects many radians of index error: its phase is uniform.
    phases = jax.random.uniform(next(keys), design.buses.phase_rad.shape, maxval=2.0 * jnp.pi)
    shares = jax.vmap(lambda k: _tree_shares(spec, k), out_axes=1)(jax.random.split(next(keys), buses))
    feed = eqx.tree_at(lambda f: f.amplitude, design.feed, design.feed.amplitude * jnp.sqrt(shares))
    line_dB = v.line_power_dB * normal(buses, channels) - spec.modulator.loss_dB
    line_W = jnp.asarray(spec.comb_design.line_powers_W) * 10.0 ** (line_dB / 10.0)
    response = spec.detector.responsivity_A_W * ratio_from_dB(-spec.detector.loss_dB)
    response_A_W = response * (1.0 + v.responsivity_relative * normal(2, rows, buses))
    full_A = response_A_W[..., None] * (feed.amplitude**2)[..., None] * line_W
    return Die(
        bank=BankParams(design.wl_um, rings, eqx.tree_at(lambda b: b.phase_rad, design.buses, phases), feed),
        full_A=full_A.reshape(2, rows, -1),
        # No published spread of electrode crosstalk: 30 % from gap to gap is a design choice.
        crosstalk=v.crosstalk_relative * (1.0 + 0.3 * normal(rows, buses, channels - 1)),
        inl_phase_rad=jax.random.uniform(next(keys), (buses * channels,), maxval=2.0 * jnp.pi),
        # No published spread of this either: 30 % from heater to heater is a design choice.
        heater_share=spec.trim.heater_crosstalk * (1.0 + 0.3 * normal(rows, buses * channels)),
    )


def resonance_errors_pm(spec: ChipSpec, key: PRNGKeyArray) -> Float[Array, "rows rings"]:
    """Resonance minus design of every ring in pm: thickness, width and a local part, or what trimming left."""
    v, optics = spec.variation, spec.profile.optics
    thickness_key, width_key, local_key = jax.random.split(key, 3)
    shape = (spec.chip.rows, spec.chip.rings)
    local = jax.random.normal(local_key, shape)
    if spec.trim.method != "none":
        return spec.trim.residual_pm * local
    return (
        optics.thickness_pm_nm.value * v.thickness_nm * _correlated(spec, jax.random.normal(thickness_key, shape))
        + optics.width_pm_nm.value * v.width_nm * _correlated(spec, jax.random.normal(width_key, shape))
        + v.resonance_local_pm * local
    )


def _correlated(spec: ChipSpec, white: Float[Array, "rows rings"]) -> Float[Array, "rows rings"]:
    """Unit-variance Gaussian field over the die with correlation ``exp(−d²/2ℓ²)``, sampled at the rings."""
    sites = (jnp.arange(spec.chip.rows) * spec.row_pitch_um, jnp.arange(spec.chip.rings) * spec.ring.pitch_um)

    def factor(where_um: Float[Array, " sites"]) -> Float[Array, "sites sites"]:
        distance2 = (where_um[:, None] - where_um[None]) ** 2
        covariance = jnp.exp(-distance2 / (2.0 * spec.variation.correlation_length_um**2))
        return jnp.linalg.cholesky(covariance + 1e-6 * jnp.eye(where_um.size))

    # The kernel is separable: one factor per direction instead of one for all pairs of rings.
    return factor(sites[0]) @ white @ factor(sites[1]).T


def _tree_shares(spec: ChipSpec, key: PRNGKeyArray) -> Float[Array, " rows"]:
    """Power of each row relative to an even split: every splitter of the tree has its own imbalance."""
    shares = jnp.ones(1)
    for level, level_key in enumerate(jax.random.split(key, tree_levels(spec.chip.rows) + 1)[1:]):
        imbalance = spec.variation.splitter_imbalance * jax.random.normal(level_key, (2**level,))
        shares = (shares[:, None] * jnp.stack([1.0 - imbalance, 1.0 + imbalance], -1)).reshape(-1)
    return shares
