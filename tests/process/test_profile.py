"""Every number of a film stack says where it comes from."""

import math

import pytest
from pydantic import BaseModel, ValidationError

from prism_photonics.process.layers import LAYERS
from prism_photonics.process.profile import Profile, Sourced, load_profile, profile_names
from prism_photonics.units import InputError


def sourced_numbers(table: BaseModel):
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, BaseModel) and not isinstance(value, Sourced):
            yield from sourced_numbers(value)
        else:
            yield name, value


@pytest.mark.parametrize("name", profile_names())
def test_every_number_of_a_profile_has_a_source(name):
    entries = [(key, value) for key, value in sourced_numbers(load_profile(name)) if not isinstance(value, str)]
    assert len(entries) >= 20
    for key, value in entries:
        assert isinstance(value, Sourced), key
        assert len(value.source.split()) >= 2, key


def test_the_stack_is_the_papers():
    film, optics = load_profile("tfln600").film, load_profile("tfln600").optics
    assert (film.thickness_um.value, film.etch_um.value, film.rib_width_um.value) == (0.6, 0.5, 1.4)
    assert (optics.n_eff_along_y.value, optics.n_g_along_y.value) == (1.920, 2.271)
    assert (optics.n_eff_along_x.value, optics.n_g_along_x.value) == (1.993, 2.361)
    assert 0.5 * (optics.n_g_along_x.value + optics.n_g_along_y.value) == pytest.approx(2.316)


def test_the_tensor_is_the_profiles():
    tensor = load_profile("tfln600").tensor
    assert (tensor.r33_pm_V, tensor.r13_pm_V, tensor.r51_pm_V, tensor.r22_pm_V) == (30.9, 9.6, 32.6, 6.7)


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'tfln600'") as caught:
        load_profile("tfln60")
    assert "\n" not in str(caught.value)


def test_a_number_without_a_source_or_with_an_unknown_neighbour_is_refused():
    data = load_profile("tfln600").model_dump()
    data["optics"]["loss_dB_cm"] = {"value": 0.27}
    with pytest.raises(ValidationError, match="source"):
        Profile.model_validate(data)
    data = load_profile("tfln600").model_dump()
    data["optics"]["los_dB_cm"] = {"value": 0.27, "source": "design choice"}
    with pytest.raises(ValidationError, match="los_dB_cm"):
        Profile.model_validate(data)


def test_no_two_layers_share_their_gds_numbers():
    numbers = [layer for _, layer in LAYERS.items()]
    assert len(set(numbers)) == len(numbers) >= 10


@pytest.mark.parametrize("name", profile_names())
def test_a_held_bias_cannot_lose_more_than_itself(name):
    r = load_profile(name).relaxation
    shares = [r.fast_share.value, r.slow_share.value, r.memory_share.value]
    assert all(0 < share < 1 for share in shares)
    assert r.fast_share.value + r.slow_share.value < 1
    assert r.fast_s.value < 3600 * r.slow_h.value


def test_the_shares_are_the_published_extinctions():
    # From quadrature P = (1 + sin φ)/2: a loss of x dB is sin φ = 10^(−x/10) − 1; a share of the π/2 that the bias set.
    def share(loss_dB):
        return math.asin(1 - 10 ** (-loss_dB / 10)) / (math.pi / 2)

    niobate, tantalate = (load_profile(name).relaxation for name in ("tfln600", "ltoi300"))
    assert niobate.fast_share.value + niobate.slow_share.value == pytest.approx(share(5.0), abs=0.005)
    assert tantalate.fast_share.value + tantalate.slow_share.value == pytest.approx(share(1.0), abs=0.005)
