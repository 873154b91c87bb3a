"""An extended Kalman filter of a chip's drift, through the rows as fitted, and the voltages that undo the drift.

Every reading of a lit line sees the temperatures that all rings share and the rings' own shifts: what all rows have in
common of the innovation is temperature, what is left is the ring's.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from prism_photonics.calibration.calibration import Calibration, of_row
from prism_photonics.calibration.unknowns import channel_transmission, row_transmission, tuning_pm_V
from prism_photonics.compiled import compiled_soon
from prism_photonics.drift.state import DriftModel, DriftState
from prism_photonics.lightpath.ring.model import electrode_volts

# Innovation in standard deviations beyond which a reading is an outlier (design choice). Where most rows are outliers
# the chip moves faster than its spec expects, and its temperatures are as uncertain as at first; a single row tells of
# its own rings only.
OUTLIER = 4.0
# Gauss–Newton iterations of one update.
ITERATIONS = 2


@eqx.filter_jit
def drifted_calibration(
    calibration: Calibration, state: DriftState, patterns_pm: Float[Array, "3 rows rings"]
) -> Calibration:
    """The calibration of a chip that has drifted, exactly: ``shift(V − x) + δ`` is a polynomial in V as before."""
    rings, beyond = calibration.rows.rings, calibration.rows.beyond
    x = electrode_volts(state.relaxed_V.reshape(rings.slope_pm_V.shape), calibration.rows.crosstalk)
    shift_pm = state.shift_pm(patterns_pm).reshape(x.shape)
    offset_pm = rings.offset_pm + shift_pm - rings.slope_pm_V * x + rings.curvature_pm_V2 * x**2
    slope_pm_V = rings.slope_pm_V - 2.0 * rings.curvature_pm_V2 * x
    if beyond is None:
        return eqx.tree_at(
            lambda c: (c.rows.rings.offset_pm, c.rows.rings.slope_pm_V), calibration, (offset_pm, slope_pm_V)
        )
    cubic = beyond.cubic_pm_V3
    moved = eqx.tree_at(
        lambda ring: (ring.offset_pm, ring.slope_pm_V, ring.curvature_pm_V2),
        rings,
        (offset_pm - cubic * x**3, slope_pm_V + 3.0 * cubic * x**2, rings.curvature_pm_V2 - 3.0 * cubic * x),
    )
    return eqx.tree_at(lambda c: c.rows.rings, calibration, moved)


@eqx.filter_jit
def corrected_volts(
    calibration: Calibration,
    volts: Float[Array, "rows rings"],
    state: DriftState,
    patterns_pm: Float[Array, "3 rows rings"],
) -> Float[Array, "rows rings"]:
    """Voltages that put every resonance back to where ``volts`` had put it as calibrated: ``V + x + Δ``.

    With s and q a ring's slope and curvature, δ its shift and e its acting voltage, ``q·Δ² + (s + 2·q·e)·Δ + δ = 0``.
    The crosstalk of the small Δ is neglected, and so is Δ³ where the tuning has a cubic part.
    """
    rings, beyond = calibration.rows.rings, calibration.rows.beyond
    e = electrode_volts(volts.reshape(rings.slope_pm_V.shape), calibration.rows.crosstalk)
    delta = state.shift_pm(patterns_pm).reshape(e.shape)
    q, b = rings.curvature_pm_V2, tuning_pm_V(rings, beyond, e)
    if beyond is not None:
        q = q + 3.0 * beyond.cubic_pm_V3 * e
    # The root that goes to −δ/b without curvature; where there is none, the nearest voltage.
    root = jnp.sqrt(jnp.maximum(b**2 - 4.0 * q * delta, 0.0))
    return volts + state.relaxed_V + of_row(-2.0 * delta / (b + jnp.where(b < 0.0, -root, root)))


@compiled_soon
def predicted_A(
    calibration: Calibration,
    state: DriftState,
    patterns_pm: Float[Array, "3 rows rings"],
    *,
    volts: Float[Array, "rows rings"],
    lights: Float[Array, "lights rings"],
) -> Float[Array, "lights rows"]:
    """Readings of a drifted chip at given voltages and transmissions of the modulators, in A."""
    rows = drifted_calibration(calibration, state, patterns_pm).rows
    by_bus = volts.reshape(rows.gain_A.shape)
    one = lambda row, v: row_transmission(calibration.wl_um, row, v)  # noqa: E731
    full_A = of_row(rows.gain_A * jax.vmap(jax.vmap(one))(rows, by_bus))
    return calibration.dark_A + (lights + calibration.leak) @ full_A.T


@compiled_soon
def kalman_update(
    calibration: Calibration,
    state: DriftState,
    model: DriftModel,
    *,
    volts: Float[Array, "rows rings"],
    lines: Int[Array, " readings"],
    current_A: Float[Array, "readings rows"],
    sigma_A: Float[Array, "readings rows"],
    seconds: Float[Array, " readings"],
    laser_pm: Float[Array, " readings"] | None = None,
    own: bool = True,
) -> DriftState:
    """Steps of an extended Kalman filter, one for each reading of all rows: predicted in time, then corrected.

    Args:
        calibration: As made.
        state: The estimate before the first reading.
        model: How the chip drifts.
        volts: Voltages during the readings, in V.
        lines: The line that was lit, fully and alone, in each reading.
        current_A: The readings less their dark level, in A.
        sigma_A: Their standard errors, in A; infinite where a reading has no weight.
        seconds: Time that passed before each, in s.
        laser_pm: How far a tunable laser may have missed its wavelength in each, in pm, all rows alike; by default a
            comb's lines, which are where they are.
        own: Whether each ring's own shift is estimated too; else it counts as noise.

    Returns:
        The estimate at the last reading.

    Source: iterated extended Kalman filter (Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and
    Navigation, 2001, §10.5.2).
    """
    rows, buses, channels = calibration.rows.gain_A.shape
    by_bus_V = volts.reshape(rows, buses, channels)
    missed_pm_each = jnp.zeros_like(seconds) if laser_pm is None else laser_pm

    def step(before: DriftState, reading) -> tuple[DriftState, None]:
        line, read_A, noise_A, waited_s, missed_pm = reading
        state = model.predict(before, waited_s)
        first, own_pm = jnp.append(state.temperatures, state.film), state.own_pm
        bus, channel = jnp.divmod(line, channels)
        on_bus = bus * channels + jnp.arange(channels)

        def predicted(shared: Float[Array, "4"], own_pm: Float[Array, "rows rings"]) -> Float[Array, " rows"]:
            drifted = _with(state, shared, own_pm)
            lit = drifted_calibration(calibration, drifted, model.patterns_pm).rows
            lit = jax.tree.map(lambda leaf: leaf[:, bus], lit)
            passed = jax.vmap(lambda row, v: channel_transmission(calibration.wl_um[channel], row, v))
            return calibration.light_scale[line] * lit.gain_A[:, channel] * passed(lit, by_bus_V[:, bus])

        # Rows share no light path: one tangent per ring of a bus shifts that ring of every row at once.
        every_row = jnp.zeros((channels, *own_pm.shape)).at[jnp.arange(channels), :, on_bus].set(1.0)
        tangents = (jnp.eye(4 + channels, 4), jnp.concatenate([jnp.zeros((4, *own_pm.shape)), every_row]))

        def turn(last: _Turn, number: Int[Array, ""]) -> tuple[_Turn, _Turn]:
            """Slopes where the last turn led, and where they lead."""
            along = lambda tangent: jax.jvp(predicted, (last.shared, own_pm), tangent)  # noqa: E731
            foretold_A, by_all = jax.vmap(along, out_axes=(None, 1))(tangents)
            by_own = jnp.zeros(own_pm.shape).at[:, on_bus].set(by_all[:, 4:])
            at_first = _Weights.of(read_A - foretold_A, by_all[:, :4], by_own, of=(noise_A, missed_pm), before=state)
            use = jax.tree.map(lambda new, old: jnp.where(number == 0, new, old), at_first, last.use)
            # A temperature may be uncertain by a good part of a linewidth: its slope is taken anew.
            by_shared = jnp.concatenate([by_all[:, :4], use.by_miss[:, None]], axis=1)
            innovation_A = read_A - foretold_A + by_shared[:, :4] @ (last.shared - first)
            information = jnp.einsum("np,n,nq->pq", by_shared, use.weight, by_shared)
            shared_cov = use.prior_cov @ jnp.linalg.inv(jnp.eye(5) + information @ use.prior_cov)
            change = shared_cov @ (by_shared.T @ (use.weight * innovation_A))
            reached = dataclasses.replace(last, foretold_A=foretold_A, by_shared=by_shared, use=use)
            return _Turn(first + change[:4], change[4], shared_cov, foretold_A, by_shared, use), reached

        # One copy of the row for all turns, as a loop: each that reflects is compiled for seconds.
        begin = _Turn.at(first, own_pm)
        turns = jax.lax.scan(turn, begin, jnp.arange(1 + ITERATIONS))[1]
        last: _Turn = jax.tree.map(lambda leaf: leaf[-1], turns)
        use, shared_cov = last.use, last.shared_cov
        var_A2 = use.var_A2 + jnp.einsum("np,pq,nq->n", last.by_shared, shared_cov, last.by_shared)
        of_own = state.own_var_pm2 * use.by_own
        gain = of_own / var_A2[:, None] if own else jnp.zeros_like(of_own)
        own_pm = own_pm + gain * (read_A - last.foretold_A - use.by_miss * last.miss)[:, None]
        shared_cov = shared_cov[:4, :4]
        corrected = (0.5 * (shared_cov + shared_cov.T), state.own_var_pm2 - gain * of_own)
        return eqx.tree_at(lambda s: (s.shared_cov, s.own_var_pm2), _with(state, last.shared, own_pm), corrected), None

    return jax.lax.scan(step, state, (lines, current_A, sigma_A, seconds, missed_pm_each))[0]


class _Weights(eqx.Module):
    """How much each row's reading says, as the slopes at the first estimate have it.

    Attributes:
        by_own: Slopes by the rings' own shifts, in A/pm.
        by_miss: Slope by what a laser missed its wavelength by, over that; see `kalman_update`.
        var_A2: Variance of a reading at given temperatures, in A².
        weight: Its inverse; 0 of an outlier.
        prior_cov: Covariance of temperatures, film factor and miss before the reading.
    """

    by_own: Float[Array, "rows rings"]
    by_miss: Float[Array, " rows"]
    var_A2: Float[Array, " rows"]
    weight: Float[Array, " rows"]
    prior_cov: Float[Array, "5 5"]

    @classmethod
    def of(
        cls,
        innovation_A: Float[Array, " rows"],
        by_shared: Float[Array, "rows 4"],
        by_own: Float[Array, "rows rings"],
        *,
        of: tuple[Float[Array, " rows"], Float[Array, ""]],
        before: DriftState,
    ) -> "_Weights":
        """Of readings with this noise in A, by a laser that may have missed by so much in pm, ``before`` them."""
        noise_A, missed_pm = of
        var_A2 = (before.own_var_pm2 * by_own**2).sum(1) + noise_A**2
        # A laser that misses shifts all rings of the bus alike, for this reading only: a fifth shared number, of unit
        # variance. What it and the temperature did is known together far better than either alone.
        by_miss = missed_pm * by_own.sum(1)
        by = jnp.concatenate([by_shared, by_miss[:, None]], axis=1)
        prior_cov: Array = jnp.zeros((5, 5)).at[:4, :4].set(before.shared_cov).at[4, 4].set(1.0)
        outlying = jnp.abs(innovation_A) / jnp.sqrt(var_A2 + jnp.einsum("np,pq,nq->n", by, prior_cov, by))
        all_lost = jnp.median(outlying) > OUTLIER
        prior_cov = jnp.where(all_lost, prior_cov.at[:3, :].set(0.0).at[:, :3].set(0.0), prior_cov)
        prior_cov = prior_cov + jnp.where(all_lost, 1.0, 0.0) * jnp.diag(jnp.array([1.0, 1.0, 1.0, 0.0, 0.0]))
        weight = jnp.where((outlying > OUTLIER) & ~all_lost, 0.0, 1.0 / var_A2)
        return cls(by_own, by_miss, var_A2, weight, prior_cov)


class _Turn(eqx.Module):
    """An iteration of an update: temperatures and film factor, the laser's miss, their covariance, and what is there.

    Attributes:
        shared: Temperatures and film factor.
        miss: What the laser missed by, in units of its standard deviation.
        shared_cov: Covariance of all five.
        foretold_A: Readings that are expected, in A.
        by_shared: Their slopes by all five.
        use: What each reading says.
    """

    shared: Float[Array, "4"]
    miss: Float[Array, ""]
    shared_cov: Float[Array, "5 5"]
    foretold_A: Float[Array, " rows"]
    by_shared: Float[Array, "rows 5"]
    use: _Weights

    @classmethod
    def at(cls, shared: Float[Array, "4"], own_pm: Float[Array, "rows rings"]) -> "_Turn":
        """Before the first."""
        of_rows, five = jnp.zeros(len(own_pm)), jnp.zeros((5, 5))
        use = _Weights(jnp.zeros_like(own_pm), of_rows, of_rows, of_rows, five)
        return cls(shared, jnp.zeros(()), five, of_rows, jnp.zeros((len(own_pm), 5)), use)


def _with(state: DriftState, shared: Float[Array, "4"], own_pm: Float[Array, "rows rings"]) -> DriftState:
    """The state with other temperatures, film factor and shifts."""
    return eqx.tree_at(lambda s: (s.temperatures, s.film, s.own_pm), state, (shared[:3], shared[3], own_pm))
