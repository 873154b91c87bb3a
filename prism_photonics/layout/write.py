"""A chip's files: drawing, netlist, proofs, manifest, picture; written whole or not at all."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gdsfactory as gf
import klayout.db as kdb
import yaml
from kfactory.utilities import save_layout_options

from prism_photonics.layout.bonding import bonded_part_um, bonding_pdf
from prism_photonics.layout.check import Checks
from prism_photonics.layout.chip import draw, places_um
from prism_photonics.layout.drc import Drc, run_drc
from prism_photonics.layout.fibres import fibres_um
from prism_photonics.layout.garbage import no_collection
from prism_photonics.layout.lvs import Lvs, lvs
from prism_photonics.layout.manifest import manifest_csv
from prism_photonics.layout.pads import pad_centers_um, rows_um
from prism_photonics.layout.page import chip_page
from prism_photonics.layout.picture import picture
from prism_photonics.layout.polygons import open_layout, renumber, save_clean, save_plain
from prism_photonics.layout.schematic import chip_yaml, schematic_yaml
from prism_photonics.layout.solid import solid_glb
from prism_photonics.layout.tapeout import bump_map, sheet
from prism_photonics.layout.tiles import cut
from prism_photonics.layout.views import lyp
from prism_photonics.netlist import Netlist
from prism_photonics.process.layers import LAYERS, Deck, load_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import approach_um, row_top_um, site_reach_um
from prism_photonics.units import InputError

CLEAN = "chip.clean.gds"


@dataclass(frozen=True)
class LayoutFiles:
    """Files that `write` made, and the results of its checks.

    Attributes:
        gds: The drawing.
        oas: The same as OASIS.
        netlist: The netlist extracted from it, as YAML.
        schematic: The extracted row as gdsfactory's YAML, which rebuilds it (``row.pic.yml``).
        chip_schematic: The whole extracted netlist likewise, cell by cell (``chip.pic.yml``).
        solid: One ring in three dimensions (``ring.glb``).
        solid_row: One row likewise, the first bus of a row of several (``row.glb``).
        picture: PNG of the chip, one row, one ring.
        page: The drawing as a page to pan and zoom in, with what each ring is (``chip.html``).
        manifest: CSV for automatic measurement.
        tapeout: Tape-out sheet: die, layers, pads, fibres, test plan (``tapeout.md``).
        bumps: CSV of a flipped die's bumps, for the interposer (``bumps.csv``); None of a bonded die.
        bonding: Bonding diagram of a bonded die (``bonding.pdf``); None of a flipped one.
        drc_report: Marker database of the design-rule check (``.lyrdb``).
        lvs_report: JSON of the comparison with the design.
        layer_properties: KLayout's looks of the layers (``.lyp``).
        clean: The drawing for a mask house, cells and polygons alone (``chip.clean.gds``); None where not asked for.
        extracted: The extracted netlist.
        lvs: The comparison with the design, in four layers.
        drc: The design-rule check.
        tiles: How many such dies make the chip; more than one when it exceeds the reticle.
        cells: Number of cells.
        time_s: Seconds by step.
    """

    gds: Path
    oas: Path
    netlist: Path
    schematic: Path
    chip_schematic: Path
    solid: Path
    solid_row: Path
    picture: Path
    page: Path
    manifest: Path
    tapeout: Path
    bumps: Path | None
    bonding: Path | None
    drc_report: Path
    lvs_report: Path
    layer_properties: Path
    clean: Path | None
    extracted: Netlist
    lvs: Lvs
    drc: Drc
    tiles: int
    cells: int
    time_s: Mapping[str, float] = field(compare=False)

    @property
    def differences(self) -> tuple[str, ...]:
        """How the drawn netlist departs from the design; empty when the drawing is the design."""
        return self.lvs.structural

    @property
    def checks(self) -> Checks:
        """Islands, nets and pads, counted on the polygons."""
        return self.lvs.checks

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is wrong with the drawing, one sentence each."""
        return (*self.lvs.faults, *self.drc.sentences())

    def to_json(self) -> dict[str, Any]:
        """The result as plain data, as ``prism layout --json`` prints it."""
        return {
            "gds": str(self.gds),
            **({"clean_gds": str(self.clean)} if self.clean else {}),
            "gds_bytes": self.gds.stat().st_size,
            "tiles": self.tiles,
            "cells": self.cells,
            "drc_violations": self.drc.violations,
            "lvs": {key: value for key, value in self.lvs.to_json().items() if key not in ("faults", "seed")},
            "faults": list(self.faults),
            "time_s": dict(self.time_s),
        }


def write(
    spec: ChipSpec,
    folder: Path | str,
    *,
    simulate: bool = False,
    seed: int = 0,
    clean: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> LayoutFiles:
    """Draw a chip, read it back from its GDS, prove it, and write its files.

    The same spec gives the same bytes in every process. The files replace older ones only once all are complete. Of a
    chip that exceeds the reticle one tile is drawn, and ``tiles.csv`` says which rows each tile holds.

    Args:
        spec: The chip.
        folder: Where the files go; made if missing.
        simulate: Also compare the drawn chip's fields with the design's; that loads JAX and compiles one row.
        seed: Of that comparison's random resonance shifts.
        clean: Also write ``chip.clean.gds`` for a mask house, without our metadata. One that lies in the folder is
            always written anew, so that it never is another drawing than ``chip.gds``.
        progress: Told of every step as it begins.

    Raises:
        InputError: The chip's metal finds no room, or the folder cannot be written.
    """
    folder = Path(folder)
    tiles = cut(spec)
    spec, deck = tiles.tile, load_deck(spec.process)
    time_s: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        progress(name)
        start = time.perf_counter()
        yield
        time_s[name] = round(time.perf_counter() - start, 3)

    with step("draw"):
        chip = draw(spec)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".layout_", dir=folder) as name:
            work = Path(name)
            with step("write"):
                gds = write_gds(chip, work / "chip.gds", deck)
                layout = open_layout(gds)
                _write_oas(layout, work / "chip.oas")
                if clean or (folder / CLEAN).exists():
                    save_clean(gds, work / CLEAN)
                (work / "chip.lyp").write_text(lyp(deck), encoding="utf-8")
                if tiles.count > 1:
                    (work / "tiles.csv").write_text(tiles.map_csv(), encoding="utf-8")
                manifest = manifest_csv(layout)
                (work / "manifest.csv").write_text(manifest, encoding="utf-8")
                if spec.flip_chip:
                    (work / "bumps.csv").write_text(bump_map(manifest), encoding="utf-8")
            with step("lvs"):
                compared, extracted = lvs(gds, spec, seed=seed, simulate=simulate)
                (work / "netlist.yaml").write_text(netlist_yaml(extracted), encoding="utf-8")
                (work / "row.pic.yml").write_text(schematic_yaml(extracted, "row"), encoding="utf-8")
                (work / "chip.pic.yml").write_text(chip_yaml(extracted, places_um(spec)), encoding="utf-8")
                report = json.dumps(compared.to_json(), indent=2) + "\n"
                (work / "lvs.json").write_text(report, encoding="utf-8")
            with step("drc"):
                drc = run_drc(layout, deck=deck, report=work / "drc.lyrdb")
            with step("picture"):
                drawing, row = open_layout(gds, deck), spec.chip.rows - 1
                title = f"{spec.name}: {spec.chip.rows} rows × {spec.chip.rings} rings"
                x, y = rows_um(drawing)[0, row]
                view = _row_view(spec).moved(x, y)
                (work / "chip.png").write_bytes(picture(drawing, title=title, row=row, ring="ring_0", row_view=view))
                page = chip_page(drawing, spec, manifest=manifest)
                (work / "chip.html").write_text(page, encoding="utf-8")
                told = sheet(spec, drawing, manifest=manifest, deck=deck, drc=drc, lvs=compared)
                (work / "tapeout.md").write_text(told, encoding="utf-8")
                if not spec.flip_chip:
                    part_um = bonded_part_um(drawing, kit=spec.kit is not None)
                    diagram = bonding_pdf(spec.name, pad_centers_um(drawing), part_um, fibres_um=fibres_um(manifest))
                    (work / "bonding.pdf").write_bytes(diagram)
                around = kdb.DBox(x, y - 10.0, x + spec.ring.pitch_um, y + row_top_um(spec) + 10.0)
                (work / "ring.glb").write_bytes(solid_glb(drawing, deck, around))
                (work / "row.glb").write_bytes(solid_glb(drawing, deck, view))
            files = {entry.name: folder / entry.name for entry in sorted(work.iterdir())}
            for entry, target in files.items():
                os.replace(work / entry, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{folder}: cannot write the layout ({reason}); give a folder that can be written") from None
    return LayoutFiles(
        gds=files["chip.gds"],
        oas=files["chip.oas"],
        netlist=files["netlist.yaml"],
        schematic=files["row.pic.yml"],
        chip_schematic=files["chip.pic.yml"],
        solid=files["ring.glb"],
        solid_row=files["row.glb"],
        picture=files["chip.png"],
        page=files["chip.html"],
        manifest=files["manifest.csv"],
        tapeout=files["tapeout.md"],
        bumps=files.get("bumps.csv"),
        bonding=files.get("bonding.pdf"),
        drc_report=files["drc.lyrdb"],
        lvs_report=files["lvs.json"],
        layer_properties=files["chip.lyp"],
        clean=files.get(CLEAN),
        extracted=extracted,
        lvs=compared,
        drc=drc,
        tiles=tiles.count,
        cells=layout.cells(),
        time_s=time_s,
    )


def require_sound(files: LayoutFiles) -> LayoutFiles:
    """The files, if nothing is wrong with the drawing.

    Raises:
        InputError: A difference from the design, or a broken drawing rule.
    """
    if files.faults:
        raise InputError(
            f"{files.gds}: {len(files.faults)} faults in the drawing, first: {files.faults[0]}; mend it or redraw"
        )
    return files


def write_gds(chip: gf.Component, path: Path, deck: Deck | None = None) -> Path:
    """Write a drawing as GDS without time stamps, cell and port metadata included, in a deck's numbers or ours."""
    options = save_layout_options()
    options.gds2_write_timestamps = False
    with no_collection():
        path = Path(chip.write_gds(path, save_options=options))
    if deck is not None and deck.layers != LAYERS:
        save_plain(renumber(open_layout(path), dict(LAYERS.items()), dict(deck.layers.items())), path)
    return path


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


def _row_view(spec: ChipSpec) -> kdb.DBox:
    """Part of a row that the picture's inset shows, in µm from its first port."""
    west = approach_um(spec) if spec.two_sided else spec.waveguide.bend_radius_um
    east = spec.chip.channels * spec.ring.pitch_um + site_reach_um(spec)
    return kdb.DBox(-west - 30.0, -30.0, east + 90.0, row_top_um(spec) + 30.0)


def _write_oas(layout: kdb.Layout, path: Path) -> None:
    options = kdb.SaveLayoutOptions()
    options.format = "OASIS"
    options.oasis_compression_level = 2
    options.oasis_write_cblocks = True
    layout.write(str(path), options)
