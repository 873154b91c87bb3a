"""Alignment marks in the corners of a die."""

import gdsfactory as gf
import kfactory as kf
from kfactory import kdb

from prism_photonics.lightpath.drawing import box, nm
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM

# A cross of rib between four squares of metal, in each corner of the die: etch to metal, and mask to stepper. Design
# choices.
MARK_UM = 60.0
ARM_UM = 6.0
SQUARE_UM = 18.0
INSET_UM = 70.0  # from the die's edges to the middle of a mark
MARKS = 4
EXTRA_RIBS = MARKS
EXTRA_METALS = 4 * MARKS  # squares


def draw_marks(die: kdb.Box, *, kcl: kf.KCLayout) -> gf.Component:
    """Alignment marks in the four corners of a die."""
    mark = _mark(kcl)
    marks = gf.Component("marks", kcl=kcl)
    inner = die.enlarged(-nm(INSET_UM))
    corners = (("sw", inner.left, inner.bottom), ("se", inner.right, inner.bottom), ("nw", inner.left, inner.top))
    for name, x, y in (*corners, ("ne", inner.right, inner.top)):
        marks.add_ref(mark, name=name).instance.transform(kdb.Trans(x, y))
    return marks


def _mark(kcl: kf.KCLayout) -> gf.Component:
    mark = gf.Component("alignment_mark", kcl=kcl)
    half, arm = MARK_UM / 2.0, ARM_UM / 2.0
    cross = kdb.Region(box(-half, -arm, half, arm)) + kdb.Region(box(-arm, -half, arm, half))
    mark.kdb_cell.shapes(kcl.layer(*LAYERS.ridge)).insert(cross.merged())
    mark.kdb_cell.shapes(kcl.layer(*LAYERS.slab)).insert(cross.merged().sized(nm(SLAB_MARGIN_UM), 2).merged())
    near, far = half - SQUARE_UM, half
    for x in (-1.0, 1.0):
        for y in (-1.0, 1.0):
            square = box(min(x * near, x * far), min(y * near, y * far), max(x * near, x * far), max(y * near, y * far))
            mark.kdb_cell.shapes(kcl.layer(*LAYERS.metal1)).insert(square)
    return mark
