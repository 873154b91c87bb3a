"""Drawings of any database unit: the same answer in µm at every one, or a refusal that names the unit."""

from functools import cache
from pathlib import Path

import kfactory as kf
import klayout.db as kdb
import pytest

from prism_photonics.layout.annotate import back_annotate
from prism_photonics.layout.check import check
from prism_photonics.layout.devices import DEVICES
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.flipchip import bump_pad
from prism_photonics.layout.lvs import lvs
from prism_photonics.layout.manifest import manifest_csv
from prism_photonics.layout.pads import bond_pad
from prism_photonics.layout.write import LayoutFiles, write
from prism_photonics.lightpath.waveguide.design import StraightDesign
from prism_photonics.process.layers import load_deck, parse_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

DECK = load_deck()
NUMBERS = dict(DECK.layers.items())
UNITS_NM = (0.1, 0.25, 0.5, 1.0, 5.0, 10.0)
SOUND = {
    "slab": [(-50, -50, 150, 150)],
    "ridge": [(0, 0, 100, 0.2), (0, 0.59, 100, 3)],
    "metal1": [(0, 5, 100, 7), (0, 9, 100, 30)],
    "metal2": [(0, 8, 100, 50)],
    "via": [(5, 10, 8, 13)],
    "contour": [(-500, -500, 500, 500)],
}
# Each a hair (10 nm, which every unit can draw) beyond a rule of its own kind.
FAULTS = {
    "ridge_width": ("ridge", [(0, 0, 140, 0.19), (0, 0.59, 100, 3)]),
    "ridge_space": ("ridge", [(0, 0, 100, 0.2), (0, 0.58, 100, 3)]),
    "metal1_to_ridge": ("metal1", [(0, 4.98, 100, 7), (0, 9, 100, 30)]),
    "metal1_around_via": ("via", [(5, 9.49, 8, 13)]),
    "metal1_in_die": ("contour", [(-500, -500, 129.99, 500)]),
    "slab_area": ("slab", [(-50, -50, 150, 150), (300, 0, 304, 4.99)]),
}


def drawing(shapes: dict[str, list[tuple[float, float, float, float]]], unit_nm: float) -> kdb.Layout:
    layout = kdb.Layout()
    layout.dbu = unit_nm / 1e3
    top = layout.create_cell("chip")
    for layer, boxes in shapes.items():
        for corners in boxes:
            top.shapes(layout.layer(*NUMBERS[layer])).insert(kdb.DBox(*corners))
    return layout


@cache
def first_um(rule: str):
    """Where the fault is in a drawing of our own unit."""
    layer, boxes = FAULTS[rule]
    return run_drc(drawing({**SOUND, layer: boxes}, 1.0)).first_um[rule]


def of_a_file(layout: kdb.Layout, folder: Path) -> Path:
    path = folder / "drawing.gds"
    layout.write(str(path))
    return path


def at_unit(gds: Path, unit_nm: float, folder: Path) -> Path:
    """The same drawing, saved again at another unit, names and settings included."""
    layout = kdb.Layout()
    layout.read(str(gds))
    options = kdb.SaveLayoutOptions()
    options.dbu = unit_nm / 1e3
    options.write_context_info = True
    path = folder / f"at_{unit_nm:g}_nm.gds"
    layout.write(str(path), options)
    return path


@pytest.mark.parametrize("unit_nm", UNITS_NM)
def test_a_drawing_that_just_keeps_the_rules_keeps_them_at_every_unit(unit_nm: float, tmp_path: Path):
    layout = drawing(SOUND, unit_nm)
    for given in (layout, of_a_file(layout, tmp_path)):
        found = run_drc(given)
        assert {name: count for name, count in found.counts.items() if count} == {}


@pytest.mark.parametrize("unit_nm", UNITS_NM)
@pytest.mark.parametrize("rule", FAULTS)
def test_a_fault_is_one_at_every_unit_and_no_other_is_cried(rule: str, unit_nm: float, tmp_path: Path):
    layer, boxes = FAULTS[rule]
    layout = drawing({**SOUND, layer: boxes}, unit_nm)
    for given in (layout, of_a_file(layout, tmp_path)):
        found = run_drc(given)
        # A die cut short is also short of the second metal.
        allowed = {rule, "metal2_in_die"} if rule == "metal1_in_die" else {rule}
        assert rule in {name for name, count in found.counts.items() if count} <= allowed
    assert first_um(rule) == pytest.approx(found.first_um[rule])


@pytest.mark.parametrize(
    ("unit_nm", "width_um", "faulty"), [(10.0, 0.36, True), (10.0, 0.37, False), (5.0, 0.365, False)]
)
def test_a_limit_between_two_units_counts_as_the_longer(unit_nm: float, width_um: float, faulty: bool):
    text = (Path(__file__).parents[2] / "prism_photonics" / "process" / "rules" / "tfln600.toml").read_text("utf-8")
    old = 'ridge_width = { kind = "width", layer = "ridge", value_um = 0.20 }'
    assert old in text
    deck = parse_deck(text.replace(old, old.replace("0.20", "0.364")), where="foundry")
    shapes = {**SOUND, "ridge": [(0, 0, 100, width_um)]}
    assert (run_drc(drawing(shapes, unit_nm), deck=deck).counts["ridge_width"] > 0) is faulty


@pytest.mark.parametrize(
    ("unit_nm", "at_um", "faulty"), [(0.1, 0.2005, True), (0.25, 0.20075, True), (0.4, 0.2, False), (1.5, 0.2115, True)]
)
def test_points_between_the_decks_grid_are_found_at_units_that_do_not_divide_it(
    unit_nm: float, at_um: float, faulty: bool
):
    layout = drawing({**SOUND, "ridge": []}, 1.0 if unit_nm == 1.5 else unit_nm)
    layout = drawing({"slab": [(0.0, 0.0, 30.0, 30.0 + at_um)]}, unit_nm)
    assert (run_drc(layout).counts["grid"] > 0) is faulty


@pytest.mark.parametrize("unit_um", [0.0, -0.001, float("nan"), float("inf")])
def test_a_unit_that_is_no_length_is_refused(unit_um: float):
    layout = drawing(SOUND, 1.0)
    layout.dbu = unit_um
    with pytest.raises(InputError, match=r"a database unit of .* µm; want a length above 0"):
        run_drc(layout)


def test_a_unit_too_small_for_the_rules_is_refused_by_name():
    layout = kdb.Layout()
    layout.dbu = 1e-9
    layout.create_cell("chip")
    with pytest.raises(InputError, match=r"µm are .* units of 1e-06 nm, more than KLayout can hold"):
        run_drc(layout)


@pytest.mark.parametrize("tops", [0, 2])
def test_a_layout_in_memory_with_several_top_cells_or_none_is_refused(tops: int):
    layout = kdb.Layout()
    for n in range(tops):
        layout.create_cell(f"top_{n}")
    with pytest.raises(InputError, match=f"layout: {tops} top cells; want one"):
        run_drc(layout)


@pytest.fixture(scope="module")
def tiny_files(tiny: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> LayoutFiles:
    return write(tiny, tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("unit_nm", [0.1, 0.25, 0.5])
def test_a_chip_saved_again_at_a_finer_unit_is_the_same_chip(
    unit_nm: float, tiny: ChipSpec, tiny_files: LayoutFiles, tmp_path: Path
):
    gds = at_unit(tiny_files.gds, unit_nm, tmp_path)
    layout = kdb.Layout()
    layout.read(str(gds))
    assert layout.dbu == pytest.approx(unit_nm / 1e3)
    for given in (gds, layout):
        assert extract(given).cells == tiny_files.extracted.cells
        assert lvs(given, tiny, simulate=False)[0].faults == ()
        assert manifest_csv(given) == tiny_files.manifest.read_text(encoding="utf-8")
        assert run_drc(given).violations == 0
    assert layout.dbu == pytest.approx(unit_nm / 1e3)  # what a user gives in memory stays as it was


def test_a_chip_saved_at_a_coarser_unit_is_not_taken_for_its_design(spec: ChipSpec, files: LayoutFiles, tmp_path: Path):
    gds = at_unit(files.gds, 10.0, tmp_path)
    want = r"database unit 10 nm, coarser than the 1 nm of our drawings: cell \w+: .*; redraw the cell from its design"
    with pytest.raises(InputError, match=want):
        extract(gds)
    with pytest.raises(InputError, match=want):
        lvs(gds, spec, simulate=False)


def test_a_chip_whose_cells_were_flattened_is_told_so(spec: ChipSpec, files: LayoutFiles):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    layout.cell("chip").flatten(True)
    for judge in (lambda: extract(layout), lambda: lvs(layout, spec, simulate=False)):
        with pytest.raises(InputError, match="cell chip holds no devices, its cells were flattened or deleted; give"):
            judge()


def test_a_fault_of_our_simulation_is_not_told_as_a_damaged_drawing(
    spec: ChipSpec, files: LayoutFiles, monkeypatch: pytest.MonkeyPatch
):
    def fault(*_: object, **__: object) -> float:
        raise ValueError("a fault of our own")

    monkeypatch.setattr("prism_photonics.layout.lvs.simulation_error", fault)
    with pytest.raises(ValueError, match=r"^a fault of our own$"):
        lvs(files.gds, spec)


def test_a_point_between_ours_is_refused_by_unit_and_place(spec: ChipSpec, files: LayoutFiles, tmp_path: Path):
    layout = kdb.Layout()
    layout.read(str(at_unit(files.gds, 0.5, tmp_path)))
    row = next(inst for inst in layout.cell("chip").each_inst() if inst.property(0) == "row_3")
    row.transform(kdb.Trans(1, 0))
    for read in (extract, lambda given: back_annotate(given, spec)):
        with pytest.raises(InputError, match=r"layout: database unit 0.5 nm: cell chip .* off the 1 nm grid"):
            read(layout)


def test_a_size_changed_at_a_finer_unit_is_measured_in_um(spec: ChipSpec, files: LayoutFiles, tmp_path: Path):
    layout = kdb.Layout()
    layout.read(str(at_unit(files.gds, 0.25, tmp_path)))
    ring = next(cell for cell in layout.each_cell() if cell.name.startswith("ring_"))
    ridge = layout.layer(*NUMBERS["ridge"])
    moved = kdb.Region(ring.shapes(ridge)).merged()
    loop = next(polygon for polygon in moved.each_merged() if polygon.bbox().height() > 20_000)
    buses = moved - kdb.Region(loop)
    ring.shapes(ridge).clear()
    ring.shapes(ridge).insert(buses + kdb.Region(loop.moved(0, 20)))
    with pytest.raises(InputError, match=r"its gap_through_um measures 0.525, its metadata says 0.52"):
        extract(layout)


@pytest.mark.parametrize("read", [extract, manifest_csv], ids=["extract", "manifest"])
def test_a_file_that_another_tool_rewrote_says_that_its_metadata_is_gone(read, files: LayoutFiles, tmp_path: Path):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    options = kdb.SaveLayoutOptions()
    options.write_context_info = False
    layout.write(str(tmp_path / "bare.gds"), options)
    with pytest.raises(InputError, match=r"bare.gds: the metadata of `prism layout` is gone .*another tool") as refusal:
        read(tmp_path / "bare.gds")
    assert "\n" not in str(refusal.value)


def test_so_does_the_comparison_with_the_design_where_only_names_were_lost(
    spec: ChipSpec, files: LayoutFiles, tmp_path: Path
):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    for inst in layout.cell("chip").each_inst():
        inst.delete_property(0)
    for judge in (lambda: lvs(layout, spec, simulate=False), lambda: check(layout, spec)):
        with pytest.raises(InputError, match="the instances of chip have no names"):
            judge()


def test_one_cell_that_lost_its_metadata_is_named(files: LayoutFiles):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    ring = next(cell for cell in layout.each_cell() if cell.name.startswith("ring_"))
    ring.clear_meta_info()
    with pytest.raises(InputError, match=rf"is gone \(cell {ring.name} does not say what it is\)"):
        extract(layout)


@pytest.mark.parametrize(
    "draw",
    [
        lambda kcl: DEVICES["straight"][1](StraightDesign(10.0), kcl=kcl),
        lambda kcl: bond_pad("bond_pad", 60.0, kcl),
        bump_pad,
    ],
    ids=["straight", "bond_pad", "bump_pad"],
)
def test_our_cells_are_not_drawn_at_five_times_their_size_into_a_layout_of_another_unit(draw):
    kcl = kf.KCLayout("of_5_nm")
    kcl.dbu = 0.005
    with pytest.raises(InputError, match="database unit 5 nm; our cells are drawn in units of 1 nm; set dbu"):
        draw(kcl)
