"""What KLayout is given: drawing rules in its own language, and looks by which rings are seen at once.

That KLayout's engine finds what ours finds, rule by rule, is measured by ``benchmarks/klayout_deck.py``.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

import klayout.db as kdb
import klayout.lay as lay
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from prism_photonics.layout.drc_script import drc_script, lydrc
from prism_photonics.layout.views import VIEWS
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.process.layers import deck_names, load_deck
from prism_photonics.spec import ChipSpec


@pytest.mark.parametrize("film", deck_names())
def test_every_rule_and_the_grid_have_their_places_told_under_their_names(film: str):
    deck, script = load_deck(film), drc_script(load_deck(film))
    told = re.findall(r"\.output\('(\w+)', ", script)
    assert set(told) == {"grid", *deck.rules}
    for name, number in deck.layers.items():
        assert f"\n{name} = input({number[0]}, {number[1]})\n" in script


def test_limits_stand_in_the_script_and_separations_less_what_arcs_may_fall_short():
    script = drc_script(load_deck())
    assert "ridge.space(units.call(0.39), *check).output('ridge_space'" in script
    assert "metal1.separation(ridge, units.call(1.998), *check).output('metal1_to_ridge'" in script
    assert "ridge.with_area(0, area.call(20.0)).output('ridge_area'" in script
    assert "(metal1 & ridge).output('metal1_on_ridge'" in script
    assert "opening.not_interacting(bump).separation(ridge, units.call(19.998), *check).output('opening_to" in script
    assert "slab_opening.sized" not in script
    assert ".polygons(1).not_inside(slab_opening.sized(units.call(1.0)))" in drc_script(load_deck("lnoi400"))


def test_the_macro_file_holds_the_script_word_by_word():
    root = ElementTree.fromstring(lydrc(load_deck()))
    assert root.findtext("dsl-interpreter-name") == "drc-dsl-xml"
    assert root.findtext("text") == drc_script(load_deck())


def test_a_ring_is_seen_in_klayout_as_soon_as_the_file_is_opened_with_its_looks(
    files: LayoutFiles, spec: ChipSpec, tmp_path: Path
):
    view = lay.LayoutView()
    view.load_layout(str(files.gds))
    view.load_layer_props(str(files.layer_properties))
    ring = spec.ring_designs[0]
    view.zoom_box(kdb.DBox(0.0, 0.0, ring.pitch_um, ring.bus_pitch_um))
    view.save_image(str(tmp_path / "ring.png"), 520, 160)
    image = imread(tmp_path / "ring.png")[..., :3]
    for name in ("ridge", "metal1"):
        fill = next(look.fill for look in VIEWS if look.layer == name)
        close = (np.abs(image - np.array(to_rgb(fill))) < 0.02).all(axis=-1)
        assert close.sum() > 1000, name
