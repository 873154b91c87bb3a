"""The chip simulated cell by cell from its netlist is the chip of the row solver."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.circuit.params import designed_bank
from prism_photonics.circuit.row import bank_fields
from prism_photonics.circuit.saxrow import max_field_error
from prism_photonics.layout.simulate import drawn_fields
from prism_photonics.netlist import from_spec
from prism_photonics.units import InputError


@pytest.fixture(scope="module")
def shift_pm(demo):
    return np.random.default_rng(11).normal(0.0, 50.0, (demo.chip.rows, demo.chip.channels))


@pytest.fixture(scope="module")
def designed(demo, shift_pm):
    bank = designed_bank(demo)
    bank = eqx.tree_at(lambda b: b.rings.offset_pm, bank, jnp.asarray(shift_pm).reshape(bank.shape))
    return eqx.filter_jit(bank_fields)(bank, bank.wl_um, jnp.zeros(shift_pm.shape))


def simulate(spec, netlist, shift_pm):
    wl = np.asarray(spec.comb_design.wl_um)
    return drawn_fields(netlist, spec.profile, loss_dB_cm=spec.waveguide.loss_dB_cm, wl=wl, shift_pm=shift_pm)


def with_longer_ring(netlist, *, ring, by_um):
    row = netlist.cells["row"]
    old = row.instances[ring]
    longer = replace(old, settings={**old.settings, "straight_um": old.settings["straight_um"] + by_um})
    cell = replace(row, instances={**row.instances, ring: longer})
    return replace(netlist, cells={**netlist.cells, "row": cell})


def test_the_netlist_of_the_8x8_gives_the_designs_complex_fields(demo, shift_pm, designed):
    drawn = simulate(demo, from_spec(demo), shift_pm)
    assert drawn.through.shape == (8, 1, 8)
    assert max_field_error(designed, drawn) < 1e-9
    assert np.abs(drawn.drop).max() > 0.05


def test_two_nanometres_more_on_one_ring_are_seen(demo, shift_pm, designed):
    mutant = with_longer_ring(from_spec(demo), ring="ring_3", by_um=0.002)
    assert max_field_error(designed, simulate(demo, mutant, shift_pm)) > 1e-5


def test_a_row_whose_detector_was_forgotten_is_refused(tiny):
    netlist = from_spec(tiny)
    chip = netlist.cells["chip"]
    lost = frozenset(("row_1,o2", "detector_1,o1"))
    broken = replace(netlist, cells={**netlist.cells, "chip": replace(chip, connections=chip.connections - {lost})})
    with pytest.raises(InputError, match="detector_1,o1 is not connected"):
        simulate(tiny, broken, np.zeros((tiny.chip.rows, tiny.chip.channels)))


def test_guides_of_two_rows_on_one_detector_are_refused(tiny):
    netlist = from_spec(tiny)
    chip = netlist.cells["chip"]
    swap = {"row_0,o3": "row_1,o3", "row_1,o3": "row_0,o3"}
    crossed = frozenset(frozenset(swap.get(end, end) for end in pair) for pair in chip.connections)
    broken = replace(netlist, cells={**netlist.cells, "chip": replace(chip, connections=crossed)})
    with pytest.raises(InputError, match="detector_0 is fed by row_0 and row_1"):
        simulate(tiny, broken, np.zeros((tiny.chip.rows, tiny.chip.channels)))


@pytest.fixture(scope="module")
def two_bus_shift_pm(two_bus):
    return np.random.default_rng(12).normal(0.0, 50.0, (two_bus.chip.rows, two_bus.chip.rings))


def test_the_netlist_of_two_banks_gives_the_designs_complex_fields_bus_by_bus(two_bus, two_bus_shift_pm):
    bank = designed_bank(two_bus)
    shifted = eqx.tree_at(lambda b: b.rings.offset_pm, bank, jnp.asarray(two_bus_shift_pm).reshape(bank.shape))
    designed = eqx.filter_jit(bank_fields)(shifted, bank.wl_um, jnp.zeros(two_bus_shift_pm.shape))
    drawn = simulate(two_bus, from_spec(two_bus), two_bus_shift_pm)
    assert drawn.through.shape == designed.through.shape == (two_bus.chip.rows, 2, two_bus.chip.channels)
    assert max_field_error(designed, drawn) < 1e-9
    # The buses are not alike: an exchange of them would be seen.
    assert np.abs(drawn.through[:, 0] - drawn.through[:, 1]).max() > 0.01
