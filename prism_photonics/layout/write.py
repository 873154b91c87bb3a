"""A chip's files: GDS, extracted netlist, picture, manifest; written whole or not at all."""

import csv
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdsfactory as gf
import klayout.db as kdb
import yaml
from kfactory.utilities import save_layout_options

from prism_photonics.layout.check import Checks, check, pad_centers_um
from prism_photonics.layout.chip import draw
from prism_photonics.layout.extract import extract
from prism_photonics.layout.picture import picture
from prism_photonics.netlist import Netlist, from_spec
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


@dataclass(frozen=True)
class LayoutFiles:
    """What `write` left in the folder, and what it proved.

    Attributes:
        gds: The drawing.
        netlist: The netlist extracted from it, as YAML.
        picture: PNG of the chip, one row, one ring.
        manifest: CSV of every bond pad: pad, x_um, y_um, net, row, channel (−1 where a pad serves no single one).
        extracted: The extracted netlist.
        differences: How it departs from the design; empty when the drawing is the design.
        checks: Islands, nets and distances on the polygons.
    """

    gds: Path
    netlist: Path
    picture: Path
    manifest: Path
    extracted: Netlist
    differences: tuple[str, ...]
    checks: Checks


def write(spec: ChipSpec, folder: Path | str) -> LayoutFiles:
    """Draw a chip, read it back from its GDS, check it, and write its files.

    The same spec gives the same bytes in every process. The four files replace older ones only once all are complete.

    Raises:
        InputError: The chip cannot be routed, or the folder cannot be written.
    """
    folder = Path(folder)
    chip = draw(spec)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".layout_", dir=folder) as name:
            work = Path(name)
            gds = write_gds(chip, work / "chip.gds")
            extracted = extract(gds)
            checks = check(gds, spec)
            (work / "netlist.yaml").write_text(netlist_yaml(extracted), encoding="utf-8")
            (work / "manifest.csv").write_text(manifest_csv(gds), encoding="utf-8")
            title = f"{spec.name}: {spec.chip.rows} rows × {spec.chip.channels} rings"
            (work / "chip.png").write_bytes(picture(gds, title=title, row=spec.chip.rows - 1, ring="ring_0"))
            files = {entry.name: folder / entry.name for entry in sorted(work.iterdir())}
            for entry, target in files.items():
                os.replace(work / entry, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{folder}: cannot write the layout ({reason}); give a folder that can be written") from None
    return LayoutFiles(
        gds=files["chip.gds"],
        netlist=files["netlist.yaml"],
        picture=files["chip.png"],
        manifest=files["manifest.csv"],
        extracted=extracted,
        differences=tuple(from_spec(spec).differences(extracted)),
        checks=checks,
    )


def write_gds(chip: gf.Component, path: Path) -> Path:
    """Write a drawing as GDS without time stamps, cell and port metadata included."""
    options = save_layout_options()
    options.gds2_write_timestamps = False
    return Path(chip.write_gds(path, save_options=options))


def netlist_yaml(netlist: Netlist) -> str:
    """A netlist as YAML: one line per instance, each connection once, everything in order."""
    cells: dict[str, Any] = {}
    for name, cell in sorted(netlist.cells.items()):
        cells[name] = {
            "instances": {
                key: {"component": instance.component, "settings": dict(sorted(instance.settings.items()))}
                for key, instance in sorted(cell.instances.items())
            },
            "connections": [" - ".join(sorted(pair)) for pair in sorted(cell.connections, key=sorted)],
            "ports": dict(sorted(cell.ports.items())),
        }
    return yaml.safe_dump({"top": netlist.top, "cells": cells}, sort_keys=False, width=200, allow_unicode=True)


def manifest_csv(gds: Path) -> str:
    """Every bond pad of a drawn chip as CSV, positions as they stand in the file."""
    layout = kdb.Layout()
    layout.read(str(gds))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("pad", "x_um", "y_um", "net", "row", "channel"))
    for pad, (x, y) in pad_centers_um(layout).items():
        table.writerow((pad, f"{x:.3f}", f"{y:.3f}", *_serves(pad)))
    return text.getvalue()


def _serves(pad: str) -> tuple[str, int, int]:
    """Net, row and channel of a pad; −1 where it serves no single one."""
    kind, *rest = pad.split("_")
    if kind == "ring":
        return pad, int(rest[0][1:]), int(rest[1][1:])
    if kind == "ground":
        return f"ground_{rest[0]}", -1, int(rest[0][1:])
    return pad, int(rest[0]), -1
