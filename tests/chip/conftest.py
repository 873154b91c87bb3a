"""Chips that stand still and chips that can be heard, to tell one effect from another."""

from contextlib import contextmanager

import jax
import pytest

from prism_photonics import spec as spec_module
from prism_photonics.chip.virtual import VirtualChip

STEADY = {"temperature_K": 0.0, "gradient_K": 0.0, "wander_pm_rthour": 0.0}
SHARES = ("fast_share", "slow_share", "memory_share")


@pytest.fixture(scope="session")
def fabricate(small):
    def make(seed=0, spec=small):
        return VirtualChip.fabricate(spec, jax.random.key(seed))

    return make


@contextmanager
def _unrelaxing():
    """Within it, the film does not relax."""
    load = spec_module.load_profile

    def held(name):
        profile = load(name)
        film = profile.relaxation
        parts = {share: getattr(film, share).model_copy(update={"value": 0.0}) for share in SHARES}
        return profile.model_copy(update={"relaxation": film.model_copy(update=parts)})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec_module, "load_profile", held)
        yield


@pytest.fixture(scope="session")
def quiet(altered):
    """A spec whose noise, converters, drift and nonlinearities cannot be seen."""

    def make(spec):
        return altered(
            spec,
            # A reading of a microhertz takes twelve days: only a chip that does not drift can wait for it.
            detector={"bandwidth_GHz": 1e-15, "adc_bits": 24, "adc_full_scale_uA": 400.0, "saturation_mA": 1e6},
            drive={"dac_bits": 6},
            modulator={"dac_bits": 24, "extinction_dB": 80.0, "dac_inl_lsb": 0.0},
            comb={"linewidth_MHz": 0.0},
            drift=STEADY,
        )

    return make


@pytest.fixture(scope="session")
def silent(small, quiet):
    return quiet(small)


@pytest.fixture(scope="session")
def steady(silent):
    """Fabricate a silent chip that does not move."""

    def make(seed=0, spec=silent):
        with _unrelaxing():
            return VirtualChip.fabricate(spec, jax.random.key(seed))

    return make
