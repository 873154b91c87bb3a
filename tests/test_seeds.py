"""A seed is a whole number, and every job draws from a stream of its own."""

import jax
import numpy as np
import pytest

from prism_photonics import seeds
from prism_photonics.units import InputError


def test_one_seed_gives_every_job_its_own_stream():
    keys = [
        seeds.die_key(5), *seeds.calibration_keys(5), seeds.validation_key(5), seeds.trim_key(5), seeds.drift_key(5),
    ]  # fmt: skip
    assert len({tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys}) == len(keys) == 6


def test_a_seed_of_numpy_is_as_good_as_one_of_python():
    assert seeds.require_seed(np.int64(7), where="trim") == 7


@pytest.mark.parametrize("seed", [-1, 2**31, 0.5, 1.0, True, "0", None, np.nan])
def test_a_seed_that_is_no_whole_number_from_zero_is_refused(seed):
    with pytest.raises(InputError, match=r"trim: seed = .*, want a whole number of 0 to 2147483647; choose another"):
        seeds.require_seed(seed, where="trim")
