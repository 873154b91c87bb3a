"""Cells of another PDK, frozen to one file."""

import gdsfactory as gf
import klayout.db as kdb
import pytest

from prism_photonics.layout.freeze import freeze
from prism_photonics.layout.pdk import make_pdk
from prism_photonics.units import InputError


@pytest.fixture
def kit():
    """Our own film's PDK, as another kit would be given; the house's is active again after it."""
    yield make_pdk("lnoi400")
    make_pdk().activate()


def test_cells_of_a_pdk_are_frozen_with_their_layers_and_ports(kit, tmp_path):
    ports = freeze(kit, {"straight": {"length_um": 50.0}, "splitter": {}}, tmp_path / "cells.gds")
    assert ports["straight"]["o2"].x_um == 50.0
    assert ports["straight"]["o2"].angle_deg == 0
    assert set(ports["splitter"]) == {"o1", "o2", "o3"}
    frozen = kdb.Layout()
    frozen.read(str(tmp_path / "cells.gds"))
    assert sorted(cell.name for cell in frozen.each_cell()) == ["splitter", "straight"]
    ridge = kdb.Region(frozen.cell("straight").shapes(frozen.layer(*kit.layers.ridge))).bbox()
    assert (ridge.width(), ridge.height()) == (50_000, 1_000)


def test_a_cell_that_the_pdk_lacks_is_refused_and_its_cells_are_listed(kit, tmp_path):
    with pytest.raises(InputError, match=r"PDK lnoi400 has no cell 'mmi'; its cells: .*splitter"):
        freeze(kit, {"mmi": {}}, tmp_path / "cells.gds")
    assert not (tmp_path / "cells.gds").exists()
    assert gf.get_active_pdk().name == "lnoi400"
