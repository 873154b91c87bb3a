"""A chip on a foundry's kit: the kit's own cells are placed, and the chip is the design."""

from pathlib import Path

import klayout.db as kdb
import pytest
from matplotlib.figure import Figure

from prism_photonics.budget.feasibility import check
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.frame import kit_die
from prism_photonics.layout.lvs import FIELD_TOLERANCE
from prism_photonics.layout.picture import _paint
from prism_photonics.layout.views import VIEWS
from prism_photonics.layout.write import LayoutFiles, write
from prism_photonics.lightpath.drawing import box
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.netlist import from_spec
from prism_photonics.process.kits import kit_names, kit_of, load_kit
from prism_photonics.process.layers import load_deck, parse_deck
from prism_photonics.process.modes import load_modes
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.units import InputError

KIT_LAYERS = {"ridge": (2, 0), "slab": (3, 0), "slab_opening": (3, 1), "metal1": (21, 0), "heater": (21, 1)}


@pytest.fixture(scope="module")
def chip() -> ChipSpec:
    return load_spec("lnoi400_8x8")


@pytest.fixture(scope="module")
def chip_files(chip: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> LayoutFiles:
    """Drawn, and simulated as drawn."""
    return write(chip, tmp_path_factory.mktemp("kit"), simulate=True)


@pytest.fixture(scope="module")
def drawing(chip_files: LayoutFiles) -> kdb.Layout:
    layout = kdb.Layout()
    layout.read(str(chip_files.gds))
    return layout


def region(layout: kdb.Layout, cell: str, number: tuple[int, int]) -> kdb.Region:
    return kdb.Region(layout.cell(cell).begin_shapes_rec(layout.layer(*number))).merged()


def placements(layout: kdb.Layout, name: str) -> int:
    """How often a cell lies in the chip."""

    def below(cell: kdb.Cell) -> int:
        return sum((inst.cell.name == name) + below(inst.cell) for inst in cell.each_inst())

    return below(layout.cell("chip"))


def test_the_chip_is_feasible_and_its_rings_bend_less_than_the_solver_says_they_bear(chip: ChipSpec):
    assert check(chip).feasible
    loss = load_modes("lnoi400").bend_loss_dB_cm(chip.ring.radius_um)
    assert loss < 0.01 * chip.waveguide.loss_dB_cm


@pytest.mark.slow
def test_the_chip_keeps_its_rules_and_gives_the_designs_complex_fields(chip: ChipSpec, chip_files: LayoutFiles):
    assert chip_files.faults == ()
    assert chip_files.lvs.simulation_max_error < FIELD_TOLERANCE
    assert chip_files.extracted == from_spec(chip)


@pytest.mark.slow
def test_the_kits_own_cells_are_placed(chip: ChipSpec, drawing: kdb.Layout):
    frozen = kdb.Layout()
    frozen.read_bytes(load_kit("lnoi400").gds, kdb.LoadLayoutOptions())
    for name in ("mmi1x2_optimized1550", "double_linear_inverse_taper"):
        for number in KIT_LAYERS.values():
            ours, theirs = (region(layout, name, number) for layout in (drawing, frozen))
            assert (ours ^ theirs).is_empty(), (name, number)
    assert placements(drawing, "double_linear_inverse_taper") == 20  # as the chip's README says
    assert placements(drawing, "mmi1x2_optimized1550") == chip.chip.rows - 1 + 1  # the tree's, and one alone


@pytest.mark.slow
def test_the_die_is_one_of_the_kits_and_only_couplers_lie_in_its_exclusion_zone(chip: ChipSpec, drawing: kdb.Layout):
    zone, inside = (region(drawing, "chip", number).bbox() for number in ((6, 1), (6, 0)))
    assert (zone.width(), zone.height()) == (5_050_000, 10_100_000)
    assert inside == zone.enlarged(-50_000, -50_000)
    for name in ("ridge", "metal1"):
        at_the_edge = region(drawing, "chip", KIT_LAYERS[name]) - kdb.Region(inside)
        assert at_the_edge.is_empty(), name  # a coupler begins with its slab alone
    assert (region(drawing, "chip", (4, 0)) - kdb.Region(inside)).is_empty()  # letters are slab
    tips = region(drawing, "chip", (3, 0)) - kdb.Region(zone)
    assert {tip.bbox().height() for tip in tips.each()} == {250}
    assert {tip.bbox().width() for tip in tips.each()} == {5_000}


@pytest.mark.slow
def test_the_picture_of_a_kits_chip_paints_its_border_and_not_its_inside(chip_files: LayoutFiles, drawing: kdb.Layout):
    axes = Figure().add_subplot()
    _paint(axes, drawing, drawing.top_cell(), drawing.top_cell().dbbox())
    border = axes.collections[0]
    assert VIEWS[0].layer == "exclusion"
    outlines = [kdb.DPolygon([kdb.DPoint(*xy) for xy in path.vertices]) for path in border.get_paths()]
    area_um2 = sum(outline.area() for outline in outlines)
    assert area_um2 == pytest.approx(5050.0 * 10100.0 - 4950.0 * 10000.0, rel=1e-3)


@pytest.mark.slow
def test_a_kits_cell_that_a_hand_has_changed_is_seen(chip_files: LayoutFiles):
    layout = kdb.Layout()
    layout.read(str(chip_files.gds))
    layout.cell("mmi1x2_optimized1550").shapes(layout.layer(2, 0)).insert(kdb.Box(0, -3500, 26750, 3500))
    with pytest.raises(InputError, match="ridge differs from its design"):
        extract(layout, deck=load_deck("lnoi400"))


def test_a_rule_is_not_judged_within_the_kits_coupler_and_is_judged_outside():
    deck = load_deck("lnoi400")
    assert deck.rules["slab_around_ridge"].outside == "slab_opening"
    layout = kdb.Layout()
    layout.dbu = 0.001
    top = layout.create_cell("top")
    for x in (0, 100_000):  # two ribs with too little slab, one of them in a coupler's opening
        top.shapes(layout.layer(2, 0)).insert(kdb.Box(x, 0, x + 30_000, 1_000))
        top.shapes(layout.layer(3, 0)).insert(kdb.Box(x - 5_000, -1_500, x + 35_000, 2_500))
    top.shapes(layout.layer(3, 1)).insert(kdb.Box(-6_000, -10_000, 36_000, 10_000))
    found = run_drc(layout, deck=deck)
    assert found.counts["slab_around_ridge"] > 0
    assert found.first_um["slab_around_ridge"][0] > 90.0


def test_a_rule_outside_an_unknown_layer_is_refused():
    from importlib import resources

    text = (resources.files("prism_photonics.process") / "rules" / "lnoi400.toml").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="unknown layer 'slab_openin'; did you mean 'slab_opening'"):
        parse_deck(text.replace('outside = "slab_opening"', 'outside = "slab_openin"'), where="mine")


def test_only_a_splitter_of_just_the_kits_sizes_is_the_kits():
    kit = load_kit("lnoi400")
    assert kit_of("splitter", SplitterDesign(0.2, **kit.splitter.design)) is kit
    assert kit_of("splitter", SplitterDesign(0.5, **kit.splitter.design)) is kit  # its loss is no size
    longer = {**kit.splitter.design, "mmi_length_um": 26.751}
    assert kit_of("splitter", SplitterDesign(0.2, **longer)) is None


def test_a_chip_larger_than_the_kits_dies_is_refused_and_the_sides_are_named():
    with pytest.raises(InputError, match=r"21\.\d+ × .* mm; the sides of chip_frame are 5\.05, 10\.1, 20\.2 mm"):
        kit_die(load_kit("lnoi400"), box(0.0, 0.0, 21_000.0, 1_000.0), facet_um=0.0)
    assert load_kit("lnoi400").chip.die_um(4_000.0, 3_000.0) == (5_050.0, 10_100.0)  # not both sides the least
    assert load_kit("lnoi400").chip.die_um(9_000.0, 3_000.0) == (10_100.0, 5_050.0)


def test_a_kit_on_another_film_and_an_unknown_kit_are_refused(chip: ChipSpec, demo: ChipSpec, altered):
    with pytest.raises(ValueError, match="its cells are drawn for the film lnoi400, process is tfln600"):
        altered(demo, pdk="lnoi400")
    with pytest.raises(InputError, match="pdk: unknown kit 'lnoi40'; did you mean 'lnoi400'"):
        load_kit("lnoi40")
    assert kit_names() == ["lnoi400"]


def test_a_spec_without_a_kit_keeps_its_hash(demo: ChipSpec):
    assert "pdk" not in demo.model_dump()
    assert demo.kit is None


def test_the_check_speaks_of_the_kits_die(chip: ChipSpec):
    (area,) = (finding for finding in check(chip).findings if finding.rule == "die_area")
    assert area.value == pytest.approx(5.05 * 10.1)


@pytest.mark.slow
def test_the_files_of_the_chip_name_its_fibres_at_the_couplers_tips(chip_files: LayoutFiles):
    rows = Path(chip_files.manifest).read_text(encoding="utf-8").splitlines()
    coupler = next(row for row in rows if row.startswith("coupler,fibre"))
    assert float(coupler.split(",")[2]) == pytest.approx(-1020.25)


@pytest.mark.slow
def test_the_tape_out_sheet_tells_the_kits_die_and_not_the_area_inside_its_zone(chip_files: LayoutFiles):
    told = chip_files.tapeout.read_text(encoding="utf-8")
    assert "| die | 5.050 × 10.100 mm |" in told
    assert "| its western edge, its southern edge | -1015.25 µm, " in told  # the couplers' tips lie 5 µm outside
    assert "cells of lnoi400 2.1.1" in told
