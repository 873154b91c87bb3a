"""A Kalman filter of what has moved on a chip: temperatures that all rings share, and each ring's own shift.

Temperatures forget (Ornstein–Uhlenbeck), rings wander (random walk), and every reading of a line tells of both: what
all rows share of its misfit is temperature, what is left is the ring's. The filter keeps the full covariance of the
shared numbers and one variance per ring. What binds the two together is neglected: a ring's whole shift, which is what
voltages correct, is off by 1 to 11 % more than with the full covariance, which would have (rows·rings)² numbers.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from prism_photonics.calibration.calibration import Calibration
from prism_photonics.calibration.unknowns import channel_transmission
from prism_photonics.drift.tracker import STEPS, Moved, moved_calibration
from prism_photonics.lightpath.ring.relaxation import HOUR_S
from prism_photonics.spec import ChipSpec

# Standard deviations beyond which a reading is a surprise (design choice). Where most rows are surprised the chip moves
# faster than its spec expects, and its temperatures are as unknown as at first; a single row tells of itself only.
SURPRISE = 4.0


class Known(eqx.Module):
    """An estimate of what has moved, and how far it may be off.

    Attributes:
        moved: The estimate.
        shared_var: Covariance of the common temperature and its gradients, in units of the spec's drift.
        own_var_pm2: Variance of each ring's own shift, in pm².
    """

    moved: Moved
    shared_var: Float[Array, "3 3"]
    own_var_pm2: Float[Array, "rows rings"]


class Lapse(eqx.Module):
    """How a chip's drift goes on between two readings.

    Attributes:
        thermal_time_s: Correlation time of the temperatures, in s.
        wander_pm2_s: Variance that each ring's random walk gains in a second, in pm².
    """

    thermal_time_s: float
    wander_pm2_s: float

    @classmethod
    def of(cls, spec: ChipSpec) -> "Lapse":
        """As the spec expects."""
        return cls(spec.drift.thermal_time_s, spec.drift.wander_pm_rthour**2 / HOUR_S)

    def unwatched(self, shape: tuple[int, ...], seconds: float) -> Known:
        """What is known of (rows, rings) so long after they were fitted: how far things move at all."""
        nothing = jnp.zeros(shape)
        moved = Moved(jnp.zeros(4), nothing, nothing, nothing)
        return Known(moved, jnp.eye(3), nothing + self.wander_pm2_s * seconds)

    def after(self, known: Known, seconds: Float[Array, ""]) -> Known:
        """What is left of an estimate after a time."""
        kept = jnp.exp(-seconds / self.thermal_time_s)
        fresh = -jnp.expm1(-2.0 * seconds / self.thermal_time_s)
        common = known.moved.common
        return eqx.tree_at(
            lambda k: (k.moved.common, k.shared_var, k.own_var_pm2),
            known,
            (
                common.at[:3].multiply(kept),
                kept**2 * known.shared_var + fresh * jnp.eye(3),
                known.own_var_pm2 + self.wander_pm2_s * seconds,
            ),
        )


@eqx.filter_jit
def told(
    calibration: Calibration,
    known: Known,
    lapse: Lapse,
    patterns_pm: Float[Array, "3 rows rings"],
    volts: Float[Array, "rows rings"],
    lines: Int[Array, " readings"],
    current_A: Float[Array, "readings rows"],
    sigma_A: Float[Array, "readings rows"],
    seconds: Float[Array, " readings"],
) -> Known:
    """What is known after some readings.

    Args:
        calibration: As made.
        known: What was known before them.
        lapse: How the chip drifts.
        patterns_pm: Shift of each ring by one unit of common temperature and of each gradient, in pm.
        volts: Voltages at which was read, in V.
        lines: The line that was lit, fully and alone, in each reading.
        current_A: The readings less their dark level, in A.
        sigma_A: What they may be off by, in A; infinite where a reading has no weight.
        seconds: Time that passed before each, in s.

    Returns:
        The new estimate, at the last reading.

    Source: iterated extended Kalman filter (Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and
    Navigation, 2001, §10.5.2), a reading of all rows at a time.
    """
    rows, buses, channels = calibration.rows.gain_A.shape
    by_bus_V = volts.reshape(rows, buses, channels)

    def one(before: Known, reading) -> tuple[Known, None]:
        line, read_A, off_A, waited_s = reading
        known = lapse.after(before, waited_s)
        first, own_pm = known.moved.common[:3], known.moved.own_pm
        bus, channel = jnp.divmod(line, channels)
        places = bus * channels + jnp.arange(channels)

        def predicted(shared: Float[Array, "3"], own_pm: Float[Array, "rows rings"]) -> Float[Array, " rows"]:
            at = (known.moved.common.at[:3].set(shared), own_pm)
            moved = eqx.tree_at(lambda m: (m.common, m.own_pm), known.moved, at)
            of_bus = jax.tree.map(lambda leaf: leaf[:, bus], moved_calibration(calibration, moved, patterns_pm).rows)
            passed = jax.vmap(lambda row, v: channel_transmission(calibration.wl_um[channel], row, v))
            return calibration.light_scale[line] * of_bus.gain_A[:, channel] * passed(of_bus, by_bus_V[:, bus])

        # Rows share no light path: one tangent per ring of a bus moves that ring of every row at once.
        tangent = lambda ring: jax.jvp(lambda own: predicted(first, own), (own_pm,), (ring,))[1]  # noqa: E731
        every_row = jnp.zeros((channels, *own_pm.shape)).at[jnp.arange(channels), :, places].set(1.0)
        by_own = jnp.zeros(own_pm.shape).at[:, places].set(jax.vmap(tangent)(every_row).T)
        of_own = known.own_var_pm2 * by_own
        var_A2 = (of_own * by_own).sum(1) + off_A**2
        shared, by_shared = first, jax.jacfwd(predicted)(first, own_pm)
        missed_A = read_A - predicted(first, own_pm)
        expected_A2 = var_A2 + jnp.einsum("np,pq,nq->n", by_shared, known.shared_var, by_shared)
        missed = jnp.abs(missed_A) / jnp.sqrt(expected_A2)
        all_lost = jnp.median(missed) > SURPRISE
        prior = jnp.where(all_lost, jnp.eye(3), jnp.linalg.inv(known.shared_var))
        weight = jnp.where((missed > SURPRISE) & ~all_lost, 0.0, 1.0 / var_A2)
        # Little known, a temperature may be off by a good part of a linewidth: the slope is taken anew.
        for _ in range(STEPS):
            shared_var = jnp.linalg.inv(prior + (by_shared.T * weight) @ by_shared)
            shared = first + shared_var @ (by_shared.T @ (weight * missed_A))
            by_shared = jax.jacfwd(predicted)(shared, own_pm)
            missed_A = read_A - predicted(shared, own_pm) + by_shared @ (shared - first)
        var_A2 += jnp.einsum("np,pq,nq->n", by_shared, shared_var, by_shared)
        gain = of_own / var_A2[:, None]
        own_pm = own_pm + gain * (read_A - predicted(shared, own_pm))[:, None]
        found = (known.moved.common.at[:3].set(shared), own_pm, shared_var, known.own_var_pm2 - gain * of_own)
        places = lambda k: (k.moved.common, k.moved.own_pm, k.shared_var, k.own_var_pm2)  # noqa: E731
        return eqx.tree_at(places, known, found), None

    return jax.lax.scan(one, known, (lines, current_A, sigma_A, seconds))[0]
