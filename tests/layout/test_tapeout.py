"""What goes with a drawing to the foundry and to the laboratory."""

import csv
import io
import re
from pathlib import Path

import pytest

from prism_photonics.layout.polygons import open_layout
from prism_photonics.layout.tapeout import PURPOSES, bump_map, metal_over_bus
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.spec import ChipSpec

GOLDEN = Path(__file__).parent / "golden" / "demo_8x8.manifest.csv"


@pytest.fixture(scope="module")
def told(files: LayoutFiles) -> str:
    return files.tapeout.read_text(encoding="utf-8")


def test_the_sheet_says_what_the_die_is_and_that_nothing_is_wrong(told: str, spec: ChipSpec):
    assert told.startswith("# demo_8x8: tape-out sheet\n")
    assert spec.hash[:8] in told
    assert "| mounting | bonded along its edges |" in told
    assert "drawing rules of tfln600 | 0 violations |" in told
    assert "| drawing against design | 0 differences |" in told
    assert "| 520 nm, 156 nm at its foot under walls of 70°; walls flatter than 62.5° close it |" in told


def test_it_says_how_many_pieces_are_bonded_and_how_far_apart(told: str):
    assert "| bonded pieces | 9 outlines of `attach`, 43.96 µm from row to row |" in told


def test_it_tells_every_fibre_with_its_facet_and_the_channel_of_an_array(told: str):
    rows = [
        line.split(" | ") for line in told.split("## Fibres")[1].split("##")[0].splitlines() if line.startswith("| ")
    ][2:]
    assert [row[1] for row in rows] == ["western"] * 13 + ["eastern"] * 11
    assert all(float(row[2]).is_integer() for row in rows)
    assert {row[0].removeprefix("| ") for row in rows} >= {"coupler", "monitor_through", "splitter_drop"}


def test_it_tells_what_the_thermometer_reads_and_which_rib_of_the_gauge_is_which(told: str):
    # 1,206 squares of 0.8 µm of gold at 27.7 mΩ.
    assert "33.4 Ω at 20 °C and 124 mΩ more a kelvin" in told
    assert "It goes with the tests when these are diced off" in told
    assert "gaps of 390 to 600 nm in steps of 30; widths of 200 to 450 nm in steps of 50" in told


def test_it_names_the_layers_in_use_in_the_decks_numbers(told: str):
    assert "| metal2 | 23/0 |" in told
    assert "| bump |" not in told  # of a flipped die
    assert "| heater |" not in told


def test_its_test_plan_begins_with_what_all_others_are_divided_by_and_ends_with_the_rows(told: str):
    plan = told.split("## Test plan")[1].split("## Process control")[0]
    steps = [line.split(" | ")[0].removeprefix("| ") for line in plan.splitlines() if line.startswith("| ")][2:]
    assert steps == [
        "loopback",
        "reference",
        "cutback_1",
        "cutback_2",
        "gap_sweep",
        "length_sweep",
        "splitter",
        "taper_0",
        "taper_1",
        "photodiode",
        "monitor",
        "row_0 … row_7",
    ]
    assert "| row_0 … row_7 | coupler | detector_0_cathode … detector_7_cathode |" in plan
    assert all(purpose in plan for purpose in PURPOSES.values())


def test_every_pad_and_every_fibre_is_counted(told: str):
    for line in ("| detector | 24 |", "| ground | 16 |", "| probe | 38 |", "| ring | 64 |", "| loopback_in |"):
        assert line in told, line


def test_second_metal_over_a_bus_is_measured_on_the_polygons(files: LayoutFiles, spec: ChipSpec):
    layout = open_layout(files.gds)
    crossings, under_um = metal_over_bus(layout, spec, row=0)
    assert (crossings, round(under_um)) == (39, 122)
    most, _ = metal_over_bus(layout, spec, row=3)  # the tracks of all rows below end before it, its own begins
    assert most < crossings


def test_the_sheet_tells_assembly_and_metal_over_ribs(told: str):
    assert re.search(r"\| second metal over ribs \| \d+ crossings; of row 0's bus 122 of 1360 µm, 9.2e-06 dB \|", told)
    assert "| western fibres | 13 of 13 on one array of 127 µm |" in told
    assert "| eastern fibres | 11 of 11 on one array of 127 µm |" in told
    assert "| north: wires | 40, the longest 2.87 mm |" in told
    assert "| east: fibres | bond wires in the way of monitor_through, monitor_drop: " in told
    assert "| driver | settles in 1 µs below 411 kΩ |" in told
    assert "the next ring 63 parts in a million of a voltage, another row's wire beside the ring 3.2e+02" in told
    assert "113 V between a ring's electrodes reach the coercive field (21 V/µm); ESD class 0A ends at 125 V" in told


def test_the_bump_map_is_the_die_mirrored_and_has_every_pad_but_the_probes(files: LayoutFiles):
    assert files.bumps is None  # bonded
    lines = list(csv.DictReader(io.StringIO(bump_map(GOLDEN.read_text(encoding="utf-8")))))
    assert len(lines) == 64 + 16 + 24
    assert all(float(line["interposer_x_um"]) == -float(line["x_um"]) for line in lines)
    assert all(line["interposer_y_um"] == line["y_um"] for line in lines)
    assert len({line["name"] for line in lines}) == len(lines)
