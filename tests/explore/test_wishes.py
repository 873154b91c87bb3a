"""Wishes say what a chip shall do; those that contradict each other are refused in one line."""

import math

import numpy as np
import pytest

from prism_photonics.explore.needed_snr import recall_of_noisy_scores, snr_for_bits_dB, snr_for_recall_dB
from prism_photonics.explore.wishes import Wishes
from prism_photonics.units import InputError

ASKED = {"dims": 8, "rows": 12, "process": "tfln600"}


def test_a_file_of_wishes_is_read_and_what_is_left_out_stays_free(tmp_path):
    path = tmp_path / "wishes.toml"
    path.write_text('dims = 6\nrows = 12\nprocess = "ltoi300"\nitu_grid_GHz = 100.0\n')
    wishes = Wishes.from_toml(path)
    assert (wishes.dims, wishes.rows) == (6, 12)
    assert wishes.encoding is None
    path.write_text(wishes.text())
    assert Wishes.from_toml(path) == wishes


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        ({"dim": 8}, "unknown wish 'dim'; did you mean 'dims'"),
        ({"dims": 0}, "dims = 0"),
        ({"rows": 5000}, "rows = 5000"),
        ({"process": "ltoi30"}, "did you mean 'ltoi300'"),
        ({"base": "demo"}, "demo"),
        ({"itu_grid_GHz": 100.0, "spacing_nm": 0.8}, "both space the lines"),
        ({"first_itu_channel": 33, "spacing_nm": 0.8}, "spaces lines in wavelength"),
        ({"recall": 0.9}, "'recall' needs 'k'"),
        ({"recall": 0.9, "k": 4, "bits": 4.0}, "both say how quiet"),
        ({"recall": 0.9, "k": 12}, "all of rows = 12 would be chosen"),
        ({"dims": 600, "encoding": "dual_rail"}, "two channels a value"),
        ({"max_voltage_V": math.nan}, "max_voltage_V"),
        ({"weight_limit": "much"}, "weight_limit = 'much'"),
        ({"encoding": "triple"}, "encoding = 'triple'"),
    ],
)
def test_wishes_that_cannot_be_meant_are_refused_in_one_line(wished, said):
    with pytest.raises(InputError) as refused:
        Wishes.of(ASKED | wished)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_wish_is_named_with_its_meaning():
    with pytest.raises(InputError, match=r"missing wish 'process' \(film"):
        Wishes.of({"dims": 8, "rows": 8})


@pytest.mark.parametrize("snr_dB", [5.0, 15.0, 25.0])
def test_the_recall_of_noisy_scores_is_that_of_drawn_ones(snr_dB):
    rng, rows, k, queries = np.random.default_rng(3), 256, 32, 400
    scores = rng.standard_normal((queries, rows))
    noisy = scores + 10.0 ** (-snr_dB / 20.0) * rng.standard_normal((queries, rows))
    best, chosen = (np.argsort(-s, axis=1)[:, :k] for s in (scores, noisy))
    drawn = np.mean([len(set(b) & set(c)) / k for b, c in zip(best, chosen, strict=True)])
    # The law is that of many rows; a finite bank's thresholds scatter with its scores.
    assert recall_of_noisy_scores(snr_dB, k=k, rows=rows) == pytest.approx(drawn, abs=0.01)


def test_a_higher_recall_asks_for_quieter_scores():
    asked = [snr_for_recall_dB(recall, k=32, rows=256) for recall in (0.5, 0.8, 0.9, 0.95)]
    assert asked == sorted(asked)
    assert asked[-1] > asked[0] + 10.0
    # Half of the error is left to the weights: 3 dB.
    assert recall_of_noisy_scores(asked[2] - 3.0, k=32, rows=256) == pytest.approx(0.9, abs=0.002)
    assert snr_for_bits_dB(4.0) == pytest.approx(25.9)
    with pytest.raises(InputError, match="wish less"):
        snr_for_recall_dB(0.99999, k=1, rows=2)


@pytest.mark.parametrize(("wished", "snr_dB"), [({}, 15.0), ({"bits": 3.0}, 19.9), ({"required_snr_dB": 21.0}, 21.0)])
def test_how_quiet_scores_shall_be_is_said_in_one_of_three_ways(wished, snr_dB):
    assert Wishes.of(ASKED | wished).snr_dB == pytest.approx(snr_dB)
