"""Heat of a ring's heater in its rib and in other rings, held to closed forms."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import ellipk

from prism_photonics.budget.crossings import unmixing_um
from prism_photonics.chip.fabricate import draw_die
from prism_photonics.explore.candidates import candidates
from prism_photonics.explore.wishes import Wishes
from prism_photonics.layout.capacitance import Strip, solved
from prism_photonics.layout.heater_field import CRYSTAL, SILICA, cross_section, heater_figures
from prism_photonics.process.layers import load_deck
from prism_photonics.process.profile import load_profile, profile_names
from prism_photonics.seeds import die_key
from prism_photonics.spec import ChipSpec
from prism_photonics.spec.neighbours import heater_share
from prism_photonics.units import InputError

SLAB_UM = 5.0


@dataclass(frozen=True)
class Insulated:
    """A slab that conducts, nothing above it."""

    levels_um: tuple[float, ...] = (SLAB_UM,)

    def __call__(self, x, y):
        value = np.where(y < SLAB_UM, 1.0, 1e-9)
        return value, value


@pytest.mark.parametrize("width_um", [2.0, 8.0])
def test_a_strip_on_an_insulated_slab_conducts_as_half_a_stripline(width_um: float):
    strip = Strip(-width_um / 2.0, width_um / 2.0, SLAB_UM, SLAB_UM)
    found = solved([strip], Insulated(), floor_um=0.0, near_um=0.05)
    # The slab and its mirror image are a stripline: Cohn, IRE Trans. MTT-3, 119 (1955).
    k = math.tanh(math.pi * width_um / (4.0 * SLAB_UM))
    assert found.conductance[0, 0] == pytest.approx(2.0 * ellipk(k**2) / ellipk(1.0 - k**2), rel=5e-3)


def test_heat_in_the_slab_falls_with_distance_as_its_slowest_wave():
    found = solved([Strip(-1.0, 1.0, SLAB_UM, SLAB_UM)], Insulated(), floor_um=0.0)
    near, far = (found.at(x, SLAB_UM - 0.01)[0] for x in (8.0, 16.0))
    assert math.log(near / far) == pytest.approx(math.pi * 8.0 / (2.0 * SLAB_UM), rel=0.02)


def test_a_wide_heater_warms_through_its_layers_alone():
    profile, deck = load_profile("tfln600"), load_deck("tfln600")
    wide, wider = (cross_section(profile, deck, width_um=w).conductance[0, 0] for w in (80.0, 120.0))
    slab_um = profile.film.thickness_um.value - profile.film.etch_um.value
    oxide_um = deck.buried_um + deck.stack["heater"].bottom_um - slab_um
    # Beside the rib: oxide, slab, oxide in series.
    assert wider - wide == pytest.approx(40.0 / (oxide_um / SILICA + slab_um / CRYSTAL), rel=5e-3)


@pytest.fixture(scope="module")
def heated(spec: ChipSpec, altered) -> ChipSpec:
    return altered(spec, trim={"method": "heater", "heater_mW_nm": 50.0})


def test_a_rib_is_warmed_less_than_its_heater_and_far_more_than_other_rings(heated: ChipSpec):
    found = heater_figures(heated)
    assert found.heater_K_mW > found.rib_K_mW > 100.0 * found.others_K_mW > 0.0
    assert found.mW_nm == pytest.approx(1e3 / found.shift_pm_mW)
    assert found.mW_nm == pytest.approx(223.3, rel=0.01)
    assert found.crosstalk == pytest.approx(0.01425, rel=0.02)
    coarse = heater_figures(heated, near_um=0.2)
    assert found.mW_nm == pytest.approx(coarse.mW_nm, rel=3e-3)


def test_crosstalk_falls_with_the_pitch_as_heat_in_the_substrate_does(heated: ChipSpec, altered):
    near, far = heater_figures(heated), heater_figures(altered(heated, ring={"pitch_um": 260.0}))
    # Half as far again, 260 µm for 170: as the distance, and some more by the cold back half a millimetre below.
    assert 0.5 < far.crosstalk / near.crosstalk < 0.6
    assert far.shift_pm_mW == near.shift_pm_mW


def test_a_chip_without_heaters_has_no_figures(spec: ChipSpec):
    with pytest.raises(InputError, match="the chip has no heaters; want 'heater'"):
        heater_figures(spec)


@pytest.mark.parametrize("process", profile_names())
def test_a_designed_chip_starts_from_the_heater_that_would_be_drawn(process: str):
    wishes = Wishes(dims=2, rows=2, process=process, encoding="two_shot", trimming="heater")
    spec = next(candidates(wishes))
    if spec.ring.euler_p:  # not sized yet: the arm that such rings get is counted already
        arm_um = unmixing_um(spec, spec.ring_designs[0].quarter)
        spec = spec.model_copy(update={"ring": spec.ring.model_copy(update={"arm_um": arm_um})})
    # As long a ring takes as much more, which of long rings is right to 6 %.
    assert spec.trim.heater_mW_nm == pytest.approx(heater_figures(spec).mW_nm, rel=0.06 if spec.ring.euler_p else 0.03)


@pytest.mark.parametrize("process", profile_names())
def test_a_spec_without_a_share_has_that_of_its_drawn_heaters(process: str, altered):
    spec = next(candidates(Wishes(dims=2, rows=2, process=process, encoding="two_shot", trimming="heater")))
    drawn = heater_figures(spec)
    assert spec.trim.heater_crosstalk is None
    as_drawn = altered(spec, trim={"heater_mW_nm": drawn.mW_nm})
    assert heater_share(as_drawn) == pytest.approx(drawn.crosstalk, rel=1e-4)
    # A heater that needs a tenth of the power for its own ring gives the others a tenth.
    better = altered(spec, trim={"heater_mW_nm": 0.1 * drawn.mW_nm})
    assert heater_share(better) == pytest.approx(0.1 * drawn.crosstalk, rel=1e-4)


def test_a_specs_own_share_wins_and_a_chip_without_heaters_has_none(heated: ChipSpec, spec: ChipSpec, altered):
    assert heater_share(altered(heated, trim={"heater_crosstalk": 0.0})) == 0.0
    assert heater_share(altered(heated, trim={"heater_crosstalk": 0.02})) == 0.02
    assert heater_share(spec) == 0.0


def test_a_dies_heaters_scatter_about_what_the_drawing_gives(heated: ChipSpec):
    die = draw_die(heated, die_key(0))
    assert die.heater_share.mean() == pytest.approx(heater_share(heated), rel=0.15)
    assert die.heater_share.std() == pytest.approx(0.3 * heater_share(heated), rel=0.3)
