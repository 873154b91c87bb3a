"""A made-up chip as a behavioral model, with numbers of the size that a calibrated 8×8 chip has."""

import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.behavior.model import BehavioralModel


@pytest.fixture
def make_model():
    def make(**changes):
        settings = {
            "rows": 8,
            "channels": 8,
            "dac_bits": 8,
            "adc_bits": 8,
            "encoding": "offset",
            "spec_hash": "0" * 64,
            "report": {"weight_error_held_out_ratio": 1.0},
            "noise_floor": 0.01,
            "noise_shot": 0.005,
            "noise_rin": 0.003,
            "weight_centre": 0.15,
            "weight_span": 0.6,
        } | changes
        settings = {
            "weight_bias": np.linspace(-0.002, 0.003, settings["channels"]),
            "weight_error_std": np.linspace(0.002, 0.006, settings["channels"]),
            "adc_full_scale": np.linspace(5.5, 6.5, settings["rows"]),
        } | settings
        return BehavioralModel(
            **{k: jnp.asarray(v) if isinstance(v, float | np.ndarray) else v for k, v in settings.items()}
        )

    return make


@pytest.fixture
def ideal(make_model):
    """A chip without error, noise or visible conversion."""

    def make(**changes):
        quiet = {"noise_floor": 0.0, "noise_shot": 0.0, "noise_rin": 0.0, "dac_bits": 44, "adc_bits": 44}
        channels = changes.get("channels", 8)
        exact = {"weight_bias": np.zeros(channels), "weight_error_std": np.zeros(channels)}
        return make_model(**(quiet | exact | changes))

    return make
