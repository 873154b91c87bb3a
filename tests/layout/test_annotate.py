"""What was drawn is what is simulated: a chip edited by hand tells where it departs from its design."""

from dataclasses import replace
from pathlib import Path

import kfactory as kf
import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.layout.annotate import back_annotate
from prism_photonics.layout.chip import draw
from prism_photonics.layout.devices import draw_device
from prism_photonics.layout.write import write_gds
from prism_photonics.lightpath.ring.place import resonance_um
from prism_photonics.netlist import from_spec
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

from .test_mutations import longer, mutated


def edited(spec: ChipSpec, folder: Path, extra_um: float) -> Path:
    """Row 1 made a cell of its own, as a hand would do it in KLayout, and its ring 0 redrawn longer."""

    path = write_gds(draw(spec), folder / "edited.gds")
    layout = kdb.Layout()
    layout.read(str(path))
    row = layout.cell("row")
    own = row.dup()
    ring = next(inst for inst in own.each_inst() if inst.property(0) == "ring_0")
    leaf = ring.cell.dup()
    ring.cell = leaf
    for inst in layout.cell("chip").each_inst():
        if inst.property(0) == "row_1":
            inst.cell = own
    instance = from_spec(spec).cells["row"].instances["ring_0"]
    other = draw_device(longer(instance, extra_um), kf.KCLayout("longer_ring")).kdb_cell
    for _, number in LAYERS.items():
        region = kdb.Region(other.begin_shapes_rec(other.layout().layer(*number)))
        leaf.shapes(layout.layer(*number)).clear()
        leaf.shapes(layout.layer(*number)).insert(region)
    for copy, original in ((own, row), (leaf, layout.cell(leaf.name.split("$")[0]))):
        for info in original.each_meta_info():
            copy.add_meta_info(info)
    options = kdb.SaveLayoutOptions()
    options.write_context_info = True
    layout.write(str(path), options)
    return path


def test_the_chip_as_drawn_departs_nowhere(tiny: ChipSpec, tmp_path: Path):
    found = back_annotate(write_gds(draw(tiny), tmp_path / "chip.gds"), tiny)
    assert found.differences == ()
    assert found.changed_rows() == []
    assert np.abs(found.resonance_pm).max() == 0.0
    assert found.lines() == ["the drawing is the design: no ring and no weight differs"]


def test_a_ring_lengthened_in_the_drawing_shows_its_resonance_and_weight(tiny: ChipSpec, tmp_path: Path):
    layout = kdb.Layout()
    layout.read(str(edited(tiny, tmp_path, 0.004)))
    names = {cell.name for cell in layout.each_cell() if cell.name.startswith("row")}
    assert names == {"row", "row$1"}
    found = back_annotate(tmp_path / "edited.gds", tiny)
    design = tiny.ring_designs[0]
    near = tiny.comb_design.wl_um[0]
    at = [
        resonance_um(tiny.profile, replace(design, straight_um=design.straight_um + extra).lengths, near_um=near)
        for extra in (0.0, 0.004)
    ]
    assert found.changed_rows() == [1]
    assert found.resonance_pm[1, 0] == pytest.approx((at[1] - at[0]) * 1e6, rel=1e-9)
    assert 50.0 < found.resonance_pm[1, 0] < 120.0
    assert np.abs(found.weight_change[1, 0]) > 0.01
    assert np.abs(found.weight_change[0]).max() == 0.0
    assert any("component row__1 instead of row" in line for line in found.differences)
    assert found.to_json()["rows"][0]["row"] == 1
    said = found.lines()
    assert any(line.startswith(f"row 1: resonance {found.resonance_pm[1, 0]:+.1f} ") for line in said)
    assert any(line.startswith(f"row 1: weight    {found.weight_change[1, 0]:+.4f} ") for line in said)
    assert not any(line.startswith("row 0") for line in said)


def test_a_leaf_that_no_design_draws_is_refused(tiny: ChipSpec, tmp_path: Path):
    def scratch(chip) -> None:
        ring = next(cell for cell in chip.kcl.layout.each_cell() if cell.name.startswith("ring_"))
        ring.shapes(chip.kcl.layer(*LAYERS.metal1)).insert(kdb.Box(0, -9000, 4000, -5000))

    with pytest.raises(InputError, match="metal1 differs from its design"):
        back_annotate(mutated(tiny, tmp_path, scratch), tiny)
