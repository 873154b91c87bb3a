"""A bonded die's pads reach a carrier: wires that do not cross, one fibre array, a street before the southern pads."""

import csv
import io
import itertools
import math
from pathlib import Path

import klayout.db as kdb
import pytest

from prism_photonics.layout.assembly import (
    ProbeCard,
    WireBonder,
    edge_out_um,
    edges_um,
    faults,
    lines_um,
    on_one_array,
    probed,
    wires,
)
from prism_photonics.layout.bonding import bonded_part_um
from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.fibres import by_facet
from prism_photonics.layout.lvs import lvs
from prism_photonics.layout.manifest import manifest_csv
from prism_photonics.layout.pads import pad_centers_um
from prism_photonics.layout.polygons import open_layout
from prism_photonics.layout.tiles import cut
from prism_photonics.layout.write import LayoutFiles, write_gds
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.floorplan import EDGE_UM
from prism_photonics.units import InputError

from .conftest import sized

BONDER, CARD = WireBonder(), ProbeCard()


def heights_um(manifest: str) -> dict[str, list[float]]:
    """Of the fibres at either facet."""
    lines = csv.DictReader(io.StringIO(manifest))
    return {facet: [float(f["y_um"]) for f in fibres] for facet, fibres in by_facet(lines).items()}


def test_every_pad_has_a_wire_and_no_two_wires_cross(files: LayoutFiles):
    pads = pad_centers_um(open_layout(files.gds))
    drawn = [wire for edge, some in edges_um(pads).items() for wire in wires(edge, some, BONDER)]
    assert {wire.pad for wire in drawn} == pads.keys()
    for one, other in itertools.combinations(drawn, 2):
        a, b = (kdb.DEdge(kdb.DPoint(*wire.start_um), kdb.DPoint(*wire.end_um)) for wire in (one, other))
        assert not a.intersects(b), (one.pad, other.pad)


def test_no_wire_turns_or_sags_more_than_the_bonder_allows(files: LayoutFiles):
    for edge, pads in edges_um(pad_centers_um(open_layout(files.gds))).items():
        assert faults(edge, pads, opening_um=60.0, bonder=BONDER) == []
        for wire in wires(edge, pads, BONDER):
            along, out = (0, 1) if edge != "east" else (1, 0)
            turn = math.atan2(
                abs(wire.end_um[along] - wire.start_um[along]), abs(wire.end_um[out] - wire.start_um[out])
            )
            assert math.degrees(turn) <= BONDER.most_turn_deg + 1e-9


def test_what_a_bonder_cannot_do_is_told():
    near = {"ring_r0_c0": (0.0, -400.0), "ring_r0_c1": (70.0, -400.0)}
    (said,) = faults("south", near, opening_um=60.0, bonder=BONDER)
    assert said == "south: pads of a line 70 µm apart; the bonder asks for 80"
    assert "openings of 40 µm" in faults("south", {"ring_r0_c0": (0.0, -400.0)}, opening_um=40.0, bonder=BONDER)[0]
    many = {f"ring_r0_c{n}": (80.0 * n, -400.0) for n in range(500)}
    assert "it sags beyond 4000" in faults("south", many, opening_um=60.0, bonder=BONDER)[0]


def test_wires_cross_what_is_left_of_a_die_beyond_their_pads():
    # Was: pads of a kit's chip, 1.8 mm from its die's edge, with wires of 1.1 mm.
    pads = {f"detector_{n}_output": (400.0, 100.0 * n) for n in range(3)}
    near = wires("east", pads, BONDER, edge_um=edge_out_um("east", (0.0, 0.0, 480.0, 900.0)))
    assert near == wires("east", pads, BONDER)
    far = wires("east", pads, BONDER, edge_um=2200.0)
    assert {wire.end_um[0] for wire in far} == {2200.0 + BONDER.least_beyond_um}
    (said,) = faults("east", pads, opening_um=60.0, bonder=BONDER, edge_um=3600.0)
    assert "it sags beyond 4000" in said


def test_the_southern_pads_stand_as_far_from_the_diced_edge_as_the_northern_ones(files: LayoutFiles):
    layout = open_layout(files.gds)
    west, south, east, north = bonded_part_um(layout, kit=False)
    heights = [y for _, y in pad_centers_um(layout).values()]
    assert min(heights) - south == pytest.approx(north - max(heights))
    # The cut meets neither guides nor metal: only the border's own layer lies in the street.
    top, street = layout.top_cell(), kdb.DBox(west, south - 100.0, east, south)
    for name, number in LAYERS.items():
        within = kdb.Region(top.begin_shapes_rec(layout.layer(*number))) & kdb.Region(street.to_itype(layout.dbu))
        assert within.is_empty() == (name not in ("exclusion", "contour")), name


def test_one_fibre_array_reaches_circuit_and_tests(files: LayoutFiles):
    heights = heights_um(files.manifest.read_text(encoding="utf-8"))
    assert {facet: (on_one_array(ys, 127.0), len(ys)) for facet, ys in heights.items()} == {
        "western": (13, 13),
        "eastern": (11, 11),
    }
    assert on_one_array([0.0, 127.0, 254.0, 300.0], 127.0) == 3


@pytest.mark.parametrize("pitch_um", [127.0, 250.0])
@pytest.mark.parametrize("name", ["film400_8x8", "circles_8x8", "lnoi400_8x8", "bank_64x64_dual", "paper_64x1024"])
def test_all_fibres_of_shipped_chips_in_the_west_and_in_the_east_stand_on_one_grid(
    altered, tmp_path: Path, name: str, pitch_um: float
):
    # Was: in the east the fibres that see the top row stood where the row does, and serpentines of wide bends ended
    # between two fibres.
    spec = cut(altered(load_spec(name), coupler={"fibre_pitch_um": pitch_um})).tile
    layout = open_layout(write_gds(draw(spec), tmp_path / "chip.gds"))
    heights = [y for ys in heights_um(manifest_csv(layout)).values() for y in ys]
    assert on_one_array(heights, pitch_um) == len(heights) > 15
    near = [b - a for ys in heights_um(manifest_csv(layout)).values() for a, b in itertools.pairwise(ys)]
    assert min(near) == pytest.approx(pitch_um)


@pytest.mark.parametrize("name", ["lnoi400_8x8", "film400_8x8"])
def test_eastern_pads_stand_at_the_edge_of_the_die_that_is_cut(tmp_path: Path, name: str):
    """The kit's least die is wider than its circuit: photodiodes' wires had to reach 1.9 mm of bare die far."""
    spec = load_spec(name)
    layout = open_layout(write_gds(draw(spec), tmp_path / "chip.gds"))
    part_um = bonded_part_um(layout, kit=spec.kit is not None)
    pads = edges_um(pad_centers_um(layout))["east"]
    border_um = 0.0 if spec.kit is None else spec.kit.chip.border_um
    assert part_um[2] - max(x for x, _ in pads.values()) == pytest.approx(EDGE_UM + border_um, abs=0.01)
    drawn = wires("east", pads, BONDER, edge_um=edge_out_um("east", part_um))
    assert max(wire.length_um for wire in drawn) < 1300.0


@pytest.fixture(scope="module")
def for_needles(altered) -> ChipSpec:
    return altered(sized(4, 2), chip={"pad_lines": 1}, coupler={"fibre_pitch_um": 250.0})


def test_pads_in_one_line_and_fibres_250_um_apart_are_drawn_clean(for_needles: ChipSpec, tmp_path: Path):
    gds = write_gds(draw(for_needles), tmp_path / "chip.gds")
    assert run_drc(gds).violations == 0
    compared, _ = lvs(gds, for_needles, simulate=False)
    assert compared.faults == ()
    pads = edges_um(pad_centers_um(open_layout(gds)))
    for edge, some in pads.items():
        (line,) = lines_um(edge, some)
        assert probed(edge, some, opening_um=60.0, card=CARD) == f"DC card of 100 µm, {len(line)} needles"


def test_two_staggered_lines_are_no_single_line_cards(files: LayoutFiles):
    north = edges_um(pad_centers_um(open_layout(files.gds)))["north"]
    assert probed("north", north, opening_um=60.0, card=CARD).startswith("2 staggered lines")


def test_a_flipped_die_has_no_lines_of_pads(spec: ChipSpec, altered):
    with pytest.raises((InputError, ValueError), match=r"chip.pad_lines = 1: this die is flipped onto bumps"):
        altered(spec, chip={"rows": 32, "pad_lines": 1})


def test_keys_at_their_defaults_leave_a_chip_the_same(spec: ChipSpec, altered):
    assert altered(spec, chip={"pad_lines": 2}, coupler={"fibre_pitch_um": 127.0}).hash == spec.hash
    assert altered(spec, coupler={"fibre_pitch_um": 250.0}).hash != spec.hash


def test_the_bonding_diagram_is_a_pdf_of_a_page_for_the_die_and_each_edge(files: LayoutFiles):
    assert files.bonding is not None
    content = files.bonding.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") == 4
    assert b"CreationDate" not in content
