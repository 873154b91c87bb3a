"""Every figure shows the numbers that it was given, and the physics that its title names."""

import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.calibration.calibration import blank_calibration
from prism_photonics.ranking.evaluate import Evaluation
from prism_photonics.report import axes, figures


def curves(figure, axes=0):
    return {line.get_label(): line.get_xydata() for line in figure.axes[axes].get_lines()}


def test_the_spectrum_drops_where_each_ring_waits_and_never_shows_gain(small):
    lines = curves(figures.spectrum(small))
    through, drop = lines["through"], lines["drop"]
    assert through[:, 1].max() <= 1e-6
    assert drop[:, 1].max() <= 1e-6
    spacing_nm = small.comb.spacing_nm
    for n in range(small.chip.channels):
        channel_nm = small.comb.first_wl_nm + n * spacing_nm
        near = np.abs(through[:, 0] - channel_nm) < spacing_nm / 2
        peak_nm = drop[near][np.argmax(drop[near, 1]), 0]
        # The drawing's 1 nm grid places a resonance to half of 21 pm.
        assert peak_nm - channel_nm == pytest.approx(small.ring.bias_pm * 1e-3, abs=12e-3)
        assert through[near][np.argmin(through[near, 1]), 0] == pytest.approx(peak_nm, abs=2e-3)
        assert through[near, 1].min() < -3.0


def test_a_tuning_curve_passes_its_resonance_and_stays_within_full_weight(small):
    design = blank_calibration(small, triggers=1)
    volts = np.linspace(-10.0, 10.0, 81)
    weight = axes.ring_curves(design, volts)
    assert weight.shape == (81, small.chip.rows, small.chip.channels)
    assert np.abs(weight).max() <= 1.0
    # A ring far off its channel passes the light through; on resonance it drops it.
    assert weight.max() > 0.8
    assert weight.min() < -0.8
    rows_alike = weight - weight[:, :1]
    assert np.abs(rows_alike).max() < 1e-9  # as designed, all rows are one


def test_every_ring_is_swept_alone(small):
    design = blank_calibration(small, triggers=1)
    volts = np.array([-4.0, 0.0, 6.0])
    weight = axes.ring_curves(design, volts)
    settings = np.zeros((small.chip.rows, small.chip.channels))
    settings[:, 1] = volts[2]
    assert weight[2, :, 1] == pytest.approx(np.asarray(design.weights(jnp.asarray(settings)))[:, 1], abs=1e-12)


def test_the_accuracy_figure_states_the_bits_of_its_points(told):
    figure = figures.accuracy(told.validation)
    scatter, histogram = figure.axes
    points = scatter.get_lines()[0].get_xydata()
    assert np.array_equal(points[:, 0], told.validation.commanded.ravel())
    assert np.array_equal(points[:, 1], told.validation.measured.ravel())
    assert f"{told.validation.accuracy_bits:.1f} bits" in histogram.get_title()
    assert sum(bar.get_height() for bar in histogram.patches) == points.shape[0]


def test_the_ranking_figure_shows_each_scorer_on_each_head_beside_chance(told):
    figure = figures.ranking([Evaluation(**line) for line in told.summary["by_kv_head"]])
    hit, recall = figure.axes
    assert sorted(bar.get_height() for bar in hit.patches) == pytest.approx([0.89, 0.89, 0.9, 0.9, 0.91, 0.91])
    assert sorted(bar.get_height() for bar in recall.patches) == pytest.approx([0.69, 0.69, 0.7, 0.7, 0.71, 0.71])
    for panel in (hit, recall):
        chance = next(line for line in panel.get_lines() if line.get_label() == "chance")
        assert np.all(np.asarray(chance.get_ydata()) == 0.125)
    assert [text.get_text() for text in figure.legends[0].get_texts()].count("chance") == 1
