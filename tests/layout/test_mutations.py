"""A drawing that is not the design is caught: each mutation by the layer that must see it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gdsfactory as gf
import klayout.db as kdb
import pytest

from prism_photonics.layout.check import Checks, check
from prism_photonics.layout.chip import draw
from prism_photonics.layout.devices import draw_device
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.lvs import FIELD_TOLERANCE, simulation_error
from prism_photonics.layout.write import write_gds
from prism_photonics.netlist import Instance, Netlist, connect, from_spec
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


def longer(instance: Instance, extra_um: float) -> Instance:
    return Instance(
        instance.component, {**instance.settings, "straight_um": instance.settings["straight_um"] + extra_um}
    )


def cell_of(chip: gf.Component, start: str) -> kdb.Cell:
    return next(cell for cell in chip.kcl.layout.each_cell() if cell.name.startswith(start))


def mutated(spec: ChipSpec, folder: Path, change: Callable[[gf.Component], None]) -> Path:
    """The chip drawn by the book, changed by hand, and written."""
    chip = draw(spec)
    change(chip)
    return write_gds(chip, folder / "mutated.gds")


def faults(spec: ChipSpec, folder: Path, change: Callable[[gf.Component], None]) -> Checks:
    return check(mutated(spec, folder, change), spec)


def broken(spec: ChipSpec, folder: Path, change: Callable[[gf.Component], None]) -> set[str]:
    """The drawing rules that the changed chip breaks."""
    return {name for name, count in run_drc(mutated(spec, folder, change)).counts.items() if count}


def test_two_nanometres_more_on_one_ring_are_caught_by_the_netlist(tiny: ChipSpec, tmp_path: Path):
    design = from_spec(tiny)
    row = design.cells["row"]
    ring = longer(row.instances["ring_1"], 0.002)
    changed = Netlist({**design.cells, "row": replace(row, instances={**row.instances, "ring_1": ring})})
    found = design.differences(extract(write_gds(draw(tiny, changed), tmp_path / "long.gds")))
    assert len(found) == 1
    assert found[0].startswith("row.ring_1.straight_um")


def test_two_nanometres_more_on_one_ring_are_caught_by_the_simulation(tiny: ChipSpec):
    design = from_spec(tiny)
    row = design.cells["row"]
    ring = longer(row.instances["ring_1"], 0.002)
    changed = Netlist({**design.cells, "row": replace(row, instances={**row.instances, "ring_1": ring})})
    assert simulation_error(design, tiny, seed=0) < FIELD_TOLERANCE
    assert simulation_error(changed, tiny, seed=0) > 1e5 * FIELD_TOLERANCE


@pytest.mark.parametrize("extra_um", [0.001, 0.002, -0.002])
def test_a_ring_longer_than_its_metadata_says_is_caught_by_measuring(tiny: ChipSpec, tmp_path: Path, extra_um: float):
    def stretch(chip: gf.Component) -> None:
        instance = from_spec(tiny).cells["row"].instances["ring_0"]
        drawn = draw_device(instance, chip.kcl).kdb_cell
        other = draw_device(longer(instance, extra_um), chip.kcl).kdb_cell
        ridge = chip.kcl.layer(*LAYERS.ridge)
        drawn.shapes(ridge).assign(other.shapes(ridge))

    with pytest.raises(InputError, match="its straight_um measures"):
        extract(mutated(tiny, tmp_path, stretch))


@pytest.mark.parametrize("start", ["uturn", "straight", "branch", "splitter", "detector", "terminator"])
def test_a_leaf_cell_with_a_shape_of_its_own_is_caught_by_redrawing(tiny: ChipSpec, tmp_path: Path, start: str):
    def scratch(chip: gf.Component) -> None:
        cell = cell_of(chip, start)
        box = cell.bbox()
        at = box.center()
        cell.shapes(chip.kcl.layer(*LAYERS.ridge)).insert(kdb.Box(at.x, at.y - 9000, at.x + 40, at.y + 9000))

    with pytest.raises(InputError, match=r"measures|differs from its design|not on the end of a rib"):
        extract(mutated(tiny, tmp_path, scratch))


def test_two_rows_connected_the_wrong_way_round_are_caught_by_the_netlist(tiny: ChipSpec, tmp_path: Path):
    design = from_spec(tiny)
    chip = design.cells["chip"]
    straight = connect(("tree,o2", "row_0,o1"), ("tree,o3", "row_1,o1"))
    crossed = connect(("tree,o2", "row_1,o1"), ("tree,o3", "row_0,o1"))
    assert straight <= chip.connections
    swapped = Netlist({**design.cells, "chip": replace(chip, connections=chip.connections - straight | crossed)})
    found = design.differences(extract(write_gds(draw(tiny, swapped), tmp_path / "swapped.gds")))
    assert any("tree,o2" in line and "missing" in line for line in found)
    assert any("row_1,o1 – tree,o2" in line and "added" in line for line in found)


def test_a_row_one_nanometre_off_is_no_longer_connected(tiny: ChipSpec, tmp_path: Path):
    def shift(chip: gf.Component) -> None:
        chip.insts["row_0"].instance.transform(kdb.Trans(0, 1))

    found = from_spec(tiny).differences(extract(mutated(tiny, tmp_path, shift)))
    assert sorted(line.split(": ")[1] for line in found) == [
        "connection detector_0,o1 – row_0,o2 is missing",
        "connection detector_0,o2 – row_0,o3 is missing",
        "connection row_0,o1 – tree,o2 is missing",
    ]


def test_a_bend_removed_is_caught_by_netlist_and_islands(tiny: ChipSpec, tmp_path: Path):
    def remove(chip: gf.Component) -> None:
        row = cell_of(chip, "row")
        next(inst for inst in row.each_inst() if inst.cell.name.startswith("uturn")).delete()

    path = mutated(tiny, tmp_path, remove)
    assert any("uturn is missing" in line for line in from_spec(tiny).differences(extract(path)))
    assert any("rib islands" in line for line in check(path, tiny).violations)


def test_a_via_removed_is_caught_by_the_nets(tiny: ChipSpec, tmp_path: Path):
    def remove(chip: gf.Component) -> None:
        shapes = cell_of(chip, "ring_").shapes(chip.kcl.layer(*LAYERS.via))
        next(shapes.each()).delete()

    assert any("electrodes are not joined" in line for line in faults(tiny, tmp_path, remove).violations)


@pytest.mark.parametrize(("nth", "said"), [(0, "contact_p is not joined"), (1, "contact_n is not joined")])
def test_an_opening_to_a_photodiode_removed_is_caught_by_the_nets(tiny: ChipSpec, tmp_path: Path, nth: int, said: str):
    def remove(chip: gf.Component) -> None:
        shapes = cell_of(chip, "detector_").shapes(chip.kcl.layer(*LAYERS.contact_via))
        lowest = sorted(shapes.each(), key=lambda shape: shape.bbox().bottom)
        lowest[nth].delete()

    found = faults(tiny, tmp_path, remove).violations
    assert any("row 1: a photodiode's" in line and said in line for line in found), found


def test_first_metal_under_the_bonded_piece_is_caught_by_the_drawing_rules(tiny: ChipSpec, tmp_path: Path):
    def cover(chip: gf.Component) -> None:
        at = next(inst for inst in chip.kdb_cell.each_inst() if inst.property(0) == "detector_0").trans.disp
        box = kdb.Box(at.x + 90_000, at.y + 30_000, at.x + 100_000, at.y + 40_000)
        chip.kdb_cell.shapes(chip.kcl.layer(*LAYERS.metal1)).insert(box)

    assert broken(tiny, tmp_path, cover) == {"metal1_on_attach"}


def test_a_metal_bridge_between_two_tracks_is_caught_by_the_nets(tiny: ChipSpec, tmp_path: Path):
    def bridge(chip: gf.Component) -> None:
        # Between the two columns, above the upper row: signal track of column 0 to ground track of column 1.
        metal = cell_of(chip, "metal")
        metal.shapes(chip.kcl.layer(*LAYERS.metal2)).insert(kdb.Box(100_000, 290_000, 160_000, 295_000))

    checks = faults(tiny, tmp_path, bridge)
    assert any("metal nets" in line for line in checks.violations)
    assert any("want ring_r1_c0 alone" in line for line in checks.violations)


def test_metal_on_a_rib_is_caught_by_the_drawing_rules(tiny: ChipSpec, tmp_path: Path):
    def cover(chip: gf.Component) -> None:
        chip.kdb_cell.shapes(chip.kcl.layer(*LAYERS.metal1)).insert(kdb.Box(0, -5000, 6000, 5000))

    assert broken(tiny, tmp_path, cover) >= {"metal1_on_ridge"}


def test_tracks_too_close_are_caught_by_the_drawing_rules(tiny: ChipSpec, tmp_path: Path):
    def crowd(chip: gf.Component) -> None:
        at = next(inst for inst in cell_of(chip, "metal").each_inst() if inst.property(0) == "ring_r1_c0").trans.disp
        # Beside the pad, 35 µm from its centre: 2.999 µm of space, where the rule wants 3.
        shape = kdb.Box(at.x - 35_000 - 2_999 - 10_000, at.y - 5_000, at.x - 35_000 - 2_999, at.y + 5_000)
        chip.kdb_cell.shapes(chip.kcl.layer(*LAYERS.metal2)).insert(shape)

    assert broken(tiny, tmp_path, crowd) == {"metal2_space"}


def test_text_on_a_metal_is_caught_by_the_drawing_rules_and_the_islands(tiny: ChipSpec, tmp_path: Path):
    def write(chip: gf.Component) -> None:
        text = kdb.TextGenerator.default_generator().text("OOPS", 0.001, 4.0)
        chip.kdb_cell.shapes(chip.kcl.layer(*LAYERS.metal2)).insert(text.moved(-150_000, 60_000))

    assert broken(tiny, tmp_path, write) & {"metal2_width", "metal2_area", "metal2_space"}
    assert any("metal nets" in line for line in faults(tiny, tmp_path, write).violations)


def test_metal_of_a_cell_that_touches_nothing_is_counted_as_often_as_the_cell_stands(tiny: ChipSpec, tmp_path: Path):
    def scatter(chip: gf.Component) -> None:
        stray = chip.kcl.layout.create_cell("stray")
        stray.shapes(chip.kcl.layer(*LAYERS.metal1)).insert(kdb.Box(0, 0, 9000, 9000))
        array = kdb.CellInstArray(
            stray.cell_index(), kdb.Trans(-150_000, 0), kdb.Vector(0, 20_000), kdb.Vector(20_000, 0), 3, 2
        )
        chip.kdb_cell.insert(array)

    whole = check(write_gds(draw(tiny), tmp_path / "whole.gds"), tiny).metal_nets
    assert faults(tiny, tmp_path, scatter).metal_nets == whole + 6


def test_a_file_that_is_no_layout_is_refused_in_one_line(tmp_path: Path, tiny: ChipSpec):
    (tmp_path / "not.gds").write_text("hello")
    for read in (extract, lambda path: check(path, tiny)):
        with pytest.raises(InputError, match="cannot read the layout") as refusal:
            read(tmp_path / "not.gds")
        assert "\n" not in str(refusal.value)
    with pytest.raises(InputError, match="cannot read the layout"):
        extract(tmp_path / "absent.gds")


def test_a_layout_of_something_else_is_refused_in_one_line(tmp_path: Path):
    layout = kdb.Layout()
    layout.create_cell("something").shapes(layout.layer(1, 0)).insert(kdb.Box(0, 0, 10, 10))
    layout.write(str(tmp_path / "other.gds"))
    with pytest.raises(InputError, match="no cell named 'chip'"):
        extract(tmp_path / "other.gds")
