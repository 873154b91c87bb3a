"""A user's own circuit of our ring, our splitter and gdsfactory's guides: routed, extracted, simulated as it lies."""

import gdsfactory as gf
import numpy as np
import pytest

from prism_photonics.circuit.models import device_models
from prism_photonics.layout.component_circuit import component_circuit
from prism_photonics.layout.pdk import PDK, make_pdk
from prism_photonics.process.profile import load_profile
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError

FILM = load_profile("tfln600")
WL = np.linspace(1.548, 1.552, 41)
GUIDE = device_models(FILM, loss_dB_cm=FILM.optics.loss_dB_cm.value)["guide"]


@pytest.fixture(autouse=True)
def active():
    PDK.activate(force=True)


def one_straight(turn_deg: float, **settings: object) -> gf.Component:
    top = gf.Component()
    guide = top.add_ref(gf.get_component("straight", **settings), name="guide")
    guide.drotate(turn_deg)
    top.add_port("o1", port=guide.ports["o1"])
    top.add_port("o2", port=guide.ports["o2"])
    return top


def transmission(component: gf.Component, a: str = "o1", b: str = "o2", **settings: object) -> np.ndarray:
    return np.asarray(component_circuit(component)(wl=WL, **settings)[a, b])


@pytest.mark.parametrize("settings", [{"length": 700.0}, {"length_um": 700.0}])
@pytest.mark.parametrize(("turn_deg", "axis"), [(0.0, "x_um"), (180.0, "x_um"), (90.0, "y_um"), (270.0, "y_um")])
def test_a_straight_has_the_index_of_its_own_direction(settings: dict[str, float], turn_deg: float, axis: str):
    want = np.asarray(GUIDE(wl=WL, **{axis: 700.0})["o1", "o2"])
    assert np.allclose(transmission(one_straight(turn_deg, **settings)), want, atol=1e-12)
    other = "y_um" if axis == "x_um" else "x_um"
    assert not np.allclose(want, np.asarray(GUIDE(wl=WL, **{other: 700.0})["o1", "o2"]), atol=0.1)


def mine() -> tuple[gf.Component, float, float, float]:
    """Ring, splitter and a route up to it; and its lengths along x, along y and round bends."""
    top = gf.Component()
    ring = top.add_ref(gf.get_component("ring"), name="ring")
    split = top.add_ref(gf.get_component("splitter"), name="split")
    split.dmove((600, 300))
    gf.routing.route_single(top, ring.ports["o2"], split.ports["o1"], cross_section="rib")
    for name, port in (("o1", ring.ports["o1"]), ("o2", split.ports["o2"]), ("drop", ring.ports["o3"])):
        top.add_port(name, port=port)
    lengths = {"x": 0.0, "y": 0.0, "bend": 0.0}
    for inst in top.insts:
        kind = inst.cell.function_name
        if kind == "straight":
            lengths["xyxy"[round(inst.dcplx_trans.angle / 90.0) % 4]] += float(inst.cell.settings["length"])
        elif kind == "bend_euler":
            lengths["bend"] += float(inst.cell.info["length"])
    return top, lengths["x"], lengths["y"], lengths["bend"]


def test_a_users_circuit_is_its_parts_one_after_the_other():
    top, x_um, y_um, bend_um = mine()
    assert min(x_um, y_um, bend_um) > 50.0
    for volts in (0.0, 8.0):
        ring = sax.sdict(PDK.models["ring"](wl=WL, volts_V=volts))
        split = sax.sdict(PDK.models["splitter"](wl=WL))
        way = GUIDE(wl=WL, x_um=x_um, y_um=y_um, bend_um=bend_um)["o1", "o2"]
        got = component_circuit(top)(wl=WL, ring={"volts_V": volts})
        assert np.allclose(got["o1", "o2"], ring["o1", "o2"] * way * split["o1", "o2"], atol=2e-3)
        assert np.allclose(got["o1", "drop"], ring["o1", "o3"], atol=1e-12)
    plain, _ = sax.circuit(top.get_netlist(on_dangling_port="ignore"), models=PDK.models)
    lying = np.asarray(sax.sdict(plain(wl=WL))["o1", "o2"])
    assert np.abs(lying - np.asarray(component_circuit(top)(wl=WL)["o1", "o2"])).max() > 0.1  # all taken as along x


def test_a_cell_of_ones_own_is_gone_through_and_turned_as_it_is_placed():
    inner = one_straight(0.0, length=300.0)
    top = gf.Component()
    first, second = top.add_ref(inner, name="first"), top.add_ref(inner, name="second")
    bend = top.add_ref(gf.get_component("bend_euler", cross_section="rib"), name="bend")
    bend.connect("o1", first.ports["o2"])
    second.connect("o1", bend.ports["o2"])
    top.add_port("o1", port=first.ports["o1"])
    top.add_port("o2", port=second.ports["o2"])
    want = GUIDE(wl=WL, x_um=300.0, y_um=300.0, bend_um=float(bend.cell.info["length"]))["o1", "o2"]
    assert np.allclose(transmission(top), want, atol=2e-3)


def test_a_ring_turned_by_half_a_turn_tunes_the_other_way_and_a_quarter_turn_is_refused():
    def placed(turn_deg: float) -> gf.Component:
        top = gf.Component()
        ring = top.add_ref(gf.get_component("ring"), name="ring")
        ring.drotate(turn_deg)
        for port in ("o1", "o2", "o3", "o4"):
            top.add_port(port, port=ring.ports[port])
        return top

    up, turned = (transmission(placed(turn), ring={"volts_V": volts}) for turn, volts in ((0.0, 6.0), (180.0, -6.0)))
    assert np.allclose(up, turned, atol=1e-12)
    assert not np.allclose(up, transmission(placed(180.0), ring={"volts_V": 6.0}), atol=1e-3)
    with pytest.raises(
        InputError, match=r"ring is a ring turned by 90°; its optics is known along layout x"
    ) as refusal:
        component_circuit(placed(90.0))
    assert "\n" not in str(refusal.value)


def test_what_a_model_does_not_take_is_refused_where_sax_drops_it():
    top = one_straight(0.0, length=50.0)
    circuit = component_circuit(top)
    with pytest.raises(InputError, match="unknown setting 'lenth'"):
        circuit(wl=WL, guide={"lenth": 60.0})
    with pytest.raises(InputError, match="unknown setting 'guid'"):
        circuit(wl=WL, guid={"length": 60.0})
    alien = gf.Component()
    cell = gf.Component("alien_guide", settings={"length": 20.0, "colour": 3.0})
    cell.function_name = "straight"
    for name, port in (("o1", top.ports["o1"]), ("o2", top.ports["o2"])):
        cell.add_port(name, port=port)
    placed = alien.add_ref(cell, name="guide")
    alien.add_port("o1", port=placed.ports["o1"])
    alien.add_port("o2", port=placed.ports["o2"])
    with pytest.raises(InputError, match="guide is a straight with the setting 'colour'"):
        component_circuit(alien)


def test_a_cell_without_a_model_and_a_slanted_one_are_refused_by_name():
    top = gf.Component()
    guide = top.add_ref(gf.components.taper(length=10.0, width2=3.0, cross_section="rib"), name="widening")
    top.add_port("o1", port=guide.ports["o1"])
    with pytest.raises(InputError, match="widening is a taper, which has no model"):
        component_circuit(top)
    with pytest.raises(InputError, match=r"guide \(straight\) is turned by 45°; .* turn by 90° steps"):
        component_circuit(one_straight(45.0, length=50.0))


def test_on_another_film_directions_are_that_films():
    pdk = make_pdk("lnoi400")
    pdk.activate()
    film = load_profile("lnoi400")
    guide = device_models(film, loss_dB_cm=film.optics.loss_dB_cm.value)["guide"]
    got = transmission(one_straight(90.0, length=700.0))
    assert np.allclose(got, guide(wl=WL, y_um=700.0)["o1", "o2"], atol=1e-12)


def series(*parts: gf.Component) -> gf.Component:
    top, ends = gf.Component(), []
    for part in parts:
        placed = top.add_ref(part)
        if ends:
            placed.connect("o1", ends[-1].ports["o2"])
        ends.append(placed)
    top.add_port("o1", port=ends[0].ports["o1"])
    top.add_port("o2", port=ends[-1].ports["o2"])
    return top


def test_gdsfactorys_interferometer_is_a_circuit_by_itself_or_placed():
    mzi = gf.components.mzi(delta_length=20.0)
    assert np.allclose(transmission(mzi), transmission(series(mzi)), atol=1e-12)


def test_two_cells_of_one_function_keep_their_own_settings():
    short, long = (gf.components.mzi(delta_length=length) for length in (20.0, 60.0))
    both = transmission(series(short, long))
    assert np.allclose(both, transmission(short) * transmission(long), atol=1e-12)
    assert not np.allclose(both, transmission(short) ** 2, atol=0.1)


def test_a_setting_is_simulated_to_its_last_digit():
    lossy = series(gf.get_component("edge_coupler", loss_dB=1.23456))
    assert 20.0 * np.log10(abs(transmission(lossy))) == pytest.approx(np.full(WL.shape, -1.23456), abs=1e-9)


def test_a_component_that_holds_nothing_is_refused():
    with pytest.raises(InputError, match="holds no instances; place it in a component of your own"):
        component_circuit(gf.get_component("straight", length_um=20.0))


def test_a_ring_wired_to_a_pad_is_simulated_as_the_ring_alone():
    def drawn(*, wired: bool) -> gf.Component:
        top = gf.Component()
        ring = top.add_ref(gf.get_component("ring"), name="ring")
        if wired:
            pad = top.add_ref(gf.get_component("bond_pad"), name="pad")
            pad.dmove((600, 300))
            gf.routing.route_single_electrical(top, ring.ports["e1"], pad.ports["e1"], cross_section="metal2")
        top.add_ports([port for port in ring.ports if port.port_type == "optical"])
        return top

    alone, wired = (transmission(drawn(wired=wired), ring={"volts_V": 2.0}) for wired in (False, True))
    assert np.array_equal(alone, wired)


def test_an_array_is_refused_by_name():
    top = gf.Component()
    row = top.add_ref(gf.get_component("straight", length=10.0), name="row", columns=3, rows=1, column_pitch=10.0)
    top.add_port("o1", port=row.ports["o1", 0, 0])
    with pytest.raises(InputError, match=r"row is an array of straight, .* place its parts one by one"):
        component_circuit(top)
