"""State of a chip's drift and its stochastic model, shared by virtual chips and by estimates.

Temperatures forget (Ornstein–Uhlenbeck) and are common to all rings, each ring wanders for itself (random walk), and
the film takes back a share of each voltage (`process.FilmCharge`), up to one factor.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy import ndarray

from prism_photonics.spec import ChipSpec

HOUR_S = 3600.0
# How well a film's relaxation is known beforehand, relative; design choice.
FILM_SCATTER = 0.3


class DriftState(eqx.Module):
    """Mean and covariance of a chip's drift since its calibration; the covariance is zero where the drift is exact.

    Shared numbers keep their full covariance and each ring one variance. The covariance between the two is neglected: a
    ring's whole shift, which is what voltages correct, is off by 1 to 11 % more than with the full one of
    (rows·rings)² numbers.

    Attributes:
        temperatures: Common temperature and its gradients along x and y, in units of the spec's drift.
        film: Ratio of the film's relaxation to its profile's, less one.
        lost_V: Voltage that the film has taken back of each ring by its profile, in V.
        own_pm: Each ring's shift beside the temperatures', in pm.
        shared_cov: Covariance of the three temperatures and of ``film``.
        own_var_pm2: Variance of each ring's own shift, in pm².
    """

    temperatures: Float[Array, "3"]
    film: Float[Array, ""]
    lost_V: Float[Array, "rows rings"]
    own_pm: Float[Array, "rows rings"]
    shared_cov: Float[Array, "4 4"]
    own_var_pm2: Float[Array, "rows rings"]

    @classmethod
    def rest(cls, shape: tuple[int, ...]) -> "DriftState":
        """A chip of (rows, rings) exactly as calibrated."""
        three, number, ring, shared = (jnp.asarray(np.zeros(size)) for size in (3, (), shape, (4, 4)))
        return cls(three, number, ring, ring, shared, ring)

    @property
    def relaxed_V(self) -> Float[Array, "rows rings"]:
        """Voltage that each ring has lost, in V."""
        return (1.0 + self.film) * self.lost_V

    def shift_pm(self, patterns_pm: Float[Array, "3 rows rings"]) -> Float[Array, "rows rings"]:
        """Shift of each ring by the temperatures and by itself, in pm."""
        return jnp.tensordot(self.temperatures, patterns_pm, 1) + self.own_pm


class DriftModel(eqx.Module):
    """Stochastic model of a chip's drift.

    Attributes:
        patterns_pm: Shift of each ring by one unit of each temperature, in pm.
        thermal_time_s: Correlation time of the temperatures, in s.
        wander_pm2_s: Variance that each ring's random walk gains in a second, in pm².
        film_var: Variance of the film's factor before anything was read.
        film_var_s: Variance that it gains in a second: relaxation has other times than its profile says.
    """

    patterns_pm: Float[Array, "3 rows rings"]
    thermal_time_s: float
    wander_pm2_s: Float[Array, "rows rings"]
    film_var: float = 0.0
    film_var_s: float = 0.0

    @classmethod
    def from_spec(cls, spec: ChipSpec, *, film_var: float = 0.0, film_var_s: float = 0.0) -> "DriftModel":
        """As the spec expects; by default of a film whose factor is known."""
        patterns_pm = jnp.asarray(thermal_patterns_pm(spec))
        wander_pm2_s = jnp.asarray(np.full(patterns_pm.shape[1:], spec.drift.wander_pm_rthour**2 / HOUR_S))
        return cls(patterns_pm, spec.drift.thermal_time_s, wander_pm2_s, film_var, film_var_s)

    def prior(self, seconds: float) -> DriftState:
        """Prior state a time after the calibration, without readings since."""
        rest = DriftState.rest(self.wander_pm2_s.shape)
        shared_cov = jnp.asarray(np.diag([1.0, 1.0, 1.0, self.film_var]))
        return eqx.tree_at(lambda s: (s.shared_cov, s.own_var_pm2), rest, (shared_cov, self.wander_pm2_s * seconds))

    def predict(self, state: DriftState, seconds: Float[Array, ""]) -> DriftState:
        """The state after a time in which nothing is read: the time update of a Kalman filter."""
        kept = jnp.exp(-seconds / self.thermal_time_s)
        fresh = -jnp.expm1(-2.0 * seconds / self.thermal_time_s)
        decay = jnp.array([kept, kept, kept, 1.0])
        gained = jnp.array([fresh, fresh, fresh, self.film_var_s * seconds])
        return eqx.tree_at(
            lambda s: (s.temperatures, s.shared_cov, s.own_var_pm2),
            state,
            (
                kept * state.temperatures,
                decay[:, None] * state.shared_cov * decay + jnp.diag(gained),
                state.own_var_pm2 + self.wander_pm2_s * seconds,
            ),
        )


def thermal_patterns_pm(spec: ChipSpec) -> Float[ndarray, "3 rows rings"]:
    """Shift of each ring by one standard deviation of common temperature and of each gradient, in pm.

    Gradients count over the whole die, whose rings stand evenly from −1/2 to 1/2.
    """
    drift, rows, rings = spec.drift, spec.chip.rows, spec.chip.rings
    y, x = np.meshgrid(*(np.linspace(-0.5, 0.5, n) if n > 1 else np.zeros(1) for n in (rows, rings)), indexing="ij")
    kelvin = np.array([drift.temperature_K, drift.gradient_K, drift.gradient_K])
    return spec.profile.optics.thermal_pm_K.value * kelvin[:, None, None] * np.stack([np.ones_like(x), x, y])
