"""The capacitance that a spec expects of its metal is that of the metal as drawn."""

import csv
import io
import json

import numpy as np
import pytest
from pydantic import ValidationError

from prism_photonics.layout.capacitance import Pair, electrodes_fF_um, field_shares, square_fF, track_fF_um
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.lightpath.ring.cell import ground_contact_um, signal_contact_um
from prism_photonics.process.layers import load_deck
from prism_photonics.process.metal import load_metal
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.spec import ChipSpec, load_spec
from prism_photonics.spec.channels import channel, ring_fF, strap_um, wires_um
from prism_photonics.spec.examples import example_names
from prism_photonics.spec.neighbours import field_share, voltage_share, wire_share
from prism_photonics.units import InputError


def test_wires_are_as_long_as_those_of_the_drawing(files: LayoutFiles, spec: ChipSpec):
    found, drawn_um = wires_um(spec), np.zeros((spec.chip.rows, spec.chip.channels))
    for line in csv.DictReader(io.StringIO(files.manifest.read_text(encoding="utf-8"))):
        if line["kind"] == "ring":
            row, c = int(line["row"]), int(line["channel"])
            contact_um = float(line["x_um"]) + signal_contact_um(spec.ring_designs[c])[0] - spec.ring.pitch_um / 2.0
            along_um, up_um = float(line["pad_x_um"]) - contact_um, float(line["pad_y_um"]) - float(line["y_um"])
            drawn_um[row, c] = abs(along_um) + abs(up_um)
    # Out to its track and back towards its pad: at most twice the four tracks' width more.
    assert np.all(found > drawn_um - 5.0)
    assert np.all(found < drawn_um + 90.0)
    assert found.mean() == pytest.approx(drawn_um.mean(), rel=0.05)


def test_a_strap_reaches_from_lobe_to_lobe(spec: ChipSpec):
    ring = spec.ring_designs[0]
    across_um = signal_contact_um(ring)[0] - ground_contact_um(ring)[0]
    assert across_um / 2.0 < strap_um(spec) < across_um


def test_a_ring_without_a_number_has_the_sum_of_its_parts_and_a_specs_own_number_wins(spec: ChipSpec, altered):
    parts, ring = channel(spec), spec.ring_designs[0]
    assert parts.electrodes_fF == pytest.approx(electrodes_fF_um(spec) * ring.lobes_um, rel=0.01)
    assert ring_fF(spec) == pytest.approx(
        parts.electrodes_fF + parts.strap_fF + parts.pad_fF + parts.wire_fF.mean(), rel=1e-12
    )
    assert ring_fF(altered(spec, system={"ring_fF": 300.0})) == 300.0


@pytest.mark.parametrize("name", example_names())
def test_every_chip_that_ships_takes_its_own_metals(name: str):
    spec = load_spec(name)
    assert spec.system.ring_fF is None
    assert 20.0 < ring_fF(spec) < 210.0


@pytest.mark.parametrize("film", profile_names())
def test_a_table_is_of_todays_stack_and_its_mesh_fine_enough(film: str):
    table, deck = load_metal(film).file, load_deck(film)
    assert table.film == film
    for level, sizes in table.provenance["stack"].items():
        if level == "buried_um":
            assert sizes == deck.buried_um
        else:
            assert sizes == {"bottom_um": deck.stack[level].bottom_um, "thickness_um": deck.stack[level].thickness_um}
    for row in table.convergence:
        assert row["as_computed"] == pytest.approx(row["half_step"], rel=0.04), row["what"]


def test_between_its_nodes_a_table_is_the_solver(spec: ChipSpec):
    metal, deck = load_metal("tfln600"), load_deck("tfln600")
    assert metal.electrodes_fF_um(5.4, 8.0) == pytest.approx(electrodes_fF_um(spec), rel=0.005)
    whole, one = track_fF_um(deck, width_um=5.0, space_um=5.0)
    assert metal.track_fF_um(5.0, 5.0) == pytest.approx((whole, one), rel=0.02)
    assert metal.square_fF(70.0) == pytest.approx(square_fF(deck, side_um=70.0), rel=1e-3)


def test_outside_its_nodes_a_table_refuses():
    metal = load_metal("tfln600")
    with pytest.raises(InputError, match=r"ring.electrode_gap_um = 2; want 4.5 to 50, .*; give system.ring_fF"):
        metal.electrodes_fF_um(2.0, 8.0)
    with pytest.raises(InputError, match=r"want more than 2\.5 .*raise ring.pitch_um"):
        metal.neighbour_share(1.0)


def test_neighbours_feel_less_the_farther_they_are_and_the_spec_may_say_otherwise(spec: ChipSpec, altered):
    metal = load_metal("tfln600")
    shares = [metal.neighbour_share(apart) for apart in (5.0, 20.0, 66.0, 150.0, 600.0)]
    assert shares == sorted(shares, reverse=True)
    assert voltage_share(spec) == 0.001  # of the demonstrator's table: 15 times what fields do
    data = json.loads(spec.model_dump_json())
    del data["variation"]["crosstalk_relative"]
    left_out = ChipSpec.model_validate(data)
    assert voltage_share(left_out) == field_share(spec) == pytest.approx(6.5e-5, rel=0.05)
    assert wire_share(spec) == pytest.approx(3.2e-4, rel=0.15)
    assert wire_share(altered(spec, chip={"rows": 32})) == 0.0


def test_of_two_rings_that_share_no_field_each_is_tuned_by_its_own_alone():
    shares = field_shares(load_profile("tfln600"), load_deck("tfln600"), Pair(20.0, 60.0, 5.4, 8.0), near_um=0.2)
    np.testing.assert_allclose(np.diag(shares), 1.0)
    assert 0.0 < abs(shares[1, 0]) < abs(shares[0, 1]) < 2e-4


def test_a_driver_too_weak_for_its_channels_is_refused(spec: ChipSpec, altered):
    strong = altered(spec, drive={"output_ohm": 1e5})
    assert strong.drive.output_ohm == 1e5
    told = r"drive.settle_us = 1: drivers of 1e\+06 Ω settle a channel of 229 fF to half a code in 2\.38 µs; raise"
    with pytest.raises(ValidationError, match=told):
        altered(spec, drive={"output_ohm": 1e6})
