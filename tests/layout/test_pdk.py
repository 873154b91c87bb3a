"""The PDK as a gdsfactory user meets it: activate it, place our cells, simulate them, look at them in KLayout."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import gdsfactory as gf
import kfactory as kf
import klayout.db as kdb
import klayout.lay as lay
import pytest

from prism_photonics.layout.devices import DEVICES
from prism_photonics.layout.drc_script import lydrc
from prism_photonics.layout.pdk import PDK, make_pdk, write_technology
from prism_photonics.layout.views import VIEWS, lyp
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.process.layers import LAYERS, load_deck, parse_deck
from prism_photonics.process.profile import profile_names
from prism_photonics.saxlib import sax

RULES = Path(__file__).parents[2] / "prism_photonics" / "process" / "rules" / "tfln600.toml"


@pytest.fixture(autouse=True)
def active():
    PDK.activate()
    return PDK


def test_every_device_is_a_cell_with_a_model_of_the_same_settings(active: gf.Pdk):
    assert active.name == "tfln600"
    parts = {"racetrack", "heated_ring", "facet_coupler", "bond_pad", "bump_pad", "row", "tree", "circuit"}
    routed = {"bend_euler", "bend_circular", "taper", "wire_corner", "mmi1x2"}  # what gdsfactory's routers ask for
    assert set(active.cells) == set(DEVICES) | parts | routed
    for name, (design, _) in DEVICES.items():
        assert gf.get_component(name).function_name == name
        settings = sax.get_settings(active.models[name])
        assert {field.name for field in fields(design)} <= set(settings), name


def test_a_cell_takes_the_fields_of_its_design_and_nothing_else():
    assert gf.get_component("ring", radius_um=25.0).settings["radius_um"] == 25.0
    with pytest.raises(TypeError, match="radius"):
        gf.get_component("ring", radius=25.0)


def test_rings_of_other_shapes_pad_and_bump_have_names_of_their_own():
    assert gf.get_component("racetrack").settings["arm_um"] == 60.0
    assert gf.get_component("racetrack", arm_um=80.0).settings["arm_um"] == 80.0
    heated = gf.get_component("heated_ring")
    assert {port.name for port in heated.ports} >= {"e1", "e2", "e3", "e4"}
    for name, layer in (("bond_pad", LAYERS.opening), ("bump_pad", LAYERS.bump)):
        pad = gf.get_component(name)
        shapes = kdb.Region(pad.kdb_cell.begin_shapes_rec(pad.kcl.layer(*layer)))
        assert shapes.merged().count() == 1
        assert shapes.bbox().center() == kdb.Point(0, 0)


def test_a_specs_row_tree_and_circuit_are_cells_too(layouts: Path, files: LayoutFiles):
    chip = kdb.Layout()
    chip.read(str(files.gds))
    spec = layouts / "demo_8x8" / "spec.toml"
    for part, name in (("row", "row"), ("tree", "tree_8")):
        cell = gf.get_component(part, spec=spec)
        assert gf.get_component(part, spec=spec).name == cell.name
        for layer in (LAYERS.ridge, LAYERS.metal1):
            ours = kdb.Region(cell.kdb_cell.begin_shapes_rec(cell.kcl.layer(*layer)))
            assert (ours ^ kdb.Region(chip.cell(name).begin_shapes_rec(chip.layer(*layer)))).is_empty()
    assert len(gf.get_component("tree", spec=spec).ports) == 9
    circuit = gf.get_component("circuit", spec=spec)
    islands = kdb.Region(circuit.kdb_cell.begin_shapes_rec(circuit.kcl.layer(*LAYERS.ridge))).merged()
    assert islands.count() == 1 + 8 + 64


def test_our_cells_join_gdsfactory_cells_and_simulate_from_the_netlist(active: gf.Pdk):
    top = gf.Component("row_of_a_user")
    first = top.add_ref(gf.get_component("ring"), name="first")
    second = top.add_ref(gf.get_component("ring", straight_um=0.6), name="second")
    second.connect("o1", first.ports["o2"])
    for name, port in (("o1", first.ports["o1"]), ("o2", second.ports["o2"]), ("o3", first.ports["o3"])):
        top.add_port(name, port=port)
    bend = gf.components.bend_circular(cross_section="strip")
    assert bend.ports["o1"].width == pytest.approx(1.4)
    netlist = top.get_netlist(on_dangling_port="ignore")
    circuit, _ = sax.circuit(netlist, models={"ring": active.models["ring"]})
    s = sax.sdict(circuit(wl=1.55))
    power = abs(s["o1", "o2"]) ** 2 + abs(s["o1", "o3"]) ** 2
    assert 0.5 < float(power) <= 1.0


def test_bends_below_the_films_least_radius_are_refused():
    with pytest.raises(ValueError, match="radius"):
        gf.components.bend_circular(radius=5.0, cross_section="rib")


def test_every_layer_has_a_look_and_the_lyp_file_names_them_all(active: gf.Pdk):
    assert {view.layer for view in VIEWS} == {name for name, _ in LAYERS.items()}
    root = ElementTree.fromstring(lyp())
    sources = {entry.findtext("source") for entry in root.iter("properties")}
    assert sources == {f"{layer}/{datatype}@1 #*" for _, (layer, datatype) in LAYERS.items()}
    assert set(active.get_layer_views().get_layer_views()) == {name for name, _ in LAYERS.items()}


def test_no_hatching_lies_under_a_kits_die_whose_zone_it_all_is():
    root = ElementTree.fromstring(lyp(load_deck("lnoi400")))
    looks = {
        str(entry.findtext("name")).split()[0]: entry.findtext("dither-pattern") for entry in root.iter("properties")
    }
    assert looks["exclusion"] == looks["contour"] == "I1"  # KLayout's hollow stipple
    assert looks["ridge"] == looks["labels"] == "I0"


def test_no_layer_of_any_deck_makes_a_gate_whose_oxide_an_antenna_could_break():
    # What the layout page says in place of an antenna rule. A new layer has to be looked at here.
    known = {view.layer for view in VIEWS}
    for film in profile_names():
        assert {name for name, _ in load_deck(film).layers.items()} == known
    assert not {layer for layer in known if re.search("gate|poly|active|diffusion", layer)}


@pytest.mark.parametrize("upper", ["ridge", "heater", "metal1", "metal2", "via", "opening", "bump"])
def test_klayout_shows_what_lies_on_the_slab(upper: str, tmp_path: Path):
    layout = kdb.Layout()
    top = layout.create_cell("chip")
    top.shapes(layout.layer(*LAYERS.slab)).insert(kdb.DBox(0, 0, 100, 100))
    top.shapes(layout.layer(*getattr(LAYERS, upper))).insert(kdb.DBox(20, 20, 80, 80))
    layout.write(str(tmp_path / "chip.gds"))
    (tmp_path / "chip.lyp").write_text(lyp(), encoding="utf-8")
    view = lay.LayoutView()
    view.load_layout(str(tmp_path / "chip.gds"))
    view.load_layer_props(str(tmp_path / "chip.lyp"))
    view.max_hier()
    pixels = view.get_pixels_with_options(100, 100, 0, 0, 1.0, kdb.DBox(0, 0, 100, 100))
    seen = {pixels.pixel(x, y) & 0xFFFFFF for x in range(40, 60) for y in range(40, 60)}  # some fills are dotted
    slab = int(next(view.fill for view in VIEWS if view.layer == "slab").removeprefix("#"), 16)
    assert seen != {slab}
    assert {pixels.pixel(x, 5) & 0xFFFFFF for x in range(10, 90)} == {slab}


def test_a_ring_stands_in_three_dimensions_as_high_as_the_stack(active: gf.Pdk):
    scene = gf.get_component("ring").to_3d()
    low, high = scene.bounds
    stack = load_deck().stack
    assert high[2] - low[2] == pytest.approx(stack["metal2"].bottom_um + stack["metal2"].thickness_um, abs=0.01)


def test_a_pdk_that_is_activated_again_finds_its_layers_where_they_are_now():
    """Another PDK took the places of layers that held nothing; what it drew there was read as the first one's."""
    text = RULES.read_text(encoding="utf-8")

    def numbered(name: str, first: int) -> gf.Pdk:
        moved = re.sub(r"^(\w+ = )\[(\d+), (\d+)\]", lambda m: f"{m[1]}[{first + int(m[2])}, {m[3]}]", text, flags=re.M)
        return make_pdk(deck=parse_deck(moved.replace('name = "tfln600"', f'name = "{name}"'), where="test"))

    first = numbered("first", 300)
    first.activate()
    PDK.activate()
    second = numbered("second", 400)
    second.activate()
    gf.get_component("ring")
    first.activate()
    for layer in cast(Any, first.layers):
        found = gf.kcl.layout.get_info(int(layer))
        assert (found.layer, found.datatype) == (layer.layer, layer.datatype)
    stack = load_deck().stack["metal2"]
    assert gf.get_component("ring").to_3d().bounds[1][2] == pytest.approx(stack.bottom_um + stack.thickness_um)


def test_klayout_reads_the_technology_folder(tmp_path: Path):
    write_technology(tmp_path / "tfln600")
    technology = kdb.Technology()
    technology.load(str(tmp_path / "tfln600" / "tech.lyt"))
    assert technology.name == "tfln600"
    assert technology.eff_layer_properties_file() == str(tmp_path / "tfln600" / "layers.lyp")
    assert sorted(path.name for path in (tmp_path / "tfln600").iterdir()) == ["drc", "layers.lyp", "tech.lyt"]
    assert (tmp_path / "tfln600" / "drc" / "tfln600.lydrc").read_text(encoding="utf-8") == lydrc(load_deck())


def test_a_foundrys_deck_moves_the_cells_to_its_layers():
    text = RULES.read_text(encoding="utf-8").replace("ridge = [2, 0]", "ridge = [102, 7]")
    foundry = parse_deck(text.replace('name = "tfln600"', 'name = "foundry"'), where="test")
    pdk = make_pdk(deck=foundry)
    pdk.activate()
    cell = gf.get_component("ring")
    ours = kf.KCLayout("ours_beside_a_foundry")
    design, draw = DEVICES["ring"]
    drawn = draw(design(**{key: float(value) for key, value in cell.settings.model_dump().items()}), kcl=ours)
    moved = kdb.Region(cell.kdb_cell.begin_shapes_rec(gf.kcl.layer(102, 7)))
    assert (moved ^ kdb.Region(drawn.kdb_cell.begin_shapes_rec(ours.layer(2, 0)))).is_empty()
    assert kdb.Region(cell.kdb_cell.begin_shapes_rec(gf.kcl.layer(2, 0))).is_empty()
    assert {port.name for port in cell.ports} == {port.name for port in drawn.ports}
