"""Chips of many rows: a bump per ring, one ground, and tiles that fit the reticle."""

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import klayout.db as kdb
import pytest

from prism_photonics.layout import marks, teststructures
from prism_photonics.layout.annotate import back_annotate
from prism_photonics.layout.check import check
from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import Drc, run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.lvs import FIELD_TOLERANCE, Lvs, lvs
from prism_photonics.layout.manifest import manifest_csv
from prism_photonics.layout.pads import pad_centers_um
from prism_photonics.layout.polygons import open_layout
from prism_photonics.layout.tapeout import bonded, bump_map, sheet
from prism_photonics.layout.tiles import RETICLE_UM, cut
from prism_photonics.layout.write import write, write_gds
from prism_photonics.netlist import Netlist, from_spec
from prism_photonics.process.layers import LAYERS, METAL2_SPACE_UM, load_deck
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.geometry import bank_pitch_um, detector_site
from prism_photonics.units import InputError

from .conftest import sized


@pytest.fixture(scope="module")
def flipped() -> ChipSpec:
    return sized(32, 3)


@pytest.fixture(scope="module")
def gds(flipped: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gds(draw(flipped), tmp_path_factory.mktemp("flipped") / "chip.gds")


@pytest.fixture(scope="module")
def proved(flipped: ChipSpec, gds: Path) -> tuple[Lvs, Drc]:
    return lvs(gds, flipped, simulate=False)[0], run_drc(gds)


def test_a_flipped_chip_is_the_design_and_breaks_no_rule(proved: tuple[Lvs, Drc]):
    compared, drc = proved
    assert compared.faults == ()
    assert compared.checks.ring_nets == 32 * 3
    assert drc.sentences() == ()


def test_the_sheet_of_a_flipped_die_tells_of_no_bond_wires_and_of_no_tests_that_are_diced_off(
    flipped: ChipSpec, gds: Path, proved: tuple[Lvs, Drc]
):
    layout, (compared, drc) = open_layout(gds), proved
    told = sheet(flipped, layout, manifest=manifest_csv(layout), deck=load_deck("tfln600"), drc=drc, lvs=compared)
    assert "| eastern fibres | 11 of 11 on one array of 127 µm |" in told
    assert "wires |" not in told
    assert "in the way" not in told
    assert "The thermometer has" in told
    assert "diced off" not in told


@pytest.mark.parametrize(("radius_um", "apart_um"), [(46.95, 0.5), (46.17, -7.94)])
def test_rows_lie_apart_beyond_their_photodiodes_whose_pieces_may_meet(altered, tmp_path, radius_um, apart_um):
    # Was: rows 10 µm from guide to guide, where windows and slabs of two rows' photodiodes met.
    ring = {"radius_um": radius_um, "pitch_um": 240.0}
    spec = altered(sized(2, 2), chip={"buses": 2}, ring=ring, waveguide={"bend_radius_um": 30.0})
    made = write_gds(draw(spec), tmp_path / "chip.gds")
    assert run_drc(made).sentences() == ()
    pieces, found_um = bonded(open_layout(made))
    assert pieces == 2 * 2 + 1
    assert found_um == pytest.approx(spec.row_pitch_um - detector_site(spec).port_pitch_um - 22.0)
    assert found_um == pytest.approx(apart_um)


def test_every_ring_photodiode_and_row_has_bumps_of_its_own(flipped: ChipSpec, gds: Path):
    lines = [line for line in csv.DictReader(manifest_csv(gds).splitlines()) if line["pad"] and line["kind"] != "probe"]
    kinds = [line["kind"] for line in lines]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"ring": 96, "ground": 32, "detector": 96}
    layout = kdb.Layout()
    layout.read(str(gds))
    bumps = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*LAYERS.bump)))
    assert bumps.count() == len(lines) == len({(line["pad_x_um"], line["pad_y_um"]) for line in lines})
    for line in lines:
        at = kdb.Point(round(float(line["pad_x_um"]) * 1000), round(float(line["pad_y_um"]) * 1000))
        assert not (bumps & kdb.Region(kdb.Box(at.x - 5, at.y - 5, at.x + 5, at.y + 5))).is_empty(), line["name"]


@pytest.fixture(scope="module")
def wired(altered) -> Callable[[str, float], kdb.Region]:
    """The second metal of a chip like the 6 × 12 that `prism design` gives on ltoi300, with so much over two rings."""

    def of(trim: str, over_um: float) -> kdb.Region:
        ring = {"radius_um": 108.3, "straight_um": 0.2, "electrode_gap_um": 5.6, "lobe_half_angle_deg": 71.5}
        ring |= {"gap_through_um": 0.458, "gap_drop_um": 0.458, "pitch_um": 239.4 + over_um}
        keys = {"trim": {"method": trim, "heater_mW_nm": 100.0}, "waveguide": {"bend_radius_um": 100.0}}
        chip = draw(altered(sized(2, 2), process="ltoi300", chip={"buses": 2}, ring=ring, **keys))
        return kdb.Region(chip.kdb_cell.begin_shapes_rec(chip.kcl.layer(*LAYERS.metal2))).merged()

    return of


@pytest.mark.parametrize("trim", ["permanent", "heater"])
def test_wires_and_bumps_keep_their_distance_at_every_pitch_that_a_spec_allows(wired, trim: str):
    # Was: ring 0's ground 0.8 µm from the ground's pad, neighbours' wires 2 µm apart, a heated ring's pad on a ground.
    roomy = wired(trim, 80.0)
    for over_um in (3.0, 7.0, 11.0, 14.0):
        wires = wired(trim, over_um)
        assert wires.space_check(round(METAL2_SPACE_UM * 1e3)).is_empty(), over_um
        assert wires.count() == roomy.count(), over_um


@pytest.mark.parametrize("name", ["circles_8x8", "bank_64x64_dual"])
def test_heated_rings_widen_to_their_contacts_without_a_notch_and_their_bumps_stand_clear(altered, tmp_path, name: str):
    # Was: heaters that met their contacts at wedges; a long ring's bump 0.14 µm from its heater's wire.
    spec = altered(load_spec(name), chip={"rows": 2, "channels": 4, "buses": 1}, trim={"method": "heater"})
    assert spec.flip_chip
    assert run_drc(write_gds(draw(spec), tmp_path / "chip.gds")).sentences() == ()


def test_rings_whose_wires_would_lie_too_close_are_refused(altered):
    with pytest.raises((InputError, ValueError), match=r"ring.pitch_um = 66: .* wires between two rings take"):
        altered(sized(2, 2), ring={"pitch_um": 66.0})


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (kdb.Box(60_000, 60_000, 200_000, 70_000), "want ring_r0_c0 alone"),  # bump to bump
        (kdb.Box(60_000, 60_000, 70_000, 95_000), "signal and ground are shorted"),  # bump to rail
    ],
    ids=["two_bumps", "bump_and_rail"],
)
def test_a_bridge_on_a_flipped_chip_is_caught_by_the_nets(
    flipped: ChipSpec, tmp_path: Path, box: kdb.Box, message: str
):
    chip = draw(flipped)
    chip.kdb_cell.shapes(chip.kcl.layer(*LAYERS.metal2)).insert(box)
    found = check(write_gds(chip, tmp_path / "bridged.gds"), flipped)
    assert any(line.startswith("row 0, ring 0") and message in line for line in found.violations)
    assert any("metal nets" in line for line in found.violations)


def test_bumps_without_room_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"bend_radius_um = 25: no room for bumps .* want at least 26"):
        draw(sized(32, 1, bend_radius_um=25, gap_drop_um=0.9))


def test_a_chip_larger_than_the_reticle_is_cut_into_equal_tiles_of_whole_rows():
    spec = sized(1024, 1)
    tiles = cut(spec)
    assert tiles.count * tiles.tile.chip.rows == 1024
    assert draw(tiles.tile).dbbox().height() <= max(RETICLE_UM)
    doubled = tiles.tile.model_copy(
        update={"chip": tiles.tile.chip.model_copy(update={"rows": 2 * tiles.tile.chip.rows})}
    )
    assert draw(doubled).dbbox().height() > max(RETICLE_UM)
    lines = list(csv.DictReader(tiles.map_csv().splitlines()))
    assert [int(line["row"]) for line in lines] == list(range(1024))
    assert {int(line["tile"]) for line in lines} == set(range(tiles.count))
    assert all(int(line["row"]) in tiles.rows(int(line["tile"])) for line in lines)


def test_the_bump_map_has_every_bump_mirrored_as_the_interposer_sees_it(gds: Path):
    lines = list(csv.DictReader(bump_map(manifest_csv(gds)).splitlines()))
    rings = [line for line in lines if line["kind"] == "ring"]
    assert len(rings) == 32 * 3
    assert {line["kind"] for line in lines} == {"ring", "ground", "detector"}
    for line in lines:
        assert float(line["interposer_x_um"]) == -float(line["x_um"])


@pytest.fixture(scope="module")
def two_banks(altered) -> ChipSpec:
    return altered(sized(2, 2), name="two_banks", chip={"buses": 2})


@pytest.fixture(scope="module")
def banks_gds(two_banks: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gds(draw(two_banks), tmp_path_factory.mktemp("banks") / "chip.gds")


def test_all_buses_of_a_row_stand_on_one_die(two_banks: ChipSpec, banks_gds: Path):
    assert cut(two_banks).count == 1
    compared, drawn = lvs(banks_gds, two_banks)
    assert compared.faults == ()
    assert compared.simulation_max_error < FIELD_TOLERANCE
    extra = marks.EXTRA_RIBS + teststructures.extra_ribs(two_banks)
    assert (compared.checks.ring_nets, compared.checks.rib_islands - extra) == (8, 2 * (1 + 2 + 2 * 2))
    assert drawn.banks == {"bank_0": "bank", "bank_1": "bank"}
    assert run_drc(banks_gds).sentences() == ()


def test_the_manifest_tells_the_buses_apart(two_banks: ChipSpec, banks_gds: Path):
    lines = list(csv.DictReader(manifest_csv(banks_gds).splitlines()))
    first, second = (next(line for line in lines if line["name"] == f"bank_{b}/row_1/ring_0") for b in (0, 1))
    assert (second["pad"], second["row"], second["bus"], second["channel"]) == ("b1_ring_r1_c0", "1", "1", "0")
    for key in ("x_um", "pad_x_um"):
        assert float(second[key]) - float(first[key]) == bank_pitch_um(two_banks)
    fibres = {line["name"]: float(line["y_um"]) for line in lines if line["kind"] == "fibre"}
    # The buses' fibres and the loopback fit one fibre array.
    assert fibres["coupler_0"] - fibres["coupler_1"] == pytest.approx(127.0)
    assert fibres["coupler_1"] - fibres["loopback_in"] == pytest.approx(127.0)


def test_two_banks_exchanged_are_caught_by_the_netlist(two_banks: ChipSpec, tmp_path: Path):
    design = from_spec(two_banks)
    chip = design.cells["chip"]
    swap = {"rise_0,o2": "rise_1,o2", "rise_1,o2": "rise_0,o2"}
    crossed = frozenset(frozenset(swap.get(end, end) for end in pair) for pair in chip.connections)
    swapped = Netlist({**design.cells, "chip": replace(chip, connections=crossed)})
    found = design.differences(extract(write_gds(draw(two_banks, swapped), tmp_path / "swapped.gds")))
    assert any("rise_0,o2" in line and "bank_1,o1" in line and "added" in line for line in found)


def test_metal_that_joins_two_banks_is_caught_by_the_nets(two_banks: ChipSpec, tmp_path: Path):
    chip = draw(two_banks)
    at = pad_centers_um(open_layout(write_gds(chip, tmp_path / "whole.gds")))
    (x0, y0), (x1, _) = at["b0_ring_r0_c0"], at["b1_ring_r0_c0"]
    bridge = kdb.DBox(x0, y0 - 3.0, x1, y0 + 3.0).to_itype(0.001)
    chip.kdb_cell.shapes(chip.kcl.layer(*LAYERS.metal2)).insert(bridge)
    found = check(write_gds(chip, tmp_path / "bridged.gds"), two_banks)
    assert any(line.startswith("bus 0, row 0, ring 0") and "b0_ring_r0_c0 alone" in line for line in found.violations)


def test_a_ring_that_differs_on_one_bank_shows_in_the_back_annotation(two_banks: ChipSpec, banks_gds: Path):
    found = back_annotate(banks_gds, two_banks)
    assert found.differences == ()
    assert found.resonance_pm.shape == found.weight_change.shape == (2, 4)
    assert found.changed_rows() == []


@pytest.fixture(scope="module")
def heated(altered) -> ChipSpec:
    return altered(sized(2, 2), name="heated", trim={"method": "heater", "heater_mW_nm": 50.0}, ring={"arm_um": 60.0})


def test_heated_racetracks_have_two_bumps_each(heated: ChipSpec, tmp_path: Path):
    gds = write_gds(draw(heated), tmp_path / "chip.gds")
    compared, _ = lvs(gds, heated)
    assert compared.faults == ()
    assert run_drc(gds).sentences() == ()
    pads = pad_centers_um(open_layout(gds))
    assert {"heater_r1_c1", "ring_r1_c1"} <= pads.keys()
    assert compared.checks.pads == 2 * (2 * 2 + 1 + 3)


def test_a_heater_cut_from_its_bump_or_its_ground_is_caught_by_the_nets(heated: ChipSpec, tmp_path: Path):
    chip = draw(heated)
    ring = next(cell for cell in chip.kcl.layout.each_cell() if cell.name.startswith("ring_"))
    shapes = ring.shapes(chip.kcl.layer(*LAYERS.metal2))
    contact = min(shapes.each(), key=lambda shape: (-shape.bbox().bottom, shape.bbox().left))
    contact.delete()
    row = next(cell for cell in chip.kcl.layout.each_cell() if cell.name == "row_metal")
    wires = row.shapes(chip.kcl.layer(*LAYERS.metal2))
    left = kdb.Region(wires) - kdb.Region(kdb.Box(-10_000_000, 0, 10_000_000, 130_000))
    wires.clear()
    wires.insert(left)
    found = check(write_gds(chip, tmp_path / "cut.gds"), heated).violations
    assert any("heater does not reach" in line for line in found)
    assert any("other end is not grounded" in line for line in found)


@pytest.mark.parametrize(("rows", "buses", "count"), [(8, 3, 1), (1024, 3, 4), (256, 24, 3)])
def test_every_bus_of_every_row_lies_on_one_tile(altered, rows: int, buses: int, count: int):
    spec = altered(sized(rows, 8), chip={"buses": buses}, waveguide={"bend_radius_um": 26.0})
    tiles = cut(spec)
    assert tiles.count == count
    # Each row of each bus is found on one tile, where the map says.
    held = [
        (row, bus, tile, n, b)
        for tile in range(tiles.count)
        for b, bus in enumerate(tiles.held_buses(tile))
        for n, row in enumerate(tiles.rows(tile))
    ]
    assert sorted((row, bus) for row, bus, *_ in held) == [(row, bus) for row in range(rows) for bus in range(buses)]
    lines = csv.DictReader(tiles.map_csv().splitlines())
    keys = ("row", "bus", "tile", "tile_row", "tile_bus")
    assert [tuple(int(line[key]) for key in keys) for line in lines] == held


def test_a_row_longer_than_the_reticle_is_refused(altered):
    with pytest.raises(InputError, match=r"a row is 2\d\.\d mm long.*more buses"):
        cut(altered(sized(16, 128), comb={"spacing_nm": 0.5}, ring={"pitch_um": 200.0}))


def test_of_a_chip_larger_than_the_reticle_one_tile_is_written(altered, tmp_path: Path):
    wide = altered(sized(4, 2), chip={"buses": 64})
    files = write(wide, tmp_path)
    assert files.faults == ()
    assert (files.tiles, files.checks.ring_nets) == (4, 4 * 2 * 16)
    assert len((tmp_path / "tiles.csv").read_text(encoding="utf-8").splitlines()) == 1 + 4 * 64


def test_a_chip_that_fits_is_one_tile(spec: ChipSpec):
    assert cut(spec).count == 1
    assert cut(spec).tile == spec


@pytest.mark.slow
def test_the_bank_of_32_by_256_is_two_dies_and_the_design_in_all_four_layers(layouts: Path, tmp_path: Path):
    whole = ChipSpec.from_toml(layouts / "bank_32x256" / "spec.toml")
    spec = cut(whole).tile
    assert (cut(whole).count, spec.chip.rows, spec.chip.buses) == (2, 128, 8)
    chip = draw(spec)
    width, height = chip.dbbox().width(), chip.dbbox().height()
    assert (width, height) < RETICLE_UM
    assert height < 2.0 * width
    gds = write_gds(chip, tmp_path / "chip.gds")
    assert gds.stat().st_size < 5_000_000
    assert chip.kcl.layout.cells() <= spec.chip.rings + 8 + 30
    compared, _ = lvs(gds, spec)
    assert compared.faults == ()
    assert compared.simulation_max_error < FIELD_TOLERANCE
    assert run_drc(gds).sentences() == ()


@pytest.mark.slow
def test_a_tile_of_64_by_1024_fits_the_reticle(tmp_path: Path):
    tiles = cut(sized(1024, 64, bend_radius_um=26))
    assert (tiles.count, tiles.tile.chip.rows) == (4, 256)
    chip = draw(tiles.tile)
    assert chip.dbbox().height() < max(RETICLE_UM)
    assert write_gds(chip, tmp_path / "chip.gds").stat().st_size < 10_000_000
    assert chip.kcl.layout.cells() <= 64 + 8 + 30


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "channels"), [(8, 64), (256, 2)])
def test_chips_as_long_and_as_high_as_that_tile_are_the_design_and_break_no_rule(
    rows: int, channels: int, tmp_path: Path
):
    """Its rows and its tree; `benchmarks/layout_sizes.py` asks the same of all 16,384 rings."""
    spec = sized(rows, channels, bend_radius_um=26)
    gds = write_gds(draw(spec), tmp_path / "chip.gds")
    compared, _ = lvs(gds, spec)
    assert compared.faults == ()
    assert compared.simulation_max_error < FIELD_TOLERANCE
    assert run_drc(gds).sentences() == ()


@pytest.mark.slow
def test_64_by_1024_in_one_piece_has_no_more_cells_than_the_contract_allows(tmp_path: Path):
    chip = draw(sized(1024, 64, bend_radius_um=26))
    assert chip.kcl.layout.cells() <= 64 + 10 + 30
    assert write_gds(chip, tmp_path / "chip.gds").stat().st_size < 10_000_000


@pytest.mark.slow
def test_a_piece_of_1024_rows_keeps_its_nets(tmp_path: Path):
    spec = sized(1024, 4, bend_radius_um=26)
    assert check(write_gds(draw(spec), tmp_path / "chip.gds"), spec).violations == ()


def test_a_second_process_draws_a_flipped_chip_with_the_same_bytes(
    two_banks: ChipSpec, banks_gds: Path, tmp_path: Path
):
    script = (
        "import sys; from pathlib import Path; from prism_photonics.spec.chip_spec import ChipSpec;"
        "from prism_photonics.layout.chip import draw; from prism_photonics.layout.write import write_gds;"
        "write_gds(draw(ChipSpec.model_validate_json(sys.argv[1])), Path(sys.argv[2]))"
    )
    again = tmp_path / "chip.gds"
    subprocess.run([sys.executable, "-c", script, two_banks.model_dump_json(), str(again)], check=True)
    assert again.read_bytes() == banks_gds.read_bytes()
