"""Structures that judge the process: what their metal joins, what the rules leave them, and letters that are etched."""

import csv
import itertools
from pathlib import Path

import klayout.db as kdb
import pytest

from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.frame import row_labels
from prism_photonics.layout.marks import CUT_UM, INSET_UM, MARK_UM, SQUARE_UM, VERNIER_STEP_UM
from prism_photonics.layout.nets import conductors
from prism_photonics.layout.pads import named_um, probe_centers_um
from prism_photonics.layout.polygons import save_clean
from prism_photonics.layout.processcontrol import GAPS, LEG_UM, LEGS, PADS, PURPOSES, TIPS, chain_vias, meander_squares
from prism_photonics.layout.write import LayoutFiles, write_gds
from prism_photonics.process.layers import LAYERS, load_deck
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.geometry import CONTROL_PADS, CONTROL_PITCH_UM

from .conftest import sized


@pytest.fixture(scope="module")
def drawing(files: LayoutFiles) -> kdb.Layout:
    layout = kdb.Layout()
    layout.read(str(files.gds))
    return layout


def shapes(layout: kdb.Layout, layer: str, *, cell: str = "chip") -> kdb.Region:
    return kdb.Region(layout.cell(cell).begin_shapes_rec(layout.layer(*getattr(LAYERS, layer)))).merged()


def test_the_pads_of_a_cross_and_of_the_chain_are_one_conductor_and_those_of_the_comb_are_two(drawing: kdb.Layout):
    nets, at = conductors(drawing), probe_centers_um(drawing)
    joined = {name: len({nets.at("metal2", *at[f"{name}_{n}"]) for n in range(count)}) for name, count in PADS.items()}
    assert joined == {"vdp_metal1": 1, "vdp_metal2": 1, "via_chain": 1, "leakage": 2, "thermometer": 1}


def test_all_pads_stand_in_one_line_a_probe_cards_pitch_apart(drawing: kdb.Layout):
    at = probe_centers_um(drawing)
    line = sorted(at[f"{name}_{n}"] for name, count in PADS.items() for n in range(count))
    assert len(line) == CONTROL_PADS  # as many as the die has room for
    assert len({y for _, y in line}) == 1
    assert {round(b[0] - a[0], 3) for a, b in itertools.pairwise(line)} == {CONTROL_PITCH_UM} == {100.0}


def test_the_chain_has_as_many_vias_as_its_label_says_and_opens_with_any_of_them(drawing: kdb.Layout):
    at = probe_centers_um(drawing)
    west, east = at["via_chain_0"], at["via_chain_1"]
    around = kdb.DBox(west[0] - 10.0, west[1] + 40.0, east[0] + 20.0, west[1] + 110.0).to_itype(drawing.dbu)
    vias = shapes(drawing, "via") & kdb.Region(around)
    assert vias.count() == chain_vias() == 60
    # Without metal between two vias each of them would have one neighbour fewer: every piece joins just two.
    for metal in ("metal1", "metal2"):
        pieces = shapes(drawing, metal) & kdb.Region(around)
        touched = [(kdb.Region(piece) & vias).count() for piece in pieces.each()]
        assert set(touched) <= {1, 2}, metal  # one: the two wires to the pads


def test_the_thermometer_is_one_line_of_first_metal_as_long_as_its_resistance_says(drawing: kdb.Layout):
    at = probe_centers_um(drawing)
    (west, y), (east, _) = at["thermometer_0"], at["thermometer_3"]
    # Above the bars of its taps: the meander alone.
    around = kdb.Region(kdb.DBox(west, y + 46.0, east, y + 110.0).to_itype(drawing.dbu))
    meander = (shapes(drawing, "metal1") & around).merged()
    assert meander.count() == 1
    assert (shapes(drawing, "metal2") & around).is_empty()
    straight_um = meander.area() * drawing.dbu**2 / LEG_UM
    corners = 2 * (LEGS - 1)  # each half a square shorter than its length along the middle
    assert meander_squares() == pytest.approx(straight_um / LEG_UM - 0.5 * corners, rel=0.01)
    # The inner pads tap where the outer bring the current.
    assert at["thermometer_1"][0] - west == CONTROL_PITCH_UM == east - at["thermometer_2"][0]


def test_gaps_and_tips_begin_where_the_rules_do(drawing: kdb.Layout):
    deck, tests = load_deck("tfln600"), drawing.cell("tests")
    x, y = named_um(tests)["etch_gauge"]
    around = kdb.Region(kdb.DBox(x - 160.0, y - 60.0, x + 160.0, y + 60.0).to_itype(drawing.dbu))
    ribs = kdb.Region(tests.shapes(drawing.layer(*LAYERS.ridge))).merged().inside(around)
    boxes = sorted((p.bbox() for p in ribs.each()), key=lambda box: (box.left, box.bottom))
    pairs, tips = boxes[: 2 * GAPS], boxes[2 * GAPS :]
    gaps = [high.bottom - low.top for low, high in zip(pairs[::2], pairs[1::2], strict=True)]
    assert gaps == [390 + 30 * n for n in range(GAPS)]
    assert gaps[0] == 1000 * deck.value_um("ridge_space")
    assert [tip.height() for tip in tips] == [200 + 50 * n for n in range(TIPS)]


def test_verniers_of_every_pair_of_layers_differ_by_their_step(drawing: kdb.Layout):
    corner = shapes(drawing, "contour").bbox()
    window = kdb.Region(kdb.Box(corner.left, corner.bottom, corner.left + 110_000, corner.bottom + 210_000))

    def pitches(layer: str) -> set[int]:
        bars = (shapes(drawing, layer) & window).edges()
        rows = sorted(e.p1.x for e in bars.each() if e.p1.x == e.p2.x and e.length() == 8000 and e.p1.y < e.p2.y)
        return {b - a for a, b in itertools.pairwise(rows) if 5000 < b - a < 7000}

    step = round(1000 * VERNIER_STEP_UM)
    assert pitches("ridge") == {6000}
    assert pitches("metal2") == {6000 + step}


def test_labels_are_letters_of_slab_that_touch_no_other_slab(drawing: kdb.Layout):
    labels, slab = shapes(drawing, "labels"), shapes(drawing, "slab")
    fabricated = labels & slab
    assert (labels - slab).with_area(20_000_000, None, False).is_empty()
    assert fabricated.interacting(slab - labels).is_empty()
    assert fabricated.count() > 100


def test_the_manifest_and_the_sheet_name_every_structure(files: LayoutFiles, spec: ChipSpec):
    lines = list(csv.DictReader(files.manifest.read_text(encoding="utf-8").splitlines()))
    assert {line["name"] for line in lines if line["kind"] == "control"} == set(PURPOSES)
    told = files.tapeout.read_text(encoding="utf-8").split("## Process control")[1]
    assert all(f"| {name} | {PADS.get(name, '')} |" in told for name in PURPOSES)


def test_the_structures_bring_no_cell_that_the_circuit_lacks_but_their_rings_and_their_probe_pad(drawing: kdb.Layout):
    # The acceptance of layouts counts cells: 1024 rows in one piece leave none over.
    tests = drawing.cell("tests").cell_index()
    alone = [cell.name for cell in drawing.each_cell() if list(cell.each_parent_cell()) == [tests]]
    assert sorted(name.partition("_")[0] for name in alone) == ["probe", *["ring"] * 8]


def test_no_cell_was_drawn_and_deleted_again(spec: ChipSpec):
    # KLayout counts deleted cells, too.
    layout = draw(spec).kcl.layout
    assert layout.cells() == len(list(layout.each_cell()))


def test_the_file_for_the_foundry_holds_no_text(files: LayoutFiles, tmp_path: Path):
    save_clean(files.gds, tmp_path / "clean.gds")
    clean, drawn = kdb.Layout(), kdb.Layout()
    clean.read(str(tmp_path / "clean.gds"))
    drawn.read(str(files.gds))
    texts = [kdb.Texts(one.top_cell().begin_shapes_rec(one.layer(*LAYERS.labels))).count() for one in (clean, drawn)]
    assert texts == [0, 6]  # an etch gauge, a photodiode, both ends of two couplers with other tips


def test_no_name_of_a_flipped_banks_rows_lies_under_the_ground_that_crosses_them(altered, tmp_path: Path):
    # Was: the middle letter of every name lay under it.
    spec = altered(load_spec("bank_32x256"), chip={"rows": 4, "buses": 2})
    layout = kdb.Layout()
    layout.read(str(write_gds(draw(spec), tmp_path / "chip.gds")))
    letters = shapes(layout, "labels", cell="bank")
    assert letters.count() >= 2 * 4
    assert (letters & shapes(layout, "metal2", cell="bank")).is_empty()
    assert run_drc(tmp_path / "chip.gds").sentences() == ()


def test_no_row_has_a_name_of_four_digits_which_would_stand_on_a_bend():
    """A 64×1024 chip in one piece broke `slab_space` 96 times, at the names of its last 24 rows."""
    most, fewer = (row_labels(sized(rows, 2, bend_radius_um=26)) for rows in (1024, 512))
    assert most.bbox().left == fewer.bbox().left
    assert most.count() > fewer.count()


def test_one_square_of_the_north_western_mark_alone_lacks_its_outer_corner_so_that_a_turned_die_shows(
    drawing: kdb.Layout,
):
    metal, dbu = shapes(drawing, "metal1"), drawing.dbu
    (die,) = shapes(drawing, "contour").each()
    inner = die.bbox().to_dtype(dbu).enlarged(-INSET_UM, -INSET_UM)
    for x in (inner.left, inner.right):
        for y in (inner.bottom, inner.top):
            mark = kdb.DBox(x, y, x, y).enlarged(MARK_UM / 2.0, MARK_UM / 2.0).to_itype(dbu)
            squares = (metal & kdb.Region(mark)).merged()
            whole_um2 = 4.0 * SQUARE_UM**2
            north_west = (x, y) == (inner.left, inner.top)
            assert squares.area() * dbu**2 == pytest.approx(whole_um2 - (CUT_UM**2 / 2.0 if north_west else 0.0))
            corner = kdb.Box(mark.left, mark.top - 1000, mark.left + 1000, mark.top)
            assert (kdb.Region(corner) & squares).is_empty() == north_west
