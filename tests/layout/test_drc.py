"""Every drawing rule is checked: one drawing per rule that breaks it and no other of its kind."""

from pathlib import Path
from xml.etree import ElementTree

import klayout.db as kdb
import pytest

from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.process.layers import Layers, deck_names, load_deck, parse_deck, read_deck
from prism_photonics.units import InputError

DECK = load_deck()
NUMBERS = dict(DECK.layers.items())


def drawing(*shapes: tuple[str, kdb.DPolygon | kdb.DBox], dbu: float = 0.001) -> kdb.Layout:
    layout = kdb.Layout()
    layout.dbu = dbu
    top = layout.create_cell("chip")
    # Two levels, so that rules across cells are put to the test.
    leaf = layout.create_cell("leaf")
    top.insert(kdb.DCellInstArray(leaf.cell_index(), kdb.DTrans(kdb.DVector(3.0, 5.0))))
    for n, (layer, shape) in enumerate(shapes):
        polygon = shape if isinstance(shape, kdb.DPolygon) else kdb.DPolygon(shape)
        owner, moved = (top, polygon) if n % 2 else (leaf, polygon.moved(-3.0, -5.0))
        owner.shapes(layout.layer(*NUMBERS[layer])).insert(moved)
    return layout


def box(x0: float, y0: float, x1: float, y1: float) -> kdb.DBox:
    return kdb.DBox(x0, y0, x1, y1)


DIE = ("contour", box(-500, -500, 500, 500))
WEDGE = kdb.DPolygon([kdb.DPoint(0, 0), kdb.DPoint(40, 30), kdb.DPoint(40, 0)])
NOTCHED = kdb.DPolygon([kdb.DPoint(*p) for p in ((0, 0), (0, 60), (60, 60), (20, 30), (60, 0))])
SLAB = ("slab", box(-50, -50, 150, 150))
M2 = ("metal2", box(0, 0, 40, 40))
M1_WIDE = ("metal1", box(-5, -5, 40, 40))
SOUND_DIODE = {
    "attach": box(-20, -20, 80, 60),
    "window": box(-5, -10, 70, 30),
    "ridge": box(0, 4, 40, 11),
    "mesa_n": box(0, 0, 40, 20),
    "mesa_p": box(5, 5, 35, 10),
    "contact_n": box(5, 12, 35, 18),
    "contact_p": box(6, 6, 25, 9),
    "n_via": box(26, 14, 30, 16),
    "p_via": box(10, 6.75, 20, 8.25),
    "n_metal2": box(25, 11, 40, 20),
    "p_metal2": box(8, 5.5, 21, 9.5),
}


def diode(*more: tuple[str, kdb.DBox], **other: kdb.DBox) -> list[tuple[str, kdb.DBox]]:
    """A photodiode that keeps all rules, but for what is drawn otherwise and more."""
    names = {"p2": "mesa_p", "n_via": "contact_via", "p_via": "contact_via", "n_metal2": "metal2", "p_metal2": "metal2"}
    return [DIE, SLAB, *((names.get(part, part), at) for part, at in (SOUND_DIODE | other).items()), *more]


BROKEN = {
    "ridge_width": [SLAB, ("ridge", box(0, 0, 140, 0.199))],
    "ridge_space": [SLAB, ("ridge", box(0, 0, 100, 1)), ("ridge", box(0, 1.389, 100, 3))],
    "slab_width": [("slab", box(0, 0, 100, 0.999))],
    "slab_space": [("slab", box(0, 0, 100, 5)), ("slab", box(0, 5.999, 100, 10))],
    "metal1_width": [DIE, ("metal1", box(0, 0, 1.999, 50))],
    "metal1_space": [DIE, ("metal1", box(0, 0, 10, 50)), ("metal1", box(11.999, 0, 20, 50))],
    "metal2_width": [DIE, ("metal2", box(0, 0, 2.999, 50))],
    "metal2_space": [DIE, ("metal2", box(0, 0, 10, 50)), ("metal2", box(12.999, 0, 20, 50))],
    "heater_width": [("heater", box(0, 0, 0.999, 50))],
    "heater_space": [("heater", box(0, 0, 10, 50)), ("heater", box(11.999, 0, 20, 50))],
    "via_width": [DIE, M1_WIDE, M2, ("via", box(5, 5, 6.999, 10))],
    "via_space": [DIE, M1_WIDE, M2, ("via", box(5, 5, 10, 10)), ("via", box(11.999, 5, 15, 10))],
    "opening_width": [DIE, M2, ("opening", box(5, 5, 24.999, 35))],
    "opening_space": [
        DIE,
        ("metal2", box(0, 0, 90, 40)),
        ("opening", box(5, 5, 30, 35)),
        ("opening", box(39.999, 5, 70, 35)),
    ],
    "bump_width": [DIE, M2, ("bump", box(5, 5, 22.999, 35))],
    "bump_to_ridge": [DIE, SLAB, M2, ("bump", box(5, 5, 35, 35)), ("ridge", box(0, 38.997, 100, 41))],
    "bump_on_ridge": [DIE, SLAB, M2, ("bump", box(5, 5, 35, 35)), ("ridge", box(0, 18, 100, 20))],
    "opening_to_ridge": [DIE, SLAB, M2, ("opening", box(5, 5, 35, 35)), ("ridge", box(0, 54.997, 100, 57))],
    "opening_on_ridge": [DIE, SLAB, M2, ("opening", box(5, 5, 35, 35)), ("ridge", box(0, 18, 100, 20))],
    "bump_space": [DIE, ("metal2", box(-2, -2, 90, 40)), ("bump", box(0, 0, 20, 20)), ("bump", box(39.999, 0, 60, 20))],
    "metal1_to_ridge": [DIE, SLAB, ("ridge", box(0, 0, 100, 1)), ("metal1", box(0, 2.997, 100, 10))],
    "metal1_on_ridge": [DIE, SLAB, ("ridge", box(0, 0, 100, 1)), ("metal1", box(10, -10, 20, 10))],
    "metal1_around_via": [
        DIE,
        ("metal2", box(-9, 0, 40, 40)),
        ("metal1", box(0, 0, 20, 20)),
        ("via", box(0.499, 5, 10, 10)),
    ],
    "metal2_around_via": [DIE, ("metal1", box(-5, -5, 40, 40)), M2, ("via", box(0.499, 5, 10, 10))],
    "metal2_around_bump": [DIE, M2, ("bump", box(0.999, 5, 21, 25))],
    "metal2_around_opening": [DIE, M2, ("opening", box(0.999, 5, 21, 25))],
    "slab_around_ridge": [("slab", box(0, 0, 100, 20)), ("ridge", box(2.999, 5, 50, 6))],
    "metal1_in_die": [DIE, ("metal1", box(0, 0, 470.001, 50))],
    "metal2_in_die": [DIE, ("metal2", box(600, 0, 620, 50))],
    "ridge_corner": [SLAB, ("ridge", WEDGE)],
    "slab_corner": [("slab", NOTCHED)],
    "heater_corner": [("heater", WEDGE)],
    "metal1_corner": [DIE, ("metal1", WEDGE)],
    "metal2_corner": [DIE, ("metal2", NOTCHED)],
    "ridge_area": [SLAB, ("ridge", box(0, 0, 4, 4.99))],
    "slab_area": [("slab", box(0, 0, 4, 4.99))],
    "metal1_area": [DIE, ("metal1", box(0, 0, 4, 4.99))],
    "metal2_area": [DIE, ("metal2", box(0, 0, 4, 4.99))],
    "window_width": diode(("window", box(-5, 40, 4.999, 53))),
    "window_space": diode(("window", box(-5, 30.999, 70, 41))),
    "attach_around_window": diode(window=box(-15.001, -10, 70, 30)),
    "metal1_to_attach": diode(("metal1", box(81.997, -20, 90, 60))),
    "metal1_on_attach": diode(("metal1", box(70, 45, 90, 55))),
    "bump_on_attach": diode(("metal2", box(60, 35, 100, 58)), ("bump", box(65, 36.5, 85, 56.5))),
    "window_around_mesa_n": diode(window=box(-2.999, -10, 70, 30)),
    "mesa_n_width": diode(("mesa_n", box(50, 0, 54.999, 20))),
    "mesa_n_space": diode(("mesa_n", box(0, 21.999, 40, 27))),
    "mesa_n_around_mesa_p": diode(mesa_n=box(4.001, 0, 40, 20)),
    "ridge_around_mesa_p": diode(ridge=box(4.601, 4, 40, 11)),
    "mesa_p_width": diode(("ridge", box(0, 0.5, 40, 3.4)), ("mesa_p", box(5, 1, 35, 2.999))),
    "mesa_p_space": diode(
        mesa_p=box(5, 5, 20, 10), p2=box(21.999, 5, 35, 10), contact_p=box(6, 6, 19, 9), p_via=box(10, 6.75, 18, 8.25)
    ),
    "mesa_n_around_contact_n": diode(contact_n=box(5, 12, 35, 19.501)),
    "mesa_p_around_contact_p": diode(contact_p=box(5.499, 6, 25, 9)),
    "contact_n_to_mesa_p": diode(contact_n=box(5, 10.997, 35, 18)),
    "contact_n_on_mesa_p": diode(contact_n=box(5, 9.5, 35, 18)),
    "contact_n_width": diode(("contact_n", box(5, 1, 35, 2.999))),
    "contact_p_width": diode(("contact_p", box(27, 6, 28.999, 9))),
    "contact_n_space": diode(("contact_n", box(5, 12, 13.001, 18)), contact_n=box(15, 12, 35, 18)),
    "contact_p_space": diode(("contact_p", box(26.999, 6, 30, 9))),
    "contact_via_space": diode(("contact_via", box(26, 14, 27.5, 16)), n_via=box(29.499, 14, 32, 16)),
    "contact_via_width": diode(n_via=box(26, 14, 27.499, 16)),
    "contact_n_around_via": diode(n_via=box(26, 14, 30, 17.501)),
    "contact_p_around_via": diode(p_via=box(10, 6.499, 20, 8.25)),
    "metal2_around_contact_via": diode(p_metal2=box(9.501, 5.5, 21, 9.5)),
}
ALSO = {
    "metal1_on_ridge": {"metal1_to_ridge"},
    "bump_on_ridge": {"bump_to_ridge"},
    "opening_on_ridge": {"opening_to_ridge"},
    "metal1_on_attach": {"metal1_to_attach"},
    "contact_n_on_mesa_p": {"contact_n_to_mesa_p"},
}


def test_every_rule_of_the_deck_has_a_drawing_that_breaks_it():
    assert set(BROKEN) == set(DECK.rules)


@pytest.mark.parametrize("name", deck_names())
def test_every_layer_that_is_made_has_a_least_width_and_a_least_space(name: str):
    # Was: vias, openings, bumps and a photodiode's mesas and contacts without one or both.
    made = set(Layers.model_fields) - {"labels", "attach", "contour", "exclusion", "slab_opening"}
    rules = {(rule.kind, rule.layer) for rule in load_deck(name).rules.values()}
    assert {(kind, layer) for kind in ("width", "space") for layer in made} - rules == set()


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_found(rule: str):
    found = run_drc(drawing(*BROKEN[rule]))
    assert found.counts[rule] > 0
    same = {name for name, count in found.counts.items() if count}
    # A wedge is also narrow at its tip, metal on a rib also too near; nothing else may cry.
    layer = DECK.rules[rule].layer
    allowed = {f"{layer}_width", f"{layer}_space"} if rule.endswith("corner") else ALSO.get(rule, set())
    assert same - {rule} <= allowed, same
    assert any(rule in sentence for sentence in found.sentences())


def test_a_sound_photodiode_passes_and_an_opening_half_off_its_contact_does_not():
    assert run_drc(drawing(*diode())).violations == 0
    astray = run_drc(drawing(*diode(n_via=box(33, 14, 37, 16)))).counts
    assert {name for name, count in astray.items() if count} == {"contact_n_around_via", "contact_p_around_via"}


def test_distances_that_just_keep_the_rules_pass():
    shapes = [
        DIE, SLAB, ("ridge", box(0, 0, 100, 0.2)), ("ridge", box(0, 0.59, 100, 3)), ("metal1", box(0, 5, 100, 7)),
        ("metal1", box(0, 9, 100, 30)), ("metal2", box(0, 8, 100, 50)), ("via", box(5, 10, 8, 13)),
    ]  # fmt: skip
    assert run_drc(drawing(*shapes)).violations == 0


def test_openings_for_bumps_may_lie_nearer_to_ribs_than_those_for_wires():
    rib, opening, bump = ("ridge", box(0, 42, 100, 44)), ("opening", box(5, 5, 35, 35)), ("bump", box(7, 7, 33, 33))
    beside = ("metal2", box(48, 0, 92, 40)), ("opening", box(50, 5, 90, 35))
    counts = run_drc(drawing(DIE, SLAB, M2, rib, opening, bump)).counts
    assert {name for name, count in counts.items() if count} == set()
    assert run_drc(drawing(DIE, SLAB, M2, rib, opening, bump, *beside)).counts["opening_to_ridge"] > 0


def test_points_off_the_grid_are_found():
    layout = drawing(("slab", box(0.0, 0.0, 100.0005, 20.0)), dbu=0.0005)
    assert run_drc(layout).counts["grid"] > 0


def test_the_report_opens_in_klayouts_marker_browser(tmp_path: Path):
    found = run_drc(drawing(*BROKEN["ridge_space"]), report=tmp_path / "drc.lyrdb")
    root = ElementTree.parse(tmp_path / "drc.lyrdb").getroot()
    categories = [item.findtext("category") for item in root.iter("item")]
    assert categories
    assert {category.strip("'") for category in categories} == {"ridge_space"}
    assert found.first_um["ridge_space"] == pytest.approx((50.0, 1.1945), abs=1e-3)


def test_the_drawn_chip_keeps_every_rule_without_waivers(files: LayoutFiles):
    assert {name: count for name, count in run_drc(files.gds).counts.items() if count} == {}


def test_a_foundrys_rules_replace_ours(files: LayoutFiles):
    text = (DECK_FILE).read_text(encoding="utf-8")
    stricter = text.replace('layer = "metal2", value_um = 3.0 }\nheater', 'layer = "metal2", value_um = 6.0 }\nheater')
    assert stricter != text
    found = run_drc(files.gds, deck=parse_deck(stricter, where="foundry"))
    assert {name for name, count in found.counts.items() if count} == {"metal2_space"}


DECK_FILE = Path(__file__).parents[2] / "prism_photonics" / "process" / "rules" / "tfln600.toml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ridge = [2, 0]", "rigde = [2, 0]", "layers.ridge: .*required"),
        ("slab = [3, 0]", "slab = [2, 0]", "2/0 is given twice"),
        (
            'layer = "ridge", value_um = 0.20',
            'layer = "rib", value_um = 0.20',
            "rules.ridge_width: unknown layer 'rib'",
        ),
        ('layer = "ridge", value_um = 0.20', 'layer = "ridge", value_deg = 20.0', "kind width wants layer, value_um"),
        ('layer = "metal1", other = "ridge" }', 'layer = "metal1" }', "kind apart wants layer, other"),
        ("[layers]", "[layers", "not valid TOML"),
    ],
)
def test_a_deck_that_makes_no_sense_is_refused_in_one_line(old: str, new: str, message: str, tmp_path: Path):
    text = DECK_FILE.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "deck.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as refusal:
        read_deck(tmp_path / "deck.toml")
    assert "\n" not in str(refusal.value)


def test_decks_are_found_by_name_and_unknown_ones_refused(tmp_path: Path):
    assert deck_names() == ["lnoi400", "ltoi300", "tfln400", "tfln600", "tfln600_narrow"]
    with pytest.raises(InputError, match="unknown deck 'tfln60'; did you mean 'tfln600'"):
        load_deck("tfln60")
    with pytest.raises(InputError, match="cannot read the rules"):
        read_deck(tmp_path / "absent.toml")


@pytest.mark.parametrize("stage", ["_Check._width", "_Check._corner", "_off_grid", "_region"])
def test_whatever_a_damaged_drawing_provokes_in_the_rules_is_told_in_one_line(
    stage: str, monkeypatch: pytest.MonkeyPatch
):
    def provoked(*_: object) -> None:
        raise RuntimeError("Coordinate overflow\nin klayout")

    monkeypatch.setattr(f"prism_photonics.layout.drc.{stage}", provoked)
    with pytest.raises(InputError, match=r"cannot read the layout \(Coordinate overflow\); give a GDS file") as refusal:
        run_drc(drawing(DIE, SLAB))
    assert "\n" not in str(refusal.value)


def test_a_notch_within_one_figure_is_a_space():
    notched = kdb.DPolygon(
        [kdb.DPoint(*p) for p in ((0, 0), (0, 60), (20, 60), (20, 20), (22, 20), (22, 60), (60, 60), (60, 0))]
    )
    assert run_drc(drawing(DIE, ("metal2", notched))).counts["metal2_space"] > 0
