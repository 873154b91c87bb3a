"""A film with a deck of its own: its chips are drawn, read and judged in its numbers and by its rules."""

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import klayout.db as kdb
import pytest
import trimesh

from prism_photonics.layout.annotate import back_annotate
from prism_photonics.layout.drc import run_drc
from prism_photonics.layout.extract import extract
from prism_photonics.layout.lvs import FIELD_TOLERANCE
from prism_photonics.layout.write import LayoutFiles, write
from prism_photonics.netlist import from_spec
from prism_photonics.process.layers import deck_names, load_deck
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.spec import ChipSpec


@pytest.fixture(scope="module")
def foreign(layouts: Path) -> ChipSpec:
    return ChipSpec.from_toml(layouts / "demo_lnoi400" / "spec.toml")


@pytest.fixture(scope="module")
def foreign_files(foreign: ChipSpec, tmp_path_factory: pytest.TempPathFactory) -> LayoutFiles:
    return write(foreign, tmp_path_factory.mktemp("foreign"), simulate=True)


def test_every_film_has_a_deck_of_its_own():
    assert deck_names() == profile_names()
    assert [load_deck(name).name for name in deck_names()] == deck_names()


def test_a_foreign_chip_is_the_design_and_keeps_its_own_rules(foreign: ChipSpec, foreign_files: LayoutFiles):
    assert foreign_files.faults == ()
    assert foreign_files.lvs.simulation_max_error < FIELD_TOLERANCE
    assert foreign_files.drc.counts.keys() == {"grid", *load_deck("lnoi400").rules}


def test_its_file_has_the_decks_numbers_and_no_others(foreign_files: LayoutFiles):
    layout = kdb.Layout()
    layout.read(str(foreign_files.gds))
    used = {(info.layer, info.datatype) for info in layout.layer_infos()}
    deck = dict(load_deck("lnoi400").layers.items())
    assert used <= set(deck.values())
    assert {deck["metal2"], deck["via"], deck["opening"]} <= used
    assert not used & {(22, 0), (23, 0), (24, 0)}  # where ours would be
    looks = ElementTree.parse(foreign_files.layer_properties).getroot()
    assert {entry.findtext("source") for entry in looks.iter("properties")} == {
        f"{a}/{b}@1 #*" for a, b in deck.values()
    }


def test_it_is_read_back_in_its_numbers_only(foreign: ChipSpec, foreign_files: LayoutFiles):
    assert extract(foreign_files.gds, deck=load_deck("lnoi400")).cells == from_spec(foreign).cells
    assert back_annotate(foreign_files.gds, foreign).changed_rows() == []


def test_its_rules_are_judged_in_its_numbers(foreign_files: LayoutFiles):
    layout = kdb.Layout()
    layout.read(str(foreign_files.gds))
    number = load_deck("lnoi400").layers.metal2
    layout.top_cell().shapes(layout.layer(*number)).insert(kdb.Box(-100_000, 0, -98_000, 50_000))
    found = run_drc(layout, deck=load_deck("lnoi400"))
    assert {name for name, count in found.counts.items() if count} == {"metal2_width"}


def test_no_bend_of_it_is_narrower_than_the_film_bears(foreign: ChipSpec):
    least = load_profile("lnoi400").film.min_bend_radius_um.value
    netlist = from_spec(foreign)
    radii = [
        instance.settings["radius_um"]
        for cell in netlist.cells.values()
        for instance in cell.instances.values()
        if "radius_um" in instance.settings
    ]
    assert min(radii) >= least == 60.0


def test_a_ring_in_three_dimensions_has_the_decks_stack(foreign: ChipSpec, foreign_files: LayoutFiles):
    scene = trimesh.load(foreign_files.solid)
    (west, _, low), (east, _, high) = scene.bounds
    stack = load_deck("lnoi400").stack
    assert (low, high) == (0.0, pytest.approx(stack["metal2"].bottom_um + stack["metal2"].thickness_um, abs=1e-6))
    assert east - west == pytest.approx(foreign.ring.pitch_um, abs=0.1)
    names = {name.rpartition("_")[0] for name in scene.geometry}
    assert {"ridge", "slab", "metal1", "via", "metal2"} <= names


def test_a_row_in_three_dimensions_has_all_its_rings(foreign: ChipSpec, foreign_files: LayoutFiles):
    scene = trimesh.load(foreign_files.solid_row)
    across = [2.0 * ring.radius_um + ring.straight_um + foreign.width_um for ring in foreign.ring_designs]
    ribs = [mesh.extents[0] for name, mesh in scene.geometry.items() if name.startswith("ridge_")]
    assert sorted(width for width in ribs if width < 1.5 * across[0]) == pytest.approx(sorted(across), abs=0.1)
    assert scene.extents[0] > foreign.chip.channels * foreign.ring.pitch_um


def test_the_demonstrators_files_name_every_part_that_was_written(foreign_files: LayoutFiles):
    paths = [getattr(foreign_files, field.name) for field in dataclasses.fields(foreign_files)]
    named = {path.name for path in paths if isinstance(path, Path)}
    assert named == {path.name for path in foreign_files.gds.parent.iterdir()}
