"""Defaults of cell, model and film are one table: a default cell simulates as itself and keeps its film's rules."""

from dataclasses import asdict

import gdsfactory as gf
import jax.numpy as jnp
import kfactory as kf
import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.circuit.models import device_models, required_settings
from prism_photonics.circuit.saxrow import strict_circuit
from prism_photonics.layout.devices import DEVICES
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.pdk import make_pdk
from prism_photonics.layout.pdk_cells import VARIANTS
from prism_photonics.lightpath.defaults import default_settings
from prism_photonics.lightpath.ring.design import OLDER
from prism_photonics.process.layers import Deck, load_deck
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.saxlib import sax
from prism_photonics.units import InputError

WL = jnp.linspace(1.549, 1.551, 7)
FILMS = profile_names()


@pytest.fixture(scope="module", params=FILMS)
def film(request: pytest.FixtureRequest) -> gf.Pdk:
    return make_pdk(request.param)


@pytest.mark.parametrize("device", [*DEVICES, *VARIANTS])
def test_a_default_cell_simulates_as_itself_on_every_film(film: gf.Pdk, device: str):
    film.activate(force=True)
    cell = gf.get_component(device)
    drawn = cell.settings.model_dump()
    name = cell.function_name
    model = film.models[name]
    said = sax.get_settings(model)
    if device not in VARIANTS:
        assert {field: said[field] for field in drawn} == pytest.approx(drawn)
    ours, fields = sax.sdict(model(wl=WL, **drawn)), sax.sdict(film.models[name](wl=WL, **VARIANTS.get(device, {})))
    assert all(np.array_equal(ours[pair], fields[pair]) for pair in ours)
    assert {port.name for port in cell.ports if port.port_type == "optical"} <= {end for pair in ours for end in pair}


@pytest.mark.parametrize("device", [*DEVICES, *VARIANTS])
def test_a_default_cell_keeps_its_films_rules(film: gf.Pdk, device: str):
    profile, deck = load_profile(film.name), load_deck(film.name)
    film.activate(force=True)
    cell = gf.get_component(device)
    widths = {round(port.width, 3) for port in cell.ports if port.port_type == "optical"}
    assert widths - {default_settings(profile)["edge_coupler"]["tip_um"]} == {profile.film.rib_width_um.value}
    drawn = cell.settings.model_dump()
    assert all(drawn[key] >= profile.film.min_bend_radius_um.value for key in drawn if key.startswith("radius"))
    assert all(drawn[key] > profile.least_gap_um for key in drawn if key.startswith("gap_"))
    # A leaf has no die round it: all rules but that of the die's border.
    layout = kdb.Layout()
    top = layout.create_cell("alone")
    for name, number in deck.layers.items():
        shapes = kdb.Region(cell.kdb_cell.begin_shapes_rec(cell.kcl.layer(*number)))
        top.shapes(layout.layer(*number)).insert(shapes)
        assert name != "ridge" or not shapes.is_empty()
    # Where a guide goes on, so does its slab.
    for port in kf.KCell(base=cell.base).ports:
        if port.port_type == "optical":
            half = port.width // 2 + 4000
            top.shapes(layout.layer(*deck.layers.slab)).insert(kdb.Box(-10, -half, 4000, half).transformed(port.trans))
    die = top.dbbox().enlarged(100.0, 100.0)
    top.shapes(layout.layer(*deck.layers.contour)).insert(die)
    broken = {name: count for name, count in run_drc(layout, deck=deck).counts.items() if count}
    assert broken == {}


def test_a_cell_is_one_in_cell_netlist_and_model_for_every_film(film: gf.Pdk):
    defaults = default_settings(load_profile(film.name))
    for device, (design, _) in DEVICES.items():
        assert asdict(design(**defaults[device])) == defaults[device]
        # Drawings from before ramps say nothing of them: their rings are of arcs.
        older = OLDER.keys() if device == "ring" else set()
        model = device_models(load_profile(film.name), loss_dB_cm=0.2)[device]
        assert required_settings(model) == defaults[device].keys() - older


def test_gdsfactorys_straight_is_simulated_with_its_own_length():
    pdk = make_pdk()
    pdk.activate(force=True)
    top = gf.Component()
    guide = top.add_ref(gf.get_component("straight", length=10_000.0), name="guide")
    top.add_port("o1", port=guide.ports["o1"])
    top.add_port("o2", port=guide.ports["o2"])
    circuit, _ = sax.circuit(top.get_netlist(), models=pdk.models)
    got = sax.sdict(circuit(wl=1.55))["o1", "o2"]
    ours = sax.sdict(pdk.models["straight"](wl=1.55, length_um=10_000.0))["o1", "o2"]
    assert complex(got) == pytest.approx(complex(ours))
    assert 10.0 * np.log10(abs(complex(got)) ** 2) == pytest.approx(-load_profile("tfln600").optics.loss_dB_cm.value)


def test_a_straight_is_ours_or_gdsfactorys_but_no_mixture():
    pdk = make_pdk()
    pdk.activate(force=True)
    assert gf.get_component("straight", length_um=12.0).settings["length_um"] == 12.0
    assert gf.get_component("straight", length=12.0).settings["length"] == 12.0
    with pytest.raises(InputError, match="length is gdsfactory's, length_um is not"):
        gf.get_component("straight", length=12.0, length_um=12.0)
    with pytest.raises(InputError, match=r"cross_section = 'metal1' is 4 µm wide; the mode is known for 1.4"):
        pdk.models["straight"](length=5.0, cross_section="metal1")


def netlist(component: str, settings: dict[str, object]) -> dict[str, object]:
    return {
        "instances": {"one": {"component": component, "settings": settings}},
        "connections": {},
        "ports": {"o1": "one,o1"},
    }


MODELS = device_models(load_profile("tfln600"), loss_dB_cm=0.2)


@pytest.mark.parametrize("component", [name for name in MODELS if name != "guide"])
def test_a_setting_that_a_model_does_not_take_is_an_error_that_names_both(component: str):
    full = dict(default_settings(load_profile("tfln600"))[component])
    with pytest.raises(InputError, match=rf"one is a {component} with the setting 'length'"):
        strict_circuit(netlist(component, {**full, "length": 10.0}), MODELS)
    with pytest.raises(InputError, match=rf"{component}: the model takes no setting 'length'"):
        MODELS[component](length=10.0)


@pytest.mark.parametrize("component", [name for name in MODELS if name != "guide"])
def test_a_device_left_to_defaults_is_an_error_that_names_both(component: str):
    full = dict(default_settings(load_profile("tfln600"))[component])
    left = sorted(full)[0]
    with pytest.raises(InputError, match=rf"one is a {component} without {left}; its model would take defaults"):
        strict_circuit(netlist(component, {k: v for k, v in full.items() if k != left}), MODELS)
    with pytest.raises(InputError, match=rf"one is a {component} without"):
        strict_circuit({"top": netlist(component, {})}, MODELS)


DEGENERATE = [
    ("straight", {"length_um": 0.0}), ("straight", {"length_um": -5.0}), ("straight", {"width_um": 0.0}),
    ("straight", {"length_um": float("nan")}), ("uturn", {"radius_um": 0.0}), ("uturn", {"radius_um": 5.0}),
    ("branch", {"dx_um": 0.0}), ("branch", {"dx_um": 40.0}), ("branch", {"dy_um": 10.0}), ("branch", {"dy_um": -10.0}),
    ("ring", {"straight_um": -1.0}), ("ring", {"radius_um": 0.5}), ("ring", {"gap_drop_um": -0.1}),
    ("ring", {"gap_through_um": 0.2}), ("ring", {"pitch_um": 20.0}), ("ring", {"arm_um": -1.0}),
    ("ring", {"heater_um": -1.0}), ("ring", {"electrode_gap_um": 1.5}), ("ring", {"electrode_width_um": 0.0}),
    ("ring", {"lobe_half_angle_deg": 0.0}), ("ring", {"lobe_half_angle_deg": 91.0}),
    ("vernier", {"radius2_um": 3.0}), ("vernier", {"gap_between_um": 0.0}), ("vernier", {"pitch_um": 30.0}),
    ("splitter", {"mmi_width_um": 1.0}), ("splitter", {"excess_loss_dB": -3.0}), ("splitter", {"port_pitch_um": 2.0}),
    ("splitter", {"mmi_length_um": 0.0}), ("edge_coupler", {"length_um": 0.0}), ("edge_coupler", {"tip_um": 2.0}),
    ("edge_coupler", {"loss_dB": -1.0}), ("terminator", {"length_um": -40.0}), ("terminator", {"tip_um": 0.0}),
    ("detector", {"length_um": -1.0}), ("detector", {"hold_um": 0.0}), ("photodiode", {"length_um": 0.0}),
    ("photodiode", {"hold_um": float("inf")}),
]  # fmt: skip


@pytest.mark.parametrize(("device", "sizes"), DEGENERATE)
def test_sizes_that_cannot_be_drawn_are_refused_by_cell_and_model_alike(device: str, sizes: dict[str, float]):
    pdk = make_pdk()
    pdk.activate(force=True)
    ((field, value),) = sizes.items()
    messages = []
    for make in (lambda: gf.get_component(device, **sizes), lambda: MODELS[device](**sizes)):
        with pytest.raises(InputError, match=rf"{device}: ") as refusal:
            make()
        assert "\n" not in str(refusal.value)
        messages.append(str(refusal.value))
    assert messages[0] == messages[1]
    assert field in messages[0]
    assert "nan" in messages[0] or f"{value:g}" in messages[0] or "dx_um" in messages[0] or "pitch" in messages[0]


def test_a_rib_of_another_width_is_drawn_but_has_no_model():
    pdk = make_pdk()
    pdk.activate(force=True)
    assert gf.get_component("straight", width_um=2.0).ports["o1"].width == pytest.approx(2.0)
    with pytest.raises(InputError, match=r"straight: width_um = 2; the mode of tfln600 is known for ribs of 1.4"):
        MODELS["straight"](width_um=2.0)


def test_no_device_gains_whatever_its_sizes():
    for loss in (0.0, 0.2, 3.0):
        s = sax.sdict(MODELS["splitter"](wl=1.55, excess_loss_dB=loss))
        assert sum(abs(complex(s["o1", port])) ** 2 for port in ("o2", "o3")) <= 1.0 + 1e-12


def test_a_cell_is_redrawn_when_its_deck_changes_under_its_old_name():
    deck = load_deck("lnoi400")
    moved = deck.model_copy(update={"layers": deck.layers.model_copy(update={"ridge": (77, 3)})})
    cells = [make_pdk("lnoi400", deck=one).cells["straight"](length_um=33.0) for one in (deck, moved)]
    assert cells[0].name != cells[1].name
    for cell, number in zip(cells, (deck.layers.ridge, (77, 3)), strict=True):
        assert not kdb.Region(cell.kdb_cell.begin_shapes_rec(kf.kcl.layer(*number))).is_empty()


def with_rule(deck: Deck, rule: str, value_um: float) -> Deck:
    changed = deck.rules[rule].model_copy(update={"value_um": value_um})
    return deck.model_copy(update={"rules": {**deck.rules, rule: changed}})


@pytest.mark.parametrize("name", FILMS)
def test_a_cell_is_redrawn_when_its_decks_rules_change_under_its_old_name(name: str):
    deck = load_deck(name)
    strict = with_rule(deck, "ridge_space", 0.62)
    cells = [make_pdk(name, deck=one).cells["straight"](length_um=34.0) for one in (deck, strict, deck)]
    assert cells[0].name == cells[2].name != cells[1].name
    # What is left to the defaults keeps the rules of the moment.
    rings = [make_pdk(name, deck=one).cells["ring"]() for one in (deck, strict)]
    gaps = [ring.settings["gap_through_um"] for ring in rings]
    assert gaps[1] == pytest.approx(0.62)
    assert deck.value_um("ridge_space") <= gaps[0] < 0.62
    assert rings[0].name != rings[1].name


@pytest.mark.parametrize(
    ("rule", "asked", "drawn"),
    [
        ("metal1_to_ridge", 2.6, 2.0),
        ("metal1_width", 2.5, 2.0),
        ("metal1_space", 2.1, 2.0),
        ("metal1_around_via", 0.6, 0.5),
        ("metal2_around_via", 0.6, 0.5),
        ("metal2_width", 4.5, 4.0),
        ("metal2_space", 4.5, 4.0),
    ],
)
@pytest.mark.parametrize("name", FILMS)
def test_a_deck_that_asks_more_of_a_rings_metal_than_is_drawn_is_refused_and_guides_are_drawn(
    name: str, rule: str, asked: float, drawn: float
):
    cells = make_pdk(name, deck=with_rule(load_deck(name), rule, asked)).cells
    want = f"rule {rule} of deck {name} asks for {asked:g} µm, its metal is drawn with {drawn:g} µm; draw"
    for device in ("ring", "heated_ring", "racetrack", "vernier"):
        with pytest.raises(InputError, match=want):
            cells[device]()
    assert cells["straight"](length_um=20.0).ports["o1"].width > 0.0


def test_gdsfactorys_own_cells_are_drawn_anew_for_another_film_and_stay_in_layouts_that_have_them():
    kept = gf.Component()
    for film in ("tfln600", "lnoi400", "tfln600"):
        make_pdk(film).activate()
        guide, bend = gf.components.straight(length=10.0, cross_section="rib"), gf.components.bend_euler()
        if not list(kept.insts):
            kept.add_ref(guide)
        profile = load_profile(film).film
        assert guide.ports["o1"].width == pytest.approx(profile.rib_width_um.value)
        assert bend.dbbox().width() > profile.min_bend_radius_um.value
        assert gf.get_component("straight", length=10.0).ports["o1"].width == pytest.approx(profile.rib_width_um.value)
    assert next(iter(kept.insts)).cell.dbbox().height() == pytest.approx(1.4 + 8.0)
    names = [cell.name for cell in gf.kcl.layout.each_cell() if "straight_L10_" in cell.name]
    assert len(names) == len(set(names))


def test_a_deck_that_changed_under_its_old_name_is_activated():
    deck = load_deck("lnoi400")
    make_pdk("lnoi400").activate()
    gf.components.straight(length=11.0, cross_section="rib")
    moved = deck.model_copy(update={"layers": deck.layers.model_copy(update={"ridge": (77, 3)})})
    make_pdk("lnoi400", deck=moved).activate()
    guide = gf.components.straight(length=11.0, cross_section="rib")
    assert not kdb.Region(guide.kdb_cell.begin_shapes_rec(gf.kcl.layer(77, 3))).is_empty()
    assert kdb.Region(guide.kdb_cell.begin_shapes_rec(gf.kcl.layer(*deck.layers.ridge))).is_empty()
