"""One bus of one row with its readings: what a set of unknowns leaves unexplained of them, and how that changes."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from prism_photonics.calibration.unknowns import RowModel, Scatter, Unknowns, channel_transmission, row_model
from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import PathParams


class BusSurvey(eqx.Module):
    """A bus as designed, and what was read of it.

    Unknowns travel as one flat vector, in the order of `Unknowns`.

    Attributes:
        wl_um: Wavelengths of its channels in µm.
        channel_of_ring: The channel that the ring at each place serves. Rings, voltages and drift count by place.
        rings: Designed rings.
        buses: Designed bus segments.
        gain_A: Designed current of each line, fully lit and fully passed.
        scatter: What one unit of each unknown stands for.
        volts: Voltages that act while each channel is read, in V.
        drift_pm: How far each ring has drifted meanwhile, in pm.
        current_A: Dark-corrected readings, 0 where one carries no weight.
        noise_A: Their expected standard deviations; infinite where a reading carries no weight.
    """

    wl_um: Float[Array, "*buses channels"]
    channel_of_ring: Int[Array, "*buses channels"]
    rings: RingParams
    buses: PathParams
    gain_A: Float[Array, "*buses channels"]
    scatter: Scatter
    volts: Float[Array, "*buses settings channels channels"]
    drift_pm: Float[Array, "*buses settings channels channels"]
    current_A: Float[Array, "*buses settings channels"]
    noise_A: Float[Array, "*buses settings channels"]

    def unravel(self, flat: Float[Array, " unknowns"]) -> Unknowns:
        """The unknowns of a flat vector."""
        return ravel_pytree(_nothing(self.wl_um))[1](flat)

    @property
    def is_prior(self) -> Float[Array, " unknowns"]:
        """One for unknowns with a prior, nought for the bus phases."""
        ones = jax.tree.map(jnp.ones_like, _nothing(self.wl_um))
        return ravel_pytree(eqx.tree_at(lambda u: u.phase_rad, ones, replace_fn=jnp.zeros_like))[0]

    def blurred(self, blur: Float[Array, ""] | float) -> "BusSurvey":
        """The same readings, less sure: with an error added, in units of full light."""
        return eqx.tree_at(lambda bus: bus.noise_A, self, jnp.hypot(self.noise_A, blur * self.gain_A[..., None, :]))

    def model(self, flat: Float[Array, " unknowns"]) -> RowModel:
        """The bus that the unknowns describe."""
        return row_model(self.unravel(flat), self.rings, self.buses, gain_A=self.gain_A, scatter=self.scatter)

    def reading_A(
        self,
        flat: Float[Array, " unknowns"],
        channel: Array,
        volts: Float[Array, " channels"],
        drift_pm: Float[Array, " channels"],
    ) -> Float[Array, ""]:
        """The current of one channel at acting voltages."""
        model = self.model(flat)
        return model.gain_A[channel] * channel_transmission(self.wl_um[channel], model, volts, drift_pm)

    def predict_A(self, flat: Float[Array, " unknowns"]) -> Float[Array, "settings channels"]:
        """All readings."""
        return self._over_readings(self.reading_A)(flat)

    def misfit(self, flat: Float[Array, " unknowns"]) -> Float[Array, "settings channels"]:
        """Misfits over noise of all readings."""
        return (self.predict_A(flat) - self.current_A) / self.noise_A

    def residuals(self, flat: Float[Array, " unknowns"]) -> Float[Array, " residuals"]:
        """Misfits over noise of all readings, then the priors'."""
        return jnp.concatenate([self.misfit(flat).ravel(), self.is_prior * flat])

    def jacobian(self, flat: Float[Array, " unknowns"]) -> Float[Array, "residuals unknowns"]:
        """Slopes of `residuals`."""
        # Every reading is a scalar of all unknowns: one reverse sweep each, 16 times cheaper than forward mode.
        slopes = self._over_readings(jax.grad(self.reading_A))(flat)
        data = (slopes / self.noise_A[..., None]).reshape(-1, flat.size)
        return jnp.concatenate([data, jnp.diag(self.is_prior)])

    def drift_slopes(self, flat: Float[Array, " unknowns"]) -> tuple[Float[Array, "readings channels"], ...]:
        """Slopes of the misfits by each ring's acting voltage (per V) and by its drift (per pm)."""
        slopes = self._over_readings(jax.grad(self.reading_A, argnums=(2, 3)))(flat)
        return tuple((part / self.noise_A[..., None]).reshape(-1, part.shape[-1]) for part in slopes)

    def normal(self, jacobian: Float[Array, "residuals unknowns"]) -> Float[Array, "unknowns unknowns"]:
        """Normal matrix of a jacobian; a phase that nothing tells is uniform, of variance π²/3."""
        return jacobian.T @ jacobian + jnp.diag((1.0 - self.is_prior) * 3.0 / jnp.pi**2)

    def _over_readings(self, function):
        by_channel = jax.vmap(function, in_axes=(None, 0, 0, 0))
        by_setting = jax.vmap(by_channel, in_axes=(None, None, 0, 0))
        channels = jnp.arange(self.wl_um.shape[-1])
        return lambda flat: by_setting(flat, channels, self.volts, self.drift_pm)


def _nothing(wl_um: Float[Array, " channels"]) -> Unknowns:
    ring = jnp.zeros_like(wl_um)
    return Unknowns(ring, ring, ring, ring, ring, ring, ring[1:], ring[1:], ring, jnp.zeros(()))
