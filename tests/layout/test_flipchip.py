"""Chips of many rows: a bump per ring, one ground, and tiles that fit the reticle."""

import csv
from pathlib import Path

import klayout.db as kdb
import pytest

from prism_photonics.layout.check import check
from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.lvs import FIELD_TOLERANCE, lvs
from prism_photonics.layout.manifest import manifest_csv
from prism_photonics.layout.tiles import RETICLE_UM, cut
from prism_photonics.layout.write import write, write_gds
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

from .conftest import sized


@pytest.fixture(scope="module")
def flipped() -> ChipSpec:
    return sized(32, 3)


@pytest.fixture(scope="module")
def gds(flipped: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gds(draw(flipped), tmp_path_factory.mktemp("flipped") / "chip.gds")


def test_a_flipped_chip_is_the_design_and_breaks_no_rule(flipped: ChipSpec, gds: Path):
    compared, _ = lvs(gds, flipped, simulate=False)
    assert compared.faults == ()
    assert compared.checks.ring_nets == 32 * 3
    assert run_drc(gds).sentences() == ()


def test_every_ring_photodiode_and_row_has_bumps_of_its_own(flipped: ChipSpec, gds: Path):
    lines = [line for line in csv.DictReader(manifest_csv(gds).splitlines()) if line["pad"]]
    kinds = [line["kind"] for line in lines]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"ring": 96, "ground": 32, "detector": 96}
    layout = kdb.Layout()
    layout.read(str(gds))
    bumps = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*LAYERS.bump)))
    assert bumps.count() == len(lines) == len({(line["pad_x_um"], line["pad_y_um"]) for line in lines})
    for line in lines:
        at = kdb.Point(round(float(line["pad_x_um"]) * 1000), round(float(line["pad_y_um"]) * 1000))
        assert not (bumps & kdb.Region(kdb.Box(at.x - 5, at.y - 5, at.x + 5, at.y + 5))).is_empty(), line["name"]


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
    with pytest.raises(InputError, match=r"bend_radius_um = 26: no room for bumps .* want at least 27"):
        draw(sized(32, 1, bend_radius_um=26, gap_drop_um=0.9))


def test_a_chip_larger_than_the_reticle_is_cut_into_equal_tiles_of_whole_rows():
    spec = sized(1024, 8)
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


@pytest.mark.parametrize(("rows", "per_bus"), [(8, 1), (1024, 8)])
def test_every_bus_of_a_row_lies_on_tiles_of_its_own(altered, rows: int, per_bus: int):
    one = sized(rows, 8)
    spec = altered(one, chip={"buses": 3})
    tiles = cut(spec)
    assert tiles.tile == cut(one).tile
    assert tiles.tile.chip.buses == 1
    assert tiles.per_bus == cut(one).count == per_bus
    assert (tiles.buses, tiles.count) == (3, 3 * tiles.per_bus)
    # Each row of each bus is found on one tile, where the map says.
    held = [(row, tiles.bus(tile), tile, n) for tile in range(tiles.count) for n, row in enumerate(tiles.rows(tile))]
    assert sorted((row, bus) for row, bus, _, _ in held) == [(row, bus) for row in range(rows) for bus in range(3)]
    lines = csv.DictReader(tiles.map_csv().splitlines())
    assert [tuple(int(line[key]) for key in ("row", "bus", "tile", "tile_row")) for line in lines] == held


def test_of_a_chip_larger_than_the_reticle_one_tile_is_written(tmp_path: Path):
    files = write(sized(256, 1), tmp_path)
    assert files.faults == ()
    assert (files.tiles, files.checks.ring_nets) == (2, 128)
    assert len((tmp_path / "tiles.csv").read_text(encoding="utf-8").splitlines()) == 257


def test_a_chip_that_fits_is_one_tile(spec: ChipSpec):
    assert cut(spec).count == 1
    assert cut(spec).tile == spec


@pytest.mark.slow
def test_a_bank_of_256_rows_is_the_design_in_all_four_layers(tmp_path: Path):
    spec = sized(256, 8)
    gds = write_gds(draw(spec), tmp_path / "chip.gds")
    assert gds.stat().st_size < 5_000_000
    compared, _ = lvs(gds, spec)
    assert compared.faults == ()
    assert compared.simulation_max_error < FIELD_TOLERANCE
    assert run_drc(gds).sentences() == ()


@pytest.mark.slow
def test_1024_rows_are_the_design_and_break_no_rule(tmp_path: Path):
    spec = sized(1024, 8)
    gds = write_gds(draw(spec), tmp_path / "chip.gds")
    assert gds.stat().st_size < 10_000_000
    compared, _ = lvs(gds, spec, simulate=False)
    assert compared.faults == ()
    assert run_drc(gds).sentences() == ()
