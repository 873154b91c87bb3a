"""What upright facets send back: the tables of tips against the solver, Fresnel's law, and its limits."""

import json
from pathlib import Path

import numpy as np
import pytest

from prism_photonics.lightpath.coupler.design import EdgeCouplerDesign
from prism_photonics.process.facets import AIR, fresnel, silica_index, taper_passes, tip_index
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.edge import facet, slab_strip
from prism_photonics.process.solver.facets import LENGTH_UM, TIP_UM
from prism_photonics.process.solver.mesh import Grid
from prism_photonics.process.solver.tables import stack_of
from prism_photonics.units import InputError

FILMS = ("tfln600", "tfln600_narrow", "tfln400", "lnoi400", "ltoi300")
COARSE = Grid(near=0.12, growth=0.35, far=0.6, side=6.0, below=4.0, above=4.0)
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "edge_coupler.json"


@pytest.mark.parametrize("film", FILMS)
def test_the_table_of_a_films_tips_is_what_another_grid_finds_and_belongs_to_its_stack(film):
    profile = load_profile(film)
    stack, crystal = stack_of(profile), crystal_named(profile.crystal)
    assert tip_index(film, 0.3) == pytest.approx(facet(stack, crystal, 1.55, 0.3, grid=COARSE).n_eff, abs=3e-4)
    strip = facet(slab_strip(stack), crystal, 1.55, 1.0, grid=COARSE)
    assert tip_index(film, 1.0, of="slab") == pytest.approx(strip.n_eff, abs=1e-3)


def test_the_committed_edge_couplers_have_the_tables_tips():
    couplers = json.loads(RESULT.read_text(encoding="utf-8"))["couplers"]
    assert {result["film"] for result in couplers} == {"tfln600", "tfln400"}
    for result in couplers:
        assert tip_index(result["film"], result["tip_um"]) == pytest.approx(result["n_eff"], abs=1e-5)
        assert -10.0 * np.log10(taper_passes(result["film"])) == pytest.approx(result["taper_dB"], abs=1e-4)


@pytest.mark.parametrize("film", FILMS)
def test_a_narrower_tip_holds_its_light_more_loosely_and_none_below_the_oxides_index(film):
    widths = np.linspace(0.2, 0.5, 13)
    indices = [tip_index(film, float(width)) for width in widths]
    assert (np.diff(indices) > 0.0).all()
    assert indices[0] > silica_index(film)
    assert 0.99 < taper_passes(film) < 1.0


def test_an_interface_sends_back_what_fresnel_says_and_nothing_where_nothing_changes():
    assert fresnel(1.5, 1.5) == 0.0
    assert fresnel(3.0, 1.0) == pytest.approx(0.5)
    # Reversed it turns the field over.
    assert fresnel(1.0, 3.0) == -fresnel(3.0, 1.0)
    # Glass to air, 3.3 %: the textbook's cleaved fibre.
    assert 20.0 * np.log10(fresnel(silica_index("tfln600"), AIR)) == pytest.approx(-14.8, abs=0.05)


def test_the_tables_tapers_are_the_drawn_ones():
    drawn = EdgeCouplerDesign(2.0)
    assert (drawn.tip_um, drawn.length_um) == (TIP_UM, LENGTH_UM)


def test_a_tip_beyond_the_table_or_a_strip_that_holds_no_light_is_refused():
    with pytest.raises(InputError, match=r"want 0\.2 to 0\.5 µm"):
        tip_index("tfln600", 0.6)
    with pytest.raises(InputError, match=r"a tip 0\.25 µm wide of tfln600's slab; want 0\.5 to"):
        tip_index("tfln600", 0.25, of="slab")
    # The kit's, on its own film.
    assert tip_index("lnoi400", 0.25, of="slab") < 1.46 < tip_index("lnoi400", 0.25)
