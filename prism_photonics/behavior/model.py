"""The behavioral model: signature → realised weight, query → light → reading → score, differentiable."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Num, PRNGKeyArray

from prism_photonics.behavior.finite import (
    largest_magnitude,
    require_dims,
    require_finite,
    require_rails,
    require_scale,
    require_shape,
)
from prism_photonics.lightpath.modulator import encoding as sign
from prism_photonics.lightpath.modulator.model import modulate
from prism_photonics.units import InputError

AnyArray = Array | np.ndarray


class ProgrammedSignatures(eqx.Module):
    """Signatures as they stand on the chip: one draw of the programming error, read many times.

    Attributes:
        weights: Realised weights W, dimensionless.
        row_sum: Calibrated sum of the *commanded* weights of each block and slice, weight units.
        signature_scale: The signature magnitude that is written as the full weight span, unit of the
            signatures.
        dims: Dimensions of a signature before padding to whole slices.
    """

    weights: Float[Array, "blocks slices channels"]
    row_sum: Float[Array, "blocks slices"]
    signature_scale: Float[Array, ""]
    dims: int = eqx.field(static=True)


class BehavioralModel(eqx.Module):
    """A calibrated chip of ``rows × channels`` weights as statistics: programmed, lit, read, converted.

    Weight units are dimensionless: w = T_through - T_drop, and a fully lit channel of weight 1 reads y = 1. A
    reading has variance σ² = noise_floor² + noise_shot²·Σp + noise_rin²·Σ(W·p)² + noise_common²·(Σ W·p)²: receiver,
    shot and relative intensity noise, each line's own and what all lines have in common.

    Attributes:
        weight_bias: Mean of realised minus commanded weight, per channel.
        weight_error_std: Standard deviation of the programming error, per channel; drawn once per
            programming.
        noise_floor: Standard deviation of a dark reading, weight units.
        noise_shot: Standard deviation for one fully lit channel's shot noise, weight units.
        noise_rin: Relative intensity noise of one line in one reading (ratio).
        noise_common: Relative intensity noise common to all lines in one reading (ratio).
        leak: Light of a dark modulator, in units of full light.
        weight_centre: Middle of the weights that every ring reaches.
        weight_span: Half the width of that interval; a signature of ``signature_scale`` sits at centre +
            span.
        adc_full_scale: The converter spans ±adc_full_scale, weight units, per row.
        report: Numbers of the fit and of its held-out check, for the bundle.
        rows: Rows of the chip; block b sits on row b mod rows.
        channels: Modulated channels of a row; longer signatures take several slices.
        dac_bits: Resolution of the light, over [0, 1].
        adc_bits: Resolution of a reading.
        encoding: A key of ``lightpath.modulator.encoding.SHOTS``.
        spec_hash: Hash of the ChipSpec that the chip was built from.
    """

    weight_bias: Float[Array, " channels"]
    weight_error_std: Float[Array, " channels"]
    noise_floor: Float[Array, ""]
    noise_shot: Float[Array, ""]
    noise_rin: Float[Array, ""]
    noise_common: Float[Array, ""]
    leak: Float[Array, ""]
    weight_centre: Float[Array, ""]
    weight_span: Float[Array, ""]
    adc_full_scale: Float[Array, " rows"]
    report: dict[str, float]
    rows: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    dac_bits: int = eqx.field(static=True)
    adc_bits: int = eqx.field(static=True)
    encoding: str = eqx.field(static=True)
    spec_hash: str = eqx.field(static=True)

    @property
    def slice_dims(self) -> int:
        """Dimensions of a signature that one row holds: its channels, or half of them on two rails."""
        return self.channels // sign.RAILS[self.encoding]

    def error_shape(self, signatures: Num[AnyArray, "blocks *rails dims"]) -> tuple[int, int, int]:
        """Shape of the programming error of these signatures: blocks, slices, channels."""
        return signatures.shape[0], -(-signatures.shape[-1] // self.slice_dims), self.channels

    def noise_shape(self, query: Num[AnyArray, "*batch dims"], programmed: ProgrammedSignatures) -> tuple[int, ...]:
        """Shape of the read noise of these queries: shots, the query's leading axes, blocks, slices."""
        return sign.shots(self.encoding), *query.shape[:-1], *programmed.weights.shape[:2]

    def program(
        self,
        signatures: Num[AnyArray, "blocks *rails dims"],
        key: PRNGKeyArray | None = None,
        *,
        error: Float[AnyArray, "blocks slices channels"] | None = None,
        signature_scale: float | None = None,
    ) -> ProgrammedSignatures:
        """Write signatures into the chip: pages of ``rows`` blocks, slices of ``channels`` dimensions.

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            key: Draws the programming error; not needed when ``error`` is given.
            error: Standard normal numbers to use instead, shape ``error_shape``.
            signature_scale: Magnitude written as the full span, unit of the signatures; their largest by
                default.

        Returns:
            The programmed signatures: W = w_target + weight_bias + weight_error_std·N(0, 1).

        Raises:
            InputError: NaN or infinite signatures, one beyond ``signature_scale``, or neither key nor error.
        """
        signatures = _finite("signatures", signatures, axes=("block", "dim"), batched=True)
        require_rails(signatures.shape, encoding=self.encoding)
        largest = jnp.max(jnp.abs(signatures))
        if signature_scale is None:
            scale = jnp.where(largest > 0, largest, 1.0)
        else:
            _check_scale(signatures, signature_scale)
            scale = jnp.asarray(signature_scale, signatures.dtype)
        shape = self.error_shape(signatures)
        if error is None:
            if key is None:
                raise InputError("program: got neither key nor error, want one; the programming error must be drawn")
            error = jr.normal(key, shape, signatures.dtype)
        require_shape("error", got=error.shape, want=shape)
        return self._program(signatures, scale, jnp.asarray(error))

    def scores(
        self,
        query: Num[AnyArray, "*batch dims"],
        programmed: ProgrammedSignatures,
        key: PRNGKeyArray | None = None,
        *,
        noise: Float[AnyArray, "shots *batch blocks slices"] | None = None,
    ) -> Float[Array, "*batch blocks"]:
        """Score queries against all programmed blocks in one go.

        Args:
            query: Queries of any unit, over any leading axes.
            programmed: What ``program`` returned.
            key: Draws the read noise; not needed when ``noise`` is given.
            noise: Standard normal numbers to use instead, shape ``noise_shape``.

        Returns:
            Scores in units of query times signature: an estimate of ``query @ signatures.T``. A query of
            zeros scores zero. Gradients pass straight through both converters, and are zero where a reading
            clips.

        Raises:
            InputError: NaN or infinite queries, another number of dimensions, or neither key nor noise.
        """
        query = _finite("query", query, axes=("dim",), batched=True)
        require_dims("query", got=query.shape[-1], want=programmed.dims)
        shape = self.noise_shape(query, programmed)
        if noise is None:
            if key is None:
                raise InputError("scores: got neither key nor noise, want one; the read noise must be drawn")
            noise = jr.normal(key, shape, query.dtype)
        require_shape("noise", got=noise.shape, want=shape)
        return self._scores(query, programmed, jnp.asarray(noise))

    @eqx.filter_jit
    def _program(
        self,
        signatures: Float[Array, "blocks *rails dims"],
        scale: Float[Array, ""],
        error: Float[Array, "blocks slices channels"],
    ) -> ProgrammedSignatures:
        sliced = self._slices(signatures / scale)
        if signatures.ndim == 3:
            share = jnp.moveaxis(sliced, 1, 2).reshape(sliced.shape[0], sliced.shape[2], -1)
        else:
            share = sign.rails(sliced, self.encoding)
        target = self.weight_centre + self.weight_span * share
        return ProgrammedSignatures(
            weights=target + self.weight_bias + self.weight_error_std * error,
            row_sum=jnp.sum(target, -1),
            signature_scale=scale,
            dims=signatures.shape[-1],
        )

    @eqx.filter_jit
    def _scores(
        self,
        query: Float[Array, "*batch dims"],
        programmed: ProgrammedSignatures,
        noise: Float[Array, "shots *batch blocks slices"],
    ) -> Float[Array, "*batch blocks"]:
        largest = jnp.max(jnp.abs(query), -1, keepdims=True)
        query_hat = query / jnp.where(largest > 0, largest, 1.0)
        wanted = sign.encode(self._slices(query_hat), self.encoding)
        light = self.leak + _straight_through(wanted, lambda p: modulate(p, self.dac_bits))
        y = self._read(programmed.weights, light) + self._read_std(programmed.weights, light) * jnp.asarray(noise)
        full_scale = self.adc_full_scale[np.arange(programmed.weights.shape[0]) % self.rows, None]
        y = _straight_through(
            jnp.clip(y, -full_scale, full_scale), lambda y: sign.quantize(y, self.adc_bits, -full_scale, full_scale)
        )
        dot = jnp.sum(sign.decode(y, programmed.row_sum, self.encoding, leak=self.leak), -1)
        # Every weight carries the centre, so every block carries the same offset: it is taken off exactly.
        signed = (dot - self.weight_centre * sign.common_share(query_hat, self.encoding)) / self.weight_span
        return signed * largest * programmed.signature_scale

    def _slices(self, values: Float[Array, "*batch dims"]) -> Float[Array, "*batch slices slice_dims"]:
        slices = -(-values.shape[-1] // self.slice_dims)
        pad = [(0, 0)] * (values.ndim - 1) + [(0, slices * self.slice_dims - values.shape[-1])]
        return jnp.pad(values, pad).reshape(*values.shape[:-1], slices, self.slice_dims)

    def _read(
        self, weights: Float[Array, "blocks slices channels"], light: Float[Array, "*batch slices channels"]
    ) -> Float[Array, "*batch blocks slices"]:
        return jnp.einsum("...sc,bsc->...bs", light, weights)

    def _read_std(
        self, weights: Float[Array, "blocks slices channels"], light: Float[Array, "*batch slices channels"]
    ) -> Float[Array, "*batch blocks slices"]:
        lit = jnp.sum(light, -1)[..., None, :]
        variance = (
            self.noise_floor**2
            + self.noise_shot**2 * lit
            + self.noise_rin**2 * jnp.einsum("...sc,bsc->...bs", light**2, weights**2)
            + self.noise_common**2 * self._read(weights, light) ** 2
        )
        # The root of an exact zero (a noiseless model, a dark shot) has no slope; its gradient is taken as
        # zero.
        noisy = variance > 0
        return jnp.where(noisy, jnp.sqrt(jnp.where(noisy, variance, 1.0)), 0.0)


def _straight_through(
    x: Float[Array, "*axes"], convert: Callable[[Float[Array, "*axes"]], Float[Array, "*axes"]]
) -> Float[Array, "*axes"]:
    """``convert(x)`` with the slope of x itself."""
    held = jax.lax.stop_gradient(x)
    return x + (convert(held) - held)


def _finite(
    name: str, values: Num[AnyArray, "*axes"], *, axes: tuple[str, ...], batched: bool
) -> Float[Array, "*axes"]:
    # A traced array has no values to look at; whoever jits has the concrete ones to check.
    if not isinstance(values, Tracer):
        require_finite(name, values, axes=axes, cure="mend or drop it", batched=batched)
    values = jnp.asarray(values)
    # Half precision keys are scored in the model's own precision: 11 bits are fewer than a good chip has.
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def _check_scale(signatures: Float[Array, "blocks *rails dims"], scale: float) -> None:
    if isinstance(signatures, Tracer) or isinstance(scale, Tracer):
        return
    largest, place = largest_magnitude(np.asarray(signatures))
    require_scale(float(scale), largest=largest, place=place)
