"""A drawn chip as one HTML file: pan and zoom, layers on and off, click a ring for its row, channel, pad and design.

The file needs no network and no server. Polygons stand in it once per cell; the browser places them, as in the GDS.
"""

import base64
import csv
import io
import json
import zlib
from pathlib import Path
from typing import Any

import jinja2
import klayout.db as kdb

from prism_photonics.budget.ring import row_figures
from prism_photonics.layout.views import VIEWS
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def chip_page(layout: kdb.Layout, spec: ChipSpec, *, manifest: str) -> str:
    """The page of a drawing.

    Args:
        layout: The drawing, in our layer numbers.
        spec: The chip.
        manifest: Its manifest: where the rings are, and which pads drive them.
    """
    looks = [view for view in VIEWS if not layout.top_cell().bbox(layout.layer(*getattr(LAYERS, view.layer))).empty()]
    layers = [layout.layer(*getattr(LAYERS, view.layer)) for view in looks]
    cells = [layout.cell(index) for index in (layout.top_cell().cell_index(), *layout.top_cell().called_cells())]
    number = {cell.cell_index(): n for n, cell in enumerate(cells)}
    nm = 1e3 * layout.dbu
    die = layout.top_cell().bbox(layout.layer(*LAYERS.contour))
    design = spec.ring_designs[0]
    data = {
        "top": 0,
        "die": _scaled((die.left, die.bottom, die.right, die.top), nm),
        "radius": round(1e3 * (design.radius_um + 0.5 * max(design.arm_um, design.straight_um))),
        "looks": [
            {"title": view.title, "fill": view.fill, "opacity": view.opacity, "outlined": view.outlined}
            for view in looks
        ],
        "cells": [_cell(cell, layers, number, nm) for cell in cells],
        "rings": _rings(manifest),
        "channels": _channels(spec),
    }
    packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return template.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=spec.name,
        about=f"{spec.chip.rows} rows × {spec.chip.rings} rings, {spec.profile.description}, spec {spec.hash[:8]}.",
        rows=spec.chip.rows,
        buses=spec.chip.buses,
        channels=spec.chip.channels,
        data=base64.b64encode(packed).decode(),
    )


def _scaled(values: tuple[int, ...], nm: float) -> list[int]:
    return [round(value * nm) for value in values]


def _cell(cell: kdb.Cell, layers: list[int], number: dict[int, int], nm: float) -> dict[str, Any]:
    """A cell's polygons by layer, its boxes by layer with what it holds, and what is placed in it, in nm."""
    polygons, boxes = {}, {}
    for n, layer in enumerate(layers):
        box = cell.bbox(layer)
        if not box.empty():
            boxes[n] = _scaled((box.left, box.bottom, box.right, box.top), nm)
        found = []
        for shape in cell.shapes(layer).each():
            if shape.is_box() or shape.is_path() or shape.is_polygon():
                points = shape.polygon.to_simple_polygon().each_point()
                found.append(_scaled(tuple(value for point in points for value in (point.x, point.y)), nm))
        if found:
            polygons[n] = found
    instances = []
    for inst in cell.each_inst():
        for part in inst.cell_inst.each_cplx_trans():
            # Columns of the matrix: where the unit vectors go.
            turned = kdb.DCplxTrans(part)
            east, north = turned * kdb.DVector(1, 0), turned * kdb.DVector(0, 1)
            matrix = [round(value, 9) for value in (east.x, east.y, north.x, north.y)]
            instances.append([number[inst.cell_index], *matrix, *_scaled((part.disp.x, part.disp.y), nm)])
    return {"layers": polygons, "boxes": boxes, "instances": instances}


def _rings(manifest: str) -> list[dict[str, Any]]:
    """Rings of the circuit: where they are, in nm, and the pads that drive them."""
    found = []
    for line in csv.DictReader(io.StringIO(manifest)):
        if line["kind"] == "ring" and int(line["row"]) >= 0:
            place = {key: round(1e3 * float(line[f"{key}_um"])) for key in ("x", "y")}
            pad = {key: round(1e3 * float(line[f"{key}_um"])) if line["pad"] else None for key in ("pad_x", "pad_y")}
            which = {key: int(line[key]) for key in ("row", "bus", "channel")}
            found.append({"name": line["name"], "pad": line["pad"], **which, **place, **pad})
    return found


def _channels(spec: ChipSpec) -> list[list[tuple[str, str]]]:
    """What each channel's ring was designed to be, as lines of a table."""
    shown = []
    for wl_um, design, figures in zip(spec.comb_design.wl_um, spec.ring_designs, row_figures(spec), strict=True):
        arm = [("straight sides", f"{design.arm_um:g} µm")] if design.arm_um else []
        if design.euler_p:
            arm.insert(0, ("sharpest bend", f"{design.quarter.least_radius_um:.4g} µm"))
        shown.append(
            [
                ("line", f"{1e3 * wl_um:.3f} nm"),
                ("radius", f"{design.radius_um:g} µm"),
                *arm,
                ("coupling straights", f"{design.straight_um:g} µm"),
                ("gap to the through bus", f"{1e3 * design.gap_through_um:g} nm"),
                ("gap to the drop bus", f"{1e3 * design.gap_drop_um:g} nm"),
                ("loaded Q", f"{figures.q_loaded:,.0f}"),
                ("linewidth", f"{figures.fwhm_pm:.1f} pm"),
                ("free spectral range", f"{figures.fsr_nm:.3f} nm"),
                ("through on resonance", f"{figures.through_min:.3f}"),
                ("drop on resonance", f"{figures.drop_max:.3f}"),
                ("tuning", f"{figures.tuning_pm_V:.2f} pm/V"),
                ("rest above the line", f"{figures.bias_pm:.1f} pm"),
            ]
        )
    return shown
