"""A whole decode step of attention: dense on an A100, by Salca's accelerator, and over blocks that were chosen.

One KV head over 128K tokens, its keys and values in bf16. Steps of many heads and requests overlap, so a step lasts as
long as it keeps the memory busy, or the photonic chip if that takes longer; arithmetic keeps up with the memory.

Salca (arXiv 2604.24820) scores every token with 2-bit keys on a quarter of the channels, finds a threshold from a
histogram in the same pass, and fetches the tokens above it, scattered. Its model here is **our reconstruction** from
what its digests state. One number is solved for: the share of tokens that is fetched, from the published speed. The
energy beside the A100's then follows with nothing left to choose, and is held against the published one.
"""

from dataclasses import dataclass

import numpy as np

from prism_photonics.budget.baselines import FULL_EFFICIENCY, HBM_PJ_BYTE, SCATTERED_EFFICIENCY
from prism_photonics.budget.crossover import MAIN, photonic_cost
from prism_photonics.budget.energy import HeaterPower, busy_s, no_heaters
from prism_photonics.budget.entry import Entry
from prism_photonics.budget.workload import PAPERS, Workload
from prism_photonics.spec import ChipSpec

CONTEXT_TOKENS = 2**17
"""Tokens of the context: 128K, the longest of most models (design choice)."""

A100_BYTES_S, A100_W = 2.039e12, 400.0
"""Memory's rate and board power, memory included, of an A100 (data sheet, SXM with 80 GB)."""

SALCA_KEY_BYTES = 2.0 / 8.0 / 4.0
"""Bytes that Salca's pass reads per channel of a key: 2 bits on a quarter of the channels (arXiv 2604.24820)."""
SALCA_W, SALCA_MM2 = 0.933, 6.4
"""Power and area of Salca's chip in 28 nm, its memory apart (arXiv 2604.24820)."""
SALCA_SPEED, SALCA_SAVING = 3.82, 74.19
"""Published speed and energy efficiency over an A100 (arXiv 2604.24820)."""


@dataclass(frozen=True)
class Step:
    """One decode step of one KV head.

    Attributes:
        read_bytes: What is read from memory.
        time_s: Time that it takes the memory, or the photonic chip if that is longer.
        energy_J: Energy of the step.
    """

    read_bytes: float
    time_s: float
    energy_J: float


def dense(work: Workload = PAPERS) -> Step:
    """Attention over every token on an A100 that runs at its memory's full rate."""
    read = CONTEXT_TOKENS * work.model.token_bytes
    time_s = read / (FULL_EFFICIENCY * A100_BYTES_S)
    return Step(read, time_s, A100_W * time_s)


def salca_share(work: Workload = PAPERS) -> float:
    """Share of the tokens that Salca may fetch to be as fast as published, on the A100's memory."""
    pass_s = CONTEXT_TOKENS * work.head_dim * SALCA_KEY_BYTES / (FULL_EFFICIENCY * A100_BYTES_S)
    all_s = CONTEXT_TOKENS * work.model.token_bytes / (SCATTERED_EFFICIENCY * A100_BYTES_S)
    return (dense(work).time_s / SALCA_SPEED - pass_s) / all_s


def salca(work: Workload = PAPERS) -> Step:
    """Salca: a pass over all tokens' short keys, then scattered reads of `salca_share` of them."""
    keys = CONTEXT_TOKENS * work.head_dim * SALCA_KEY_BYTES
    chosen = salca_share(work) * CONTEXT_TOKENS * work.model.token_bytes
    return _in_asic(keys, scattered_bytes=chosen)


def blocks_int4(work: Workload = PAPERS) -> Step:
    """A chip of Salca's kind that scans one int4 signature a block and fetches whole blocks, each read in a run."""
    blocks = np.ceil(CONTEXT_TOKENS / work.block_tokens)
    return _in_asic(blocks * work.dims / 2.0 + _chosen_bytes(work))


def photonic(spec: ChipSpec, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS) -> Step:
    """The same chip with blocks chosen by photonic ones: `crossover.MAIN`, all static power and loads charged."""
    blocks = np.array([np.ceil(CONTEXT_TOKENS / work.block_tokens)])
    chosen = _in_asic(_chosen_bytes(work))
    scores_J = float(photonic_cost(spec, MAIN, blocks, heater_W, work=work).energy_J[0])
    return Step(chosen.read_bytes, max(chosen.time_s, busy_s(spec)), chosen.energy_J + scores_J)


def attention_entries(spec: ChipSpec, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS) -> list[Entry]:
    """Time and energy of a step, and what each way gains over the A100.

    Args:
        spec: The photonic chip.
        heater_W: Trimming heaters' power in W as a function of the spec.
        work: What is ranked.
    """
    first = dense(work)
    chosen = f"{work.chosen} blocks of {work.block_tokens} tokens fetched in runs"
    ways = {
        "a100": (first, f"{CONTEXT_TOKENS:,} tokens, all keys and values, {A100_W:g} W"),
        "salca": (
            salca(work),
            f"2-bit keys on a quarter of the channels, {salca_share(work):.1%} of the tokens fetched, {SALCA_W:g} W "
            f"and {SALCA_MM2:g} mm² in 28 nm, memory apart",
        ),
        "blocks_int4": (blocks_int4(work), f"one int4 signature a block, {chosen}, {SALCA_W:g} W"),
        "photonic": (photonic(spec, heater_W, work), f"blocks scored on chips of this spec, {chosen}, {SALCA_W:g} W"),
    }
    published = {
        "salca_speed": f"published {SALCA_SPEED:g}, from which the share of tokens is solved (arXiv 2604.24820)",
        "salca_saving": f"published {SALCA_SAVING:g} (arXiv 2604.24820)",
    }
    entries = []
    for name, (step, says) in ways.items():
        entries += [
            Entry("attention", f"{name}_time", 1e6 * step.time_s, None, "µs", says),
            Entry("attention", f"{name}_energy", 1e6 * step.energy_J, None, "µJ", f"{step.read_bytes:.3g} B read"),
        ]
        if step is not first:
            gains = {"speed": first.time_s / step.time_s, "saving": first.energy_J / step.energy_J}
            for kind, gain in gains.items():
                source = published.get(f"{name}_{kind}", "over the A100")
                entries.append(Entry("attention", f"{name}_{kind}", gain, None, "×", source))
    return entries


def _chosen_bytes(work: Workload) -> float:
    return min(work.chosen * work.block_tokens, CONTEXT_TOKENS) * work.model.token_bytes


def _in_asic(run_bytes: float, *, scattered_bytes: float = 0.0) -> Step:
    """A step on a chip of Salca's power with the A100's memory, whose reads cost what high-bandwidth memory's cost."""
    read = run_bytes + scattered_bytes
    time_s = (run_bytes / FULL_EFFICIENCY + scattered_bytes / SCATTERED_EFFICIENCY) / A100_BYTES_S
    return Step(float(read), float(time_s), float(SALCA_W * time_s + read * HBM_PJ_BYTE * 1e-12))
