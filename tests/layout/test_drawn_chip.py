"""The drawn 8×8: it is the design, nothing touches that should not, and its files tell the truth."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import kfactory as kf
import klayout.db as kdb
import numpy as np
import pytest
from matplotlib.image import imread

from prism_photonics.layout.check import check
from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.nets import conductors
from prism_photonics.layout.pads import probe_centers_um
from prism_photonics.layout.write import LayoutFiles, write, write_gds
from prism_photonics.lightpath.ring.cell import ring
from prism_photonics.netlist import from_spec
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError

from .conftest import DEMO, sized

# Alignment marks: a cross and two scales of rib, four squares and six scales of metal each.
MARK_RIBS, MARK_METALS = 4 * (1 + 2), 4 * (4 + 6)
# Loopback, reference, two serpentines, two buses with five rings each, of which one row shares a drop bus, a splitter,
# two couplers, a photodiode's guide, eight pairs of ribs and six tips; of every ring and the photodiode two conductors,
# two crosses, a chain, two combs, and a thermometer.
TEST_RIBS, TEST_METALS = 1 + 1 + 2 + (1 + 1 + 5) + (1 + 5 * 2) + 1 + 2 + 1 + 8 * 2 + 6, 10 * 2 + 2 + 2 + 1 + 2 + 1
MONITORS = ("monitor_through", "monitor_drop")
FILES = sorted(
    (
        "chip.gds",
        "chip.oas",
        "chip.lyp",
        "chip.html",
        "chip.png",
        "drc.lyrdb",
        "lvs.json",
        "manifest.csv",
        "tapeout.md",
        "bonding.pdf",
        "netlist.yaml",
        "row.pic.yml",
        "chip.pic.yml",
        "ring.glb",
        "row.glb",
    )
)


def test_the_extracted_netlist_is_the_design(files: LayoutFiles, spec: ChipSpec):
    design = from_spec(spec)
    assert extract(files.gds).cells == design.cells
    assert files.differences == ()


def test_every_rib_island_is_expected(files: LayoutFiles):
    assert files.checks.rib_islands == 1 + 8 + 64 + MARK_RIBS + TEST_RIBS


def test_there_are_as_many_conductors_as_signals_grounds_and_photodiode_contacts(files: LayoutFiles):
    assert files.checks.metal_nets == 64 + 8 + 3 * 8 + MARK_METALS + TEST_METALS
    assert files.checks.ring_nets == 64


def test_nothing_is_shorted_open_or_too_close(files: LayoutFiles):
    assert files.checks.violations == ()


def test_metal_keeps_the_designed_distance_from_every_rib_and_never_covers_one(files: LayoutFiles, spec: ChipSpec):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    metal, rib = (
        kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*layer))) for layer in (LAYERS.metal1, LAYERS.ridge)
    )
    clear = min(2.0, (spec.ring.electrode_gap_um - spec.width_um) / 2.0)
    assert (metal & rib).is_empty()
    # Arcs on the 1 nm grid may be a nanometre or two nearer than the circle they follow. Edges as drawn: of joined
    # shapes KLayout 0.30.12 tells of edges 3 nm beside those of rings whose curvature grows (findings).
    for region in (metal, rib):
        region.merged_semantics = False
    assert metal.separation_check(rib, round(clear * 1000) - 2).is_empty()
    leaf = next(inst.cell for inst in layout.cell("row").each_inst() if inst.property(0) == "ring_0")
    electrodes, ribs = (
        [
            np.array([(at.x, at.y) for at in shape.polygon.each_point_hull()], float)
            for shape in leaf.shapes(number).each()
        ]
        for number in (layout.layer(*LAYERS.metal1), layout.layer(*LAYERS.ridge))
    )
    least = min(nearest(one, other) for one in electrodes for other in ribs)
    assert least == pytest.approx(1000.0 * clear, abs=2.0)


def nearest(one, other):
    """Least distance of two polygons' edges that do not cross, each from every corner of the other."""

    def from_corners(points, corners):
        ends = np.roll(corners, -1, 0)
        ways = ends - corners
        reached = points[:, None] - corners
        share = np.clip((reached * ways).sum(-1) / np.maximum((ways * ways).sum(-1), 1e-9), 0.0, 1.0)
        return np.hypot(*np.moveaxis(reached - share[..., None] * ways, -1, 0)).min()

    return min(from_corners(one, other), from_corners(other, one))


def manifest(files: LayoutFiles) -> list[dict[str, str]]:
    return list(csv.DictReader(files.manifest.read_text(encoding="utf-8").splitlines()))


def test_every_ring_has_a_pad_of_its_own_in_the_manifest(files: LayoutFiles):
    lines = manifest(files)
    rings = [line for line in lines if line["kind"] == "ring"]
    assert {(int(line["row"]), int(line["channel"])) for line in rings} == {(r, c) for r in range(8) for c in range(8)}
    padded = [line for line in lines if line["pad"] and line["kind"] != "probe"]
    assert len(padded) == 64 + 16 + 24 == files.checks.pads
    assert len({(line["pad_x_um"], line["pad_y_um"]) for line in padded}) == len(padded)


def test_the_manifest_says_where_rings_and_fibre_are(files: LayoutFiles, spec: ChipSpec):
    ring = next(line for line in manifest(files) if line["name"] == "row_2/ring_3")
    assert float(ring["x_um"]) == pytest.approx(3.5 * spec.ring.pitch_um, abs=1e-3)
    assert float(ring["y_um"]) == pytest.approx(2 * spec.row_pitch_um + spec.ring_designs[3].center_y_um, abs=1e-3)
    fibres = {line["name"]: line for line in manifest(files) if line["kind"] == "fibre"}
    assert float(fibres.pop("coupler")["y_um"]) == pytest.approx(3.5 * spec.row_pitch_um)
    lines = ("reference", "cutback_1", "cutback_2", "gap_sweep", "length_sweep", "loopback", "splitter")
    both = {f"{name}_{end}" for name in (*lines, "taper_0", "taper_1") for end in ("in", "out")}
    assert set(fibres) == both | {"gap_sweep_drop", "splitter_drop", "photodiode_in", *MONITORS}


def test_every_test_ring_has_two_pads_for_probes(files: LayoutFiles, spec: ChipSpec):
    probes = {line["name"] for line in manifest(files) if line["kind"] == "probe"}
    sweeps = ("gap_sweep", "length_sweep")
    of_rings = {f"{s}_ring_{n}_{end}" for s in sweeps for n in range(5) for end in ("signal", "ground")}
    assert of_rings <= probes
    layout = kdb.Layout()
    layout.read(str(files.gds))
    nets, at = conductors(layout), {name: at for name, at in probe_centers_um(layout).items() if name in of_rings}
    # Each pad is a conductor of its own, and a ring's electrode, seen from its pad, is that very conductor.
    assert len({nets.at("metal2", *center) for center in at.values()}) == 20
    inside = next(inst for inst in layout.cell("tests").each_inst() if inst.property(0) == "gap_sweep_ring_2")
    tests = next(inst for inst in layout.top_cell().each_inst() if inst.cell.name == "tests")
    middle = (tests.dtrans * inside.dtrans * inside.cell.dbbox()).center()
    near = (middle.x + spec.ring.radius_um + 10.0, middle.y)  # in the eastern outer electrode, or just beside it
    signal = {nets.at("metal1", x, near[1]) for x in (near[0] - 3.0, near[0], near[0] + 3.0)} - {None}
    assert nets.at("metal2", *at["gap_sweep_ring_2_signal"]) in signal


def test_the_test_structures_meet_a_fibre_array(files: LayoutFiles):
    fibres = [
        line for line in manifest(files) if line["kind"] == "fibre" and line["name"] not in ("coupler", *MONITORS)
    ]
    facets = {line["x_um"] for line in fibres}
    assert len(facets) == 2
    first = float(fibres[0]["y_um"])
    for line in fibres:
        pitches = (float(line["y_um"]) - first) / 127.0
        assert pitches == pytest.approx(round(pitches), abs=1e-6), line["name"]


def test_every_pad_of_the_manifest_is_metal_open_to_a_bond(files: LayoutFiles):
    layout = kdb.Layout()
    layout.read(str(files.gds))
    opening = kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*LAYERS.opening)))
    for line in manifest(files):
        if line["pad"]:
            x, y = round(float(line["pad_x_um"]) * 1000), round(float(line["pad_y_um"]) * 1000)
            assert not (opening & kdb.Region(kdb.Box(x - 10, y - 10, x + 10, y + 10))).is_empty(), line["pad"]


def test_the_oasis_file_is_the_gds_file(files: LayoutFiles):
    gds, oas = kdb.Layout(), kdb.Layout()
    gds.read(str(files.gds))
    oas.read(str(files.oas))
    assert {cell.name for cell in gds.each_cell()} == {cell.name for cell in oas.each_cell()}
    for _, number in LAYERS.items():
        ours, theirs = (kdb.Region(each.top_cell().begin_shapes_rec(each.layer(*number))) for each in (gds, oas))
        assert (ours ^ theirs).is_empty()
    assert files.oas.stat().st_size < files.gds.stat().st_size


def test_the_reports_say_what_was_proved(files: LayoutFiles):
    assert files.faults == ()
    assert json.loads(files.lvs_report.read_text(encoding="utf-8")) == files.lvs.to_json()
    assert files.drc.violations == 0
    found = files.to_json()
    assert found["gds_bytes"] == files.gds.stat().st_size
    assert found["cells"] <= 8 + 3 + 30  # rings, levels of the tree, the rest
    assert list(found["time_s"]) == ["draw", "write", "lvs", "drc", "picture"]


def test_the_files_are_complete_and_the_gds_is_small(files: LayoutFiles):
    folder = files.gds.parent
    assert sorted(p.name for p in folder.iterdir()) == FILES
    assert files.gds.stat().st_size < 1_000_000


def test_the_picture_shows_a_chip(files: LayoutFiles):
    image = imread(files.picture)
    assert image.shape[0] > 1000
    assert image.shape[1] > 1000
    assert len({tuple(colour) for colour in image[::7, ::7, :3].reshape(-1, 3).tolist()}) > 50


def test_a_second_process_draws_the_same_bytes(files: LayoutFiles, tmp_path: Path):
    script = (
        "import sys; from prism_photonics.spec import ChipSpec; from prism_photonics.layout.write import write;"
        "write(ChipSpec.from_toml(sys.argv[1]), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", script, str(DEMO), str(tmp_path)], check=True)
    for name in FILES:
        assert (files.gds.parent / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_wider_bends_leave_room_for_themselves(tmp_path: Path):
    assert write(sized(2, 1, bend_radius_um=45), tmp_path).faults == ()


@pytest.mark.parametrize(("rows", "channels"), [(1, 1), (4, 3)])
def test_other_sizes_are_drawn_right_too(rows: int, channels: int, tmp_path: Path):
    spec = sized(rows, channels)
    files = write(spec, tmp_path)
    assert files.differences == ()
    assert files.faults == ()
    assert files.checks.rib_islands == 1 + rows + rows * channels + MARK_RIBS + TEST_RIBS


def test_sixteen_rows_still_find_room_beside_the_rings(tmp_path: Path):
    assert write(sized(16, 2), tmp_path).faults == ()


def test_older_files_are_replaced(tiny: ChipSpec, tmp_path: Path):
    (tmp_path / "chip.gds").write_text("older")
    again = write(tiny, tmp_path)
    assert check(again.gds, tiny).violations == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pitch_um": 75}, r"ring\.pitch_um = 75: no room for .* want at least \d+"),
        ({"bend_radius_um": 10}, r"photodiode site.*raise waveguide\.bend_radius_um"),
        ({"gap_drop_um": 0.6005}, r"gap_drop_um = 0\.6005 is off the 1 nm grid"),
        ({"radius_um": 10, "lobe_half_angle_deg": 30}, r"ring: electrodes of radius_um = 10.*cannot hold the vias"),
        ({"electrode_gap_um": 1.5}, r"electrode_gap_um = 1\.5.*want at least 2\.4"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(change: dict[str, float], message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message) as refusal:
        write(sized(**{"rows": 8, "channels": 2, **change}), tmp_path)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tiny: ChipSpec, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file.*cannot write the layout \(.+\); give a folder") as refusal:
        write(tiny, tmp_path / "file" / "out")
    assert "\n" not in str(refusal.value)


def test_electrodes_that_cannot_be_drawn_as_designed_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"lobe_half_angle_deg = 80 .* want at most 48\.\d$") as refusal:
        write(sized(1, 1, lobe_half_angle_deg=80), tmp_path)
    # Whoever does as the message says can draw.
    cured = sized(1, 1, lobe_half_angle_deg=float(str(refusal.value).rpartition(" ")[2]))
    assert ring(cured.ring_designs[0], kcl=kf.KCLayout("cured")).ports


def test_a_long_name_and_a_wide_electrode_gap_leave_labels_and_comb_clear_of_all_else(
    altered, tiny: ChipSpec, tmp_path: Path
):
    wide = {"electrode_gap_um": 8.0, "lobe_half_angle_deg": 35.0}
    spec = altered(tiny, name="a_rather_long_name_of_a_chip_with_many_words", ring=wide)
    gds = write_gds(draw(spec), tmp_path / "chip.gds")
    assert run_drc(gds).sentences() == ()
    assert check(gds, spec).violations == ()
