"""The 8×8 as it was last looked at: a change of drawing must be meant.

After a change that is meant: ``prism layout layouts/demo_8x8/spec.toml -o DIR``, look at ``chip.png`` and
``drc.lyrdb``, then copy chip.oas, netlist.yaml and manifest.csv over the files of ``golden/``.
"""

from pathlib import Path

import klayout.db as kdb
import pytest

from prism_photonics.layout.write import LayoutFiles
from prism_photonics.process.layers import LAYERS

GOLDEN = Path(__file__).parent / "golden"


def opened(path: Path) -> kdb.Layout:
    layout = kdb.Layout()
    layout.read(str(path))
    return layout


def region(layout: kdb.Layout, cell: str, number: tuple[int, int]) -> kdb.Region:
    return kdb.Region(layout.cell(cell).begin_shapes_rec(layout.layer(*number))).merged()


# Labels hold the spec's hash; their letters stand in the slab.
@pytest.mark.parametrize("cell", ["row", "chip"])
@pytest.mark.parametrize("layer", [name for name, _ in LAYERS.items() if name != "labels"])
def test_no_polygon_has_moved(files: LayoutFiles, cell: str, layer: str):
    number = getattr(LAYERS, layer)
    ours, golden = (
        region(layout, cell, number) - region(layout, cell, LAYERS.labels)
        for layout in (opened(files.gds), opened(GOLDEN / "demo_8x8.oas"))
    )
    assert (ours ^ golden).is_empty()


def test_the_netlist_is_the_same(files: LayoutFiles):
    assert files.netlist.read_text(encoding="utf-8") == (GOLDEN / "demo_8x8.netlist.yaml").read_text(encoding="utf-8")


def test_the_manifest_is_the_same(files: LayoutFiles):
    assert files.manifest.read_text(encoding="utf-8") == (GOLDEN / "demo_8x8.manifest.csv").read_text(encoding="utf-8")


def test_the_golden_drawing_is_not_empty():
    golden = opened(GOLDEN / "demo_8x8.oas")
    for layer in ("ridge", "slab", "metal1", "metal2", "via", "opening"):
        assert not region(golden, "chip", getattr(LAYERS, layer)).is_empty(), layer
