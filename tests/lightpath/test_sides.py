"""What is drawn without booleans is what booleans would draw; a drawing collects no garbage of others."""

import gc
from dataclasses import replace

import numpy as np
import pytest
from kfactory import kdb

from prism_photonics.layout.chip import draw
from prism_photonics.lightpath.drawing import PER_UM, box, on_grid, points_of_quarters, polygon, sleeve_half_um, taper
from prism_photonics.lightpath.ring.cell import electrodes
from prism_photonics.lightpath.ring.sides import sector
from prism_photonics.lightpath.waveguide.cell import branch
from prism_photonics.lightpath.waveguide.design import BranchDesign
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


def test_a_sector_holds_just_those_boxes_of_which_nothing_is_left_outside(demo: ChipSpec, circles: ChipSpec):
    rng, answers = np.random.default_rng(0), []
    for spec in (demo, circles):
        design = spec.ring_designs[0]
        radii = (design.radius_um + 2.7, design.outer_um)
        lobe = sector(design, radii, 0.0, half_deg=design.lobe_half_angle_deg)
        whole, around = kdb.Region(lobe.polygon), lobe.polygon.bbox()
        for _ in range(60):
            x = int(rng.integers(around.left, around.right))
            y = int(rng.integers(around.bottom, around.top))
            side = kdb.Box(x, y, x + 2000, y + 2000)
            answers.append(lobe.holds(side))
            assert answers[-1] == (kdb.Region(side) - whole).is_empty()
    assert 0.1 < np.mean(answers) < 0.9


def test_no_electrode_passes_the_middle_or_a_bus_where_its_lobe_would(circles: ChipSpec):
    design = circles.ring_designs[0]
    metal = electrodes(design)[LAYERS.metal1]
    assert metal.count() == metal.merged().count() == 4  # none cut in two, none joined
    margin = round((design.width_um / 2.0 + 2.0) * PER_UM)
    assert metal.bbox().bottom >= margin
    assert metal.bbox().top <= round(design.bus_pitch_um * PER_UM) - margin


@pytest.mark.parametrize("rise_um", [90.0, -140.35])
def test_a_branch_of_ramps_is_the_union_of_its_pieces(rise_um: float):
    design = BranchDesign(dx_um=120.0, dy_um=rise_um, radius_um=30.0, width_um=1.4, euler_p=0.3)
    cell = branch(design)
    reach, turn, high = sleeve_half_um(1.4), design.quarter, abs(rise_um)
    right, left = (points_of_quarters(turn, high, side) for side in (-reach, reach))
    axis = float(right[np.argmax(right[:, 1] >= 0.0), 0])
    pieces = kdb.Region(polygon([*on_grid(right), *on_grid(left)[::-1]]))
    pieces += taper(2.0 * turn.radius_um, 120.0, 2.0 * reach, 2.0 * reach, y_um=high)
    pieces += kdb.Region(box(0.0, -reach, axis, 1.0))
    flip = kdb.Trans.M0 if rise_um < 0.0 else kdb.Trans.R0
    drawn = kdb.Region(cell.kdb_cell.shapes(cell.kcl.layer(*LAYERS.slab)))
    assert drawn.count() == 1
    assert (drawn ^ pieces.merged().transformed(flip)).is_empty()


def test_electrodes_too_small_for_their_vias_are_still_refused(circles: ChipSpec):
    with pytest.raises(InputError, match="cannot hold the vias"):
        electrodes(replace(circles.ring_designs[0], electrode_width_um=4.0))


def test_a_drawing_collects_no_garbage_but_its_own(demo: ChipSpec):
    full: list[int] = []

    def seen(phase: str, told: dict[str, int]) -> None:
        if phase == "start" and told["generation"] == 2:
            full.append(1)

    gc.callbacks.append(seen)
    try:
        draw(demo)
    finally:
        gc.callbacks.remove(seen)
    assert not full
    assert gc.isenabled()
