"""What a tip at the facet shares with a fibre's spot."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prism_photonics.process.materials import crystal_named
from prism_photonics.process.solver.edge import Facet, facet, slab_strip
from prism_photonics.process.solver.mesh import Grid, Stack

STACK = Stack(thickness_um=0.6, etch_um=0.5, width_um=1.4, wall_deg=70.0)
STACKS = {"tfln600": STACK, "tfln400": Stack(thickness_um=0.4, etch_um=0.3, width_um=1.2, wall_deg=70.0)}
COARSE = Grid(near=0.12, growth=0.35, far=0.6, side=6.0, below=4.0, above=4.0)
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "edge_coupler.json"


def gaussian(spot_um: float) -> Facet:
    """Half a facet with a Gaussian mode 0.2 µm above the buried oxide."""
    x, y = np.meshgrid(np.linspace(0.0, 15.0, 301), np.linspace(-15.0, 15.0, 601))
    field = np.exp(-4.0 * (x**2 + (y - 0.2) ** 2) / spot_um**2)
    area = np.full_like(x, 0.05**2)
    area[:, 0] /= 2.0
    return Facet(1.45, field.ravel(), np.stack([x.ravel(), y.ravel()]), area.ravel())


def test_a_gaussian_mode_shares_all_with_its_own_spot_and_the_textbooks_part_with_another():
    # (2·d1·d2/(d1² + d2²))² of two round spots on one axis.
    mode = gaussian(3.0)
    assert mode.shared(3.0) == pytest.approx(1.0, abs=1e-6)
    assert mode.shared(5.0) == pytest.approx((2.0 * 15.0 / 34.0) ** 2, abs=1e-4)


def kept(film: str) -> dict[str, Any]:
    couplers = json.loads(RESULT.read_text(encoding="utf-8"))["couplers"]
    return next(one for one in couplers if one["film"] == film)


@pytest.mark.parametrize("film", STACKS)
def test_the_drawn_tip_shares_what_the_committed_result_says(film: str):
    result = kept(film)
    found = facet(STACKS[film], crystal_named("LiNbO3"), 1.55, result["tip_um"], grid=COARSE)
    for spot_um, loss_dB in zip(result["spot_um"][:3], result["loss_dB"][:3], strict=True):
        assert -10.0 * np.log10(found.shared(spot_um)) == pytest.approx(loss_dB, abs=0.05)


def test_a_strip_of_slab_holds_light_more_loosely_than_the_tip_of_the_rib():
    lithium_niobate = crystal_named("LiNbO3")
    strip = facet(slab_strip(STACK), lithium_niobate, 1.55, 1.0, grid=replace(COARSE, near=0.1))
    tip = facet(STACK, lithium_niobate, 1.55, 0.3, grid=COARSE)
    assert 1.445 < strip.n_eff < 1.49 < tip.n_eff
    assert strip.shared(3.0) > 2.0 * tip.shared(3.0)


def test_an_upright_facet_sends_back_what_fresnel_says_of_its_modes_index():
    mode = replace(gaussian(3.0), n_eff=kept("tfln600")["n_eff"])
    assert mode.returned_dB(1.0) == pytest.approx(-11.3, abs=0.05)  # docs/layout.md
    assert mode.returned_dB(1.444) == pytest.approx(-20.5, abs=0.05)
    assert replace(mode, n_eff=3.0).returned_dB(1.0) == pytest.approx(10.0 * np.log10(0.25))
