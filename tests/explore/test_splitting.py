"""Dies of which the rings split, against dies of which they do not, and against the virtual chip."""

import numpy as np

from prism_photonics.chip.fabricate import draw_die
from prism_photonics.chip.reading import line_currents
from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.explore.die import COLUMNS, simulate, true_weights
from prism_photonics.explore.plan import YieldPlan
from prism_photonics.explore.splitting import split_die, truth_of, weights_of_split, without_backscatter
from prism_photonics.explore.surrogate import known_calibration, side_by_side
from prism_photonics.seeds import die_key
from prism_photonics.threefry import key_words, split


def test_the_weights_of_a_ring_that_does_not_split_are_those_of_the_row(plan):
    spec = plan.spec
    die = draw_die(spec, split(key_words(die_key(3)))[0])
    known, volts = known_calibration(spec, die), np.random.default_rng(0).uniform(-5.0, 5.0, (4, 2))
    plain = true_weights(side_by_side([known]), volts)
    np.testing.assert_allclose(weights_of_split(die, volts, known), plain, atol=1e-12)
    # What a defect absorbs it also couples: a little is left.
    hardly = split_die(spec, die, 3, 1e-6)
    lossy = without_backscatter(hardly)
    same = true_weights(side_by_side([known_calibration(spec, lossy)]), volts)
    np.testing.assert_allclose(weights_of_split(hardly, volts, known_calibration(spec, lossy)), same, atol=1e-4)


def test_rings_that_split_more_cost_more_bits_and_recall(four_rows):
    medians = []
    for splitting_pm in (0.0, 2.0, 20.0):
        plan = YieldPlan.make(four_rows, dies=6, splitting_pm=splitting_pm)
        dies = simulate(plan, range(6))
        medians.append([np.median(dies[:, COLUMNS.index(name)]) for name in ("splitting_bits", "snr_dB")])
    bits, snr_dB = np.array(medians).T
    assert bits[0] == 0.0 < bits[1] < bits[2]
    assert snr_dB[0] > snr_dB[2] + 3.0


def test_a_split_die_is_the_virtual_chip_of_its_seed_and_truth(plan):
    spec, seed, volts, light = plan.spec, 11, np.zeros((4, 2)), np.array([1.0, 0.0])
    plain = draw_die(spec, split(key_words(die_key(seed)))[0])
    read_A = VirtualChip(spec, seed=seed, truth=truth_of(20.0))
    read_A.set(volts)
    read_A = read_A.measure(light, averages=4000)

    def expected_A(die):
        lines = line_currents(die, volts, volts)
        return (lines.through_A - lines.drop_A) @ (light + spec.modulator_design.leak)

    # Weights move by a tenth and more; drift between drawing and reading by a thousandth.
    np.testing.assert_allclose(read_A, expected_A(split_die(spec, plain, seed, 20.0)), atol=0.01 * plain.full_A.max())
    assert np.abs(read_A - expected_A(plain)).max() > 0.05 * plain.full_A.max()
