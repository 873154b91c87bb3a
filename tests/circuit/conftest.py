"""Random rows: what a fabricated row may be, and more."""

import jax.numpy as jnp
import numpy as np
import pytest

from prism_photonics.lightpath.ring.model import RingParams
from prism_photonics.lightpath.waveguide.model import PathParams


@pytest.fixture(scope="session")
def random_row():
    """Make ``(wl, rings, buses, shift_pm)`` of a row: random couplings, losses, offsets, bus lengths and phases."""

    def make(count, *, seed=0, points=24):
        rng = np.random.default_rng(seed)
        uniform = lambda low, high, *shape: jnp.asarray(rng.uniform(low, high, shape))  # noqa: E731
        # Resonant somewhere in the band: order m of 245 ± 20 µm.
        wl0 = jnp.full(count, 1.55)
        resonance = jnp.asarray(1.546 + 0.001 * (np.arange(count) % 8))
        rings = RingParams(
            t1=uniform(0.95, 0.999, count),
            t2=uniform(0.95, 0.999, count),
            a=uniform(0.98, 1.0, count),
            opl_um=jnp.asarray(rng.integers(150, 170, count)) * resonance,
            gpl_um=uniform(270.0, 310.0, count),
            offset_pm=jnp.zeros(count),
            slope_pm_V=uniform(5.0, 9.0, count),
            curvature_pm_V2=uniform(-0.05, 0.05, count),
            wl0_um=wl0,
        )
        shape = (2, count + 1)
        buses = PathParams(
            opl_um=uniform(100.0, 300.0, *shape),
            gpl_um=uniform(120.0, 360.0, *shape),
            amplitude=uniform(0.9, 1.0, *shape),
            phase_rad=uniform(0.0, 2 * np.pi, *shape),
            wl0_um=jnp.full(shape, 1.55),
        )
        shift_pm = jnp.asarray(rng.normal(0.0, 60.0, count))
        wl = jnp.sort(jnp.concatenate([resonance[:points], uniform(1.543, 1.557, points)]))
        return wl, rings, buses, shift_pm

    return make
