"""The coupler of a ring and its bus by local supermodes is the gap law's, which knows two straight ribs alone."""

import math
from typing import Any

import pytest

from prism_photonics.lightpath.ring.place import coupler_um
from prism_photonics.lightpath.waveguide.design import QuarterTurn
from prism_photonics.process.coupling import GapLaw, kappa
from prism_photonics.process.materials import crystal_named
from prism_photonics.process.profile import load_profile
from prism_photonics.process.solver.mesh import Grid
from prism_photonics.process.solver.ring_bus import PointCoupler, point_coupler
from prism_photonics.process.solver.tables import stack_of

COARSE = Grid(near=0.12, growth=0.35, far=0.35, side=1.6, below=1.0, above=0.9)
GAP_UM, RADIUS_UM = 0.45, 20.0


def law() -> GapLaw:
    return load_profile("tfln600").gap_law


def solved(**changed: Any) -> PointCoupler:
    profile = load_profile("tfln600")
    at: dict[str, Any] = {"gap_um": GAP_UM, "radius_um": RADIUS_UM, "slices": 4} | changed
    crystal = crystal_named(profile.crystal)
    return point_coupler(stack_of(profile), crystal, 1.55, **at, decay_um=law().decay_um, grid=COARSE)


@pytest.fixture(scope="module")
def found() -> PointCoupler:
    return solved()


def test_it_couples_as_the_law_says(found: PointCoupler):
    assert found.kappa2 == pytest.approx(kappa(GAP_UM, law(), radius_um=RADIUS_UM) ** 2, rel=0.05)


def test_no_power_is_made_or_lost_and_the_cross_light_lags_by_a_quarter(found: PointCoupler):
    assert abs(found.through) ** 2 + found.kappa2 == pytest.approx(1.0, abs=1e-9)
    assert (found.cross / found.through).real == pytest.approx(0.0, abs=0.1 * abs(found.cross))


def test_a_straight_along_the_bus_adds_its_length(found: PointCoupler):
    longer = solved(straight_um=2.0)
    more = math.asin(abs(longer.cross)) / math.asin(abs(found.cross))
    lengths = [kappa(GAP_UM, law(), radius_um=RADIUS_UM, straight_um=s) for s in (2.0, 0.0)]
    assert more == pytest.approx(math.asin(lengths[0]) / math.asin(lengths[1]), rel=0.02)


def test_a_ring_whose_curvature_grows_is_sliced_along_its_own_curve_and_couples_as_its_law_says():
    profile = load_profile("tfln600")
    turn = QuarterTurn(40.4, 1.0, True)
    at: dict[str, Any] = {
        "radius_um": turn.least_radius_um,
        "ramp_um": turn.ramp_um,
        "cosine": True,
        "gap_um": 0.52,
        "slices": 8,
    }
    found = solved(**at)
    by_law = math.sin(law().at(0.52) * coupler_um(turn, 0.0, profile.gap_law.decay_um)) ** 2
    assert found.kappa2 == pytest.approx(by_law, rel=0.05)
    assert found.kappa2 > 1.5 * solved(gap_um=0.52, radius_um=turn.least_radius_um).kappa2  # it opens more slowly
    assert abs(found.through) ** 2 + found.kappa2 == pytest.approx(1.0, abs=1e-9)
