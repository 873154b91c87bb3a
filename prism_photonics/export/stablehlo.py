"""The bundle as StableHLO: the selector traced once by JAX and serialised, for any runtime of XLA."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
from jax import export

from prism_photonics.codec import arithmetic
from prism_photonics.codec import encoding as sign
from prism_photonics.codec.centring import centre_score, centred
from prism_photonics.codec.tiling import slices_of
from prism_photonics.export import schema
from prism_photonics.export.read import Bundle


def stablehlo_bytes(
    bundle: Bundle,
    *,
    dims: int,
    k: int,
    dtype: str = "float64",
    passed_as: str | None = None,
    per_block: bool = False,
) -> bytes:
    """The whole selector as a serialised `jax.export`; `export.program.load_program` runs it.

    Arguments and results are those of ``export.onnx.onnx_bytes``, in its order; the platform is the CPU or CUDA.

    Args:
        bundle: The chip.
        dims: Dimensions of a signature; they fix the slices.
        k: Blocks chosen per query.
        dtype: float32 or float64; see ``export.onnx.onnx_bytes``.
        passed_as: Precision of arguments and scores, float32 or float64; by default that of the arithmetic. A JAX of
            usual settings hands over and takes single precision only, whatever a program reckons in.
        per_block: Whether each block is written at a scale of its own.

    Returns:
        The serialised program.
    """
    chip = SimpleNamespace(**vars(bundle))
    for name, (_, _, kind) in schema.TENSORS.items():
        setattr(chip, name, jnp.asarray(getattr(bundle, name), dtype if kind == "float64" else kind))
    passed = passed_as or dtype
    halves, drifts = sign.RAILS[bundle.encoding] == 2, bundle.longest_s > 0
    slices = slices_of(dims, bundle.slice_dims)

    def select(signatures, error, query, noise, drift=None, common_drift=None, t_since_program_s=None):
        signatures, error, query, noise = (jnp.asarray(each, dtype) for each in (signatures, error, query, noise))
        row = jnp.arange(signatures.shape[0]) % bundle.rows
        left, centre = centred(signatures)
        if per_block:
            scale, unit = arithmetic.own_scale(left, halves=halves)
        else:
            largest_left = jnp.max(jnp.abs(left))
            scale = jnp.where(largest_left > 0, largest_left, 1.0)
            unit = left / scale
        share = arithmetic.channel_shares(unit, bundle.channels, bundle.encoding, halves=halves)
        commanded, weights = arithmetic.programmed_weights(chip, share, error, row)
        if drifts:
            drift, common_drift, time_s = (
                jnp.asarray(each, dtype) for each in (drift, common_drift, t_since_program_s)
            )
            weights = arithmetic.drifted_weights(chip, weights, drift, common_drift, time_s=time_s, row=row)
        query_hat, largest = arithmetic.normalized(query)
        score_hat = arithmetic.read_hat(chip, weights, commanded.sum(-1), query_hat, noise=noise, row=row)
        score_hat = arithmetic.without_answer(score_hat, query, centre)
        shared, dead = centre_score(query, centre, halves=halves), arithmetic.dead_rows(chip)[row]
        scores = arithmetic.in_units(score_hat, largest, scale=scale, shared=shared, dead=dead)
        if per_block:
            score_hat = arithmetic.comparable(score_hat, scale)
        # Of equal values, lax.top_k promises the lower index first.
        return jnp.asarray(scores, passed), jax.lax.top_k(arithmetic.rankable(score_hat, largest, dead=dead), k)[1]

    # An unknown size is 1 at least: where nobody asks, `export.program` answers.
    blocks, queries = export.symbolic_shape("blocks, queries", constraints=[f"blocks >= {k}"])
    weights_shape = (blocks, slices, bundle.channels)
    shapes = [
        (blocks, 2, dims) if halves else (blocks, dims),
        weights_shape,
        (queries, dims),
        (sign.shots(bundle.encoding), queries, blocks, slices),
        *((weights_shape, (), ()) if drifts else ()),
    ]
    arguments = [jax.ShapeDtypeStruct(shape, jnp.dtype(passed)) for shape in shapes]
    traced = export.export(jax.jit(select), platforms=("cpu", "cuda"))(*arguments)
    return bytes(traced.serialize())
