"""A picture of a drawn chip: the die, one row, one ring, with legend and scale bars."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import klayout.db as kdb
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from prism_photonics.layout.polygons import open_layout
from prism_photonics.layout.views import VIEWS
from prism_photonics.process.layers import LAYERS

TALL = 2.5  # a die this much higher than wide gets a window of its middle
PIXELS = 1500  # of the largest view along one side
FINEST_BLUR = 100  # nm; finer views are painted as drawn
BACKGROUND = "#f8f8f4"


@style.context("default")  # the same bytes whatever the user's matplotlib settings are
def picture(gds: Path | kdb.Layout, *, title: str, row: int, ring: str, row_view: kdb.DBox) -> bytes:
    """PNG of a chip, in our layer numbers, with insets of one row and of one of its rings.

    Args:
        gds: The chip: a file, or a layout in memory.
        title: Heading.
        row: Which row the insets show.
        ring: Which ring of it, by instance name.
        row_view: Part of the row that its inset shows, in µm.
    """
    layout = open_layout(gds)
    top = layout.top_cell()
    names = {str(inst.property(0)) for inst in top.each_inst()}
    ring_box = _placed(top, (*(["bank_0"] if "bank_0" in names else []), f"row_{row}", ring))[-1]
    die = top.dbbox(layout.layer(*LAYERS.contour))

    figure = Figure(figsize=(16.0, 14.0), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    tall = die.height() > TALL * die.width()
    grid = figure.add_gridspec(2, 3, width_ratios=(0.2, 1.3, 1.12) if tall else (0.81, 0.81, 1.0), height_ratios=(4, 1))
    whole = figure.add_subplot(grid[0, 0] if tall else grid[0, :2])
    ring_axes, row_axes = figure.add_subplot(grid[0, 2]), figure.add_subplot(grid[1, :])
    # A long row is cut: the strip is at most nine times as long as high.
    east = min(row_view.right, row_view.left + 9.0 * row_view.height())
    row_view = kdb.DBox(row_view.left, row_view.bottom, east, row_view.top)
    center = ring_box.center()
    half = 0.5 * min(ring_box.width(), 1.6 * ring_box.height())
    ring_view = kdb.DBox(center.x - half, center.y - half, center.x + half, center.y + half)
    # Below the die there is room for the scale bar; a tall one is drawn small, without.
    below = 20.0 if tall else 0.05 * die.height()
    title = title.replace(": ", "\n").replace(" × ", "\n× ") if tall else title
    views = [
        (whole, kdb.DBox(die.left - 20.0, die.bottom - below, die.right + 20.0, die.top + 20.0), title),
        (ring_axes, ring_view, f"{ring} of row {row}: signal outside right and inside left, so the lobes add"),
        (row_axes, row_view, f"row {row}: photodiodes, rings, through and drop bus"),
    ]
    boxes = [(row_view, "row"), (ring_view, "ring")]
    if tall:
        # Too thin to see anything in it: a window as high as the die is wide, about the edge coupler.
        middle = die.center().y
        reach = 0.6 * die.width()
        window = kdb.DBox(die.left - 20.0, middle - reach, die.right + 20.0, middle + reach)
        views.append((figure.add_subplot(grid[0, 1]), window, "the middle of the die: edge coupler, tree, rows"))
        boxes = [(window, "middle"), (row_view, "row")]
    for axes, view, heading in views:
        _paint(axes, layout, top, view)
        axes.set_title(heading, fontsize=10, loc="left")
        if not (tall and axes is whole):
            _scale_bar(axes, view, share=0.1 if axes is whole else 0.25)
    for box, name in boxes:
        whole.add_patch(Rectangle((box.left, box.bottom), box.width(), box.height(), fill=False, ec="#c1121f", lw=1.0))
        whole.annotate(name, (box.left, box.top), color="#c1121f", fontsize=8, va="bottom")
    handles = [
        Patch(
            fc="none" if view.outlined else view.fill,
            ec=view.fill if view.outlined else "#555555",
            alpha=view.opacity,
            label=view.title,
        )
        for view in VIEWS
        if not top.bbox(layout.layer(*getattr(LAYERS, view.layer))).empty()
    ]
    figure.legend(handles=handles, loc="lower center", ncol=5, fontsize=9, frameon=False)
    figure.subplots_adjust(left=0.015, right=0.985, top=0.97, bottom=0.06, wspace=0.03, hspace=0.06)
    image = BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})  # no version: the same bytes everywhere
    return image.getvalue()


def _placed(top: kdb.Cell, path: Sequence[str]) -> list[kdb.DBox]:
    """Boxes of nested instances by name (the ribs and metal of each), in the coordinates of ``top``."""
    boxes, cell, trans = [], top, kdb.DCplxTrans()
    for name in path:
        instance = next(i for i in cell.each_inst() if i.property(0) == name)
        trans = trans * instance.dcplx_trans
        cell = instance.cell
        boxes.append(cell.dbbox().transformed(trans))
    return boxes


def _paint(axes: Axes, layout: kdb.Layout, top: kdb.Cell, view: kdb.DBox) -> None:
    axes.set_facecolor(BACKGROUND)
    for look in VIEWS:
        index = layout.find_layer(*getattr(LAYERS, look.layer))
        if index is None:
            continue
        shapes = kdb.Region(kdb.RecursiveShapeIterator(layout, top, index, view.to_itype(layout.dbu), True))
        # What a third of a pixel cannot show costs minutes on a large die: points of bends, contacts, vias.
        blur = round(max(view.width(), view.height()) / (3.0 * PIXELS) / layout.dbu)
        if blur > FINEST_BLUR:
            shapes.merged_semantics = False
            shapes = shapes.with_bbox_max(0, 3 * blur, True).smoothed(blur)
        shapes = shapes.merged()
        if look.layer == "exclusion" and shapes.holes().is_empty():
            # A kit's zone is drawn as the whole die, its contour as what lies inside the zone.
            shapes -= kdb.Region(top.begin_shapes_rec(layout.layer(*LAYERS.contour)))
        polygons = []
        for polygon in shapes.each():
            simple = polygon.to_simple_polygon().to_dtype(layout.dbu)
            polygons.append([(point.x, point.y) for point in simple.each_point()])
        if look.outlined:
            paint = {"facecolors": "none", "edgecolors": look.fill, "linewidths": 0.8}
        else:
            # A hairline of the fill keeps ribs visible where they are thinner than a pixel.
            hairline = 0.35 if look.layer == "ridge" else 0.0
            paint = {"facecolors": look.fill, "edgecolors": look.fill, "linewidths": hairline}
        axes.add_collection(PolyCollection(polygons, alpha=look.opacity, **paint))
    axes.set_xlim(view.left, view.right)
    axes.set_ylim(view.bottom, view.top)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def _scale_bar(axes: Axes, view: kdb.DBox, *, share: float) -> None:
    length = max(step for step in (10, 20, 50, 100, 200, 500, 1000, 2000) if step <= max(10.0, view.width() * share))
    x, y = view.left + 0.03 * view.width(), view.bottom + 0.015 * view.height()
    axes.plot([x, x + length], [y, y], color="black", lw=3, solid_capstyle="butt")
    label = f"{length} µm" if length < 1000 else f"{length // 1000} mm"
    axes.annotate(label, (x, y), xytext=(0, 4), textcoords="offset points", fontsize=9)
