"""The paper's recall tables come out of the stated recipe."""

import numpy as np
import pytest

from prism_photonics.ranking.paper_mode import QUOTED_BITS, QUOTED_NOISE, full_range_levels, paper_table

TRIALS = 400


@pytest.fixture(scope="module")
def table():
    return {(row.impairment, row.setting): row for row in paper_table(seed=1, trials=TRIALS)}


@pytest.mark.parametrize("bits", QUOTED_BITS)
def test_recall_against_bits_is_the_papers_within_two_standard_errors(table, bits):
    row, (mean, sd) = table["bits", bits], QUOTED_BITS[bits]
    # The quoted mean is itself one draw of 100 trials: the difference has both errors.
    assert row.mean == pytest.approx(mean, abs=2 * np.hypot(sd / 10, row.error))
    assert row.sd == pytest.approx(sd, rel=0.3)


@pytest.mark.parametrize("sigma", QUOTED_NOISE)
def test_recall_against_weight_noise_is_the_papers_within_two_standard_errors(table, sigma):
    row = table["noise", sigma]
    assert row.mean == pytest.approx(QUOTED_NOISE[sigma], abs=2 * np.hypot(row.sd / 10, row.error))


def test_more_bits_recall_more_and_more_noise_recalls_less(table):
    assert np.all(np.diff([table["bits", bits].mean for bits in QUOTED_BITS]) > 0)
    assert np.all(np.diff([table["noise", sigma].mean for sigma in QUOTED_NOISE]) < 0)


def test_levels_are_evenly_spaced_and_include_both_ends():
    levels = np.unique(full_range_levels(np.linspace(-1, 1, 1001), 3).round(12))
    assert levels == pytest.approx(np.linspace(-1, 1, 8))
