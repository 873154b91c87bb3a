"""The chip of circles of a narrow rib: no straight of its rings turns light that counts, and the chip is the design."""

import numpy as np
import pytest

from prism_photonics.budget.feasibility import check
from prism_photonics.budget.second_mode import bend_warnings, straights_turned
from prism_photonics.layout.lvs import FIELD_TOLERANCE
from prism_photonics.layout.write import LayoutFiles, write
from prism_photonics.lightpath.ring.place import coupling_angles
from prism_photonics.netlist import from_spec
from prism_photonics.process.profile import load_profile
from prism_photonics.process.trench import foot_um
from prism_photonics.spec import ChipSpec, load_spec


@pytest.fixture(scope="module")
def chip() -> ChipSpec:
    return load_spec("single_mode_8x8")


@pytest.fixture(scope="module")
def chip_files(chip: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> LayoutFiles:
    """Drawn, and simulated as drawn."""
    return write(chip, tmp_path_factory.mktemp("single"), simulate=True)


def test_it_keeps_every_rule_and_no_remark_speaks_of_its_bends_or_straights(chip: ChipSpec):
    report = check(chip)
    assert report.feasible
    assert bend_warnings(chip) == []
    taken = sum(float(np.sin(angle)) ** 2 for angle in coupling_angles(chip.profile, chip.ring_designs[0]))
    assert 2.0 * max(straights_turned(chip)) < 0.06 * taken
    assert max(design.straight_um for design in chip.ring_designs) < 0.4


def test_on_the_wide_rib_of_the_same_stack_the_same_straights_are_remarked(circles: ChipSpec, chip: ChipSpec):
    assert any("each straight between a ring's arcs" in line for line in bend_warnings(circles))
    wide, narrow = load_profile(circles.process), load_profile(chip.process)
    stack = ("thickness_um", "etch_um", "wall_deg")
    assert all(getattr(wide.film, key).value == getattr(narrow.film, key).value for key in stack)


def test_its_trenches_open_where_those_of_circles_leave_36_nm(circles: ChipSpec, chip: ChipSpec):
    assert foot_um(circles.profile, circles.ring.gap_through_um) == pytest.approx(0.036, abs=5e-4)
    assert foot_um(chip.profile, chip.ring.gap_through_um) > 0.15


@pytest.mark.slow
def test_the_drawing_breaks_no_rule_and_is_the_design(chip: ChipSpec, chip_files: LayoutFiles):
    assert chip_files.faults == ()
    assert chip_files.lvs.simulation_max_error < FIELD_TOLERANCE
    assert chip_files.extracted == from_spec(chip)
