"""Resistance of wires and grounds by hand, and what it does to a driver."""

import csv
import io
import math

import pytest

from prism_photonics.layout.electrical import RESISTIVITY_OHM_UM, Wiring, wiring
from prism_photonics.layout.flipchip import RAIL_UM
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.process.layers import load_deck
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.channels import channel
from prism_photonics.units import InputError

DECK = load_deck("tfln600")
SHEET = RESISTIVITY_OHM_UM["Au"] / 1.0


@pytest.fixture(scope="module")
def found(files: LayoutFiles, spec: ChipSpec) -> Wiring:
    lines = [line for line in csv.DictReader(io.StringIO(files.manifest.read_text(encoding="utf-8"))) if line["pad"]]
    rings = {line["pad"]: (float(line["x_um"]), float(line["y_um"])) for line in lines if line["kind"] == "ring"}
    pads = {line["pad"]: (float(line["pad_x_um"]), float(line["pad_y_um"])) for line in lines}
    return wiring(spec, DECK, rings, pads)


def test_the_farthest_wire_is_as_many_squares_as_it_is_long(found: Wiring):
    # From row 3's ring in the last column to the southern pads: 1.7 mm of 6 µm.
    assert found.signal_ohm == pytest.approx(SHEET * 1700.0 / 6.0, rel=0.05)
    ohm, farad = found.signal_ohm + found.electrodes_ohm, found.channel_fF * 1e-15
    assert found.electrodes_ohm < 0.02 * found.signal_ohm
    assert found.bandwidth_Hz == pytest.approx(1.0 / (2.0 * math.pi * ohm * farad))
    # Half a code of 14 bits is left after ln 2^15 time constants.
    assert found.settling_s == pytest.approx(15.0 * math.log(2.0) * ohm * farad)


def test_the_farthest_channel_has_the_capacitance_of_its_own_wire(found: Wiring, spec: ChipSpec):
    parts = channel(spec)
    assert found.channel_fF == pytest.approx(parts.all_fF.max(), rel=0.03)
    # Of a wire's capacitance under a quarter is its neighbour's; electrodes, strap and pad have none of it.
    assert 0.1 < found.neighbour_share < 0.23


def test_a_driver_that_just_settles_has_the_whole_time_for_itself(found: Wiring):
    assert found.driver_ohm * found.channel_fF * 1e-15 * 15.0 * math.log(2.0) == pytest.approx(1e-6)


def test_a_columns_ground_has_two_ways_out_side_by_side(found: Wiring):
    # Some 1.7 mm of 10 µm to either edge from the middle of the rows.
    assert found.ground_ohm == pytest.approx(0.5 * SHEET * 1700.0 / 10.0, rel=0.05)
    assert found.rings == 8
    assert found.bounce_V == pytest.approx(8 * found.channel_fF * 1e-15 * 40.0 / 1e-6 * found.ground_ohm)


def test_a_flipped_rows_ground_is_its_rail(spec: ChipSpec, altered):
    flipped = altered(spec, chip={"rows": 32})
    found = wiring(flipped, DECK, {}, {})
    assert found.ground_ohm == pytest.approx(SHEET * 8 * spec.ring.pitch_um / RAIL_UM)
    assert found.rings == 8


def test_metal_of_unknown_resistivity_is_refused(spec: ChipSpec):
    metal = DECK.stack["metal2"].model_copy(update={"material": "unobtainium"})
    strange = DECK.model_copy(update={"stack": {**DECK.stack, "metal2": metal}})
    with pytest.raises(InputError, match="'unobtainium': no resistivity is known; want one of Au, Al, Cu"):
        wiring(spec, strange, {}, {})


def test_a_number_of_the_spec_takes_the_place_of_the_drawn_metals(spec: ChipSpec, altered):
    flipped = altered(spec, chip={"rows": 32})
    drawn, given = (wiring(chip, DECK, {}, {}) for chip in (flipped, altered(flipped, system={"ring_fF": 300.0})))
    assert given.channel_fF == 300.0
    assert drawn.channel_fF < 60.0
    assert given.driver_ohm == pytest.approx(drawn.driver_ohm * drawn.channel_fF / 300.0)
