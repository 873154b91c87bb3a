"""The k best blocks in torch, ties by ``export.schema.TIE_RULE``: ``torch.topk`` leaves their order open.

Eager, compiled and exported alike: nothing here rests on a float operation that a compiler may take for the identity.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

GROUPS = {64: 512, 32: 64}
"""Size of a group, and the blocks for each of the k from which on it pays (measured on a CPU)."""
LEAST_GROUP = 4
"""Size of a group from which on it pays where NumPy chooses (measured on a CPU)."""

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
    values = array_of(scores)
    if values is not None and values.size:
        # NumPy partitions several times faster than torch.
        found = best_of_rows(values.reshape(-1, values.shape[-1]), k)
        if found is not None:
            return torch.from_numpy(found).view(*scores.shape[:-1], k)
    blocks = scores.shape[-1]
    group = next((size for size, least in GROUPS.items() if blocks >= least * k), 0)
    if not group:
        return _keyed(scores, k)
    whole = blocks - blocks % group
    largest = scores[..., :whole].unflatten(-1, (-1, group)).amax(-1)
    groups = torch.sort(_keyed(largest, k), dim=-1).values
    inside = torch.arange(group, device=scores.device)
    candidates = (groups[..., None] * group + inside).flatten(-2)
    if whole < blocks:
        rest = torch.arange(whole, blocks, device=scores.device)
        candidates = torch.cat([candidates, rest.expand(*candidates.shape[:-1], -1)], -1)
    # Candidates rise, so that the lower of two equal ones is the lower block.
    return candidates.gather(-1, _keyed(scores.gather(-1, candidates), k))


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


class Best:
    """The k best blocks of some queries whose scores come piece by piece, so that none has to be kept."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._last: Any = -np.inf
        self._blocks = 0
        self._left: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def see(self, scores: Float[np.ndarray, "queries blocks"]) -> None:
        """Keep of the next blocks those that may be among the best."""
        blocks = scores.shape[-1]
        self._last = np.maximum(self._last, _reached(scores, self._k))
        # Over one axis: over two, NumPy takes ten times as long.
        flat = np.flatnonzero(scores >= self._last)
        query = flat // blocks
        self._left.append((query, flat + (self._blocks - query * blocks), scores.reshape(-1)[flat]))
        self._blocks += blocks

    def blocks(self) -> Int[np.ndarray, "queries k"] | None:
        """The k best of all, ties by ``export.schema.TIE_RULE``; None beside NaN."""
        if np.isnan(self._last).any():
            return None
        query, block, held = self._left[0] if len(self._left) == 1 else self._together()
        if not (queries := len(self._last)):
            return np.zeros((0, self._k), np.int64)
        count = np.bincount(query, minlength=queries)
        widest = count.max()
        # The place of each in a row of its query; what fills up the shorter ones comes after all others.
        into = np.arange(len(query)) + np.repeat(np.arange(queries) * widest - (np.cumsum(count) - count), count)
        if held.dtype != np.float32:
            wide, blocks = np.full((queries, widest), np.inf, held.dtype), np.zeros((queries, widest), np.int64)
            wide.reshape(-1)[into], blocks.reshape(-1)[into] = -held, block
            # Blocks rise, so that the lower of two equal ones comes first.
            return np.take_along_axis(blocks, np.argsort(wide, axis=-1, kind="stable")[:, : self._k], -1)
        # As `_keyed`, but the smallest first: 0.0 less zero has one sign.
        bits = (0.0 - held).view(np.int32)
        keys = np.full((queries, widest), np.iinfo(np.int64).max)
        keys.reshape(-1)[into] = ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) << 32) + block
        keys.sort(axis=-1)
        return keys[:, : self._k] & 0xFFFFFFFF

    def _together(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        query, block, held = (np.concatenate(parts) for parts in zip(*self._left, strict=True))
        may = held >= self._last[query, 0]
        order = np.argsort(query[may], kind="stable")
        return query[may][order], block[may][order], held[may][order]


def best_of_rows(scores: Float[np.ndarray, "queries blocks"], k: int) -> Int[np.ndarray, "queries k"] | None:
    """`top_k` in NumPy's memory; None beside NaN, where a place in the order is what the keys say."""
    if len(scores) == 1:
        best = best_of_row(scores[0], k)
        return None if best is None else best[None]
    best = Best(k)
    best.see(scores)
    return best.blocks()


def best_of_row(scores: Float[np.ndarray, " blocks"], k: int) -> Int[np.ndarray, " k"] | None:
    """`top_k` of one query in NumPy's memory; None beside NaN."""
    last = _reached(scores[None], k)[0, 0]
    # Blocks rise, so that the lower of two equal ones comes first.
    blocks = (scores >= last).nonzero()[0]
    return None if np.isnan(last) else blocks[(-scores[blocks]).argsort(kind="stable")[:k]]


def _reached(scores: Float[np.ndarray, "queries blocks"], k: int) -> Float[np.ndarray, "queries 1"]:
    """A number that at least k scores of a query reach, and few more: the k-th largest of its groups' maxima.

    NaN where one of the scores is NaN, minus infinity where there are fewer than k.
    """
    blocks = scores.shape[-1]
    # Of few large groups all maxima are large, many small ones take long to partition: between both, near the root.
    size = min(math.isqrt(2 * blocks // k), math.isqrt(blocks))
    if size < LEAST_GROUP:
        largest = scores
    else:
        groups = blocks // size
        # Blocks that lie side by side are in different groups: what is alike seldom shares one.
        largest = scores[:, : size * groups].reshape(-1, size, groups).max(1)
        if rest := blocks - size * groups:
            np.maximum(largest[:, :rest], scores[:, -rest:], out=largest[:, :rest])
    if largest.shape[-1] < k:
        return np.where(np.isnan(largest).any(-1), np.nan, -np.inf)[:, None]
    at = largest.shape[-1] - k
    # One place only: for two NumPy does not take the processor's wide registers. NaN is behind all numbers.
    ordered = np.partition(largest, at, axis=-1)[:, at:]
    return np.where(np.isnan(ordered).any(-1), np.nan, ordered[:, 0])[:, None]


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
