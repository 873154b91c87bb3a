"""The schematic is enough: gdsfactory rebuilds a row from our YAML, polygon by polygon."""

import gdsfactory as gf
import klayout.db as kdb
import pytest

from prism_photonics.layout.chip import draw
from prism_photonics.layout.pdk import PDK
from prism_photonics.layout.schematic import schematic_yaml
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


def test_a_cell_that_is_not_there_is_refused(small: ChipSpec):
    with pytest.raises(InputError, match="no cell 'rwo'; want one of chip, row, tree_2"):
        schematic_yaml(from_spec(small), "rwo")
