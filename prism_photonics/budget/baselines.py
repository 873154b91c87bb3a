"""Electronic baselines of the same selection: energy and time per query against the number of blocks.

Each baseline is meant to be the strongest of its kind: arithmetic and top-k on the GPU cost nothing beside the reads,
kernels are fused into the attention, memory runs at its full rate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from prism_photonics.budget.workload import PAPERS, Workload

SIGNATURE_BYTES = 1.0
"""Bytes per weight of a signature on its way to the chip; design choice: 8 bits, as the chip's accuracy deserves."""

HBM_PJ_BYTE = 31.0
"""Energy of a read from high-bandwidth memory, pJ/B (arXiv 2603.21576)."""
HBM_BYTES_S = 3.35e12
"""Read rate of an H100's memory, B/s (data sheet, SXM)."""
HBM_LATENCY_S = 0.5e-6
"""First byte of a read on a GPU, s; design choice."""
FULL_EFFICIENCY, SCATTERED_EFFICIENCY = 0.95, 0.30
"""Share of a memory's rate that reads in a run, and scattered ones, get (arXiv 2604.24820, from a digest)."""

ANN_VISITS, ANN_EXPONENT, ANN_DIMS_EXPONENT = 32.0, 0.40, 0.68
"""Signatures that a graph search (HNSW) visits for recall 0.92 of the best 32, the calibrated bank's: 32·N^0.40 of 32
dimensions, more by (d/32)^0.68. Measured on Gaussian signatures, 1,024 to 65,536 (`benchmarks/electronic.py`).
"""

L2_BYTES = 50 * 2**20
"""Second-level cache of an H100 (data sheet)."""
L2_PJ_BYTE = 100.0 / 8.0
"""Read of a 1 MiB cache, 100 pJ per 64 bits at 45 nm (10.1109/ISSCC.2014.6757323); wires over a GPU's die come atop."""
L2_BYTES_S, L2_LATENCY_S = 2.0 * HBM_BYTES_S, 0.25e-6
"""Rate and first byte of a read from it; design choice: twice the memory's rate, half its latency."""

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
        first_s: Time of a query over N blocks until its first byte is there.
        stream_s: Time from then on.
        stored_bytes: Memory of a dedicated chip for N blocks; zero for a GPU.
        assumption: Assumptions in words.
    """

    name: str
    energy_J: Callable[[Blocks], Blocks]
    first_s: Callable[[Blocks], Blocks]
    stream_s: Callable[[Blocks], Blocks]
    stored_bytes: Callable[[Blocks], Blocks]
    assumption: str

    def time_s(self, blocks: Blocks) -> Blocks:
        """Time of one query over N blocks, in s."""
        return self.first_s(blocks) + self.stream_s(blocks)


def kv_fetch(work: Workload = PAPERS) -> tuple[float, float]:
    """Energy in J and time in s of fetching the chosen blocks' keys and values in bf16: the same for every selector."""
    size = work.chosen * work.block_tokens * work.model.token_bytes
    return size * HBM_PJ_BYTE * 1e-12, size / HBM_BYTES_S


def baselines(work: Workload = PAPERS, *, sequences: int = 1) -> dict[str, Baseline]:
    """The electronic selectors of a workload, by name.

    Args:
        work: What is ranked.
        sequences: Sequences whose signatures, of all KV heads, are held at once.
    """
    kv_heads = work.kv_heads * sequences
    bf16, int4 = 2.0 * work.dims, work.dims / 2.0

    def visited(blocks: Blocks) -> Blocks:
        law = ANN_VISITS * (work.dims / 32.0) ** ANN_DIMS_EXPONENT * blocks**ANN_EXPONENT
        # Whoever finds more blocks than were measured has to visit each of them at least.
        return np.minimum(blocks, np.maximum(law, work.chosen))

    def kept(blocks: Blocks) -> Bool[np.ndarray, " blocks"]:
        return blocks * int4 * kv_heads <= L2_BYTES

    def constant(value: float) -> Callable[[Blocks], Blocks]:
        return lambda blocks: np.full_like(blocks, value)

    def linear(slope: float) -> Callable[[Blocks], Blocks]:
        return lambda blocks: blocks * slope

    def from_hbm(name: str, block_bytes: float, assumption: str) -> Baseline:
        energy_J, stream_s = linear(block_bytes * HBM_PJ_BYTE * 1e-12), linear(block_bytes / HBM_BYTES_S)
        return Baseline(name, energy_J, constant(HBM_LATENCY_S), stream_s, constant(0.0), assumption)

    found = (
        from_hbm("gpu_full_scan", 2.0 * work.head_dim * 2.0, "two full-dimension bf16 vectors a block"),
        from_hbm(f"gpu_d{work.dims}_bf16", bf16, "one bf16 signature a block"),
        from_hbm(f"gpu_d{work.dims}_int4", int4, "one int4 signature a block, fused"),
        Baseline(
            "gpu_l2_int4",
            lambda blocks: blocks * int4 * np.where(kept(blocks), L2_PJ_BYTE, HBM_PJ_BYTE) * 1e-12,
            lambda blocks: np.where(kept(blocks), L2_LATENCY_S, HBM_LATENCY_S),
            lambda blocks: blocks * int4 / np.where(kept(blocks), L2_BYTES_S, HBM_BYTES_S),
            constant(0.0),
            f"int4 signatures of {kv_heads} heads kept in 50 MiB of second-level cache; from memory if they are more",
        ),
        Baseline(
            "ann",
            lambda blocks: visited(blocks) * bf16 * HBM_PJ_BYTE * 1e-12,
            # At least two reads, one after the other: a graph's hops take more.
            constant(2.0 * HBM_LATENCY_S),
            lambda blocks: visited(blocks) * bf16 / (HBM_BYTES_S * SCATTERED_EFFICIENCY / FULL_EFFICIENCY),
            constant(0.0),
            "graph search of bf16 signatures at the bank's recall, 0.92 of the best 32: "
            f"{ANN_VISITS:g}·N^{ANN_EXPONENT:g} visited at 32 dimensions, measured; never fewer than k",
        ),
        Baseline(
            "sram_asic",
            linear((int4 * SRAM_PJ_BYTE + work.dims * MAC_PJ) * 1e-12),
            constant(0.0),
            lambda blocks: np.minimum(blocks, max(1.0, SRAM_BANK_BYTES // int4)) * 1e-9,
            linear(int4),
            "int4 signatures of all heads in 8 KiB banks, one signature per bank and ns; top-k and link as the chip's",
        ),
    )
    return {baseline.name: baseline for baseline in found}
