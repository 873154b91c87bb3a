"""The schematic is enough: gdsfactory rebuilds a row from our YAML, polygon by polygon."""

import gdsfactory as gf
import klayout.db as kdb
import pytest

from prism_photonics.layout.chip import draw, places_um
from prism_photonics.layout.pdk import PDK
from prism_photonics.layout.schematic import chip_yaml, rebuild, schematic_yaml
from prism_photonics.layout.write import LayoutFiles
from prism_photonics.netlist import from_spec
from prism_photonics.process.layers import LAYERS
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


def test_a_row_rebuilt_from_its_yaml_has_no_other_polygon(spec: ChipSpec, files: LayoutFiles):
    PDK.activate()
    text = files.schematic.read_text(encoding="utf-8")
    assert text == schematic_yaml(from_spec(spec), "row")
    rebuilt = gf.read.from_yaml(text, label_instance_function=lambda **_: None)
    chip = draw(spec)
    for name, number in LAYERS.items():
        theirs = kdb.Region(rebuilt.kdb_cell.begin_shapes_rec(rebuilt.kcl.layer(*number)))
        ours = kdb.Region(chip.kcl["row"].kdb_cell.begin_shapes_rec(chip.kcl.layer(*number)))
        assert (theirs ^ ours).is_empty(), name
        assert name not in ("ridge", "slab", "metal1") or not theirs.is_empty()
    assert {port.name for port in rebuilt.ports} == {"o1", "o2", "o3"}


@pytest.mark.parametrize(("buses", "sides"), [(1, "east"), (2, "east"), (1, "both")])
def test_the_chip_rebuilt_from_its_yaml_has_no_other_polygon(tiny: ChipSpec, altered, buses: int, sides: str):
    PDK.activate()
    spec = altered(tiny, chip={"buses": buses}, detector={"sides": sides})
    chip, rebuilt = draw(spec), rebuild(chip_yaml(from_spec(spec), places_um(spec)))
    dressing = ("metal", "tests")  # no part of the netlist
    for name in ("ridge", "slab", "metal1", "via"):
        number = getattr(LAYERS, name)
        theirs = kdb.Region(rebuilt.kdb_cell.begin_shapes_rec(rebuilt.kcl.layer(*number)))
        ours = kdb.Region()
        for inst in chip.kdb_cell.each_inst():
            if inst.cell.name not in dressing:
                shapes, letters = (
                    kdb.Region(inst.cell.begin_shapes_rec(chip.kcl.layer(*layer))) for layer in (number, LAYERS.labels)
                )
                ours += (shapes - letters if name == "slab" else shapes).transformed(inst.trans)
        assert (theirs ^ ours).is_empty(), name
        assert not ours.is_empty()
    for instance in list(rebuilt.kcl.layout.each_cell_top_down()):  # the next chip has cells of the same names
        rebuilt.kcl.layout.cell(instance).name = f"done_{buses}_{sides}_{instance}"


def test_the_files_chip_yaml_is_that_of_its_netlist(files: LayoutFiles, spec: ChipSpec):
    text = files.chip_schematic.read_text(encoding="utf-8")
    assert text == chip_yaml(from_spec(spec), places_um(spec))
    names = [line.split(": ")[1] for line in text.splitlines() if line.startswith("name")]
    assert sorted(names) == ["chip", "row", "tree_2", "tree_4", "tree_8"]
    assert names[-1] == "chip"


def test_what_is_no_schematic_is_refused_in_one_line():
    with pytest.raises(InputError, match="not a cell in gdsfactory's YAML"):
        rebuild("nothing: here\n")


def test_a_cell_that_is_not_there_is_refused(tiny: ChipSpec):
    with pytest.raises(InputError, match="no cell 'rwo'; want one of chip, row, tree_2"):
        schematic_yaml(from_spec(tiny), "rwo")
