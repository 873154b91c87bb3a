"""The area that `prism check` speaks of, before anything is drawn, is that of the drawn die."""

from pathlib import Path

import pytest

from prism_photonics.budget.rules_chip import die_um
from prism_photonics.layout.chip import draw
from prism_photonics.layout.teststructures import GAP_STEPS_UM, LENGTH_STEPS
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import TEST_RINGS

from .conftest import sized

FLIPPED = {
    "many_rows": (32, 3, {}),
    "two_banks": (4, 2, {"chip": {"buses": 2}}),
    "both_sides": (32, 3, {"detector": {"sides": "both"}}),
}


@pytest.mark.parametrize("case", FLIPPED)
def test_of_a_flipped_die_to_the_grid(altered, case: str):
    rows, channels, changes = FLIPPED[case]
    spec = altered(sized(rows, channels, bend_radius_um=26), **changes)
    box = draw(spec).dbbox()
    assert die_um(spec) == pytest.approx((box.width(), box.height()), abs=1.0)


@pytest.mark.parametrize("sides", ["east", "both"])
def test_of_a_bonded_die_to_a_few_percent(spec: ChipSpec, altered, sides: str):
    spec = altered(spec, detector={"sides": sides})
    box = draw(spec).dbbox()
    assert die_um(spec) == pytest.approx((box.width(), box.height()), rel=0.03)


@pytest.mark.parametrize("rows", [8, 12])
def test_of_a_bonded_die_with_pads_in_one_line_to_a_few_percent(spec: ChipSpec, altered, rows: int):
    # Eastern pads in one line reach beyond the rows.
    spec = altered(spec, chip={"rows": rows, "pad_lines": 1})
    box = draw(spec).dbbox()
    assert die_um(spec) == pytest.approx((box.width(), box.height()), rel=0.04)


@pytest.mark.slow
def test_of_the_bank_that_ships(layouts: Path):
    spec = ChipSpec.from_toml(layouts / "bank_32x256" / "spec.toml")
    box = draw(spec).dbbox()
    assert die_um(spec) == pytest.approx((box.width(), box.height()), abs=1.0)


def test_the_strip_of_test_structures_is_planned_for_as_many_rings_as_are_drawn():
    assert len(GAP_STEPS_UM) == len(LENGTH_STEPS) == TEST_RINGS
