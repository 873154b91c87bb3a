"""Heat across the die by elements is what the closed form of far rings says."""

import numpy as np
import pytest

from prism_photonics.layout.heat_spread import Spread, spread

AWAY_UM = np.array([20.0, 65.0, 130.0, 205.0, 400.0])


def solved(fine_um: float = 1.0, **changed: float) -> Spread:
    return spread(AWAY_UM, **{"source_um": 10.0, "buried_um": 4.7, "over_um": 1.5, "fine_um": fine_um} | changed)


@pytest.fixture(scope="module")
def found() -> Spread:
    return solved()


def test_a_pitch_away_elements_and_images_agree(found: Spread):
    np.testing.assert_allclose(found.film_K_mW[2:], found.closed_K_mW[2:], rtol=5e-3)
    # Half as far the heater is no point any more: (a/r)²/8·… and the oxide's own spreading.
    assert 1.0 < found.film_K_mW[1] / found.closed_K_mW[1] < 1.02


def test_away_from_the_heater_the_film_is_as_warm_as_the_silicon_below(found: Spread):
    np.testing.assert_allclose(found.film_K_mW[1:], found.silicon_K_mW[1:], rtol=0.01)
    assert found.film_K_mW[0] > found.silicon_K_mW[0]


def test_half_the_element_size_is_the_same(found: Spread):
    np.testing.assert_allclose(found.film_K_mW, solved(fine_um=0.5).film_K_mW, rtol=3e-3)


def test_far_away_the_oxides_thickness_and_the_heaters_size_do_not_matter(found: Spread):
    np.testing.assert_allclose(found.film_K_mW[2:], solved(buried_um=2.0, source_um=5.0).film_K_mW[2:], rtol=4e-3)
