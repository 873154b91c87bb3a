"""A whole step of attention: what makes Salca's published gains, and what chosen blocks bring on the same memory."""

from dataclasses import replace

import numpy as np
import pytest

from prism_photonics.budget import attention
from prism_photonics.budget.crossover import MAIN, photonic_cost
from prism_photonics.budget.energy import busy_s
from prism_photonics.budget.workload import PAPERS


def test_a_dense_step_reads_every_key_and_value_at_the_boards_power():
    step = attention.dense()
    assert step.read_bytes == 131072 * 2 * 2 * 128
    assert step.time_s == pytest.approx(67.1e6 / (0.95 * 2.039e12), rel=1e-3)
    assert step.energy_J == pytest.approx(400.0 * step.time_s)


def test_one_share_of_tokens_makes_salcas_published_speed_and_with_it_its_published_energy_within_a_tenth():
    first, step = attention.dense(), attention.salca()
    assert first.time_s / step.time_s == pytest.approx(attention.SALCA_SPEED)
    # By hand, times d/B a token: 4/0.95 dense, 1/16/0.95 for the pass, 4/0.3 a share of tokens.
    assert attention.salca_share() == pytest.approx((4 / 0.95 / 3.82 - 1 / 16 / 0.95) * 0.3 / 4)
    # Nothing is left to choose: the gain in energy is what the power, the bytes and 31 pJ/B make.
    assert first.energy_J / step.energy_J == pytest.approx(attention.SALCA_SAVING, rel=0.1)


def test_reads_that_are_not_scattered_would_make_salca_faster():
    runs = attention._in_asic(attention.salca().read_bytes)
    assert runs.time_s < 0.4 * attention.salca().time_s
    assert attention._in_asic(1e6).energy_J == pytest.approx(31e-12 * 1e6 + 0.933 * 1e6 / (0.95 * 2.039e12))


def test_blocks_cost_their_signatures_and_their_fetch_and_the_photonic_chip_its_ledger(paper):
    electronic, ours = attention.blocks_int4(), attention.photonic(paper)
    assert electronic.read_bytes - ours.read_bytes == 1024 * 32 / 2
    scores_J = float(photonic_cost(paper, MAIN, np.array([1024.0])).energy_J[0])
    assert ours.energy_J - scores_J == pytest.approx(attention._in_asic(32 * 128 * 512.0).energy_J)
    more = attention.photonic(paper, work=replace(PAPERS, chosen=64))
    assert more.read_bytes == 2 * ours.read_bytes


def test_a_chip_slower_than_the_memory_sets_the_pace(paper, altered):
    slow = altered(paper, drive={"settle_us": 5.0}, system={"query_rate_Hz": 1e3, "queries_per_program": 1.0})
    assert attention.photonic(slow).time_s == busy_s(slow) > 4.0 * attention.photonic(paper).time_s


def test_no_more_than_the_context_is_fetched(paper):
    everything = attention.photonic(paper, work=replace(PAPERS, chosen=10**6))
    assert everything.read_bytes == attention.dense().read_bytes
