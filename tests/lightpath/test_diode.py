"""A bonded photodiode in the plane: laws, two closed forms, and the published responsivity."""

import math

import pytest
from scipy.optimize import brentq

from prism_photonics.chip.truth import FullTruth
from prism_photonics.lightpath.detector.absorption import WL_UM, Absorption, Plane, diode_absorption
from prism_photonics.process.materials import SILICA, sellmeier
from prism_photonics.process.profile import load_profile
from prism_photonics.units import ELEMENTARY_CHARGE_C, PLANCK_J_S, SPEED_OF_LIGHT_UM_S

K0 = 2.0 * math.pi / WL_UM
STEP_UM = 0.05  # coarse, for speed: `benchmarks/photodiode.py` has the finer grid
ENERGY_J = PLANCK_J_S * SPEED_OF_LIGHT_UM_S / WL_UM


def slab_index(index: float, thick_um: float) -> float:
    """Effective index of the lowest TE mode of a slab in oxide: ``κ·tan(κ·t/2) = γ``."""
    oxide = float(sellmeier(WL_UM, SILICA))

    def missed(n: float) -> float:
        across, away = K0 * math.sqrt(index**2 - n**2), K0 * math.sqrt(n**2 - oxide**2)
        return across * math.tan(across * thick_um / 2.0) - away

    least = math.sqrt(max(oxide**2, index**2 - (0.999 * math.pi / (K0 * thick_um)) ** 2))
    return float(brentq(missed, least + 1e-9, index - 1e-9))  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def designed() -> Absorption:
    return diode_absorption(load_profile("tfln600"), step_um=STEP_UM)


def test_a_film_of_little_loss_takes_what_the_slope_of_its_modes_index_says():
    index, loss, length_um = 2.2, 2e-3, 10.0
    lossy = ((0.6, complex(index, loss)),)
    plane = Plane((((0.6, index),), lossy, ((0.6, index),)), (0.0, length_um, 0.0), 0.03)
    slope = (slab_index(index + 1e-4, 0.6) - slab_index(index - 1e-4, 0.6)) / 2e-4
    assert plane.index == pytest.approx(slab_index(index, 0.6), abs=1e-3)
    taken = 1.0 - math.exp(-2.0 * K0 * slope * loss * length_um)
    assert plane.absorbed(1, 0) == pytest.approx(taken, rel=5e-3)
    assert plane.passed == pytest.approx(1.0 - taken, rel=5e-3)


def test_a_step_of_index_reflects_as_fresnel_says_of_the_modes_indices():
    low, high = 2.2, 2.3
    plane = Plane((((0.6, low),), ((0.6, high),)), (0.0, 0.0), 0.03)
    one, other = slab_index(low, 0.6), slab_index(high, 0.6)
    assert plane.reflected == pytest.approx(((one - other) / (one + other)) ** 2, rel=0.15)
    assert 0.998 < plane.passed + plane.reflected < 1.0  # the rest leaves the film at the step


def test_a_film_without_a_diode_reflects_nothing_and_passes_all():
    film = ((0.6, 2.2),)
    plane = Plane((film, film, film), (0.0, 20.0, 0.0), STEP_UM)
    assert plane.reflected < 1e-20
    assert plane.passed == pytest.approx(1.0, abs=1e-9)


def test_no_more_leaves_a_diode_than_comes(designed: Absorption):
    assert designed.absorbed > 0.0 < designed.passed
    assert designed.absorbed + designed.passed + 10.0 ** (designed.reflected_dB / 10.0) < 1.0


def test_a_longer_absorber_takes_more_and_lets_less_pass(designed: Absorption):
    longer = diode_absorption(load_profile("tfln600"), absorber_um=40.0, step_um=STEP_UM)
    assert longer.absorbed > 1.1 * designed.absorbed
    assert longer.passed < 0.5 * designed.passed


def test_over_a_usual_adhesive_the_drawn_diode_has_the_published_responsivity():
    """0.6 A/W at 1550 nm, Photonics Research 10, 1338 (2022), whose layers and sizes are not at hand."""
    drawn = diode_absorption(load_profile("tfln600"), adhesive_um=0.1, step_um=0.02)
    assert drawn.absorbed * ELEMENTARY_CHARGE_C / ENERGY_J == pytest.approx(0.6, rel=0.1)


def test_slanted_ends_send_less_back_than_the_virtual_dies_photodiodes(designed: Absorption):
    assert designed.slanted_dB < FullTruth().photodiode_dB
    assert designed.slanted_dB < designed.reflected_dB - 15.0
