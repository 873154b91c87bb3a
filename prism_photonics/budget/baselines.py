"""Electronic baselines of the same selection: energy and time per query against the number of blocks.

Each baseline is meant to be the strongest of its kind: arithmetic and top-k on the GPU cost nothing beside the reads,
kernels are fused into the attention, memory runs at its full rate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

BLOCK_TOKENS = 128
"""Tokens per block (arXiv 2603.21576)."""
CHOSEN = 32
"""Blocks fetched per query, k (arXiv 2603.21576)."""
HEAD_DIM = 128
"""Dimensions of a key (Qwen2.5-7B, the model of arXiv 2603.21576)."""
SIGNATURE_DIMS = 32
"""Dimensions of a block's signature (arXiv 2603.21576)."""
SIGNATURE_BYTES = 1.0
"""Bytes per weight of a signature on its way to the chip; design choice: 8 bits, as the chip's accuracy deserves."""

HBM_PJ_BYTE = 31.0
"""Energy of a read from high-bandwidth memory, pJ/B (arXiv 2603.21576)."""
HBM_BYTES_S = 3.35e12
"""Read rate of an H100's memory, B/s (data sheet, SXM)."""
HBM_LATENCY_S = 0.5e-6
"""First byte of a read on a GPU, s; design choice."""
SCATTERED_EFFICIENCY = 0.30 / 0.95
"""Rate of scattered reads over the memory's full rate (arXiv 2604.24820, from a digest)."""

ANN_PROBES = 8
"""Lists that the approximate search looks into; design choice."""

SRAM_PJ_BYTE = 10.0 / 8.0
"""Read of an 8 KiB bank, 10 pJ per 64 bits at 45 nm (10.1109/ISSCC.2014.6757323)."""
SRAM_BANK_BYTES = 8192
"""Size of a bank; each has its own arithmetic and reads one signature per nanosecond (design choice)."""
MAC_PJ = 0.23
"""An 8-bit product and sum at 45 nm, pJ (10.1109/ISSCC.2014.6757323); for 4 bits it is less."""
SRAM_LEAKAGE_W_BYTE = 10e-3 / 2**20
"""Leakage of static memory, 10 mW/MiB; design choice."""

type Blocks = Float[np.ndarray, " blocks"]


@dataclass(frozen=True)
class Baseline:
    """One electronic way to choose the blocks.

    Attributes:
        name: Key in the ledger.
        energy_J: Reads and arithmetic of one query over N blocks.
        time_s: Time of one query over N blocks.
        stored_bytes: Memory of a dedicated chip for N blocks; zero for a GPU.
        assumption: Assumptions in words.
    """

    name: str
    energy_J: Callable[[Blocks], Blocks]
    time_s: Callable[[Blocks], Blocks]
    stored_bytes: Callable[[Blocks], Blocks]
    assumption: str


def kv_fetch() -> tuple[float, float]:
    """Energy in J and time in s of fetching the chosen blocks' keys and values, 2 MiB: the same for every selector."""
    size = CHOSEN * BLOCK_TOKENS * HEAD_DIM * 2 * 2.0
    return size * HBM_PJ_BYTE * 1e-12, size / HBM_BYTES_S


def _scan(name: str, bytes_per_block: float, assumption: str) -> Baseline:
    return Baseline(
        name,
        lambda blocks: blocks * bytes_per_block * HBM_PJ_BYTE * 1e-12,
        lambda blocks: HBM_LATENCY_S + blocks * bytes_per_block / HBM_BYTES_S,
        lambda blocks: 0.0 * blocks,
        assumption,
    )


def _visited(blocks: Blocks) -> Blocks:
    return np.minimum(blocks, (1 + ANN_PROBES) * np.sqrt(blocks))


INT4_BYTES = SIGNATURE_DIMS / 2.0

BASELINES: dict[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        _scan("gpu_full_scan", 2.0 * HEAD_DIM * 2.0, "two full-dimension bf16 vectors a block: 16.3 µJ at 128K tokens"),
        _scan("gpu_d32_bf16", SIGNATURE_DIMS * 2.0, "one bf16 signature a block: 2.0 µJ at 128K tokens"),
        _scan("gpu_d32_int4", INT4_BYTES, "one int4 signature a block, fused: 0.5 µJ at 128K tokens"),
        Baseline(
            "ann",
            lambda blocks: _visited(blocks) * SIGNATURE_DIMS * 2.0 * HBM_PJ_BYTE * 1e-12,
            lambda blocks: (
                # Centroids, then the lists they name: two reads, one after the other.
                2.0 * HBM_LATENCY_S + _visited(blocks) * SIGNATURE_DIMS * 2.0 / (HBM_BYTES_S * SCATTERED_EFFICIENCY)
            ),
            lambda blocks: 0.0 * blocks,
            f"inverted file of √N lists, {ANN_PROBES} probed: {1 + ANN_PROBES}·√N bf16 signatures; recall not judged",
        ),
        Baseline(
            "sram_asic",
            lambda blocks: blocks * (INT4_BYTES * SRAM_PJ_BYTE + SIGNATURE_DIMS * MAC_PJ) * 1e-12,
            lambda blocks: np.minimum(blocks, SRAM_BANK_BYTES / INT4_BYTES) * 1e-9,
            lambda blocks: blocks * INT4_BYTES,
            "int4 signatures of all heads in 8 KiB banks, one signature per bank and ns; top-k and link as the chip's",
        ),
    )
}
"""The baselines by name."""
