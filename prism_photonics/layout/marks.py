"""Alignment marks in the corners of a die."""

import gdsfactory as gf
from kfactory import kdb

from prism_photonics.lightpath.drawing import box, nm
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM, Layer

# A cross of rib between four squares of metal, in each corner of the die: etch to metal, and mask to stepper. Design
# choices.
MARK_UM = 60.0
ARM_UM = 6.0
SQUARE_UM = 18.0
INSET_UM = 70.0  # from the die's edges to the middle of a mark
MARKS = 4
EXTRA_RIBS = MARKS
EXTRA_METALS = 4 * MARKS  # squares


def draw_marks(chip: gf.Component, die: kdb.Box) -> None:
    """Alignment marks in the four corners of a die."""
    inner = die.enlarged(-nm(INSET_UM))
    for x in (inner.left, inner.right):
        for y in (inner.bottom, inner.top):
            for layer, region in _mark().items():
                chip.kdb_cell.shapes(chip.kcl.layer(*layer)).insert(region.moved(x, y))


def _mark() -> dict[Layer, kdb.Region]:
    half, arm = MARK_UM / 2.0, ARM_UM / 2.0
    cross = (kdb.Region(box(-half, -arm, half, arm)) + kdb.Region(box(-arm, -half, arm, half))).merged()
    near, far = half - SQUARE_UM, half
    square, squares = kdb.Region(box(near, near, far, far)), kdb.Region()
    for turn in (kdb.Trans.R0, kdb.Trans.R90, kdb.Trans.R180, kdb.Trans.R270):
        squares += square.transformed(turn)
    return {LAYERS.ridge: cross, LAYERS.slab: cross.sized(nm(SLAB_MARGIN_UM), 2).merged(), LAYERS.metal1: squares}
