"""A made-up chip without error, for what must be exact."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def ideal(make_model):
    """A chip without error, noise or visible conversion."""

    def make(**changes):
        quiet = dict.fromkeys(("noise_floor", "noise_shot", "noise_rin", "noise_common"), 0.0)
        quiet |= {"dac_bits": 44, "adc_bits": 44}
        channels = changes.get("channels", 8)
        exact = {"weight_bias": np.zeros(channels), "weight_error_std": np.zeros(channels)}
        return make_model(**(quiet | exact | changes))

    return make
