"""Chips that stand still, chips that can be heard, and a small die in a served box with its bench file."""

from contextlib import contextmanager

import jax
import pytest

from prism_photonics.chip.virtual import VirtualChip
from prism_photonics.spec import chip_spec as spec_module

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

    def make(seed=0, spec=silent, laser=None):
        with _unrelaxing():
            return VirtualChip.fabricate(spec, jax.random.key(seed), laser=laser)

    return make


@pytest.fixture(scope="session")
def die(small, altered):
    """A fresh small die that does not drift, so that only noise tells two jobs apart; a seed gives die and noise."""
    steady = altered(small, drift=STEADY)

    def make(seed=0):
        with _unrelaxing():
            return VirtualChip.fabricate(steady, jax.random.key(seed))

    return make


@pytest.fixture(scope="session")
def bench_of():
    """The bench of a box that holds the small chip: ``bench_of(resource, voltage_source={"settle_s": 0.1})``."""
    from prism_photonics.chip.benchfile import BenchFile

    def make(resource, **changes):
        box = {"resource": resource, "timeout_s": 5.0}
        tables = {
            "voltage_source": box
            | {"max_voltage_V": 10.0, "channels": [{"rows": [0, 1], "rings": [0, 2], "first_channel": 1}]},
            "light_source": box | {"channels": [{"lines": [0, 2], "first_channel": 1}]},
            "current_meter": box | {"sample_s": 0.0, "channels": [{"rows": [0, 1], "first_channel": 1}]},
        }
        top = {key: changes.pop(key) for key in list(changes) if key not in tables}
        filled = {role: [table | changes.get(role, {})] for role, table in tables.items()}
        return BenchFile.model_validate({"name": "small", **top, **filled})

    return make


@pytest.fixture
def box(die):
    """The small die in a box that loses no time."""
    from prism_photonics.chip.served import ServedChip

    return ServedChip(die(), idn="prism_photonics,small_2x3,virtual:0,test", time_scale=0.0)


@pytest.fixture
def resource(box):
    """That box on a socket; whatever a test does, no voltage beyond the limit may have reached it."""
    from prism_photonics.chip.serve import serving

    with serving(box) as resource:
        yield resource
    assert box.over_voltage_attempts == 0
