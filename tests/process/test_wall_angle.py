"""What walls make of the light that a bend turns to TM: a law of symmetry, a limit, and the kept table."""

import json
from pathlib import Path

import numpy as np
import pytest

from prism_photonics.process.materials import crystal_named
from prism_photonics.process.modes import load_modes
from prism_photonics.process.polarization import bend_coupling_per_um
from prism_photonics.process.solver.bend import LAYER_UM, straightened
from prism_photonics.process.solver.fem import Problem
from prism_photonics.process.solver.mesh import Grid, Stack, rib
from prism_photonics.process.solver.mixing import first_order_mixing
from prism_photonics.process.solver.optics import permittivity
from prism_photonics.process.solver.tables import TEMPERATURE_K

COARSE = Grid(near=0.12, growth=0.35, far=0.5, side=2.0)
KEPT = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "tm_walls.json").read_text(encoding="utf-8"))
CRYSTAL = crystal_named("LiNbO3")
LEFT_UM = 0.002  # of the slab: elements of no height have no stiffness


def upright(stack: Stack, radius_um: float) -> float:
    """Share of a bent TE mode's field that stands upright, beyond the straight one's; light along layout x."""
    section = rib(stack, COARSE, outer_um=3.0 + LAYER_UM)
    eps = permittivity(section, CRYSTAL, 1.55, angle_deg=90.0, temperature_K=TEMPERATURE_K)
    problem = Problem(section.mesh)
    straight = problem.solve(eps, 1.55, near=float(np.sqrt(eps[1, 1].max())), count=4)
    te = next(mode for mode in straight if problem.te_fraction(mode) > 0.5)
    bent, mu = straightened(section, eps, radius_um)
    found = problem.solve(bent, 1.55, near=te.n_eff.real + 2.8 / radius_um**2 + 0j, count=4, mu=mu)
    mode = max(found, key=lambda one: problem.te_fraction(one) - 20.0 * abs(one.n_eff.real - te.n_eff.real))
    return problem.te_fraction(te) - problem.te_fraction(mode)


def test_a_rib_alike_above_and_below_turns_no_te_to_tm_in_its_bends_and_slanted_walls_do():
    # Etched through and upright, oxide around: TE's field across is even about the middle height, TM's odd.
    alike, slanted = (
        first_order_mixing(Stack(0.4, 0.4 - LEFT_UM, 1.2, wall_deg), CRYSTAL, 1.55, 90.0, grid=COARSE)
        for wall_deg in (90.0, 70.0)
    )
    assert slanted == pytest.approx(0.26, rel=0.1)
    assert alike < 0.02 * slanted


def test_a_straight_guide_along_z_turns_nothing_and_a_gentle_bend_by_the_square_of_its_curvature():
    stack = Stack(0.6, 0.5, 1.4, 70.0)
    tight, gentle, straight = (upright(stack, radius_um) for radius_um in (30.0, 60.0, 1e6))
    assert tight > 3e-5
    assert gentle == pytest.approx(tight / 4.0, rel=0.3)
    assert abs(straight) < 1e-3 * tight


@pytest.mark.parametrize("film", list(KEPT["films"]))
def test_the_kept_tables_walls_of_the_profile_have_the_mode_tables_coupling(film):
    drawn = next(one for one in KEPT["films"][film]["walls"] if one["wall_deg"] == 70.0)
    for angle in (0.0, 90.0):
        expected = float(bend_coupling_per_um(load_modes(film), 40.0, angle)) * 40.0
        assert drawn["bend"][f"{angle:g}"]["40"]["g_R"] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("film", list(KEPT["films"]))
def test_the_kept_tables_angles_are_even_and_a_finer_grid_says_the_same(film):
    walls = KEPT["films"][film]["walls"]
    assert [one["wall_deg"] for one in walls] == [60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0]
    finer = KEPT["films"][film]["finer"]
    coarse = next(one for one in walls if one["wall_deg"] == finer["wall_deg"])
    for angle in ("0", "90"):
        for radius in ("20", "40"):
            assert coarse["bend"][angle][radius]["g_R"] == pytest.approx(finer["bend"][angle][radius]["g_R"], rel=0.05)
