"""Capacitance of drawn metal, held to closed forms and to laws."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import ellipk

from prism_photonics.layout.capacitance import (
    EPSILON_0_FF_UM,
    Oxide,
    Strip,
    electrodes_fF_um,
    maxwell_fF_um,
    track_fF_um,
)
from prism_photonics.process.layers import load_deck
from prism_photonics.process.materials import SILICA_STATIC
from prism_photonics.spec import ChipSpec
from prism_photonics.units import InputError


@dataclass(frozen=True)
class Slab:
    """Vacuum up to a height, next to nothing above."""

    top_um: float

    @property
    def levels_um(self):
        return (self.top_um,)

    def __call__(self, x, y):
        value = np.where(y < self.top_um, 1.0, 1e-9)
        return value, value


def test_a_wide_plate_near_the_floor_is_a_plate_capacitor():
    def plate(width_um):
        return maxwell_fF_um([Strip(0.0, width_um, 1.0, 1.5)], Oxide(50.0), floor_um=0.0)[0, 0]

    wider = plate(120.0) - plate(60.0)  # what the edges add is gone
    assert wider == pytest.approx(EPSILON_0_FF_UM * SILICA_STATIC * 60.0 / 1.0, rel=3e-3)


def test_two_thin_strips_side_by_side_have_the_closed_form():
    gap, width = 4.0, 6.0
    strips = [Strip(-gap / 2 - width, -gap / 2, 0.0, 0.0), Strip(gap / 2, gap / 2 + width, 0.0, 0.0)]
    c = maxwell_fF_um(strips, Oxide(1e3), floor_um=-60.0, grounded=False, near_um=0.05)
    k = gap / (gap + 2.0 * width)
    closed = EPSILON_0_FF_UM * SILICA_STATIC * ellipk(1.0 - k**2) / ellipk(k**2)  # modulus squared
    assert -c[0, 1] == pytest.approx(closed, rel=0.02)  # the window's walls squeeze the field a little
    assert c.sum() == pytest.approx(0.0, abs=1e-9)  # nothing else carries charge


def test_the_matrix_is_symmetric_and_no_track_holds_less_than_it_shares():
    strips = [Strip(n * 10.0, n * 10.0 + 6.0, 1.8, 2.8) for n in range(3)]
    c = maxwell_fF_um(strips, Oxide(2.8), floor_um=-4.7)
    np.testing.assert_allclose(c, c.T, atol=1e-12)
    assert np.all(c - np.diag(np.diag(c)) <= 0.0)
    assert np.all(c.sum(axis=1) > 0.0)


def test_a_rings_electrodes_hold_more_the_nearer_they_stand_and_the_mesh_is_fine_enough(spec: ChipSpec, altered):
    wide = altered(spec, ring={"electrode_gap_um": 8.0})
    here = electrodes_fF_um(spec)
    assert here > electrodes_fF_um(wide)
    assert here == pytest.approx(electrodes_fF_um(spec, near_um=0.05), rel=0.01)


def test_a_tracks_neighbours_take_more_of_it_the_nearer_they_are():
    deck = load_deck("tfln600")
    shares = []
    for space_um in (4.0, 16.0):
        whole, to_one = track_fF_um(deck, width_um=6.0, space_um=space_um)
        shares.append(to_one / whole)
    assert shares == sorted(shares, reverse=True)
    assert 0.0 < shares[-1] < shares[0] < 0.5


def test_heights_that_differ_by_a_rounding_are_one(spec: ChipSpec):
    film = spec.profile.film
    assert film.thickness_um.value - film.etch_um.value != load_deck("tfln600").stack["metal1"].bottom_um
    assert 0.05 < electrodes_fF_um(spec) < 0.3


def test_conductors_that_touch_and_one_below_the_floor_are_refused():
    with pytest.raises(InputError, match="conductor 1: touches another"):
        maxwell_fF_um([Strip(0.0, 2.0, 0.0, 1.0), Strip(2.0, 4.0, 0.0, 1.0)], Oxide(1.0), floor_um=-4.7)
    with pytest.raises(InputError, match="bottom_um = -5; want above the floor"):
        maxwell_fF_um([Strip(0.0, 2.0, -5.0, 1.0)], Oxide(1.0), floor_um=-4.7)


def test_thicker_buried_oxide_takes_capacitance_off_the_electrodes(spec: ChipSpec, monkeypatch: pytest.MonkeyPatch):
    deck = load_deck("tfln600")
    assert (deck.buried_um, load_deck("lnoi400").buried_um, load_deck("ltoi300").buried_um) == (4.7, 4.7, 7.0)
    here = electrodes_fF_um(spec)
    thick = deck.model_copy(update={"buried_um": 7.0})
    monkeypatch.setattr("prism_photonics.layout.capacitance.load_deck", lambda _: thick)
    assert 0.7 * here < electrodes_fF_um(spec) < 0.95 * here


@pytest.mark.parametrize("space_um", [3.0, 8.0])
def test_two_strips_on_an_insulated_slab_are_half_of_coupled_striplines(space_um: float):
    width, slab = 4.0, 4.7
    strips = [
        Strip(-space_um / 2.0 - width, -space_um / 2.0, slab, slab),
        Strip(space_um / 2.0, space_um / 2.0 + width, slab, slab),
    ]
    c = maxwell_fF_um(strips, Slab(slab), floor_um=0.0, near_um=0.05) / EPSILON_0_FF_UM
    # The slab and its mirror image are a stripline of twice its height: Cohn, IRE Trans. MTT-3, 29 (1955), exact.
    one, both = (np.pi * x / (4.0 * slab) for x in (width, width + space_um))
    even, odd = np.tanh(one) * np.tanh(both), np.tanh(one) / np.tanh(both)
    c_even, c_odd = (2.0 * ellipk(k**2) / ellipk(1.0 - k**2) for k in (even, odd))
    assert c[0, 0] + c[0, 1] == pytest.approx(c_even, rel=5e-3)
    assert c[0, 0] - c[0, 1] == pytest.approx(c_odd, rel=5e-3)
