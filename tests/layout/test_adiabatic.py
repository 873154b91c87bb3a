"""The demonstrator, whose rings turn no light to other modes: rules, and dies that have what other rings fail by.

Its drawing is judged in test_drawn_chip.py and, simulated, by the jobs of tests/workflow.
"""

import numpy as np
import pytest

from prism_photonics.budget.crossings import crossings
from prism_photonics.budget.feasibility import check
from prism_photonics.budget.ring_modes import mixed_rings
from prism_photonics.budget.second_mode import bend_warnings, ramps_turned
from prism_photonics.chip.full_die import with_everything
from prism_photonics.chip.truth import FullTruth
from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.place import coupling_angles
from prism_photonics.process.trench import foot_um
from prism_photonics.spec import ChipSpec, load_spec


@pytest.fixture(scope="module")
def chip() -> ChipSpec:
    return load_spec("demo_8x8")


def test_it_keeps_every_rule_and_its_one_remark_is_on_the_films_thickness(chip: ChipSpec, altered):
    report = check(chip)
    assert report.feasible
    (said,) = report.warnings
    assert "spoil the lines of 0.367 rings a die" in said
    assert "process = 'tfln400', where they lie 0.084 apart" in said
    assert check(altered(chip, variation={"thickness_nm": 0.5})).warnings == ()
    taken = sum(float(np.sin(angle)) ** 2 for angle in coupling_angles(chip.profile, chip.ring_designs[0]))
    assert ramps_turned(chip) < 0.003 * taken
    assert foot_um(chip.profile, chip.ring.gap_through_um) == pytest.approx(0.156, abs=5e-4)


def test_neither_the_second_mode_nor_tm_makes_its_lines_others(chip: ChipSpec):
    mixed, crossed = mixed_rings(chip), crossings(chip)
    assert mixed.spoiled == 0.0
    assert np.abs(mixed.linewidth - 1.0).max() < 0.02
    assert mixed.drop.min() > 0.98 * mixed.designed_drop
    assert crossed.rings == 0.0
    assert crossed.bits > 13.0


def test_sharper_bends_are_told_with_what_mends_them(chip: ChipSpec, altered):
    sharp = altered(chip, ring={"radius_um": 28.1, "ramp": "linear", "arm_um": 25.9, "neck_um": 0.0})
    (said,) = [line for line in bend_warnings(sharp) if "bends of a ring" in line]
    assert "sharpest at 15 µm, turn 0.98 % of its light to other modes in a turn" in said
    assert "raise ring.radius_um, or ring.euler_p up to 1, or ring.ramp = 'raised_cosine'" in said
    assert mixed_rings(sharp).linewidth.max() > 1.2
    assert not any("bends of a ring" in line for line in bend_warnings(altered(sharp, ring={"radius_um": 60.0})))


def test_dies_have_the_second_mode_in_rings_with_arms(chip: ChipSpec, altered):
    few = altered(chip, chip={"rows": 1})
    _, beyond = with_everything(few, designed_bank(few, xp=np), FullTruth(second_mode=True), np.random.default_rng(3))
    rings = beyond.second.rings
    assert rings.through.over.shape == (1, 1, 8, 2, 2)
    assert 0.0 < float(rings.conversion_rad.max()) < 0.01
    assert float(np.abs(rings.lean_rad).max()) == 0.0
