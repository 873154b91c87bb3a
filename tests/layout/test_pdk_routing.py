"""Our cells in a user's own layout: gdsfactory's routers and composite cells work once our PDK is active."""

import gdsfactory as gf
import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.circuit.params import ring_params
from prism_photonics.layout.pdk import PDK, make_pdk
from prism_photonics.layout.pdk_cells import VARIANTS
from prism_photonics.lightpath.defaults import default_settings
from prism_photonics.lightpath.ring.design import RingDesign
from prism_photonics.process.profile import load_profile
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError

FILM = load_profile("tfln600")


@pytest.fixture(autouse=True)
def active():
    PDK.activate(force=True)


def two_splitters(turn_deg: float = 0.0) -> tuple[gf.Component, gf.ComponentReference, gf.ComponentReference]:
    top = gf.Component()
    a = top.add_ref(gf.get_component("splitter"), name="a")
    b = top.add_ref(gf.get_component("splitter"), name="b")
    b.dmove((600, 300))
    b.drotate(turn_deg, (600, 300))
    return top, a, b


def power_dB(component: gf.Component, a: str, b: str) -> float:
    circuit, _ = sax.circuit(component.get_netlist(on_dangling_port="ignore"), models=PDK.models)
    return float(20.0 * np.log10(abs(complex(sax.sdict(circuit(wl=1.55))[a, b]))))


def test_a_single_route_joins_two_splitters_and_loses_what_its_length_does():
    top, a, b = two_splitters()
    length_cm = gf.routing.route_single(top, a.ports["o2"], b.ports["o1"], cross_section="rib").length * 1e-7
    top.add_port("o1", port=a.ports["o1"])
    top.add_port("o2", port=b.ports["o2"])
    placed = sorted(inst.cell.function_name for inst in top.insts)
    assert placed == ["bend_euler"] * 2 + ["splitter"] * 2 + ["straight"] * 2
    lost = 2.0 * (3.0103 + 0.2) + FILM.optics.loss_dB_cm.value * length_cm
    assert power_dB(top, "o1", "o2") == pytest.approx(-lost, abs=1e-3)


def test_a_bundle_joins_both_outputs_of_two_splitters_by_arms_of_one_length():
    top, a, b = two_splitters(180.0)
    ends = [a.ports["o2"], a.ports["o3"]], [b.ports["o3"], b.ports["o2"]]
    routes = gf.routing.route_bundle(top, *ends, cross_section="rib")
    top.add_port("o1", port=a.ports["o1"])
    top.add_port("o2", port=b.ports["o1"])
    assert len({route.length for route in routes}) == 1
    assert power_dB(top, "o1", "o2") == pytest.approx(-0.4, abs=0.05)  # the light comes together again


def test_gdsfactorys_interferometer_takes_our_splitter_by_name_or_by_default():
    named = gf.components.mzi(cross_section="rib", splitter="splitter")
    assert {inst.cell.function_name for inst in named.insts} == {"splitter", "bend_euler", "straight"}
    assert {inst.cell.function_name for inst in gf.components.mzi(cross_section="rib").insts} >= {"splitter"}
    assert power_dB(named, "o1", "o2") <= 0.0


def test_a_wire_joins_a_heater_ring_to_a_bond_pad():
    top = gf.Component()
    ring = top.add_ref(gf.get_component("heated_ring"), name="ring")
    pad = top.add_ref(gf.get_component("bond_pad"), name="pad")
    pad.dmove((400, 400))
    before = top.dbbox()
    gf.routing.route_single_electrical(top, ring.ports["e1"], pad.ports["e1"], cross_section="metal2")
    region = kdb.Region(top.kdb_cell.begin_shapes_rec(gf.kcl.layer(23, 0))).merged()
    ends = [kdb.Point(*(round(1000 * x) for x in at.ports["e1"].dcenter)) for at in (ring, pad)]
    joined = [metal for metal in region.each() if all(metal.inside(end) for end in ends)]
    assert before == top.dbbox()  # the wire stays between the two
    assert len(joined) == 1


def test_a_fibre_array_meets_the_guides_of_our_couplers_not_their_facets():
    chip = gf.routing.add_fiber_array(gf.get_component("splitter"), grating_coupler="edge_coupler", cross_section="rib")
    couplers = [inst for inst in chip.insts if inst.cell.function_name == "edge_coupler"]
    assert len(couplers) == 5  # three ports and a loopback
    facets, guides = ([inst.ports[end].dcenter for inst in couplers] for end in ("o2", "o1"))
    assert len({round(y, 3) for _, y in facets}) == 1  # on one line, all below the guides
    assert all(facet[1] < guide[1] for facet, guide in zip(facets, guides, strict=True))
    assert sorted(np.diff(sorted(x for x, _ in facets)).round(3)) == [127.0] * 4
    assert {round(inst.ports["o1"].width, 3) for inst in couplers} == {1.4}


@pytest.mark.parametrize("device", ["ring", *VARIANTS, "vernier"])
def test_a_ring_simulates_with_its_contact_exported_and_takes_volts(device: str):
    top = gf.Component()
    ring = top.add_ref(gf.get_component(device), name="ring")
    guide = top.add_ref(gf.get_component("straight", length=50.0), name="guide")
    guide.connect("o1", ring.ports["o2"])
    for name, port in (("o1", ring.ports["o1"]), ("o2", guide.ports["o2"]), ("e1", ring.ports["e1"])):
        top.add_port(name, port=port)
    circuit, _ = sax.circuit(top.get_netlist(on_dangling_port="ignore"), models=PDK.models)
    rest, driven = (sax.sdict(circuit(wl=1.55, ring={"volts_V": volts})) for volts in (0.0, 5.0))
    assert {end for pair in rest for end in pair} == {"o1", "o2", "e1"}
    assert abs(complex(rest["o1", "o2"])) <= 1.0
    assert complex(driven["o1", "o2"]) != complex(rest["o1", "o2"])


def test_volts_shift_a_ring_as_its_tuning_says_and_turned_round_the_other_way():
    model = PDK.models["ring"]
    wl = np.linspace(1.549, 1.551, 11)
    slope = _slope_pm_V()
    driven = sax.sdict(model(wl=wl, volts_V=4.0))["o1", "o2"]
    assert np.allclose(driven, sax.sdict(model(wl=wl, shift_pm=4.0 * slope))["o1", "o2"])
    turned = sax.sdict(model(wl=wl, volts_V=4.0, polarity=-1.0))["o1", "o2"]
    assert np.allclose(turned, sax.sdict(model(wl=wl, shift_pm=-4.0 * slope))["o1", "o2"])
    assert slope > 1.0


def _slope_pm_V() -> float:
    return float(ring_params(RingDesign(**default_settings(FILM)["ring"]), FILM, loss_dB_cm=0.27).slope_pm_V)


def test_a_voltage_on_electrodes_whose_tuning_is_not_known_is_refused():
    with pytest.raises(InputError, match=r"ring: volts_V is given, but .* electrode_gap_um = 5.4"):
        PDK.models["ring"](volts_V=3.0, electrode_gap_um=6.0)
    assert PDK.models["ring"](shift_pm=3.0, electrode_gap_um=6.0)


def test_the_circuit_of_a_spec_is_simulated_and_ends_dark(layouts):
    circuit = gf.get_component("circuit", spec=layouts / "demo_8x8" / "spec.toml")
    whole, _ = sax.circuit(circuit.get_netlist(recursive=True, on_dangling_port="ignore"), models=PDK.models)
    assert complex(sax.sdict(whole(wl=1.55))["o1", "o1"]) == 0.0


@pytest.mark.parametrize(
    ("model", "settings", "says"),
    [
        ("straight", {"length": 5.0, "length_um": 3.0}, "length is gdsfactory's, length_um is not; give length_um and"),
        ("straight", {"length_um": 3.0, "width": 1.4}, "width is gdsfactory's, length is not given"),
        ("straight", {"length": "5"}, "length = '5'; want a number"),
        ("straight", {"length": float("inf")}, "length = inf; want 0 or more"),
        ("bend_euler", {"radius": 0.0}, "radius = 0; want at least 15, the least radius of the film"),
        ("bend_euler", {"radius": 5.0}, "radius = 5; want at least 15"),
        ("bend_euler", {"radius": float("nan")}, "radius = nan; want at least 15"),
        ("bend_circular", {"radius": -30.0}, "radius = -30; want at least 15"),
        ("bend_circular", {"angle": 1000.0}, "angle = 1000; want above 0° and up to 360°"),
        ("bend_euler", {"angle": "90"}, "angle = '90'; want a number"),
        ("bend_euler", {"p": 2.0}, r"p = 2; want 0 \(an arc\) to 1 \(no arc\)"),
        ("ring", {"polarity": 5.0}, r"polarity = 5; want 1 \(as drawn\) or -1"),
        ("ring", {"volts_V": float("nan")}, "volts_V = nan; want a finite number"),
        ("vernier", {"shift1_pm": float("inf")}, "shift1_pm = inf; want a finite number"),
        ("ring", {"gap_through_um": "0.4"}, "gap_through_um = '0.4'; want a number"),
        ("splitter", {"excess_loss_dB": True}, "excess_loss_dB = True; want a number"),
    ],
)
def test_a_model_refuses_what_its_cell_would_not_draw_and_what_is_no_number(model: str, settings: dict, says: str):
    with pytest.raises(InputError, match=f"{model}: {says}") as refusal:
        PDK.models[model](**settings)
    assert "\n" not in str(refusal.value)


def test_a_bundle_of_wires_joins_heaters_to_pads():
    top = gf.Component()
    rings = [top.add_ref(gf.get_component("heated_ring")) for _ in range(3)]
    pads = [top.add_ref(gf.get_component("bond_pad")) for _ in range(3)]
    for n, (ring, pad) in enumerate(zip(rings, pads, strict=True)):
        ring.dmove((500.0 * n, 0.0))
        pad.dmove((500.0 * n + 40.0, 800.0))
    ends = [ring.ports["e3"] for ring in rings], [pad.ports["e4"] for pad in pads]
    routes = gf.routing.route_bundle_electrical(top, *ends, cross_section="metal2", auto_taper=False)
    assert len(routes) == 3


@pytest.mark.parametrize("section", ["metal1", "metal2", "heater"])
def test_a_metals_width_may_be_given(section: str):
    assert gf.get_cross_section(section, width=7.0).width == pytest.approx(7.0)


@pytest.mark.parametrize("wrong", ["wide", None, True])
def test_a_cells_size_that_is_no_number_is_refused(wrong: object):
    with pytest.raises(InputError, match=r"ring: radius_um = .*; want a number"):
        gf.get_component("ring", radius_um=wrong)


def test_a_part_of_another_films_chip_is_refused(layouts):
    cells = make_pdk("lnoi400").cells
    for part in ("row", "tree", "circuit"):
        with pytest.raises(
            InputError, match=r"a chip of tfln600, this PDK is of lnoi400; activate make_pdk\('tfln600'"
        ):
            cells[part](spec=layouts / "demo_8x8" / "spec.toml")


def test_every_cell_that_light_meets_has_a_model_under_its_own_name():
    dark = {"bond_pad", "bump_pad", "wire_corner"}
    foreign = {"taper", "mmi1x2"}  # gdsfactory's own: modes of other widths, and of its splitter, are not known
    lit = set(PDK.cells) - dark - foreign - {"circuit"}  # whose light all ends in photodiodes
    assert lit <= set(PDK.models)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_ring_of_another_shape_simulates_under_its_own_name_as_it_is_drawn(name: str):
    drawn = {key: value for key, value in gf.get_component(name).settings.model_dump().items() if value is not None}
    assert sax.get_settings(PDK.models[name]) == sax.get_settings(PDK.models["ring"]) | VARIANTS[name]
    ours, by_size = PDK.models[name](wl=1.5501), PDK.models["ring"](wl=1.5501, **drawn)
    for ports, field in ours.items():
        assert complex(field) == pytest.approx(complex(by_size[ports]), abs=1e-12)


def test_a_specs_row_has_a_model_that_is_its_netlist_and_takes_a_voltage_a_ring(layouts):
    from prism_photonics.layout.component_circuit import component_circuit

    spec, wl = layouts / "demo_8x8" / "spec.toml", np.linspace(1.5498, 1.5502, 5)
    volts = np.linspace(-8.0, 8.0, 8)
    model = sax.sdict(PDK.models["row"](wl=wl, spec=spec, volts_V=volts))
    top = gf.Component()
    row = top.add_ref(gf.get_component("row", spec=spec), name="row")
    for port in row.ports:
        top.add_port(port.name, port=port)
    circuit = component_circuit(top)
    names = ["ring", *(f"ring{n}" for n in range(2, 9))]  # as gdsfactory's netlist counts ring_0, ring_1, …
    drawn = sax.sdict(circuit(wl=wl, row={name: {"volts_V": float(v)} for name, v in zip(names, volts, strict=True)}))
    for ports in (("o1", "o2"), ("o1", "o3")):
        np.testing.assert_allclose(model[ports], drawn[ports], atol=1e-9)
    rest = sax.sdict(PDK.models["row"](wl=wl, spec=spec))
    assert np.abs(rest["o1", "o2"] - model["o1", "o2"]).max() > 1e-3


def test_a_specs_tree_has_a_model_that_halves_the_light_level_by_level(layouts):
    s = sax.sdict(PDK.models["tree"](wl=1.55, spec=layouts / "demo_8x8" / "spec.toml"))
    powers = [abs(complex(field)) ** 2 for (a, b), field in s.items() if a == "o1" and b != "o1"]
    assert len(powers) == 8
    assert all(1.0 / 8.0 * 10.0**-0.1 < power < 1.0 / 8.0 for power in powers)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "row: no spec; give spec"),
        ({"spec": "lnoi400_8x8"}, "a chip of lnoi400, this PDK is of tfln600"),
        ({"spec": "demo_8x8", "volts_V": np.zeros(3)}, r"row: volts_V of shape \(3,\); want one number or 8"),
    ],
)
def test_a_row_that_cannot_be_simulated_is_refused_in_one_line(settings, says):
    with pytest.raises(InputError, match=says):
        PDK.models["row"](wl=1.55, **settings)
