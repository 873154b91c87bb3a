"""A small die in a served box, and the bench file of that box."""

import jax
import pytest


@pytest.fixture(scope="session")
def die(small):
    """A fresh small die; the same seed gives the same die and noise."""
    from prism_photonics.chip.virtual import VirtualChip

    return lambda seed=0: VirtualChip.fabricate(small, jax.random.key(seed))


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
