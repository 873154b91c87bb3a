"""What the manifest says to whoever measures the chip: structures, their sizes, fibres and files."""

import csv

import klayout.db as kdb
import pytest

from prism_photonics.layout.manifest import COLUMNS, MEASURED
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import detector_site
from prism_photonics.spec.structures import GAP_STEPS_UM, gap_sweep, length_sweep


@pytest.fixture(scope="module")
def lines(files: LayoutFiles) -> list[dict[str, str]]:
    return list(csv.DictReader(files.manifest.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def structures(lines: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {line["name"]: line for line in lines if line["kind"] == "structure"}


def test_the_older_columns_stand_before_the_new_ones(files: LayoutFiles):
    head = files.manifest.read_text(encoding="utf-8").splitlines()[0]
    assert head.split(",") == [*COLUMNS, *MEASURED]
    assert COLUMNS == (
        "name",
        "kind",
        "x_um",
        "y_um",
        "port",
        "row",
        "bus",
        "channel",
        "pad",
        "pad_x_um",
        "pad_y_um",
    )


def test_every_fibre_serves_a_structure_and_every_structure_has_a_file_of_its_own(lines, structures):
    fibres = {line["name"] for line in lines if line["kind"] == "fibre"}
    used = {line[key] for line in structures.values() for key in ("fibre_in", "through", "drop")}
    assert fibres <= used
    assert len({line["file"] for line in structures.values()}) == len(structures) == 8 + 11
    kinds = [line["structure"] for line in structures.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "row": 8,
        "loopback": 1,
        "reference": 1,
        "cutback": 2,
        "gap_sweep": 1,
        "length_sweep": 1,
        "splitter": 1,
        "taper": 2,
        "photodiode": 1,
        "monitor": 1,
    }


def test_a_row_names_the_contacts_that_carry_each_photodiode_alone(lines, structures):
    pads = {line["pad"] for line in lines}
    row = structures["row_3"]
    assert (row["fibre_in"], row["through"], row["drop"]) == ("coupler", "detector_3_cathode", "detector_3_anode")
    assert {row["through"], row["drop"]} <= pads


def test_test_rings_have_the_gaps_and_lengths_that_were_designed(lines, spec: ChipSpec):
    rings = {line["name"]: line for line in lines if line["kind"] == "test_ring"}
    for name, designs in (("gap_sweep", gap_sweep(spec)), ("length_sweep", length_sweep(spec))):
        for n, design in enumerate(designs):
            line = rings.pop(f"{name}_ring_{n}")
            assert float(line["gap_nm"]) == pytest.approx(1e3 * design.gap_through_um)
            assert float(line["length_um"]) == pytest.approx(design.length_um, abs=1e-4)
            assert line["file"] == name
    assert rings == {}
    assert len({design.gap_through_um for design in gap_sweep(spec)}) == len(GAP_STEPS_UM)


def test_rings_of_a_row_have_their_sizes_and_their_rows_file(lines, spec: ChipSpec):
    ring = next(line for line in lines if line["name"] == "row_2/ring_5")
    assert (ring["structure"], ring["file"], ring["gap_nm"]) == ("row", "row_2", "520")
    assert float(ring["length_um"]) == pytest.approx(spec.ring_designs[5].length_um, abs=1e-4)


@pytest.mark.parametrize("name", ["loopback", "reference", "cutback_1", "cutback_2"])
def test_a_guides_length_is_that_of_the_polygon_between_its_couplers(files: LayoutFiles, structures, spec, name: str):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    tests = layout.cell("tests")
    # The block's own shapes, without its couplers and rings.
    ribs = kdb.Region(tests.shapes(layout.layer(*LAYERS.ridge))).merged()
    at = next(inst for inst in tests.each_inst() if inst.property(0) == f"{name}_in").dtrans.disp
    x = at.x + spec.coupler_design.length_um + 0.5
    point = kdb.Region(kdb.DBox(x, at.y - 0.05, x + 0.1, at.y + 0.05).to_itype(layout.dbu))
    guide = ribs.interacting(point)
    assert guide.count() == 1
    length_um = guide.area() * layout.dbu**2 / spec.width_um
    assert float(structures[name]["length_um"]) == pytest.approx(length_um, rel=2e-4)


def test_the_serpentines_differ_by_their_passes_alone(structures):
    length_um = [float(structures[name]["length_um"]) for name in ("reference", "cutback_1", "cutback_2")]
    assert [structures[name]["passes"] for name in ("reference", "cutback_1", "cutback_2")] == ["0", "1", "2"]
    assert length_um[2] - length_um[1] == pytest.approx(length_um[1] - length_um[0], abs=1e-3)


def test_fibres_see_the_top_rows_through_and_drop_bus_before_photodiodes_are_attached(
    files: LayoutFiles, lines, structures, spec: ChipSpec
):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    ribs = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*LAYERS.ridge))).merged()
    at = {line["name"]: (float(line["x_um"]), float(line["y_um"])) for line in lines if line["kind"] == "fibre"}

    def island(x: float, y: float) -> kdb.Region:
        return ribs.interacting(kdb.Region(kdb.DBox(x - 0.2, y - 0.05, x + 0.2, y + 0.05).to_itype(layout.dbu)))

    (x0, y0), (x1, y1) = at["monitor_through"], at["monitor_drop"]
    top = (spec.chip.rows - 1) * spec.row_pitch_um
    assert top < y0 < top + 127.0
    assert (y1 - y0, x0) == (127.0, x1)
    assert (y0 - at["coupler"][1]) % 127.0 == 0.0  # the grid of the other fibres
    # The fibre of the through bus is the one where all light enters; that of the drop bus lies on that row's alone.
    assert (island(x0 - 1.0, y0) ^ island(at["coupler"][0] + 1.0, at["coupler"][1])).is_empty()
    ring = spec.ring_designs[0]
    assert (island(x1 - 1.0, y1) ^ island(20.0, top + ring.bus_pitch_um)).is_empty()
    monitor = structures["monitor"]
    assert (monitor["row"], monitor["fibre_in"], monitor["through"]) == ("7", "coupler", "monitor_through")


def test_the_piece_of_every_row_is_held_off_the_guides_beside_it(spec: ChipSpec):
    site = detector_site(spec)
    assert site.hold_um == 60.0 <= site.free_hold_um < 63.0
    assert site.port_pitch_um == spec.ring_designs[0].bus_pitch_um + 2.0 * spec.waveguide.bend_radius_um
