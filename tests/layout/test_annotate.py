"""What was drawn is what is simulated: a chip edited by hand tells where it departs from its design."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import kfactory as kf
import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.layout.annotate import back_annotate
from prism_photonics.layout.chip import draw
from prism_photonics.layout.devices import draw_device
from prism_photonics.layout.simulate import drawn_rows
from prism_photonics.layout.write import write_gds
from prism_photonics.lightpath.ring.place import resonance_um
from prism_photonics.netlist import from_spec
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

from .test_mutations import longer


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
    length = f"row_1: ring_0.straight_um: {round(design.straight_um + 0.004, 3)} instead of {design.straight_um}"
    assert length in found.differences
    assert found.to_json()["rows"][0]["row"] == 1
    said = found.lines()
    assert any(line.startswith(f"row 1: resonance {found.resonance_pm[1, 0]:+.1f} ") for line in said)
    assert any(line.startswith(f"row 1: weight    {found.weight_change[1, 0]:+.4f} ") for line in said)
    assert not any(line.startswith("row 0") for line in said)


def edited_gds(spec: ChipSpec, folder: Path, edit: Callable[[kdb.Layout], None]) -> Path:
    """The chip's file opened, changed and saved, as KLayout does it."""
    path = write_gds(draw(spec), folder / "edited.gds")
    layout = kdb.Layout()
    layout.read(str(path))
    edit(layout)
    options = kdb.SaveLayoutOptions()
    options.write_context_info = True
    layout.write(str(path), options)
    return path


def ring_of(layout: kdb.Layout) -> kdb.Cell:
    return next(inst for inst in layout.cell("row").each_inst() if inst.property(0) == "ring_0").cell


def test_a_ring_pushed_towards_its_drop_bus_shows_in_the_weights_as_the_gaps_do(tiny: ChipSpec, tmp_path: Path):
    """Only the rib was pushed: that the electrodes stayed behind is said, too."""
    wanted = asdict(tiny.ring_designs[0])
    pushed = {}

    def push(layout: kdb.Layout) -> None:
        leaf = ring_of(layout)
        pushed["cell"] = leaf.name
        shapes = leaf.shapes(layout.layer(*LAYERS.ridge))
        ribs = [kdb.Polygon(shape.polygon) for shape in shapes.each()]
        shapes.clear()
        for rib in ribs:
            shapes.insert(rib if rib.bbox().height() < 2000 else rib.moved(0, 5))  # the buses stay

    found = back_annotate(edited_gds(tiny, tmp_path, push), tiny)
    assert any(line.startswith(f"cell {pushed['cell']}: metal1 differs") for line in found.differences)
    for field, change in (("gap_through_um", 0.005), ("gap_drop_um", -0.005)):
        want = f"row.ring_0.{field}: {round(wanted[field] + change, 3)} instead of {wanted[field]}"
        assert want in found.differences
    assert found.changed_rows() == [0, 1]
    assert np.abs(found.resonance_pm).max() == 0.0
    design = from_spec(tiny)
    gaps = {"gap_through_um": 0.405, "gap_drop_um": 0.395}
    rings = {"ring_0": replace(design.cells["row"].instances["ring_0"], settings={**wanted, **gaps})}
    row = replace(design.cells["row"], instances={**design.cells["row"].instances, **rings})
    weights = [
        drawn_rows(
            netlist,
            tiny.profile,
            loss_dB_cm=tiny.waveguide.loss_dB_cm,
            wl=np.asarray(tiny.comb_design.wl_um),
            shift_pm=np.zeros((2, 2)),
        )[0].weights
        for netlist in (replace(design, cells={**design.cells, "row": row}), design)
    ]
    assert found.weight_change == pytest.approx(weights[0] - weights[1], abs=1e-12)
    assert np.abs(found.weight_change).max() > 1e-4


def test_a_row_taken_out_of_the_drawing_is_named_and_the_others_are_simulated(tiny: ChipSpec, tmp_path: Path):
    def remove(layout: kdb.Layout) -> None:
        next(inst for inst in layout.cell("chip").each_inst() if inst.property(0) == "row_1").delete()

    found = back_annotate(edited_gds(tiny, tmp_path, remove), tiny)
    assert "chip: instance row_1 is missing" in found.differences
    assert set(found.broken) == set(map(int, found.to_json()["broken_rows"])) == {1}
    assert found.changed_rows() == []
    assert np.abs(found.weight[0]).min() > 0.0
    assert any(line.startswith("row 1: cannot be simulated: netlist: detector_1,o1") for line in found.lines())


def test_metal_that_no_design_draws_is_said_and_ribs_are_refused(tiny: ChipSpec, tmp_path: Path):
    def scratch(layer: tuple[int, int]) -> Callable[[kdb.Layout], None]:
        def add(layout: kdb.Layout) -> None:
            ring_of(layout).shapes(layout.layer(*layer)).insert(kdb.Box(0, -9000, 400, -5000))

        return add

    found = back_annotate(edited_gds(tiny, tmp_path, scratch(LAYERS.metal2)), tiny)
    assert any("metal2 differs from its design near" in line for line in found.differences)
    assert found.changed_rows() == []
    with pytest.raises(InputError, match=r"cell ring_\w+: a ring cell has 4 ribs; want two buses and a closed ring"):
        back_annotate(edited_gds(tiny, tmp_path, scratch(LAYERS.ridge)), tiny)


def test_a_chip_of_somebody_elses_is_refused_in_one_line(tiny: ChipSpec, tmp_path: Path):
    layout = kdb.Layout()
    layout.create_cell("chip").shapes(layout.layer(2, 0)).insert(kdb.Box(0, 0, 10, 10))
    layout.write(str(tmp_path / "other.gds"))
    with pytest.raises(
        InputError, match="cell chip holds no devices, its cells were flattened or deleted; give the file that"
    ) as refusal:
        back_annotate(tmp_path / "other.gds", tiny)
    assert "\n" not in str(refusal.value)


def test_a_fault_of_our_simulation_is_not_told_as_a_damaged_drawing(
    tiny: ChipSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fault(*_: object, **__: object) -> None:
        raise ValueError("a fault of our own")

    gds = write_gds(draw(tiny), tmp_path / "chip.gds")
    monkeypatch.setattr("prism_photonics.layout.annotate.drawn_rows", fault)
    with pytest.raises(ValueError, match=r"^a fault of our own$"):
        back_annotate(gds, tiny)
