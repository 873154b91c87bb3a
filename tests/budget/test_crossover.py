"""Who wins from which context on: the baselines' known numbers, and what must never help or hurt."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prism_photonics.budget.attention import dense
from prism_photonics.budget.baselines import L2_BYTES, baselines, kv_fetch
from prism_photonics.budget.crossover import (
    CASES,
    LARGEST_BLOCKS,
    MAIN,
    ONE_HEAD,
    Case,
    baseline_cost,
    break_even_rate_Hz,
    contexts,
    crossover_tokens,
    crossovers,
    photonic_cost,
)
from prism_photonics.budget.energy import energy_entries
from prism_photonics.budget.latency import latency_entries
from prism_photonics.budget.workload import QWEN_7B, Workload
from prism_photonics.units import InputError

ROOT = Path(__file__).parents[2]
BASELINES, BLOCK_TOKENS = baselines(), Workload().block_tokens

AT_128K = np.array([1024.0])
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def found(paper):
    return {case.name: crossovers(paper, case) for case in CASES}


@pytest.mark.parametrize(
    ("name", "energy_uJ"), [("gpu_full_scan", 16.3), ("gpu_d32_bf16", 2.03), ("gpu_d32_int4", 0.51)]
)
def test_a_scan_at_128K_tokens_costs_what_the_references_say(name, energy_uJ):
    assert BASELINES[name].energy_J(AT_128K)[0] * 1e6 == pytest.approx(energy_uJ, rel=0.01)
    assert BASELINES[name].energy_J(8 * AT_128K)[0] == pytest.approx(8 * BASELINES[name].energy_J(AT_128K)[0])


def test_the_fetch_of_32_blocks_is_2_MiB_and_65_uJ():
    energy_J, time_s = kv_fetch()
    assert energy_J == pytest.approx(65e-6, rel=0.01)
    assert time_s == pytest.approx(2 * 2**20 / 3.35e12)


def test_deleting_the_scan_gains_what_the_fetch_leaves():
    """1.03× at 128K tokens, 1.25× at 1M, 3.5× at 10M against bf16 signatures (ranking reference, §3)."""
    fetch_J, _ = kv_fetch()
    scan = BASELINES["gpu_d32_bf16"].energy_J(np.array([1024.0, 8192.0, 81920.0]))
    assert 1 + scan / fetch_J == pytest.approx([1.03, 1.25, 3.5], rel=0.01)


def test_the_approximate_search_never_reads_more_than_all_and_grows_as_measured():
    ann, flat = BASELINES["ann"], BASELINES["gpu_d32_bf16"]
    blocks = contexts()
    assert (ann.energy_J(blocks) <= flat.energy_J(blocks) * (1 + 1e-12)).all()
    measured = json.loads((ROOT / "benchmarks" / "results" / "electronic.json").read_text())
    for line in measured["lines"]:
        visits = baselines(Workload(dims=int(line["dims"])))["ann"].energy_J(np.array([float(line["blocks"])])) / (
            2.0 * line["dims"] * 31e-12
        )
        assert visits[0] == pytest.approx(line["graph_visits"], rel=0.2)
        assert line["graph_recall"] >= measured["recall"] == 0.92


def test_the_approximate_search_visits_every_block_that_it_finds():
    found = baselines(Workload(dims=8, chosen=700))["ann"].energy_J(np.array([500.0, 1024.0, 2.0**17]))
    visits = found / (2.0 * 8 * 31e-12)
    assert visits[:2] == pytest.approx([500.0, 700.0])
    assert visits[2] == pytest.approx(32.0 * 2.0 ** (17 * 0.4) * 0.25**0.68)


def test_the_electronic_chip_pays_for_its_reads_products_leakage_topk_and_link(demo):
    blocks = np.array([8.0, 1024.0])
    charged = baseline_cost(demo, BASELINES["sram_asic"], MAIN, blocks)
    bare = baseline_cost(demo, BASELINES["sram_asic"], BY_NAME["gated_optics_only"], blocks)
    # 16 B at 10 pJ per 8 B, 32 products, a comparison of 1 pJ.
    assert bare.energy_J / blocks * 1e12 == pytest.approx(16 * 1.25 + 32 * 0.23 + 1.0)
    leakage_J = blocks * 16 * 112 * 10e-3 / 2**20 / 112e3
    link_J = (8 * 10 + 8 * (3 + 12)) * 5e-12
    assert charged.energy_J - bare.energy_J == pytest.approx(leakage_J + link_J)
    assert charged.time_s - bare.time_s == pytest.approx(1e-6)


def test_a_full_chip_costs_what_the_energy_table_says(paper):
    table = {entry.name: entry.derived for entry in energy_entries(paper)}
    cost = photonic_cost(paper, MAIN, np.array([256.0, 257.0, 512.0]))
    assert cost.energy_J * 1e12 == pytest.approx([table["total"], 2 * table["total"], 2 * table["total"]])
    bare = photonic_cost(paper, BY_NAME["gated_optics_only"], np.array([256.0]))
    latency = {entry.name: entry.derived for entry in latency_entries(paper)}
    assert bare.time_s * 1e9 == pytest.approx(latency["total"])


def test_a_chip_with_fewer_lines_than_a_signature_is_used_in_slices(demo):
    table = {entry.name: entry.derived for entry in energy_entries(demo)}
    assert photonic_cost(demo, MAIN, np.array([8.0])).energy_J[0] * 1e12 == pytest.approx(4 * table["total"])


def test_pages_share_one_chips_static_power_and_load_it_each_time(paper, altered):
    kept = altered(paper, system={"queries_per_program": 1000.0})
    table = {entry.name: entry.derived for entry in energy_entries(kept)}
    pages = photonic_cost(kept, BY_NAME["pages"], np.array([256.0, 1024.0])).energy_J * 1e12
    assert pages[0] == pytest.approx(table["total"])
    assert pages[1] == pytest.approx(table["static"] + 4 * (table["dynamic"] + 1000 * table["program"]))


def test_pages_that_cannot_keep_up_with_the_queries_are_no_answer(demo):
    energy = photonic_cost(demo, BY_NAME["pages"], contexts()).energy_J
    assert np.isfinite(energy[0])
    assert np.isinf(energy[-1])
    assert crossovers(demo, BY_NAME["pages"])["energy"] == dict.fromkeys(BASELINES)


def test_a_crossover_is_where_the_last_loss_ends():
    theirs = np.full(6, 1.1)
    # A chip more makes the fourth context dear again.
    assert crossover_tokens(np.array([9.0, 1.0, 1.0, 2.0, 1.0, 0.9]), theirs) == 5 * BLOCK_TOKENS
    assert crossover_tokens(np.ones(6), theirs) == BLOCK_TOKENS
    assert crossover_tokens(np.full(6, 1.01), theirs) is None
    assert crossover_tokens(np.array([1.0, 1.0, 1.0, 1.0, 1.0, np.inf]), theirs) is None


def test_counting_more_never_brings_a_crossover_nearer(found):
    for more, less in [
        ("with_kv_fetch", "main"),
        ("main", "no_host_link"),
        ("main", "no_reprogramming"),
        ("main", "gated"),
        ("gated", "gated_no_reprogramming"),
        ("gated_no_reprogramming", "gated_optics_only"),
        ("gated_optics_only_with_kv_fetch", "gated_optics_only"),
        ("pages_with_kv_fetch", "pages"),
        ("pages", "pages_gated"),
    ]:
        late, early = found[more], found[less]
        for metric in ("energy", "latency"):
            # The dedicated electronic chip pays for the link too, so it may gain more than we do.
            for name in BASELINES.keys() - {"sram_asic"}:
                assert late[metric][name] is None or early[metric][name] <= late[metric][name], (more, less, name)


def test_with_all_charged_the_papers_chip_beats_no_scan_in_energy(paper):
    assert crossovers(paper, MAIN)["energy"] == dict.fromkeys(BASELINES)
    int4 = baseline_cost(paper, BASELINES["gpu_d32_int4"], MAIN, AT_128K).energy_J[0]
    assert photonic_cost(paper, MAIN, AT_128K).energy_J[0] > 100 * int4


def test_counted_as_the_paper_counts_it_wins_early_and_loses_to_nobody_but_the_search_and_the_asic(paper):
    energy = crossovers(paper, BY_NAME["gated_optics_only"])["energy"]
    assert energy["gpu_full_scan"] <= energy["gpu_d32_bf16"] <= energy["gpu_d32_int4"] <= 4096
    assert energy["ann"] is None
    assert energy["sram_asic"] is None


def test_at_the_break_even_rate_a_full_chip_is_cheaper_by_the_margin_and_below_it_is_not(paper, altered):
    rates = break_even_rate_Hz(paper)
    assert rates["gpu_d32_int4"] is None
    rate = rates["gpu_full_scan"]
    blocks = np.array([float(paper.chip.rows)])
    for factor, wins in ((1.01, True), (0.99, False)):
        spec = altered(paper, system={"query_rate_Hz": factor * rate})
        ours = photonic_cost(spec, MAIN, blocks).energy_J[0]
        theirs = baseline_cost(spec, BASELINES["gpu_full_scan"], MAIN, blocks).energy_J[0]
        assert bool(1.1 * ours <= theirs) is wins


def test_chips_of_one_head_wait_112_times_longer_between_queries(paper):
    static = {entry.name: entry.derived for entry in energy_entries(paper)}["static"] * 1e-12
    alone = photonic_cost(paper, ONE_HEAD, np.array([256.0])).energy_J[0]
    assert alone == pytest.approx(112 * static, rel=1e-3)


def test_heaters_make_every_selection_dearer_but_a_gated_one(paper):
    blocks = np.array([256.0])

    def cost(case: Case, power_W: float) -> float:
        return float(photonic_cost(paper, case, blocks, lambda spec: power_W).energy_J[0])

    assert cost(MAIN, 1.0) - cost(MAIN, 0.0) == pytest.approx(1.0 / paper.system.query_rate_Hz)
    assert cost(BY_NAME["gated"], 1.0) == cost(BY_NAME["gated"], 0.0)


def test_the_longest_context_is_16M_tokens():
    assert contexts()[-1] * BLOCK_TOKENS == LARGEST_BLOCKS * BLOCK_TOKENS == 2**24
    assert contexts()[0] == 1


def test_signatures_of_all_heads_stay_in_the_cache_until_it_is_full():
    cached, read = BASELINES["gpu_l2_int4"], BASELINES["gpu_d32_int4"]
    fits = float(L2_BYTES // (112 * 16))
    kept, more = np.array([fits]), np.array([fits + 1.0])
    assert cached.energy_J(kept) / read.energy_J(kept) == pytest.approx(12.5 / 31.0)
    assert cached.time_s(kept) < read.time_s(kept)
    assert cached.energy_J(more) == pytest.approx(read.energy_J(more))
    assert cached.time_s(more) == pytest.approx(read.time_s(more))


def test_a_workload_says_what_is_read_fetched_and_held(demo):
    work = Workload(block_tokens=64, dims=64, chosen=16, model=replace(QWEN_7B, layers=30, kv_heads=3))
    assert kv_fetch(work)[0] == pytest.approx(kv_fetch()[0] / 4)
    assert baselines(work)["gpu_d64_bf16"].energy_J(AT_128K)[0] == pytest.approx(2 * 2.03e-6, rel=0.01)
    assert crossover_tokens(np.ones(6), np.full(6, 1.1), 64) == 64
    # 64 dimensions on 8 lines: eight slices; chips of one head wait 90 times longer.
    shared = photonic_cost(demo, MAIN, np.array([8.0]), work=work).energy_J[0]
    alone = photonic_cost(demo, ONE_HEAD, np.array([8.0]), work=work).energy_J[0]
    static = 8e-12 * {entry.name: entry.derived for entry in energy_entries(demo)}["static"]
    assert shared == pytest.approx(static, rel=0.01)
    assert alone == pytest.approx(90 * static, rel=0.01)


def test_a_latent_that_is_key_and_value_is_fetched_once(demo):
    latent = Workload(model=replace(QWEN_7B, value_dim=0))
    assert kv_fetch(latent)[0] == pytest.approx(kv_fetch()[0] / 2)
    assert dense(latent).read_bytes == dense().read_bytes / 2


def test_two_rails_of_a_dimension_take_two_lines(demo, altered):
    twice = altered(demo, modulator={"encoding": "dual_rail"})
    single = photonic_cost(demo, MAIN, np.array([8.0])).energy_J[0]
    assert photonic_cost(twice, MAIN, np.array([8.0])).energy_J[0] == pytest.approx(2 * single, rel=1e-3)


@pytest.mark.parametrize(("key", "value"), [("block_tokens", 0), ("dims", 129), ("chosen", -1)])
def test_a_workload_that_cannot_be_is_refused(key, value):
    with pytest.raises(InputError, match=str(value)):
        Workload(**{key: value})


def test_a_model_without_heads_to_rank_is_refused():
    with pytest.raises(InputError, match="kv_heads = 0"):
        Workload(model=replace(QWEN_7B, layers=0))


def test_the_electronic_chip_leaks_for_the_heads_that_it_holds(demo):
    blocks, work = np.array([8.0]), Workload(model=replace(QWEN_7B, layers=10))
    asic = baselines(work)["sram_asic"]
    many, alone = (baseline_cost(demo, asic, case, blocks, work=work).energy_J[0] for case in (MAIN, ONE_HEAD))
    # A head by itself is asked 40 times less often, and its memory leaks for it alone.
    assert alone == pytest.approx(many)
