"""A comb's lines lie where its grid puts them: equal in hertz for combs and ITU lasers, equal in nm where asked."""

import numpy as np
import pytest

from prism_photonics.budget.feasibility import check
from prism_photonics.budget.ring import row_figures
from prism_photonics.budget.rules_comb import band
from prism_photonics.lightpath.ring.place import optical_lengths_um
from prism_photonics.spec import ChipSpec, example_text
from prism_photonics.units import InputError

LIGHT_UM_THz = 299.792458
HERTZ = {"first_wl_nm": None, "spacing_nm": None, "first_channel_THz": 193.4, "spacing_GHz": 100.0}


@pytest.fixture(scope="module")
def itu(circles, altered):
    """The circles on the ITU grid: eight lines of 100 GHz from 193.4 THz down."""
    return altered(circles, name="itu_8x8", comb=HERTZ)


def with_comb(lines):
    text = example_text("circles_8x8")
    grid = [line for line in text.splitlines() if not line.startswith(("first_wl_nm", "spacing_nm"))]
    grid[grid.index("[comb]")] = "[comb]\n" + lines
    return "\n".join(grid)


def refused(lines):
    with pytest.raises(InputError) as caught:
        ChipSpec.from_text(with_comb(lines))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sixteen_lines_of_100_GHz_lie_at_c_over_f(circles, altered):
    spec = altered(circles, chip={"channels": 16}, comb=HERTZ)
    f_THz = 193.4 - 0.1 * np.arange(16)
    assert np.asarray(spec.comb_design.wl_um) == pytest.approx(LIGHT_UM_THz / f_THz, rel=1e-14)
    # A straight grid in nm between the same ends is off by most of a linewidth: 23 pm.
    wl_nm = 1e3 * np.asarray(spec.comb_design.wl_um)
    off_pm = 1e3 * np.abs(wl_nm - np.linspace(wl_nm[0], wl_nm[-1], 16)).max()
    assert off_pm == pytest.approx(23, abs=1)


def test_an_itu_channel_number_is_190_THz_and_a_tenth_each():
    by_number = ChipSpec.from_text(with_comb("first_itu_channel = 34\nspacing_GHz = 100.0"))
    by_frequency = ChipSpec.from_text(with_comb("first_channel_THz = 193.4\nspacing_GHz = 100.0"))
    assert by_number.comb_design.wl_um == pytest.approx(by_frequency.comb_design.wl_um, rel=1e-15)
    anchor = ChipSpec.from_text(with_comb("first_itu_channel = 31\nspacing_GHz = 50.0"))
    assert anchor.comb_design.wl_um[0] == pytest.approx(1.5525244, abs=1e-7)


def test_a_grid_in_nm_keeps_its_lines_and_its_hash(circles):
    assert np.diff(circles.comb_design.wl_um) == pytest.approx(np.full(7, 0.95e-3))
    assert set(circles.comb.model_dump()) & {"first_channel_THz", "first_itu_channel", "spacing_GHz"} == set()
    assert circles.hash.startswith("a3bce1f0ffd33df4")


def test_a_spec_on_the_itu_grid_survives_its_own_json(itu):
    again = ChipSpec.model_validate_json(itu.model_dump_json())
    assert again == itu
    assert again.hash == itu.hash


def test_every_drawn_ring_rests_by_its_bias_on_its_own_line(itu):
    for channel, (figures, design) in enumerate(zip(row_figures(itu), itu.ring_designs, strict=True)):
        # The second road: the whole number of wavelengths round the ring, with first-order dispersion.
        opl_um, gpl_um = optical_lengths_um(itu.profile, design.lengths)
        wl_um = LIGHT_UM_THz / (193.4 - 0.1 * channel) + itu.ring.bias_pm * 1e-6
        turns = (opl_um - (gpl_um - opl_um) * (wl_um / itu.profile.optics.wl0_um.value - 1.0)) / wl_um
        miss_pm = (turns - round(turns)) * wl_um**2 / gpl_um * 1e6
        # The drawing's 1 nm grid places a ring within 11 pm.
        assert abs(miss_pm) <= 11
        assert abs(figures.bias_pm - itu.ring.bias_pm) <= 11


def test_the_netlist_and_the_solver_take_the_same_lines(itu):
    from prism_photonics.circuit.params import designed_bank
    from prism_photonics.netlist import from_spec

    bank = designed_bank(itu)
    assert np.asarray(bank.wl_um) == pytest.approx(LIGHT_UM_THz / (193.4 - 0.1 * np.arange(8)), rel=1e-14)
    row = from_spec(itu).cells["row"]
    straights = {round(i.settings["straight_um"], 3) for i in row.instances.values() if i.component == "ring"}
    assert straights == {design.straight_um for design in itu.ring_designs}


def test_the_rules_judge_the_true_steps(itu, circles, altered):
    by_rule = {finding.rule: finding for finding in check(itu).findings}
    # The least step is the first: λ²·Δν/c at the blue end.
    wl_nm = 1e3 * np.asarray(itu.comb_design.wl_um)
    fwhm_pm = row_figures(itu)[0].fwhm_pm
    assert by_rule["spacing_linewidths"].value == pytest.approx(1e3 * np.diff(wl_nm).min() / fwhm_pm)
    # One FSR of the circles holds 984 GHz: nine lines of 100 GHz and no ten.
    assert band(altered(itu, chip={"channels": 9})).passed
    assert not band(altered(itu, chip={"channels": 10})).passed


def test_a_single_line_has_a_step_too(itu, altered):
    one = altered(itu, chip={"channels": 1})
    assert one.comb_design.spacing_um == pytest.approx(itu.comb_design.wl_um[1] - itu.comb_design.wl_um[0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "missing key 'comb.spacing_GHz'"),
        ("first_wl_nm = 1546.5\nspacing_GHz = 100.0", "'first_wl_nm' and 'spacing_GHz' belong to two grids"),
        ("spacing_nm = 0.8\nfirst_channel_THz = 193.4", "'spacing_nm' and 'first_channel_THz' belong to two grids"),
        ("first_channel_THz = 193.4\nfirst_itu_channel = 34\nspacing_GHz = 100.0", "give one of them"),
        ("first_channel_THz = 193.4", "missing key 'comb.spacing_GHz'"),
        ("spacing_GHz = 100.0", "missing key 'comb.first_channel_THz' (or 'comb.first_itu_channel')"),
        ("first_wl_nm = 1546.5", "missing key 'comb.spacing_nm'"),
        ("spacing_nm = 0.8", "missing key 'comb.first_wl_nm'"),
        ("first_channel_THz = 1934.0\nspacing_GHz = 100.0", "comb.first_channel_THz = 1934.0"),
        ("first_channel_THz = 193.4\nspacing_GHz = 0.1", "comb.spacing_GHz = 0.1"),
        ("first_itu_channel = 34.5\nspacing_GHz = 100.0", "comb.first_itu_channel = 34.5"),
        ("first_channel_THz = 177.0\nspacing_GHz = 100.0", "below the limit of 176.3 THz"),
    ],
)
def test_a_grid_that_is_none_or_two_is_refused_in_one_line(lines, message):
    assert message in refused(lines)
