"""The chip of the film where TM ends: rings without arms, no remark, and the drawing is the design."""

import numpy as np
import pytest

from prism_photonics.budget.crossings import crossings, on_films
from prism_photonics.budget.feasibility import check
from prism_photonics.budget.ring_modes import mixed_rings
from prism_photonics.chip.fabricate import draw_die, full_die
from prism_photonics.chip.truth import FullTruth
from prism_photonics.layout.lvs import FIELD_TOLERANCE
from prism_photonics.layout.write import LayoutFiles, write
from prism_photonics.lightpath.ring.polarization import SecondPolarization
from prism_photonics.netlist import from_spec
from prism_photonics.process.trench import foot_um
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec, load_spec


@pytest.fixture(scope="module")
def chip() -> ChipSpec:
    return load_spec("film400_8x8")


@pytest.fixture(scope="module")
def chip_files(chip: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> LayoutFiles:
    """Drawn, and simulated as drawn."""
    return write(chip, tmp_path_factory.mktemp("film400"), simulate=True)


def test_it_keeps_every_rule_without_a_remark(chip: ChipSpec):
    report = check(chip)
    assert report.feasible
    assert report.warnings == ()
    assert foot_um(chip.profile, chip.ring.gap_through_um) > 0.4


def test_no_film_brings_tm_to_its_lines_and_the_second_mode_hardly_broadens_them(chip: ChipSpec, demo: ChipSpec):
    drawn, made, mixed, papers = crossings(chip), on_films(chip), mixed_rings(chip), on_films(demo)
    assert drawn is not None
    assert made is not None
    assert mixed is not None
    assert papers is not None
    assert (drawn.rings, drawn.spoiled) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert made.spoiled == pytest.approx(0.0, abs=1e-9)
    assert min(drawn.bits, made.bits) > 14.0
    assert made.converted < 1e-3 * papers.converted
    assert mixed.spoiled == 0.0
    assert np.abs(mixed.linewidth - 1.0).max() < 0.07


def test_the_thickest_of_ten_dies_converts_a_fiftieth_of_what_it_does_on_the_papers_film(
    chip: ChipSpec, demo: ChipSpec
):
    found = []
    for spec in (demo, chip):
        # Die 4 of the benchmarks, 4.7 nm thicker than drawn.
        die = full_die(spec, draw_die(spec, die_key(4)), FullTruth(te_tm=1.0), np.random.default_rng(1), key=die_key(4))
        assert die.beyond is not None
        assert die.beyond.second is not None
        assert isinstance(die.beyond.second.rings, SecondPolarization)
        found.append(np.abs(die.beyond.second.rings.conversion_rad).max())
    assert found[0] > 0.03
    assert found[1] < 0.02 * found[0]


@pytest.mark.slow
def test_the_drawing_breaks_no_rule_and_is_the_design(chip: ChipSpec, chip_files: LayoutFiles):
    assert chip_files.faults == ()
    assert chip_files.lvs.simulation_max_error < FIELD_TOLERANCE
    assert chip_files.extracted == from_spec(chip)
