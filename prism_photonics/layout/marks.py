"""Alignment marks in the corners of a die: crosses, and verniers that tell by how much two layers are off."""

import gdsfactory as gf
from kfactory import kdb

from prism_photonics.lightpath.drawing import box, nm
from prism_photonics.process.layers import LAYERS, SLAB_MARGIN_UM, Layer
from prism_photonics.spec import ChipSpec

# A cross of rib between four squares of metal, in each corner of the die: etch to metal, and mask to stepper. Design
# choices.
MARK_UM = 60.0
ARM_UM = 6.0
SQUARE_UM = 18.0
CUT_UM = 9.0  # off the outer corner of the north-western mark's outer square: which way round the die lies
INSET_UM = 70.0  # from the die's edges to the middle of a mark
MARKS = 4
# Verniers stand beside each cross along the die's western or eastern edge: first metal against ribs, second metal
# against first, each along x and along y. The pair of bars that meets says the error in steps of VERNIER_STEP_UM.
BARS, BAR_UM, BAR_LENGTH_UM, BAR_PITCH_UM = 7, 3.0, 8.0, 6.0
VERNIER_STEP_UM = 0.1
FACING_UM = 3.0  # between the tips of two scales
FROM_CROSS_UM = 36.0  # from a cross's middle to its verniers, along the edge
PAIRS = (("ridge", "metal1"), ("metal1", "metal2"))
EXTRA_RIBS = MARKS * (1 + 2)
EXTRA_METALS = MARKS * (4 + 6)  # squares; three scales along x, three along y


def marks_um(spec: ChipSpec) -> float:
    """How far marks reach from the die's western facet inwards."""
    border = 0.0 if spec.kit is None else spec.kit.chip.tip_outside_um + spec.kit.chip.border_um
    return border + INSET_UM + MARK_UM / 2.0


def draw_marks(chip: gf.Component, die: kdb.Box) -> None:
    """Alignment marks in the four corners of a die; a corner cut off one square tells which is the north-western."""
    inner = die.enlarged(-nm(INSET_UM))
    for x in (inner.left, inner.right):
        for y, trans in ((inner.bottom, kdb.Trans.R0), (inner.top, kdb.Trans.M0)):
            for layer, region in _mark().items():
                # Mirrored at the top, so that the verniers always lie towards the die's middle.
                placed = region.transformed(trans)
                if layer == LAYERS.metal1 and (x, y) == (inner.left, inner.top):
                    placed -= _corner()
                chip.kdb_cell.shapes(chip.kcl.layer(*layer)).insert(placed.moved(x, y))


def _corner() -> kdb.Region:
    outer, cut = nm(MARK_UM / 2.0), nm(CUT_UM)
    return kdb.Region(
        kdb.Polygon([kdb.Point(-outer, outer - cut), kdb.Point(-outer, outer), kdb.Point(cut - outer, outer)])
    )


def _mark() -> dict[Layer, kdb.Region]:
    half, arm = MARK_UM / 2.0, ARM_UM / 2.0
    cross = (kdb.Region(box(-half, -arm, half, arm)) + kdb.Region(box(-arm, -half, arm, half))).merged()
    near, far = half - SQUARE_UM, half
    square, squares = kdb.Region(box(near, near, far, far)), kdb.Region()
    for turn in (kdb.Trans.R0, kdb.Trans.R90, kdb.Trans.R180, kdb.Trans.R270):
        squares += square.transformed(turn)
    found = {LAYERS.ridge: cross, LAYERS.metal1: squares, LAYERS.metal2: kdb.Region()}
    high = nm(2.0 * (BAR_UM + BAR_LENGTH_UM) + FACING_UM)
    low = nm(FROM_CROSS_UM)
    for n, layers in enumerate(PAIRS):
        beside = -high - nm(FACING_UM / 2.0) if n == 0 else nm(FACING_UM / 2.0)
        above = low + len(PAIRS) * (high + nm(FACING_UM)) + nm(BARS * BAR_PITCH_UM / 2.0)
        for name, scale in zip(layers, _scales(), strict=True):
            layer = getattr(LAYERS, name)
            along_x = scale.moved(0, low + n * (high + nm(FACING_UM)))
            found[layer] += along_x + scale.transformed(kdb.Trans.M45).moved(beside, above)
    found[LAYERS.slab] = found[LAYERS.ridge].sized(nm(SLAB_MARGIN_UM), 2).merged()
    return {layer: region.merged() for layer, region in found.items()}


def _scales() -> tuple[kdb.Region, kdb.Region]:
    """Two combs along x that face each other, middle bar to middle bar; the upper one's pitch is a step wider."""
    combs = []
    for low, pitch, spine in (
        (0.0, BAR_PITCH_UM, 0.0),
        (BAR_UM + BAR_LENGTH_UM + FACING_UM, BAR_PITCH_UM + VERNIER_STEP_UM, BAR_LENGTH_UM),
    ):
        first = -(BARS // 2) * pitch - BAR_UM / 2.0
        last = first + (BARS - 1) * pitch + BAR_UM
        comb = kdb.Region(box(first, low + spine, last, low + spine + BAR_UM))
        for n in range(BARS):
            west = first + n * pitch
            comb.insert(box(west, low, west + BAR_UM, low + BAR_LENGTH_UM + BAR_UM))
        combs.append(comb.merged())
    return combs[0], combs[1]
