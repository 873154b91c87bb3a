"""A chip on the ITU grid is drawn for its own lines: rings rest on them, and the drawing is the design."""

import pytest

from prism_photonics.layout.write import write
from prism_photonics.lightpath.ring.place import resonance_um
from prism_photonics.lightpath.waveguide.design import Lengths

LIGHT_UM_THz = 299.792458


@pytest.fixture(scope="module")
def itu(circles, altered):
    comb = {"first_wl_nm": None, "spacing_nm": None, "first_itu_channel": 34, "spacing_GHz": 100.0}
    return altered(circles, name="itu_2x4", chip={"rows": 2, "channels": 4}, comb=comb)


def test_the_drawing_of_a_chip_on_the_itu_grid_is_its_design(itu, tmp_path):
    files = write(itu, tmp_path)
    assert files.differences == ()
    assert files.faults == ()


def test_every_drawn_ring_resonates_by_its_bias_on_c_over_f(itu):
    for channel, design in enumerate(itu.ring_designs):
        line_um = LIGHT_UM_THz / (193.4 - 0.1 * channel)
        # What is drawn: straights on the 1 nm grid, and the circle.
        drawn = Lengths(2.0 * round(design.straight_um, 3), 0.0, design.lengths.bend_um)
        rest_um = resonance_um(itu.profile, drawn, near_um=line_um)
        assert (rest_um - line_um) * 1e6 == pytest.approx(itu.ring.bias_pm, abs=11)
