"""Chips whose number of rows is no power of two: outputs of the splitter tree end in terminators."""

from pathlib import Path

import jax
import numpy as np
import pytest

from prism_photonics.budget.link import link_budget
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.lvs import FIELD_TOLERANCE, lvs
from prism_photonics.layout.tiles import cut
from prism_photonics.layout.write import write_gds
from prism_photonics.units import InputError

from .conftest import sized

ONLY_SPLITTERS = {"splitter_imbalance": 0.1, "line_power_dB": 0.0, "responsivity_relative": 0.0}
CASES = {
    "bonded": (5, {}),
    "both_sides": (7, {"detector": {"sides": "both"}}),
    "two_banks": (3, {"chip": {"buses": 2}}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_chip_of_any_number_of_rows_is_the_design_and_breaks_no_rule(altered, tmp_path: Path, case: str):
    rows, changes = CASES[case]
    spec = altered(sized(rows, 2), **changes)
    gds = write_gds(draw(spec), tmp_path / "chip.gds")
    compared, _ = lvs(gds, spec, simulate=case == "bonded")
    assert compared.faults == ()
    assert compared.checks.ring_nets == rows * spec.chip.rings
    assert run_drc(gds).sentences() == ()
    if case == "bonded":
        assert compared.simulation_max_error < FIELD_TOLERANCE


def test_twelve_rows_get_the_light_of_sixteen(altered):
    twelve, sixteen = ({entry.element: entry for entry in link_budget(sized(rows, 2))} for rows in (12, 16))
    assert twelve["splitter"].loss_dB == sixteen["splitter"].loss_dB
    assert "16 outputs for 12 rows" in twelve["splitter"].source


def test_a_row_gets_what_the_splitters_before_its_output_leave(altered):
    # The same splitters in both dies; guides to a lone row are shorter, by hundredths of a decibel.
    five, eight = (
        draw_die(altered(sized(rows, 2), variation=ONLY_SPLITTERS), jax.random.key(3)).full_A for rows in (5, 8)
    )
    assert np.ptp(eight / eight.mean()) > 0.3
    np.testing.assert_allclose(five, eight[:, [0, 1, 2, 4, 6]], rtol=5e-3)


def test_rows_are_cut_into_equal_tiles_of_any_number():
    spec = sized(768, 8, bend_radius_um=26)
    tiles = cut(spec)
    assert tiles.tile.chip.rows * tiles.count == 768
    assert tiles.count < 4
    with pytest.raises(InputError, match=r"chip\.rows = 769: too many for the reticle.* take 770"):
        cut(sized(769, 8, bend_radius_um=26))
