"""From which context on the photonic selector is cheaper, or faster, than each electronic one."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from prism_photonics.budget.baselines import (
    HBM_LATENCY_S,
    SRAM_LEAKAGE_W_BYTE,
    Baseline,
    baselines,
    kv_fetch,
)
from prism_photonics.budget.energy import (
    HeaterPower,
    busy_s,
    load_s,
    no_heaters,
    program_energies_J,
    query_energies_J,
    require_rate,
    slices,
    static_powers_W,
)
from prism_photonics.budget.latency import query_s
from prism_photonics.budget.symbol import symbol_s
from prism_photonics.budget.workload import PAPERS, Workload
from prism_photonics.codec.encoding import shots
from prism_photonics.spec import ChipSpec

LARGEST_BLOCKS = 2**17
"""The longest context looked at: 131,072 blocks, of 128 tokens 16,777,216."""
MARGIN = 1.1
"""A selector is beaten when it costs at least 10 % more (design choice): less is no reason to build a chip."""


@dataclass(frozen=True)
class Case:
    """Way of counting energy and time.

    Attributes:
        name: Key in the ledger.
        scaling: ``chips``: as many chips as the blocks need, side by side, each with its own laser, cooler and drivers,
            weights kept for ``queries_per_program`` queries. ``pages``: one chip, loaded anew for every page of every
            query.
        says: The case in words.
        static: ``charged``: all static power, shared by the queries. ``gated``: laser, drivers and amplifiers only
            while a query is under way, no cooler and no heaters: the paper's way of counting.
        host_link: Whether the way to and from the chip counts.
        reprogramming: Whether loading the weights counts.
        kv_fetch: Whether fetching the chosen blocks, the same for every selector, counts.
        one_head: Whether each KV head has chips of its own, asked by it alone and loaded anew only as often as a block
            of tokens completes, instead of taking turns with all others of the model.
    """

    name: str
    scaling: Literal["chips", "pages"]
    says: str
    static: Literal["charged", "gated"] = "charged"
    host_link: bool = True
    reprogramming: bool = True
    kv_fetch: bool = False
    one_head: bool = False


MAIN = Case("main", "chips", "chips side by side; all static power, host link and reprogramming, but no KV fetch")
ONE_HEAD = Case(
    "one_head", "chips", "as main, each KV head on chips of its own, loaded once in a block's tokens", one_head=True
)

CASES: tuple[Case, ...] = (
    MAIN,
    Case("with_kv_fetch", "chips", "main and the fetch of the chosen blocks on both sides", kv_fetch=True),
    Case("no_host_link", "chips", "main without the way to and from the chip", host_link=False),
    Case("no_reprogramming", "chips", "main with weights that never change", reprogramming=False),
    ONE_HEAD,
    Case("gated", "chips", "laser, drivers and amplifiers on for the query alone, no cooler", static="gated"),
    Case("gated_no_reprogramming", "chips", "gated, with weights that never change", "gated", reprogramming=False),
    Case(
        "gated_optics_only",
        "chips",
        "gated, no host link, weights that never change: the paper's way of counting",
        "gated",
        host_link=False,
        reprogramming=False,
    ),
    Case(
        "gated_optics_only_with_kv_fetch",
        "chips",
        "the same and the fetch of the chosen blocks on both sides",
        "gated",
        host_link=False,
        reprogramming=False,
        kv_fetch=True,
    ),
    Case("pages", "pages", "one chip, loaded for every page of every query; all else as main"),
    Case("pages_with_kv_fetch", "pages", "pages and the fetch on both sides", kv_fetch=True),
    Case("pages_no_host_link", "pages", "pages without the way to and from the chip", host_link=False),
    Case("pages_gated", "pages", "pages, power gated as above", static="gated"),
)
"""The cases of the ledger; `MAIN` comes first."""

type Blocks = Float[np.ndarray, " blocks"]


@dataclass(frozen=True)
class Cost:
    """Cost of one query over N blocks.

    Attributes:
        energy_J: Energy; infinite where the selector cannot keep up with the query rate.
        time_s: Latency.
    """

    energy_J: Blocks
    time_s: Blocks


def contexts() -> Blocks:
    """Every number of blocks from 1 to the largest context looked at."""
    return np.arange(1.0, LARGEST_BLOCKS + 1)


def photonic_cost(
    spec: ChipSpec,
    case: Case,
    blocks: Blocks,
    heater_W: HeaterPower = no_heaters,
    *,
    work: Workload = PAPERS,
) -> Cost:
    """Energy and latency of one query on the photonic selector.

    A chip holds one signature per row. One that holds fewer dimensions than a signature takes several chips, or pages,
    per set of rows, whose partial scores are added; one that holds more leaves the rest dark, at full cost.

    Args:
        spec: The chip.
        case: Way of counting.
        blocks: Numbers of blocks.
        heater_W: Heaters' power as a function of the spec.
        work: What is ranked.
    """
    spec = _shared_by(spec, case, work)
    system, rate = spec.system, spec.system.query_rate_Hz
    fills = np.ceil(blocks / spec.chip.rows) * slices(spec, work)
    chips = fills if case.scaling == "chips" else np.ones_like(fills)
    # A single page stays as long as a chip's weights do.
    per_program = np.where((case.scaling == "pages") & (fills > 1), 1.0, system.queries_per_program)
    light_s = shots(spec.modulator.encoding) * symbol_s(spec)
    pages = fills / chips
    energies = query_energies_J(spec, work)
    link_J = energies.pop("host_link")
    energy = fills * sum(energies.values())
    time = query_s(spec) + (pages - 1.0) * light_s
    powers = static_powers_W(spec, heater_W)
    if case.static == "gated":
        on_W = sum(power for name, power in powers.items() if name not in ("tec", "heaters"))
        energy = energy + on_W * fills * query_s(spec)
    else:
        energy = energy + chips * sum(powers.values()) / rate
    if case.host_link:
        # The query goes to a chip once; every page or chip answers.
        energy, time = energy + fills * link_J, time + system.host_link_ns * 1e-9
    if case.reprogramming:
        loads = program_energies_J(spec)
        if not case.host_link:
            loads.pop("program_link")
        energy = energy + fills * sum(loads.values()) / per_program
        # Chips settle together, but one memory feeds them all.
        reads_s = fills * (load_s(spec) - spec.drive.settle_us * 1e-6)
        time = time + (HBM_LATENCY_S + reads_s + pages * spec.drive.settle_us * 1e-6) / per_program
    busy = rate * pages * (light_s + load_s(spec) / per_program)
    return _with_fetch(Cost(np.where(busy > 1.0, np.inf, energy), time), case, work)


def baseline_cost(spec: ChipSpec, baseline: Baseline, case: Case, blocks: Blocks, *, work: Workload = PAPERS) -> Cost:
    """Energy and latency of one query on a baseline.

    A GPU runs anyway: no static power, no link. A dedicated electronic chip pays the photonic one's link and top-k, and
    the leakage of its memory where static power is charged.
    """
    system, heads = _shared_by(spec, case, work).system, 1 if case.one_head else work.kv_heads
    energy, time = baseline.energy_J(blocks), baseline.time_s(blocks)
    stored = baseline.stored_bytes(blocks)
    if stored.any():
        energy = energy + blocks * system.topk_pJ_row * 1e-12
        time = time + system.topk_ns * 1e-9
        if case.static == "charged":
            # It holds the signatures of all heads that take turns, and leaks for all of them between a head's queries.
            leakage_W = stored * heads * SRAM_LEAKAGE_W_BYTE
            energy = energy + leakage_W / system.query_rate_Hz
        if case.host_link:
            energy, time = energy + query_energies_J(spec, work)["host_link"], time + system.host_link_ns * 1e-9
    return _with_fetch(Cost(energy, time), case, work)


def crossover_tokens(ours: Blocks, theirs: Blocks, block_tokens: int = PAPERS.block_tokens) -> int | None:
    """Context from which on we cost less at every longer one looked at, by the margin.

    Args:
        ours: Our cost for 1, 2, … blocks.
        theirs: Theirs.
        block_tokens: Tokens of a block.

    Returns:
        Tokens, or ``None`` when we never stay below.
    """
    beaten: Bool[np.ndarray, " blocks"] = MARGIN * ours <= theirs
    if not beaten[-1]:
        return None
    missed = np.flatnonzero(~beaten)
    return block_tokens * (int(missed[-1]) + 2 if missed.size else 1)


def crossovers(
    spec: ChipSpec, case: Case, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS
) -> dict[str, dict[str, int | None]]:
    """Crossover in tokens per baseline, for ``energy`` and for ``latency``."""
    require_rate(spec)
    blocks = contexts()
    ours = photonic_cost(spec, case, blocks, heater_W, work=work)
    found: dict[str, dict[str, int | None]] = {"energy": {}, "latency": {}}
    for name, baseline in baselines(work).items():
        theirs = baseline_cost(spec, baseline, case, blocks, work=work)
        found["energy"][name] = crossover_tokens(ours.energy_J, theirs.energy_J, work.block_tokens)
        found["latency"][name] = crossover_tokens(ours.time_s, theirs.time_s, work.block_tokens)
    return found


def break_even_rate_Hz(
    spec: ChipSpec, case: Case = MAIN, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS
) -> dict[str, float | None]:
    """Query rate from which on a full chip beats each baseline in energy; ``None`` where none in its reach does.

    Static power falls as one over the rate; a chip cannot answer faster than its shots and settling allow.
    """
    require_rate(spec)
    blocks = np.array([float(spec.chip.rows)])
    shared = _shared_by(spec, case, work)
    fills = slices(spec, work)
    static_W = fills * sum(static_powers_W(spec, heater_W).values())
    ours_J = photonic_cost(spec, case, blocks, heater_W, work=work).energy_J[0] - static_W / shared.system.query_rate_Hz
    rates: dict[str, float | None] = {}
    for name, baseline in baselines(work).items():
        spare_J = float(baseline_cost(spec, baseline, case, blocks, work=work).energy_J[0] / MARGIN - ours_J)
        rate_Hz = static_W / spare_J if spare_J > 0.0 else np.inf
        rates[name] = rate_Hz if rate_Hz * busy_s(shared) <= 1.0 else None
    return rates


def to_json(spec: ChipSpec, heater_W: HeaterPower = no_heaters, work: Workload = PAPERS) -> dict[str, Any]:
    """``crossover_tokens`` of the main case, and ``crossover`` with every case and assumption, as plain data."""
    found = {case.name: crossovers(spec, case, heater_W, work) for case in CASES}
    rates = {case.name: break_even_rate_Hz(spec, case, heater_W, work) for case in (MAIN, ONE_HEAD)}
    electronic = baselines(work)
    return {
        "crossover_tokens": found[MAIN.name]["energy"],
        "crossover": {
            "cases": {case.name: {**vars(case), **found[case.name]} for case in CASES},
            "break_even_query_rate_Hz": rates,
            "largest_context_tokens": LARGEST_BLOCKS * work.block_tokens,
            "margin": MARGIN,
            "workload": {
                **{name: value for name, value in vars(work).items() if name != "model"},
                "head_dim": work.head_dim,
                "kv_heads": work.kv_heads,
                "model": vars(work.model),
            },
            "assumptions": {name: baseline.assumption for name, baseline in electronic.items()},
        },
    }


def _shared_by(spec: ChipSpec, case: Case, work: Workload) -> ChipSpec:
    """The spec with the query rate and the programs of case and workload."""
    system = spec.system
    if not case.one_head:
        return spec
    shared = {"query_rate_Hz": system.query_rate_Hz / work.kv_heads, "queries_per_program": float(work.block_tokens)}
    return spec.model_copy(update={"system": system.model_copy(update=shared)})


def _with_fetch(cost: Cost, case: Case, work: Workload) -> Cost:
    if not case.kv_fetch:
        return cost
    energy_J, time_s = kv_fetch(work)
    return Cost(cost.energy_J + energy_J, cost.time_s + time_s)
