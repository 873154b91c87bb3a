"""The behavioral model: signature → realised weight, query → light → reading → score, differentiable."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from prism_photonics.codec import arithmetic, checks
from prism_photonics.codec.centring import centre_score, centred
from prism_photonics.units import InputError

AnyArray = Array | np.ndarray


class ProgrammedSignatures(eqx.Module):
    """Signatures as they stand on the chip: one draw of the programming error, read many times.

    Attributes:
        weights: Realised weights W, dimensionless.
        row_sum: Calibrated sum of the *commanded* weights of each block and slice, weight units.
        signature_scale: The signature magnitude that is written as the full weight span, unit of the
            signatures; one, or one for each block.
        drift: Standard normal numbers by which each weight will drift; none: it can only be read at once.
        common_drift: The one number by which all drift together.
        centre: Vector subtracted from every signature before writing, unit of the signatures.
        dims: Dimensions of a signature before padding to whole slices.
    """

    weights: Float[Array, "blocks slices channels"]
    row_sum: Float[Array, "blocks slices"]
    signature_scale: Float[Array, "*blocks"]
    drift: Float[Array, "blocks slices channels"] | None
    common_drift: Float[Array, ""] | None
    centre: Float[Array, "*rails dims"]
    dims: int = eqx.field(static=True)


class BehavioralModel(eqx.Module):
    """Statistical model of a calibrated chip of ``rows × channels`` weights, from signatures and queries to scores.

    Weight units are dimensionless: w = T_through - T_drop, and a fully lit channel of weight 1 reads y = 1. A
    reading has variance σ² = noise_floor² + noise_shot²·Σp + noise_rin²·Σ(W·p)² + noise_common²·(Σ W·p)²: receiver,
    shot and relative intensity noise, each line's own and what all lines have in common.

    Attributes:
        weight_bias: Mean of realised minus commanded weight, per channel.
        weight_error_std: Standard deviation of the programming error, per channel; drawn once per
            programming.
        weight_error_mix: Upper triangular; independent normal numbers of a row times it are correlated along the row
            as its errors are, each of variance 1.
        score_gain: Reading per sum of weights times light, per row; 1 is ideal.
        score_offset: Reading without any light, per row, weight units; 0 is ideal.
        column_of_channel: The place of a slice that each channel carries, a permutation.
        excluded: Rings that take no part. A row without any other ring is dead: its blocks score minus infinity.
        stuck_weight: The weight that an excluded ring holds, weight units.
        drift_time_s: Times since programming at which drift was measured, rising; none: it was not.
        drift_mean: Mean change of a weight then, weight units: constant, and per unit of ``(W − centre)/span``.
        drift_common: Change per unit of the one normal number that all weights share, weight units.
        drift_own: Standard deviation of each weight's own change, weight units.
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
        encoding: A key of ``codec.encoding.SHOTS``.
        spec_hash: Hash of the ChipSpec that the chip was built from.
    """

    weight_bias: Float[Array, " channels"]
    weight_error_std: Float[Array, " channels"]
    weight_error_mix: Float[Array, "channels channels"]
    score_gain: Float[Array, " rows"]
    score_offset: Float[Array, " rows"]
    column_of_channel: Int[Array, " channels"]
    excluded: Bool[Array, "rows channels"]
    stuck_weight: Float[Array, "rows channels"]
    drift_time_s: Float[Array, " times"]
    drift_mean: Float[Array, "times powers channels"]
    drift_common: Float[Array, "times channels"]
    drift_own: Float[Array, "times channels"]
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
        return arithmetic.slice_dims(self.channels, self.encoding)

    @property
    def longest_s(self) -> float:
        """The longest time since programming at which drift was measured, in s; 0 if it was not."""
        # Through NumPy: under a jit that closes over the model, indexing would be staged and give no number.
        return float(np.asarray(self.drift_time_s)[-1]) if len(self.drift_time_s) else 0.0

    def error_shape(self, signatures: Num[AnyArray, "blocks *rails dims"]) -> tuple[int, ...]:
        """Shape of the programming error of these signatures: blocks, slices, channels."""
        return arithmetic.error_shape(signatures, self.channels, self.encoding)

    def noise_shape(self, query: Num[AnyArray, "*batch dims"], programmed: ProgrammedSignatures) -> tuple[int, ...]:
        """Shape of the read noise of these queries: shots, the query's leading axes, blocks, slices."""
        return arithmetic.noise_shape(query, programmed.weights, self.encoding)

    def program(
        self,
        signatures: Num[AnyArray, "blocks *rails dims"],
        key: PRNGKeyArray | None = None,
        *,
        error: Float[AnyArray, "blocks slices channels"] | None = None,
        drift: Float[AnyArray, "blocks slices channels"] | None = None,
        common_drift: Float[AnyArray, ""] | float | None = None,
        signature_scale: float | str | None = None,
        centre: Num[AnyArray, "*one_signature"] | None = None,
    ) -> ProgrammedSignatures:
        """Write signatures into the chip: pages of ``rows`` blocks, slices of ``channels`` dimensions.

        What all signatures share would eat the weight range: their mean is taken off first, and `scores` adds its
        share again, see ``codec.centring``.

        Args:
            signatures: One signature per block, any unit. For ``dual_rail`` also (blocks, 2, dims): the weights of the
                positive and of the negative halves of a query, such as a bound's (max, -min).
            key: Draws the programming error and the drift; not needed when ``error`` is given.
            error: Standard normal numbers to use instead, shape ``error_shape``.
            drift: Standard normal numbers of each weight's drift to use instead, of the same shape.
            common_drift: The standard normal number of the drift that all weights share.
            signature_scale: Magnitude written as the full span, unit of the signatures; by default the largest once
                the centre is off. With "block" each block has its own, and its scores are multiplied by it after the
                converter.
            centre: Vector to subtract from every signature; by default their mean, and nothing where
                ``signature_scale`` is a number: then they are taken as they stand.

        Returns:
            The programmed signatures, see ``codec.arithmetic.programmed_weights``.

        Raises:
            InputError: NaN or infinite signatures, one beyond ``signature_scale``, or neither key nor error.
        """
        signatures = _finite("signatures", signatures, axes=("block", "dim"), batched=True)
        checks.require_rails(signatures.shape, encoding=self.encoding)
        own = checks.own_scales(signature_scale)
        if centre is None and (signature_scale is None or own):
            left, middle = centred(signatures)
        else:
            middle = jnp.zeros(signatures.shape[1:]) if centre is None else jnp.asarray(centre)
            if not isinstance(middle, Tracer):
                checks.require_centre(np.asarray(middle), want=signatures.shape[1:])
            middle = middle.astype(signatures.dtype)
            left = signatures - middle
        _check_scale(left, None if isinstance(signature_scale, str) else signature_scale, middle)
        if own:
            scale, _ = arithmetic.own_scale(left, halves=left.ndim == 3)
        elif signature_scale is None:
            largest = jnp.max(jnp.abs(left))
            scale = jnp.where(largest > 0, largest, 1.0)
        else:
            scale = jnp.asarray(signature_scale, signatures.dtype)
        shape = self.error_shape(signatures)
        if key is not None:
            error_key, drift_key, common_key = jr.split(key, 3)
            error = jr.normal(error_key, shape, signatures.dtype) if error is None else error
            drift = jr.normal(drift_key, shape, signatures.dtype) if drift is None else drift
            common_drift = jr.normal(common_key, (), signatures.dtype) if common_drift is None else common_drift
        if error is None:
            raise InputError("program: got neither key nor error, want one; the programming error must be drawn")
        error = _drawn("error", error, shape, dtype=signatures.dtype)
        if (drift is None) != (common_drift is None):
            raise InputError("program: got one of drift and common_drift, want both or neither; give the other too")
        if drift is not None:
            drift = _drawn("drift", drift, shape, dtype=signatures.dtype)
        together = None if common_drift is None else _drawn("common_drift", common_drift, (), dtype=signatures.dtype)
        return self._program(left, middle, scale, error, drift=drift, common_drift=together)

    def scores(
        self,
        query: Num[AnyArray, "*batch dims"],
        programmed: ProgrammedSignatures,
        key: PRNGKeyArray | None = None,
        *,
        noise: Float[AnyArray, "shots *batch blocks slices"] | None = None,
        t_since_program_s: float | Float[Array, ""] = 0.0,
    ) -> Float[Array, "*batch blocks"]:
        """Score queries against all programmed blocks in one go.

        Args:
            query: Queries of any unit, over any leading axes.
            programmed: Result of ``program``.
            key: Draws the read noise; not needed when ``noise`` is given.
            noise: Standard normal numbers to use instead, shape ``noise_shape``.
            t_since_program_s: How long ago the signatures were programmed, at most the last of ``drift_time_s``.

        Returns:
            Scores in units of query times signature: an estimate of ``query @ signatures.T``. A query of
            zeros scores zero; a block on a dead row scores minus infinity. Gradients pass straight through both
            converters, and are zero where a reading
            clips.

        Raises:
            InputError: NaN or infinite queries, another number of dimensions, neither key nor noise, or a time at
                which drift was not measured.
        """
        return self._read(query, programmed, key, noise=noise, t_since_program_s=t_since_program_s)[0]

    def top_k(
        self,
        query: Num[AnyArray, "*batch dims"],
        programmed: ProgrammedSignatures,
        key: PRNGKeyArray | None = None,
        *,
        k: int = 8,
        noise: Float[AnyArray, "shots *batch blocks slices"] | None = None,
        t_since_program_s: float | Float[Array, ""] = 0.0,
    ) -> tuple[Float[Array, "*batch blocks"], Int[Array, "*batch k"]]:
        """Scores, and the indices of the ``k`` best blocks by ``export.schema.TIE_RULE``, best first.

        Blocks are ranked before the units come back. Traced, where no query can be refused, one that is not finite
        scores NaN and gets the first ``k`` blocks.

        Args:
            query: As for `scores`, and so are the others.
            programmed: Result of ``program``.
            key: Draws the read noise.
            k: Blocks chosen per query.
            noise: Standard normal numbers to use instead.
            t_since_program_s: How long ago the signatures were programmed.

        Raises:
            InputError: What `scores` refuses, or k of fewer blocks.
        """
        k = checks.require_count("k", k, most=programmed.weights.shape[0])
        scores, ranked = self._read(query, programmed, key, noise=noise, t_since_program_s=t_since_program_s)
        # Of equal values, lax.top_k promises the lower index first.
        return scores, jax.lax.top_k(ranked, k)[1]

    def _read(
        self,
        query: Num[AnyArray, "*batch dims"],
        programmed: ProgrammedSignatures,
        key: PRNGKeyArray | None,
        *,
        noise: Float[AnyArray, "shots *batch blocks slices"] | None,
        t_since_program_s: float | Float[Array, ""],
    ) -> tuple[Float[Array, "*batch blocks"], Float[Array, "*batch blocks"]]:
        query = _finite("query", query, axes=("dim",), batched=True)
        checks.require_dims("query", got=query.shape[-1], want=programmed.dims)
        shape = self.noise_shape(query, programmed)
        if noise is None:
            if key is None:
                raise InputError("scores: got neither key nor noise, want one; the read noise must be drawn")
            noise = jr.normal(key, shape, query.dtype)
        noise = _drawn("noise", noise, shape, dtype=query.dtype)
        t_since_program_s = checks.one_time(t_since_program_s)
        traced = isinstance(t_since_program_s, Tracer)
        if not traced and not isinstance(self.drift_time_s, Tracer):
            checks.require_drift(float(t_since_program_s), longest_s=self.longest_s, drawn=programmed.drift is not None)
        if traced and programmed.drift is None:
            raise InputError(
                "t_since_program_s: got a traced time, want numbers to drift by; hand key or drift to program()"
            )
        if traced or t_since_program_s > 0:
            programmed = self._aged(programmed, jnp.asarray(t_since_program_s, query.dtype))
        return self._scores(query, programmed, noise)

    @eqx.filter_jit
    def _program(
        self,
        left: Float[Array, "blocks *rails dims"],
        centre: Float[Array, "*rails dims"],
        scale: Float[Array, "*blocks"],
        error: Float[Array, "blocks slices channels"],
        *,
        drift: Float[Array, "blocks slices channels"] | None,
        common_drift: Float[Array, ""] | None,
    ) -> ProgrammedSignatures:
        over = jnp.where(scale > 0, scale, 1.0).reshape(*scale.shape, *(1,) * (left.ndim - scale.ndim))
        share = arithmetic.channel_shares(left / over, self.channels, self.encoding, halves=left.ndim == 3)
        commanded, weights = arithmetic.programmed_weights(self, share, error, self._row(len(left)))
        return ProgrammedSignatures(
            weights=weights,
            row_sum=jnp.sum(commanded, -1),
            signature_scale=scale,
            drift=drift,
            common_drift=common_drift,
            centre=centre,
            dims=left.shape[-1],
        )

    @eqx.filter_jit
    def _aged(self, programmed: ProgrammedSignatures, time_s: Float[Array, ""]) -> ProgrammedSignatures:
        row = self._row(len(programmed.weights))
        weights = arithmetic.drifted_weights(
            self, programmed.weights, programmed.drift, programmed.common_drift, time_s=time_s, row=row
        )
        return eqx.tree_at(lambda p: p.weights, programmed, weights)

    @eqx.filter_jit
    def _scores(
        self,
        query: Float[Array, "*batch dims"],
        programmed: ProgrammedSignatures,
        noise: Float[Array, "shots *batch blocks slices"],
    ) -> tuple[Float[Array, "*batch blocks"], Float[Array, "*batch blocks"]]:
        row = self._row(len(programmed.weights))
        query_hat, largest = arithmetic.normalized(query)
        score_hat = arithmetic.read_hat(
            self, programmed.weights, programmed.row_sum, query_hat, noise=noise, row=row, convert=_straight_through
        )
        score_hat = arithmetic.without_answer(score_hat, query, programmed.centre)
        shared = centre_score(query, programmed.centre, halves=programmed.centre.ndim == 2)
        dead = arithmetic.dead_rows(self)[row]
        scale = programmed.signature_scale
        scores = arithmetic.in_units(score_hat, largest, scale=scale, shared=shared, dead=dead)
        if scale.ndim:
            score_hat = arithmetic.comparable(score_hat, scale)
        return scores, arithmetic.rankable(score_hat, largest, dead=dead)

    def _row(self, blocks: int) -> np.ndarray:
        return np.arange(blocks) % self.rows


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
        checks.require_finite(name, values, axes=axes, cure="mend or drop it", batched=batched)
    else:
        checks.require_axes(name, values.shape, axes=axes, batched=batched)
        _require_real(name, values)
    values = jnp.asarray(values)
    # Half precision keys are scored in the model's own precision: 11 bits are fewer than a good chip has.
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def _drawn(name: str, values: Any, shape: tuple[int, ...], *, dtype: np.dtype) -> Float[Array, "*axes"]:
    """Standard normal numbers that were handed in, of this shape and finite."""
    if not isinstance(values, Array):
        values = checks.drawn_numbers(name, values, want=shape)
    else:  # stays where it is: noise may be large, and on another device
        _require_real(name, values)
        checks.require_shape(name, got=values.shape, want=shape)
        if not isinstance(values, Tracer):
            checks.require_drawn(name, values)
    return jnp.asarray(values, jnp.promote_types(values.dtype, dtype))


def _require_real(name: str, values: Array) -> None:
    if jnp.issubdtype(values.dtype, jnp.complexfloating):
        raise InputError(f"{name}: got numbers of dtype {values.dtype}, want real numbers; convert them first")


def _check_scale(
    left: Float[Array, "blocks *rails dims"], scale: float | None, centre: Float[Array, "*rails dims"]
) -> None:
    if isinstance(left, Tracer) or isinstance(centre, Tracer) or isinstance(scale, Tracer):
        return
    largest, place = checks.largest_magnitude(np.asarray(left))
    checks.require_span(largest, shared=float(np.abs(np.asarray(centre)).max()))
    if scale is not None:
        checks.require_scale(float(scale), largest=largest, place=place)
