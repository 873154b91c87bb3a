"""Foundries' packages against what of them is frozen here, and their models against the laws: ``make kits``."""

from dataclasses import asdict

import klayout.db as kdb
import numpy as np
import pytest

from prism_photonics.circuit.sparameters import require_physical, sampled, sax_model
from prism_photonics.layout.freeze import freeze
from prism_photonics.lightpath.splitter.design import SplitterDesign
from prism_photonics.process.kits import load_kit
from prism_photonics.process.layers import load_deck
from prism_photonics.units import InputError

pytestmark = [pytest.mark.kit, pytest.mark.filterwarnings("ignore")]  # warnings of the packages' own dependencies

WL = np.linspace(1.54, 1.56, 2001)


@pytest.fixture(scope="module")
def lnoi400():
    return pytest.importorskip("lnoi400", reason="the extra [lnoi400] is not installed: make kits")


@pytest.fixture(scope="module")
def si220():
    return pytest.importorskip("cspdk.si220", reason="cspdk is not installed: make kits")


def layers(gds):
    layout = kdb.Layout()
    layout.read_bytes(gds, kdb.LoadLayoutOptions())
    return {
        (cell.name, info.layer, info.datatype): kdb.Region(cell.shapes(layout.find_layer(info)))
        for cell in layout.each_cell()
        for info in layout.layer_infos()
    }


def test_the_frozen_cells_are_those_of_the_installed_kit(lnoi400, tmp_path):
    kit = load_kit("lnoi400")
    settings = {name: dict(cell.settings) for name, cell in kit.cells.items()}
    ports = freeze(lnoi400.PDK, settings, tmp_path / "cells.gds")
    assert ports == {name: dict(cell.ports) for name, cell in kit.cells.items()}
    ours, theirs = layers(kit.gds), layers((tmp_path / "cells.gds").read_bytes())
    assert ours.keys() == theirs.keys()
    assert all((ours[key] ^ theirs[key]).is_empty() for key in ours)
    assert kit.package == f"lnoi400 {lnoi400.__version__}"


def test_the_designs_sizes_are_the_kits_own_defaults(lnoi400):
    import inspect

    said = {name: p.default for name, p in inspect.signature(lnoi400.cells.mmi1x2_optimized1550).parameters.items()}
    design = SplitterDesign(0.2, **load_kit("lnoi400").splitter.design)
    assert (design.mmi_width_um, design.mmi_length_um) == (said["width_mmi"], said["length_mmi"])
    assert (design.taper_width_um, design.taper_length_um) == (said["width_taper"], said["length_taper"])
    assert design.port_pitch_um == pytest.approx(said["port_ratio"] * said["width_mmi"])
    assert asdict(design)["width_um"] == 1.0


def test_the_decks_numbers_are_the_kits(lnoi400):
    deck, kit = load_deck("lnoi400").layers, lnoi400.LAYER
    pairs = {
        "ridge": kit.LN_RIDGE,
        "slab": kit.LN_SLAB,
        "slab_opening": kit.SLAB_NEGATIVE,
        "labels": kit.LABELS,
        "metal1": kit.TL,
        "heater": kit.HT,
        "contour": kit.CHIP_CONTOUR,
        "exclusion": kit.CHIP_EXCLUSION_ZONE,
    }
    assert {name: getattr(deck, name) for name in pairs} == {
        name: (number.layer, number.datatype) for name, number in pairs.items()
    }


@pytest.mark.parametrize("size", [(5_000, 10_000), (10_000, 5_000), (20_000, 10_000)])
def test_our_frame_is_the_kits(lnoi400, size):
    lnoi400.PDK.activate()
    frame = lnoi400.cells.chip_frame(size=size)
    zone, inside = (frame.dbbox(frame.kcl.layer(*number)) for number in ((6, 1), (6, 0)))
    chip = load_kit("lnoi400").chip
    assert {zone.width(), zone.height()} <= set(chip.sides_um)
    assert zone.width() - inside.width() == pytest.approx(2.0 * chip.border_um)


def test_models_of_the_kit_that_answer_keep_the_laws_and_those_without_data_are_named(lnoi400):
    from lnoi400 import models

    for name in ("straight_rwg1000", "straight_swg250", "to_phase_shifter"):
        kept = require_physical(sampled(getattr(models, name), WL, name=name))
        assert kept.delay_ps[1, 0] > 0.0
    with pytest.raises(InputError, match=r"mmi1x2_optimized1550: its data file .* is missing; give its parameters"):
        sampled(models.mmi1x2_optimized1550, WL, name="mmi1x2_optimized1550")


def test_another_foundrys_cells_layers_and_models_are_bound_alike(si220, tmp_path):
    ports = freeze(si220.PDK, {"mmi1x2": {}, "straight": {"length": 20.0}}, tmp_path / "cells.gds")
    assert set(ports["mmi1x2"]) == {"o1", "o2", "o3"}
    assert ports["straight"]["o2"].x_um == 20.0
    found = layers((tmp_path / "cells.gds").read_bytes())
    core = si220.PDK.layers.WG
    assert not found["mmi1x2", core.layer, core.datatype].is_empty()
    splitter = sampled(si220.PDK.models["mmi1x2"], WL, name="mmi1x2")
    assert require_physical(splitter) is splitter
    s = sax_model(splitter)(wl=1.55)
    assert abs(complex(s["o1", "o2"])) ** 2 == pytest.approx(abs(complex(s["o1", "o3"])) ** 2)
