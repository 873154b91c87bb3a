"""A ring by itself: its figures are those of the closed form, and its plots show them."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import prism_photonics as pp
from prism_photonics.budget.ring import ring_figures
from prism_photonics.units import InputError


@pytest.fixture
def ring(demo):
    return pp.Ring.from_spec(demo, 3)


def test_the_ring_of_a_channel_has_the_figures_of_the_closed_form(ring, demo):
    told = ring_figures(demo, 3)
    found = (ring.fwhm_pm, ring.fsr_nm, ring.tuning_pm_V)
    assert found == pytest.approx((told.fwhm_pm, told.fsr_nm, told.tuning_pm_V), rel=1e-9)
    assert ring.q_loaded == pytest.approx(told.q_loaded, rel=2e-3)  # at its own wavelength, not the film's
    assert 1e6 * (ring.resonance_um() - demo.comb_design.wl_um[3]) == pytest.approx(told.bias_pm, abs=1e-6)


def test_a_spectrum_drops_at_the_resonance_and_half_of_it_half_a_linewidth_aside(ring):
    centre, half = ring.resonance_um(), 0.5e-6 * ring.fwhm_pm
    through, drop = ring.spectrum(np.array([centre - half, centre, centre + half]))
    assert drop[1] == drop.max()
    assert drop[[0, 2]] == pytest.approx(0.5 * drop[1], rel=1e-3)
    assert through[1] == through.min()
    assert (through + drop <= 1.0).all()


def test_a_voltage_moves_the_resonance_by_the_tuning(ring):
    assert 1e6 * (ring.resonance_um(2.0) - ring.resonance_um()) == pytest.approx(2.0 * ring.tuning_pm_V, rel=1e-9)
    at_rest, moved = ring.weight(np.array([0.0, 20.0]))
    assert at_rest < -0.8
    assert moved > 0.8
    through, drop = ring.spectrum(ring.resonance_um(), 20.0)
    assert moved == pytest.approx(through - drop)


def test_the_first_plot_takes_three_lines():
    axes = pp.Ring().plot_spectrum()
    through, drop = axes.get_lines()
    assert (through.get_label(), drop.get_label()) == ("through", "drop")
    peak_nm = drop.get_xdata()[np.argmax(drop.get_ydata())]
    assert peak_nm == pytest.approx(1e3 * pp.Ring().resonance_um(), abs=1e-3)
    pyplot.close(axes.figure)


def test_plots_draw_into_the_axes_that_they_are_given_and_return_them(ring, demo):
    for plot in (ring.plot_spectrum, ring.plot_tuning, demo.plot_row):
        axes = Figure().subplots()
        assert plot(axes) is axes
        assert axes.get_xlabel()
        assert axes.get_lines()


def test_a_ring_prints_its_figures(ring):
    lines = str(ring).splitlines()
    assert lines[0] == "ring of 40.4 µm in tfln600"
    assert [line.split()[0] for line in lines[1:]] == ["resonance", "linewidth", "Q", "FSR", "tuning"]
    assert f"{ring.fwhm_pm:.1f} pm" in str(ring)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"radius_um": 0.0}, "radius_um = 0, want more than 0"),
        ({"gap_drop_um": 0.3}, "gap_drop_um = 0.3, want more than 0.364"),
        ({"straight_um": -1.0}, "straight_um = -1, want 0 or more"),
        ({"loss_dB_cm": float("nan")}, "loss_dB_cm = nan, want 0 or more"),
        ({"process": "tfln601"}, "did you mean 'tfln600'"),
    ],
)
def test_what_is_no_ring_is_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        pp.Ring(**wrong)


def test_a_channel_that_the_chip_lacks_is_refused(demo):
    with pytest.raises(InputError, match="channel 8 of demo_8x8, want 0 to 7"):
        pp.Ring.from_spec(demo, 8)
