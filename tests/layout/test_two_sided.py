"""Photodiodes at both ends of a row: the drop bus needs no way back, and a drop photodiode stands beside the tree."""

import csv
import json
from pathlib import Path

import klayout.db as kdb
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from prism_photonics.circuit.params import designed_bank
from prism_photonics.cli.app import app
from prism_photonics.layout.annotate import back_annotate
from prism_photonics.layout.check import check
from prism_photonics.layout.chip import draw
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.lvs import FIELD_TOLERANCE, lvs
from prism_photonics.layout.manifest import manifest_csv
from prism_photonics.layout.write import write_gds
from prism_photonics.lightpath.waveguide.turned import bends_passed
from prism_photonics.netlist import from_spec
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.geometry import DROP_LEAD_UM, approach_um, uturn_design
from prism_photonics.units import InputError, attenuation_per_um

from .conftest import sized
from .test_mutations import cell_of, mutated

BOTH = {"detector": {"sides": "both"}}


@pytest.fixture(scope="module")
def tiny_both(altered) -> ChipSpec:
    return altered(sized(2, 2), **BOTH)


@pytest.fixture(scope="module")
def tiny_gds(tiny_both: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gds(draw(tiny_both), tmp_path_factory.mktemp("both") / "chip.gds")


CASES = {
    "8x8_bonded": (8, 8, {}),
    "one_row": (1, 2, {}),
    "sixteen_rows": (16, 2, {}),
    "flipped": (32, 3, {"waveguide": {"bend_radius_um": 26.0}}),
    "two_banks": (4, 2, {"chip": {"buses": 2}}),
    "heaters": (4, 2, {"trim": {"method": "heater", "heater_mW_nm": 50.0}, "ring": {"arm_um": 60.0}}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_two_sided_chip_is_the_design_and_breaks_no_rule(altered, tmp_path: Path, case: str):
    rows, channels, changes = CASES[case]
    spec = altered(altered(sized(rows, channels), **BOTH), **changes)
    gds = write_gds(draw(spec), tmp_path / "chip.gds")
    compared, _ = lvs(gds, spec, simulate=False)
    assert compared.faults == ()
    assert compared.checks.ring_nets == rows * spec.chip.rings
    assert run_drc(gds).sentences() == ()


def test_the_drawn_chip_gives_the_designs_complex_fields(tiny_both: ChipSpec, tiny_gds: Path):
    compared, drawn = lvs(tiny_gds, tiny_both)
    assert compared.faults == ()
    assert compared.simulation_max_error < FIELD_TOLERANCE
    assert drawn.cells == from_spec(tiny_both).cells
    assert back_annotate(tiny_gds, tiny_both).changed_rows() == []


def test_a_single_row_has_no_tree_and_yet_the_designs_fields(altered, tmp_path: Path):
    spec = altered(sized(1, 2), **BOTH)
    compared, drawn = lvs(write_gds(draw(spec), tmp_path / "chip.gds"), spec)
    assert drawn.cells["chip"].instances["approach"].settings["length_um"] == approach_um(spec)
    assert compared.simulation_max_error < FIELD_TOLERANCE


def test_dropped_light_does_not_pay_for_a_way_back(tiny: ChipSpec, tiny_both: ChipSpec):
    east, both = (np.asarray(designed_bank(spec).buses.amplitude)[0, 0] for spec in (tiny, tiny_both))
    assert (east[0] == both[0]).all()  # the through bus
    turn = uturn_design(tiny)
    back_um = turn.lengths.bend_um + tiny.chip.channels * tiny.ring.pitch_um
    lost = 0.5 * float(attenuation_per_um(tiny.waveguide.loss_dB_cm)) * (back_um - DROP_LEAD_UM)
    lost -= 0.5 * np.log(bends_passed(tiny.profile, turn))
    assert np.log(both[1, 0] / east[1, 0]) == pytest.approx(lost, rel=1e-9)


def test_specs_that_are_older_than_the_key_keep_their_hash(tiny: ChipSpec, tiny_both: ChipSpec, altered):
    assert "sides" not in tiny.model_dump_json()
    assert altered(tiny, detector={"sides": "east"}).hash == tiny.hash != tiny_both.hash
    assert ChipSpec.model_validate_json(tiny_both.model_dump_json()) == tiny_both


def test_every_photodiode_has_two_pads_those_of_the_drop_buses_in_the_west(tiny_both: ChipSpec, tiny_gds: Path):
    lines = [line for line in csv.DictReader(manifest_csv(tiny_gds).splitlines()) if line["kind"] == "detector"]
    names = {
        f"detector_{row}_{bus}_{end}" for row in (0, 1) for bus in ("through", "drop") for end in ("cathode", "anode")
    }
    assert {line["name"] for line in lines} == names
    middle = tiny_both.chip.channels * tiny_both.ring.pitch_um / 2.0
    assert all((float(line["pad_x_um"]) < middle) == ("drop" in line["name"]) for line in lines)


def test_a_wire_cut_in_the_west_is_caught_by_the_nets(tiny_both: ChipSpec, tmp_path: Path):
    def cut(chip) -> None:
        shapes = cell_of(chip, "metal").shapes(chip.kcl.layer(*LAYERS.metal2))
        wires = kdb.Region(shapes) - kdb.Region(kdb.Box(-210_000, -60_000, -200_000, 400_000))
        shapes.clear()
        shapes.insert(wires)

    found = check(mutated(tiny_both, tmp_path, cut), tiny_both).violations
    assert any("drop_anode reaches pads none; want detector_" in line for line in found)


def test_photodiodes_joined_by_metal_are_caught_by_the_nets(tiny_both: ChipSpec, tmp_path: Path):
    def bridge(chip) -> None:
        # Over both tracks of row 1, north of its contacts.
        box = kdb.Box(-230_000, 285_000, -213_000, 290_000)
        cell_of(chip, "metal").shapes(chip.kcl.layer(*LAYERS.metal2)).insert(box)

    found = check(mutated(tiny_both, tmp_path, bridge), tiny_both).violations
    assert any("row 1: a photodiode's drop_cathode reaches pads detector_1_drop_anode, det" in line for line in found)


def test_a_missing_drop_photodiode_is_caught_by_the_netlist(tiny_both: ChipSpec, tmp_path: Path):
    def remove(chip) -> None:
        next(inst for inst in chip.kdb_cell.each_inst() if inst.property(0) == "drop_diode_1").delete()

    found = from_spec(tiny_both).differences(extract(mutated(tiny_both, tmp_path, remove)))
    assert "chip: instance drop_diode_1 is missing" in found


def test_buses_too_near_for_a_photodiode_between_them_are_refused_in_one_line(altered):
    spec = altered(sized(2, 2, radius_um=16, lobe_half_angle_deg=40), **BOTH)
    with pytest.raises(InputError, match=r"detector\.sides = 'both': .* lie 35\.6 µm apart.*raise ring\.radius_um by"):
        draw(spec)


def test_from_the_command_line_the_chip_is_drawn_and_read_back(tiny_both: ChipSpec, altered, tmp_path: Path):
    bright = altered(tiny_both, comb={"line_power_dBm": 25.0})  # which no ring bears
    (tmp_path / "spec.toml").write_text(toml(bright), encoding="utf-8")
    refused = prism("layout", tmp_path / "spec.toml", "-o", tmp_path / "out")
    assert refused.exit_code == 2
    assert "not feasible" in refused.stderr
    drawn = prism("layout", tmp_path / "spec.toml", "-o", tmp_path / "out", "--anyway", "--json")
    assert drawn.exit_code == 0, drawn.output
    found = json.loads(drawn.stdout)
    assert (found["drc_violations"], found["faults"], found["lvs"]["nets"]) == (0, [], 4)
    assert found["lvs"]["simulation_max_error"] < FIELD_TOLERANCE
    read = prism("simulate", tmp_path / "spec.toml", "--layout", tmp_path / "out" / "chip.gds")
    assert read.exit_code == 0, read.output
    assert "the drawing is the design: no ring and no weight differs" in read.stdout


def prism(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200"})


def toml(spec: ChipSpec) -> str:
    """A spec as its file: JSON's numbers and strings are TOML's."""
    tables = spec.model_dump()
    lines = [f"{key} = {json.dumps(value)}" for key, value in tables.items() if not isinstance(value, dict)]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines)
