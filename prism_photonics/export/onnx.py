"""The bundle as an ONNX graph: programming, drift, reading and choice, written by the behavioral model's arithmetic."""

from types import SimpleNamespace

import numpy as np
from onnx import TensorProto

from prism_photonics.codec import arithmetic
from prism_photonics.codec import encoding as sign
from prism_photonics.export import schema
from prism_photonics.export.onnxgraph import Graph, Namespace, Node, Table
from prism_photonics.export.read import Bundle


def onnx_bytes(bundle: Bundle, *, dims: int, k: int, dtype: str = "float64") -> bytes:
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

    Returns:
        The serialised model.
    """
    graph = Graph(dtype)
    slices, halves = -(-dims // bundle.slice_dims), sign.RAILS[bundle.encoding] == 2
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

    signature_scale = _largest(signatures, None)
    sliced = _sliced(signatures / _or_one(signature_scale), bundle.slice_dims, dims)
    share = arithmetic.channel_shares(sliced, bundle.encoding, halves=halves)
    commanded, weights = arithmetic.written(chip, share, error, row)
    if bundle.longest_s > 0:
        drift, common = graph.take("drift", weights_shape), graph.take("common_drift", ())
        weights = arithmetic.aged(chip, weights, drift, common, graph.take("t_since_program_s", ()), row)
    largest = _largest(query, -1)
    query_hat = _sliced(query / _or_one(largest), bundle.slice_dims, dims)
    scale = largest * _or_one(signature_scale)
    scores = arithmetic.scored(chip, weights, commanded.sum(-1), query_hat, noise, row, scale=scale)
    kind = TensorProto.DOUBLE if dtype == "float64" else TensorProto.FLOAT
    return graph.model(
        {
            "scores": (scores, ("queries", "blocks"), kind),
            "indices": (graph.best(scores, k), ("queries", k), TensorProto.INT64),
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


def _largest(values: Node, axis: int | None) -> Node:
    """The largest magnitude, of all or along an axis."""
    if axis is None:
        return values.graph.add("ReduceMax", [abs(values), np.arange(values.ndim)], (), keepdims=0)
    shape = (*values.shape[:-1], 1)
    return values.graph.add("ReduceMax", [abs(values), np.array([axis])], shape, keepdims=1)


def _or_one(largest: Node) -> Node:
    return Namespace.where(largest > 0.0, largest, 1.0)


def _sliced(values: Node, slice_dims: int, dims: int) -> Node:
    """Padded with zeros to whole slices; a 0 in a shape keeps the axis as it is."""
    slices = -(-dims // slice_dims)
    pads = np.zeros(2 * values.ndim, np.int64)
    pads[-1] = slices * slice_dims - dims
    before = values.shape[:-1]
    padded = values.graph.add("Pad", [values, pads], (*before, slices * slice_dims))
    shape = np.array([0] * len(before) + [slices, slice_dims], np.int64)
    return values.graph.add("Reshape", [padded, shape], (*before, slices, slice_dims))
