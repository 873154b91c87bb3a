"""Who is connected to whom, and every way in which two netlists can differ."""

from collections import Counter
from dataclasses import asdict, replace

import jax.numpy as jnp
import pytest

from prism_photonics.circuit.models import device_models
from prism_photonics.circuit.params import designed_bank
from prism_photonics.lightpath.ring.place import optical_lengths_um
from prism_photonics.lightpath.splitter.design import tree_levels
from prism_photonics.netlist import Instance, connect, from_spec
from prism_photonics.saxlib import sax
from prism_photonics.spec.geometry import bank_pitch_um, feed_lengths, tree_branches


@pytest.fixture(scope="module")
def netlist(demo):
    return from_spec(demo)


def leaves(netlist, cell=None):
    """How many of every device the whole hierarchy holds."""
    counts = Counter()
    for instance in netlist.cells[cell or netlist.top].instances.values():
        counts += (
            leaves(netlist, instance.component) if instance.component in netlist.cells else {instance.component: 1}
        )
    return counts


def with_cell(netlist, name, **changes):
    return replace(netlist, cells={**netlist.cells, name: replace(netlist.cells[name], **changes)})


def test_the_8x8_has_64_rings_7_splitters_and_8_detectors(netlist):
    assert leaves(netlist) == {
        "edge_coupler": 1,
        "splitter": 7,
        "branch": 14,
        "ring": 64,
        "uturn": 8,
        "straight": 8,
        "terminator": 8,
        "detector": 8,
    }


@pytest.mark.parametrize(("rows", "splitters"), [(1, 0), (2, 1), (4, 3), (16, 15)])
def test_a_tree_of_n_rows_has_one_splitter_less(demo, altered, rows, splitters):
    counts = leaves(from_spec(altered(demo, chip={"rows": rows})))
    assert (counts["splitter"], counts["detector"], counts["ring"]) == (splitters, rows, 8 * rows)


@pytest.mark.parametrize(("rows", "outputs"), [(3, 4), (5, 8), (12, 16), (31, 32)])
def test_outputs_of_a_tree_without_a_row_end_in_terminators(demo, altered, rows, outputs):
    spec = altered(demo, chip={"rows": rows})
    netlist = from_spec(spec)
    counts = leaves(netlist)
    # As many splitters on the way to every row, so that all get as much light; a row's drop bus has a terminator too.
    assert (counts["splitter"], counts["detector"]) == (outputs - 1, rows)
    assert counts["terminator"] == outputs - rows + rows
    assert {len(way) for way in tree_branches(spec)} == {tree_levels(rows)}
    tree = netlist.cells[netlist.top].instances["tree"].component
    assert tree == f"tree_{rows}_of_{outputs}"
    assert len(netlist.cells[tree].ports) == 1 + rows


def test_a_chip_of_one_bus_is_its_own_bank(netlist):
    assert netlist.banks == {"chip": "chip"}


def test_several_buses_are_banks_side_by_side_each_with_its_own_fibre(small, two_bus):
    one, two = from_spec(small), from_spec(two_bus)
    assert two.banks == {"bank_0": "bank", "bank_1": "bank"}
    bank, chip = two.cells["bank"], two.cells["chip"]
    alone = one.cells["chip"]
    assert set(bank.instances) == set(alone.instances) - {"coupler"}
    assert bank.connections == alone.connections - connect(("coupler,o2", "tree,o1"))
    assert chip.ports == {"o1": "coupler_0,o1", "o2": "coupler_1,o1"}
    assert connect(("coupler_1,o2", "lead_1,o1"), ("rise_1,o2", "bank_1,o1")) <= chip.connections
    # The second bank's light runs one bank further, and starts one fibre lower.
    lead, rise = (chip.instances[name].settings for name in ("lead_1", "rise_1"))
    first_lead, first_rise = (chip.instances[name].settings for name in ("lead_0", "rise_0"))
    assert lead["length_um"] - first_lead["length_um"] == bank_pitch_um(two_bus)
    assert rise["dy_um"] - first_rise["dy_um"] == pytest.approx(127.0)
    fed = {device: 2 * count for device, count in leaves(one).items()}
    assert leaves(two) == fed | {"branch": fed["branch"] + 2, "straight": fed["straight"] + 2}


def test_the_way_to_a_bank_is_as_long_in_the_optics_as_in_the_netlist(two_bus):
    chip = from_spec(two_bus).cells["chip"]
    feed = designed_bank(two_bus).feed.opl_um
    for b in (0, 1):
        lead, rise = (chip.instances[f"{part}_{b}"].settings for part in ("lead", "rise"))
        there = feed_lengths(two_bus, bus=b)
        assert there.x_um == lead["length_um"] + rise["dx_um"] - 2 * rise["radius_um"]
        assert there.y_um == rise["dy_um"] - 2 * rise["radius_um"]
    more = optical_lengths_um(two_bus.profile, feed_lengths(two_bus, bus=1))[0]
    more -= optical_lengths_um(two_bus.profile, feed_lengths(two_bus, bus=0))[0]
    assert (feed[:, 1] - feed[:, 0]).tolist() == pytest.approx([more] * two_bus.chip.rows)


def test_the_settings_of_a_ring_are_the_fields_of_its_design(demo, netlist):
    for c, design in enumerate(demo.ring_designs):
        assert netlist.cells["row"].instances[f"ring_{c}"] == Instance("ring", asdict(design))


def test_every_port_is_connected_at_most_once(netlist):
    for name, cell in netlist.cells.items():
        ends = [end for pair in cell.connections for end in pair] + list(cell.ports.values())
        assert Counter(ends).most_common(1)[0][1] == 1, name
        assert {end.partition(",")[0] for end in ends} == set(cell.instances), name


def test_a_netlist_does_not_differ_from_itself_made_again(demo, netlist):
    assert netlist.differences(from_spec(demo)) == []


def test_swapped_rows_are_found(netlist):
    chip = netlist.cells["chip"]
    swap = {"row_2,o1": "row_5,o1", "row_5,o1": "row_2,o1"}
    crossed = frozenset(frozenset(swap.get(end, end) for end in pair) for pair in chip.connections)
    found = netlist.differences(with_cell(netlist, "chip", connections=crossed))
    assert "chip: connection row_2,o1 – tree,o4 is missing" in found
    assert "chip: connection row_5,o1 – tree,o4 is added" in found
    assert len(found) == 4


def test_a_changed_setting_is_found_down_to_its_tolerance(netlist):
    row = netlist.cells["row"]
    ring = row.instances["ring_3"]

    def longer(by_um):
        other = replace(ring, settings={**ring.settings, "straight_um": ring.settings["straight_um"] + by_um})
        return with_cell(netlist, "row", instances={**row.instances, "ring_3": other})

    assert netlist.differences(longer(1e-10)) == []
    (found,) = netlist.differences(longer(0.001))
    assert found.startswith("row.ring_3.straight_um: ")
    assert netlist.differences(longer(0.001), tolerance_um=0.01) == []


def test_a_not_a_number_in_a_setting_is_a_difference(netlist):
    row = netlist.cells["row"]
    other = replace(row.instances["ring_3"], settings={**row.instances["ring_3"].settings, "radius_um": float("nan")})
    found = netlist.differences(with_cell(netlist, "row", instances={**row.instances, "ring_3": other}))
    assert len(found) == 1


def test_a_missing_and_an_added_instance_are_told_apart(netlist):
    row = netlist.cells["row"]
    fewer = {name: instance for name, instance in row.instances.items() if name != "terminator"}
    less = with_cell(netlist, "row", instances=fewer)
    assert netlist.differences(less) == ["row: instance terminator is missing"]
    assert less.differences(netlist) == ["row: instance terminator is added"]


def test_another_component_a_missing_setting_a_moved_port_and_a_missing_cell_are_found(netlist):
    row = netlist.cells["row"]
    ring = row.instances["ring_0"]
    instances = {**row.instances, "ring_0": replace(ring, component="disk")}
    assert netlist.differences(with_cell(netlist, "row", instances=instances)) == [
        "row.ring_0: component disk instead of ring"
    ]
    bare = replace(ring, settings={k: v for k, v in ring.settings.items() if k != "gap_drop_um"})
    (found,) = netlist.differences(with_cell(netlist, "row", instances={**row.instances, "ring_0": bare}))
    assert found.startswith("row.ring_0.gap_drop_um: None instead of")
    (found,) = netlist.differences(with_cell(netlist, "row", ports={**row.ports, "o2": "ring_6,o2"}))
    assert found == "row: port o2 is ring_6,o2 instead of ring_7,o2"
    fewer = replace(netlist, cells={name: cell for name, cell in netlist.cells.items() if name != "tree_2"})
    assert netlist.differences(fewer) == ["cell tree_2 is missing"]


def test_a_connection_has_no_direction():
    assert connect(("a,o1", "b,o2")) == connect(("b,o2", "a,o1"))


def detector(*, wl=1.55, port_pitch_um=1.0, width_um=1.0, length_um=1.0, hold_um=1.0):
    """A matched pair of photodiodes."""
    dark = jnp.zeros_like(jnp.asarray(wl), dtype=complex)
    return {("o1", "o1"): dark, ("o2", "o2"): dark}


def test_sax_accepts_the_row_and_the_whole_chip(small):
    netlist = from_spec(small)
    models = {**device_models(small.profile, loss_dB_cm=0.27), "detector": detector}
    row, _ = sax.circuit(netlist.to_sax("row"), models=models, backend="klu")
    assert {ports[0] for ports in sax.sdict(row(wl=1.55))} == {"o1", "o2", "o3"}
    chip, info = sax.circuit(netlist.to_sax(), models=models, backend="klu")
    assert next(iter(netlist.to_sax())) == "chip"
    assert set(sax.sdict(chip(wl=1.55))) == {("o1", "o1")}
    assert set(info.dag.nodes) >= {"chip", "row", "tree_2", "ring", "splitter"}
