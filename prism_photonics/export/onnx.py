"""The bundle as an ONNX graph: programming, drift, reading and selection, by the behavioral model's arithmetic."""

from types import SimpleNamespace

import numpy as np
from onnx import TensorProto

from prism_photonics.codec import arithmetic
from prism_photonics.codec import encoding as sign
from prism_photonics.codec.centring import centre_score, centred
from prism_photonics.codec.tiling import slices_of
from prism_photonics.export import schema
from prism_photonics.export.onnxgraph import Graph, Namespace, Table
from prism_photonics.export.read import Bundle


def onnx_bytes(bundle: Bundle, *, dims: int, k: int, dtype: str = "float64", per_block: bool = False) -> bytes:
    """The whole selector as one ONNX model; signatures and noise are its inputs.

    Inputs, with blocks and queries of any number: ``signatures`` (blocks, dims), for ``dual_rail``
    (blocks, 2, dims); ``error`` (blocks, slices, channels); ``query`` (queries, dims); ``noise`` (shots, queries,
    blocks, slices); and where drift was measured ``drift`` like the error, ``common_drift`` () and
    ``t_since_program_s`` (). Outputs: ``scores`` (queries, blocks) and ``indices`` (queries, k), best first, ties by
    ``export.schema.TIE_RULE``. Times beyond the last measured one drift as far as it.

    Args:
        bundle: The chip.
        dims: Dimensions of a signature; they fix the slices.
        k: Blocks chosen per query.
        dtype: ``float64`` gives the scores of the NumPy reader; in ``float32`` a reading within rounding of a code's
            edge may come out one code off.
        per_block: Whether each block is written at a scale of its own.

    Returns:
        The serialised model.
    """
    graph = Graph(dtype)
    slices, halves = slices_of(dims, bundle.slice_dims), sign.RAILS[bundle.encoding] == 2
    weights_shape = ("blocks", slices, bundle.channels)
    signatures = graph.take("signatures", ("blocks", 2, dims) if halves else ("blocks", dims))
    error = graph.take("error", weights_shape)
    query = graph.take("query", ("queries", dims))
    noise = graph.take("noise", (sign.shots(bundle.encoding), "queries", "blocks", slices))
    chip = _chip(bundle)

    some, whole = signatures.shape[:1], np.int64
    blocks = graph.add("Shape", [signatures], (1,), whole, start=0, end=1)
    count = graph.add("Squeeze", [blocks, np.array([0], whole)], (), whole)
    one_by_one = graph.add("Range", [np.array(0, whole), count, np.array(1, whole)], some, whole)
    row = graph.add("Mod", [one_by_one, np.array(bundle.rows, whole)], some, whole)

    left, centre = centred(signatures)
    if per_block:
        scale, unit = arithmetic.own_scale(left, halves=halves)
    else:
        largest_left = graph.largest(left)
        scale = Namespace.where(largest_left > 0.0, largest_left, 1.0)
        unit = left / scale
    share = arithmetic.channel_shares(unit, bundle.channels, bundle.encoding, halves=halves)
    commanded, weights = arithmetic.programmed_weights(chip, share, error, row)
    if bundle.longest_s > 0:
        drift, common = graph.take("drift", weights_shape), graph.take("common_drift", ())
        time_s = graph.take("t_since_program_s", ())
        weights = arithmetic.drifted_weights(chip, weights, drift, common, time_s=time_s, row=row)
    query_hat, largest = arithmetic.normalized(query)
    score_hat = arithmetic.read_hat(chip, weights, commanded.sum(-1), query_hat, noise=noise, row=row)
    score_hat = arithmetic.without_answer(score_hat, query, centre)
    shared, dead = centre_score(query, centre, halves=halves), arithmetic.dead_rows(chip)[row]
    scores = arithmetic.in_units(score_hat, largest, scale=scale, shared=shared, dead=dead)
    if per_block:
        score_hat = arithmetic.comparable(score_hat, scale)
    ranked = arithmetic.rankable(score_hat, largest, dead=dead)
    kind = TensorProto.DOUBLE if dtype == "float64" else TensorProto.FLOAT
    return graph.model(
        {
            "scores": (scores, ("queries", "blocks"), kind),
            "indices": (graph.top_k(ranked, k), ("queries", k), TensorProto.INT64),
        },
        {"schema": schema.SCHEMA, "version": str(schema.VERSION), "spec_hash": bundle.spec_hash,
         "tie_rule": schema.TIE_RULE},
    )  # fmt: skip


def _chip(bundle: Bundle) -> SimpleNamespace:
    """The bundle with tables that nodes may index."""
    chip = SimpleNamespace(**vars(bundle))
    for name, (axes, _, _) in schema.TENSORS.items():
        value = np.asarray(getattr(bundle, name))
        setattr(chip, name, value.view(Table) if axes[:1] == ("rows",) else value)
    return chip
