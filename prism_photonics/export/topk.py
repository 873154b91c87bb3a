"""The k best blocks in torch, ties by ``export.schema.TIE_RULE``: ``torch.topk`` leaves their order open.

Eager, compiled and exported alike: nothing here rests on a float operation that a compiler may take for the identity.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

GROUPS = {64: 512, 32: 64}
"""Size of a group, and the blocks for each of the k from which on it pays (measured on a CPU)."""
PARTITIONED_GROUPS = {64: 1024, 32: 512}
"""The same where NumPy partitions."""
MANY_SCORES, MANY_GROUPS = 2**16, {64: 1024, 32: 128}
"""The same where NumPy partitions so many at once: its own share of the time is small there."""

NEGATIVE_ZERO = -(2**31)
"""Bits of the float −0.0 as a whole number."""


def top_k(scores: Float[Tensor, "*batch blocks"], k: int) -> Int[Tensor, "*batch k"]:
    """Indices of the k largest scores, best first; of equal ones, such as zeros of either sign, the lower index first.

    Many blocks are first seen in groups by their largest score. The k best blocks lie in the k best groups (of equal
    groups the lower one): a block elsewhere has k blocks before it, one in each of them.
    """
    if (torch.compiler.is_compiling() or torch.jit.is_tracing()) and torch.onnx.is_in_onnx_export():
        # ONNX has no view of a float's bits; its own TopK keeps the rule that torch leaves open.
        return torch.topk(scores, k, dim=-1).indices
    traced = torch.compiler.is_compiling() and not torch.compiler.is_exporting()
    if traced and scores.dtype == torch.float64 and scores.device.type == "cpu" and scores.shape[:-1].numel() > 1:
        # Of many queries in double precision: a compiler sorts them all, which takes longer than all the rest. Single
        # precision has keys, and one query is not worth a call out of the compiled code; what is exported shall need
        # no library of ours.
        return torch.ops.prism_photonics.best_blocks(scores.detach(), k)
    return _by_groups(scores, k)


def _by_groups(scores: Float[Tensor, "*batch blocks"], k: int) -> Int[Tensor, "*batch k"]:
    blocks = scores.shape[-1]
    sizes = GROUPS
    if array_of(scores) is not None:
        sizes = PARTITIONED_GROUPS if scores.numel() < MANY_SCORES else MANY_GROUPS
    group = next((size for size, least in sizes.items() if blocks >= least * k), 0)
    if not group:
        return _first(scores, k)
    whole = blocks - blocks % group
    largest = scores[..., :whole].unflatten(-1, (-1, group)).amax(-1)
    groups = _rising(_first(largest, k))
    inside = torch.arange(group, device=scores.device)
    candidates = (groups[..., None] * group + inside).flatten(-2)
    if whole < blocks:
        rest = torch.arange(whole, blocks, device=scores.device)
        candidates = torch.cat([candidates, rest.expand(*candidates.shape[:-1], -1)], -1)
    # Candidates rise, so that the lower of two equal ones is the lower block.
    return candidates.gather(-1, _first(scores.gather(-1, candidates), k))


def _rising(index: Int[Tensor, "*batch k"]) -> Int[Tensor, "*batch k"]:
    array = array_of(index)
    return torch.sort(index, dim=-1).values if array is None else torch.from_numpy(np.sort(array, axis=-1))


def _first(scores: Float[Tensor, "*batch blocks"], k: int) -> Int[Tensor, "*batch k"]:
    """The same in one pass over all scores."""
    # NumPy partitions several times faster than torch.
    values = array_of(scores)
    return _keyed(scores, k) if values is None or not values.size else _partitioned(scores, k, values)


def array_of(values: Tensor) -> np.ndarray | None:
    """A tensor's own memory as an array; None where it has none that may be looked at: traced, batched, on a device."""
    if type(values) is not Tensor or values.device.type != "cpu":
        return None
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    try:
        return values.detach().numpy()
    except (RuntimeError, TypeError):  # batched by vmap, or of a type that NumPy has not
        return None


def _partitioned(scores: Float[Tensor, "*batch blocks"], k: int, values: np.ndarray) -> Int[Tensor, "*batch k"]:
    """The same by the k-th largest score: what is not below it are the k best, and what equals the last of them."""
    values = values.reshape(-1, values.shape[-1])
    if len(values) == 1:
        best = best_of_row(values[0], k)
        return _keyed(scores, k) if best is None else torch.from_numpy(best).view(*scores.shape[:-1], k)
    last = np.partition(values, values.shape[-1] - k, axis=-1)[:, -k, None]
    # Over one axis: over two, NumPy takes ten times as long.
    rows, blocks = np.divmod(np.flatnonzero(values >= last), values.shape[-1])
    count = np.bincount(rows, minlength=len(values))
    if count.min() < k:  # beside NaN, a place in the order is what the keys say
        return _keyed(scores, k)
    if len(blocks) == k * len(values):
        blocks = blocks.reshape(len(values), k)
        held = np.take_along_axis(values, blocks, -1)
    else:
        place = np.arange(len(blocks)) - (np.cumsum(count) - count)[rows]
        wide = np.zeros((len(values), count.max()), np.int64)
        held = np.full(wide.shape, -np.inf, values.dtype)
        wide[rows, place], held[rows, place] = blocks, values[rows, blocks]
        blocks = wide
    # Blocks rise, so that the lower of two equal ones comes first; what fills up a row comes after them.
    order = np.argsort(-held, axis=-1, kind="stable")[:, :k]
    return torch.from_numpy(np.take_along_axis(blocks, order, -1)).view(*scores.shape[:-1], k)


def best_of_row(scores: Float[np.ndarray, " blocks"], k: int) -> Int[np.ndarray, " k"] | None:
    """`top_k` of one query in NumPy's memory; None beside NaN."""
    at = len(scores) - k
    # Blocks rise, so that the lower of two equal ones comes first.
    blocks = (scores >= np.partition(scores, at)[at]).nonzero()[0]
    return None if len(blocks) < k else blocks[(-scores[blocks]).argsort(kind="stable")[:k]]


def _keyed(scores: Float[Tensor, "*batch blocks"], k: int) -> Int[Tensor, "*batch k"]:
    """The same by keys. Single precision: score and index together are one whole number, and those are all
    different. Double precision is sorted.
    """
    if scores.dtype != torch.float32:
        return torch.sort(scores, dim=-1, descending=True, stable=True).indices[..., :k]
    # As integers, floats of the IEEE format are in their own order, the negative ones backwards. Zero has one sign
    # here: adding 0.0 to the scores would do, but compilers take that for nothing.
    bits = scores.detach().view(torch.int32)
    bits = torch.where(bits == NEGATIVE_ZERO, 0, bits)
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    last = scores.shape[-1] - 1
    key = (order << 32) + (last - torch.arange(last + 1, device=scores.device))
    return last - (torch.topk(key, k, dim=-1).values & 0xFFFFFFFF)


if not hasattr(torch.ops.prism_photonics, "best_blocks"):  # once a process, however often this file is loaded
    torch.library.define("prism_photonics::best_blocks", "(Tensor scores, int k) -> Tensor")
    torch.library.impl("prism_photonics::best_blocks", "CPU", lambda scores, k: _by_groups(scores, k).contiguous())
    torch.library.register_fake(
        "prism_photonics::best_blocks",
        lambda scores, k: scores.new_empty((*scores.shape[:-1], k), dtype=torch.long),
    )
